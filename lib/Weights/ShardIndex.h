//===- ShardIndex.h - The index of a sharded checkpoint ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// model.safetensors.index.json: {"metadata": ..., "weight_map": {tensor ->
// file name}}. Other members are ignored, among them the total size in
// "metadata", which published checkpoints get wrong.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_SHARDINDEX_H
#define MOEC_LIB_WEIGHTS_SHARDINDEX_H

#include "lib/Weights/Status.h"

#include <map>
#include <string>
#include <string_view>

namespace moec::weights {

/// Which file holds a tensor, by the tensor's name.
using WeightMap = std::map<std::string, std::string, std::less<>>;

/// Reads the text of an index. Every file name in the result is a plain name:
/// it has no directory part.
Result<WeightMap> parseShardIndex(std::string_view text);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_SHARDINDEX_H
