//===- OutputDirectory.h - A directory that appears as a whole --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A directory that grows under a temporary name beside its place and takes its
// name at the end; until then, and after a failure, nothing of it remains.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_ARTIFACT_OUTPUTDIRECTORY_H
#define MOEC_LIB_ARTIFACT_OUTPUTDIRECTORY_H

#include "lib/Artifact/Checksum.h"
#include "lib/Weights/Temporaries.h"

#include <functional>

namespace moec::artifact {

class OutputDirectory {
public:
  /// Makes the temporary directory. What is at `path` must be an artifact or
  /// nothing, and the file system must have `neededBytes` to spare.
  static weights::Result<OutputDirectory> create(const std::string &path,
                                                 uint64_t neededBytes);

  OutputDirectory(OutputDirectory &&other) noexcept;
  OutputDirectory &operator=(OutputDirectory &&) = delete;
  /// Removes what did not finish.
  ~OutputDirectory();

  weights::Status makeDirectory(const std::string &name);

  /// Gives the directory its name, in place of the artifact that had it.
  weights::Status finish();

  /// Adds to a failure what was needed and what the file system has left, if
  /// that may be the reason.
  weights::Status explained(weights::Status status) const;

  const std::string &temporaryPath() const { return temporary; }

private:
  OutputDirectory(std::string path, uint64_t neededBytes)
      : path(std::move(path)), neededBytes(neededBytes) {}

  weights::Status makeTemporary();
  weights::Status checkSpace() const;
  weights::Status replace();

  std::string path;
  uint64_t neededBytes;
  std::string temporary; ///< Empty when there is nothing to remove.
  weights::Descriptor lock;
};

/// A file that is written from its beginning to its end.
class OutputFile {
public:
  static weights::Result<OutputFile> create(const OutputDirectory &directory,
                                            const std::string &name);
  weights::Status write(std::span<const std::byte> bytes);
  /// Writes zeros up to this offset.
  weights::Status fillTo(uint64_t offset);
  weights::Status close();

  uint64_t size() const { return written; }
  /// Of all bytes so far.
  std::string checksum() const { return sum->digits(); }

private:
  OutputFile() = default;

  std::string name;
  weights::Descriptor descriptor;
  uint64_t written = 0;
  std::unique_ptr<Checksum> sum = std::make_unique<Checksum>();
};

} // namespace moec::artifact

#endif // MOEC_LIB_ARTIFACT_OUTPUTDIRECTORY_H
