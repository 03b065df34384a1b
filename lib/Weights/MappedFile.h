//===- MappedFile.h - A file as memory --------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A whole regular file mapped read-only. Its pages belong to the page cache:
// they never count as anonymous memory, and those that were read can be given
// back. As with every mapping, a file that another program shortens meanwhile
// raises SIGBUS when the lost part is read; checkpoints must not be modified
// while they are open.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_MAPPEDFILE_H
#define MOEC_LIB_WEIGHTS_MAPPEDFILE_H

#include "lib/Weights/Status.h"

#include <cstddef>
#include <span>
#include <string>

namespace moec::weights {

class MappedFile {
public:
  static Result<MappedFile> open(const std::string &path);

  MappedFile(MappedFile &&other) noexcept
      : contents(std::exchange(other.contents, {})) {}
  MappedFile &operator=(MappedFile &&other) noexcept {
    std::swap(contents, other.contents);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return contents; }

  /// Takes the pages of `part`, a part of bytes(), out of this process's
  /// resident memory. Reading them again is correct and costs a page fault.
  void release(std::span<const std::byte> part) const;

private:
  explicit MappedFile(std::span<const std::byte> contents)
      : contents(contents) {}

  std::span<const std::byte> contents;
};

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_MAPPEDFILE_H
