//===- NewFile.h - A file that appears as a whole ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file that grows under a temporary name beside its place and takes its name
// at the end; until then, and after a failure, what was at the place is as it
// was. Devices and pipes have nothing to keep and are written to directly.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_NEWFILE_H
#define MOEC_LIB_WEIGHTS_NEWFILE_H

#include "lib/Weights/Temporaries.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace moec::weights {

class NewFile {
public:
  /// Messages name the path.
  static Result<NewFile> create(const std::string &path);

  NewFile(NewFile &&other) noexcept;
  NewFile &operator=(NewFile &&) = delete;
  /// Removes what did not finish.
  ~NewFile();

  /// Takes the space on disk, so that a disk that is too small is found now.
  Status reserve(uint64_t bytes);
  Status writeAt(uint64_t offset, std::span<const std::byte> bytes);
  /// Gives the file its name, in place of what had it.
  Status finish();

  bool isOpen() const { return file.isOpen(); }

private:
  NewFile(std::string path, std::string place)
      : path(std::move(path)), place(std::move(place)) {}

  std::string path;
  std::string place;     ///< Where the path's links lead to.
  std::string temporary; ///< Empty when there is nothing to remove.
  Descriptor file;
};

/// Writes a file that holds this text; or what is there stays as it is.
Status writeFile(const std::string &path, std::string_view text);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_NEWFILE_H
