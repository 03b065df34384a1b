//===- ShardIndexFuzzer.cpp - Attacks the index of sharded checkpoints ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Whatever the index says, no file name that it yields leads elsewhere.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/ShardIndex.h"

#include <cstddef>
#include <cstdint>

using namespace moec::weights;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Result<WeightMap> map = parseShardIndex(
      std::string_view(reinterpret_cast<const char *>(data), size));
  if (!map) {
    const std::string &message = map.status().message();
    if (message.empty() || message.size() > 2000)
      __builtin_trap();
    return 0;
  }
  for (const auto &[tensor, shard] : *map)
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find('/') != shard.npos || shard.find('\0') != shard.npos)
      __builtin_trap();
  return 0;
}
