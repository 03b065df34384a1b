//===- Manifest.h - The text of manifest.json -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Renders what an artifact says about itself; docs/artifact.md describes it.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_ARTIFACT_MANIFEST_H
#define MOEC_LIB_ARTIFACT_MANIFEST_H

#include "lib/Artifact/Contents.h"

namespace moec::artifact {

/// A file that was written.
struct WrittenFile {
  std::string name;
  uint64_t bytes;
  std::string checksum;
};

/// Where a weight lies in the weights' file.
struct Segment {
  std::string name, role;
  uint64_t offset, bytes;
};

struct WrittenWeights {
  WrittenFile file;
  std::vector<Segment> segments;
};

/// `code` and `files` are in the order of the contents' targets and files.
std::string renderManifest(const Contents &contents,
                           const WrittenWeights &weights,
                           const std::vector<WrittenFile> &code,
                           const std::vector<WrittenFile> &files);

} // namespace moec::artifact

#endif // MOEC_LIB_ARTIFACT_MANIFEST_H
