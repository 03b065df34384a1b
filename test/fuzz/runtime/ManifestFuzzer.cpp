//===- ManifestFuzzer.cpp - Hostile manifests -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Whatever the bytes are, parseManifest gives a reason or values that satisfy
// what the loader and a session rely on without checking again.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Manifest.h"
#include "moec/Artifact.h"

#include <cstddef>
#include <cstdlib>

using namespace moec::runtime;

static void require(bool condition) {
  if (!condition)
    std::abort();
}

static void checkTaps(const Manifest &manifest, const Entry &entry) {
  const Limits &limits = manifest.limits;
  StepSize largest = {limits.stepTokens, limits.sequences, limits.stepTokens};
  int64_t arena = entry.arena.at(largest);
  require(arena >= 0);
  for (const Tap &tap : entry.taps) {
    int64_t bytes = sizeOf(tap.type.dtype);
    require(tap.type.shape.size() <= MOEC_MAX_RANK);
    for (const Affine &dimension : tap.type.shape)
      bytes *= dimension.at(largest);
    require(tap.offset.at(largest) >= 0 && bytes >= 0);
    require(tap.offset.at(largest) + bytes <= arena);
  }
}

static void checkState(const Manifest &manifest) {
  const StateLayout &state = manifest.state;
  require(state.blocks ==
          manifest.limits.sequences * blocksFor(manifest.limits.context));
  auto check = [&](const std::vector<StateBuffer> &buffers, int32_t units) {
    for (const StateBuffer &buffer : buffers)
      require(buffer.offset + buffer.unitBytes * uint64_t(units) <=
              state.bytes);
  };
  check(state.buffers, state.blocks);
  check(state.recurrent, manifest.limits.sequences);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Result<Manifest> manifest =
      parseManifest({reinterpret_cast<const char *>(data), size});
  if (!manifest) {
    require(!manifest.status().message().empty());
    return 0;
  }
  require(manifest->model.vocabulary > 0);
  require(isPlainRelative(manifest->weights.name));
  checkState(*manifest);
  for (const Target &target : manifest->targets) {
    require(isPlainRelative(target.code.name));
    for (const Entry &entry : target.entries)
      checkTaps(*manifest, entry);
  }
  return 0;
}
