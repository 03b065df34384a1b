//===- SafetensorsLayout.h - Where the tensors of a file lie ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor's place in the data of a safetensors file, and the rule that the
// tensors are the data: from its first byte to its last, without hole or
// overlap, each as long as its shape and type say. A file without holes cannot
// be of two formats at once; one without overlap cannot cost more memory than
// its size.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_SAFETENSORSLAYOUT_H
#define MOEC_LIB_WEIGHTS_SAFETENSORSLAYOUT_H

#include "lib/Weights/DType.h"
#include "lib/Weights/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace moec::weights {

struct TensorInfo {
  std::string name;
  DType dtype = DType::F32;
  std::vector<uint64_t> shape; ///< Row-major; empty for a scalar.
  uint64_t begin = 0;          ///< In bytes, from the start of the data.
  uint64_t end = 0;

  uint64_t numBytes() const { return end - begin; }
  /// Of a tensor that passed checkLayout.
  uint64_t numElements() const { return numBytes() * 8 / bitWidth(dtype); }
};

/// The bytes that a shape of this type takes.
Result<uint64_t> sizeInBytes(DType type, std::span<const uint64_t> shape);

/// Whether the tensors, sorted by offset, are exactly data of `dataSize` bytes.
Status checkLayout(std::span<const TensorInfo> tensors, uint64_t dataSize);

/// "tensor 'name'", for messages.
std::string tensorText(std::string_view tensor);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_SAFETENSORSLAYOUT_H
