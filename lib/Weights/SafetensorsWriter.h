//===- SafetensorsWriter.h - Writes a safetensors file ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes a file whose tensors are declared first and then filled piece by
// piece, in any order of tensors, so that memory does not grow with the file:
//
//   auto writer = SafetensorsWriter::create(path, {{"logits", DType::F32,
//                                                   {positions, vocabulary}}});
//   for (...)
//     status = writer->append(0, std::as_bytes(row));
//   status = writer->finish();
//
// The file is there as a whole after finish(), before and after a failure
// nothing of it can be seen. The same declarations and data give the same
// bytes.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_SAFETENSORSWRITER_H
#define MOEC_LIB_WEIGHTS_SAFETENSORSWRITER_H

#include "lib/Weights/DType.h"
#include "lib/Weights/NewFile.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace moec::weights {

class SafetensorsWriter {
public:
  struct Declaration {
    std::string name;
    DType dtype;
    std::vector<uint64_t> shape;
  };

  /// Writes the header and reserves the space of the data, so that a disk that
  /// is too small is reported here.
  static Result<SafetensorsWriter>
  create(const std::string &path, std::span<const Declaration> declarations,
         const std::map<std::string, std::string> &metadata = {});

  /// Writes the next bytes of the tensor that was declared at `tensor`.
  Status append(size_t tensor, std::span<const std::byte> bytes);
  /// The same for elements that are converted to the type of the tensor, F32,
  /// F16 or BF16.
  Status append(size_t tensor, std::span<const float> values);

  /// Checks that every tensor is complete and gives the file its name, in place
  /// of what had it.
  Status finish();

private:
  /// Where the bytes of a declared tensor go.
  struct Cursor {
    std::string name;
    DType dtype;
    uint64_t next;
    uint64_t end;
  };

  SafetensorsWriter(const std::string &path, NewFile file)
      : path(path), file(std::move(file)) {}

  std::string path;
  NewFile file;
  std::vector<Cursor> cursors; ///< In the order of the declarations.
};

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_SAFETENSORSWRITER_H
