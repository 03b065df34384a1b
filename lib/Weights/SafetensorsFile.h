//===- SafetensorsFile.h - One safetensors file -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A validated file whose tensors are read in place. Opening reads the header
// only; all functions may be called from several threads.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_SAFETENSORSFILE_H
#define MOEC_LIB_WEIGHTS_SAFETENSORSFILE_H

#include "lib/Weights/MappedFile.h"
#include "lib/Weights/SafetensorsHeader.h"
#include "lib/Weights/Status.h"

namespace moec::weights {

class SafetensorsFile {
public:
  static Result<SafetensorsFile> open(const std::string &path);

  const std::string &path() const { return filePath; }
  uint64_t fileSize() const { return file.bytes().size(); }
  /// Where the data of the tensors begins in the file.
  uint64_t dataOffset() const { return header.dataOffset; }

  /// In the order of their data.
  std::span<const TensorInfo> tensors() const { return header.tensors; }
  const std::map<std::string, std::string> &metadata() const {
    return header.metadata;
  }

  /// The tensor of this name, or null. The pointer stays valid when the file
  /// object is moved.
  const TensorInfo *find(std::string_view name) const;

  /// The elements of one of tensors(), at any alignment.
  std::span<const std::byte> bytes(const TensorInfo &tensor) const {
    return file.bytes().subspan(header.dataOffset + tensor.begin,
                                tensor.numBytes());
  }

  /// Takes the pages of the tensor, or of a part of its bytes, out of resident
  /// memory. Reading them again is correct; whoever streams through a
  /// checkpoint calls this behind itself.
  void release(const TensorInfo &tensor) const { release(bytes(tensor)); }
  void release(std::span<const std::byte> part) const { file.release(part); }

private:
  SafetensorsFile(std::string path, MappedFile file, Header header);

  std::string filePath;
  MappedFile file;
  Header header;
  std::vector<size_t> byName; ///< Indices of tensors, sorted by name.
};

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_SAFETENSORSFILE_H
