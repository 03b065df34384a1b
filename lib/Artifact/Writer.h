//===- Writer.h - Writes an artifact ----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The last step of a compilation: code, weights and manifest on disk, as
// docs/artifact.md describes them.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_ARTIFACT_WRITER_H
#define MOEC_LIB_ARTIFACT_WRITER_H

#include "lib/Artifact/Contents.h"
#include "lib/Weights/Recipes.h"

namespace moec::artifact {

struct WriteOptions {
  /// Threads that make weights; 0: as many as there are cores.
  unsigned threads = 0;
  /// Called as weights are written: the one at hand, and how many bytes of all
  /// are done.
  std::function<void(std::string_view weight, uint64_t done, uint64_t total)>
      progress = {};
};

/// Writes the directory `path`. It replaces an artifact, but nothing else. If
/// this fails, what was at `path` is unchanged and nothing else remains.
/// Every weight must have its place. The same contents and weights give the
/// same bytes.
weights::Status write(const std::string &path, const Contents &contents,
                      const weights::RecipeExecutor &weights,
                      const WriteOptions &options = {});

/// The bytes that `write` needs on disk, or why it would fail.
weights::Result<uint64_t> bytesNeeded(const Contents &contents,
                                      const weights::RecipeExecutor &weights);

} // namespace moec::artifact

#endif // MOEC_LIB_ARTIFACT_WRITER_H
