//===- Files.h - The files of an artifact -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Opens files strictly inside a directory, reads, hashes and maps them.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_FILES_H
#define MOEC_LIB_RUNTIME_FILES_H

#include "lib/Runtime/Manifest.h"
#include "lib/Runtime/Status.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace moec::runtime {

/// Owns a file descriptor.
class Descriptor {
public:
  explicit Descriptor(int number = -1) : number(number) {}
  Descriptor(Descriptor &&other) noexcept
      : number(std::exchange(other.number, -1)) {}
  Descriptor &operator=(Descriptor &&other) noexcept {
    std::swap(number, other.number);
    return *this;
  }
  ~Descriptor();

  int get() const { return number; }

private:
  int number;
};

/// Owns a mapping of memory.
class Mapping {
public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept
      : start(std::exchange(other.start, nullptr)),
        length(std::exchange(other.length, 0)) {}
  Mapping &operator=(Mapping &&other) noexcept {
    std::swap(start, other.start);
    std::swap(length, other.length);
    return *this;
  }
  ~Mapping();

  /// Zeroed memory that costs nothing until it is touched.
  static Result<Mapping> reserve(size_t bytes, std::string_view what);
  /// The file's bytes, read-only. Nothing is read.
  static Result<Mapping> ofFile(const Descriptor &file, size_t bytes,
                                std::string_view what);

  unsigned char *data() const { return start; }
  size_t size() const { return length; }

private:
  unsigned char *start = nullptr;
  size_t length = 0;
};

/// The directory of an artifact.
class Directory {
public:
  static Result<Directory> open(const std::string &path);

  /// Opens a regular file by its plain relative name. No component may be a
  /// symbolic link, so that an artifact cannot reach out of its directory.
  Result<Descriptor> openFile(const std::string &name) const;
  /// As above, and the file must have the size that the manifest says.
  Result<Descriptor> openFile(const FileEntry &entry) const;

  /// "<directory>/<name>", for messages.
  std::string describe(std::string_view name) const;

private:
  std::string path;
  Descriptor directory;
};

/// Size of an open file; -1 when it cannot be told.
int64_t sizeOf(const Descriptor &file);

/// The whole of a file, which may have at most `most` bytes.
Result<std::string> readAll(const Descriptor &file, const std::string &name,
                            size_t most);

/// XXH3-128 in 32 hexadecimal digits.
std::string checksumOf(std::string_view bytes);
Result<std::string> checksumOf(const Descriptor &file, const std::string &name);

/// Opens a file of the manifest and compares its size and checksum.
Result<Descriptor> openChecked(const Directory &directory,
                               const FileEntry &entry);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_FILES_H
