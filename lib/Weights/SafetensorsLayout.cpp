//===- SafetensorsLayout.cpp - Where the tensors of a file lie ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layout rules, and the sizes they rest on.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsLayout.h"

#include <algorithm>

namespace moec::weights {

namespace {

std::string shapeText(std::span<const uint64_t> shape) {
  constexpr size_t limit = 16;
  std::string out = "[";
  for (size_t i = 0; i < std::min(shape.size(), limit); ++i)
    out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + (shape.size() > limit ? ", ...]" : "]");
}

std::string offsetsText(const TensorInfo &tensor) {
  return "data_offsets [" + std::to_string(tensor.begin) + ", " +
         std::to_string(tensor.end) + "]";
}

/// Checks one tensor that should begin at byte `start` of `dataSize`.
Status checkPlace(const TensorInfo &tensor, uint64_t start, uint64_t dataSize) {
  std::string where = tensorText(tensor.name) + ": " + offsetsText(tensor);
  if (tensor.end < tensor.begin)
    return Status::failure(ErrorCode::InvalidOffset,
                           where + " end before they begin");
  if (tensor.begin < start)
    return Status::failure(ErrorCode::InvalidOffset,
                           where +
                               " overlap the tensor before, which ends at "
                               "byte " +
                               std::to_string(start));
  if (tensor.begin > start)
    return Status::failure(ErrorCode::InvalidOffset,
                           where + " leave a hole after byte " +
                               std::to_string(start));
  if (tensor.end > dataSize)
    return Status::failure(ErrorCode::IncompleteBuffer,
                           where + " end after the data, which has " +
                               std::to_string(dataSize) +
                               " bytes; is the file truncated?");
  return {};
}

Status checkSize(const TensorInfo &tensor) {
  Result<uint64_t> size = sizeInBytes(tensor.dtype, tensor.shape);
  if (!size)
    return std::move(size).status().in(tensorText(tensor.name));
  if (*size == tensor.numBytes())
    return {};
  return Status::failure(
      ErrorCode::SizeMismatch,
      tensorText(tensor.name) + ": shape " + shapeText(tensor.shape) + " of " +
          std::string(name(tensor.dtype)) + " takes " + std::to_string(*size) +
          " bytes, " + offsetsText(tensor) + " hold " +
          std::to_string(tensor.numBytes()));
}

} // namespace

Status checkLayout(std::span<const TensorInfo> tensors, uint64_t dataSize) {
  uint64_t start = 0;
  for (const TensorInfo &tensor : tensors) {
    Status status = checkPlace(tensor, start, dataSize);
    if (status.ok())
      status = checkSize(tensor);
    if (!status.ok())
      return status;
    start = tensor.end;
  }
  if (start == dataSize)
    return {};
  return Status::failure(ErrorCode::IncompleteBuffer,
                         "the tensors end at byte " + std::to_string(start) +
                             " of the data, which has " +
                             std::to_string(dataSize) +
                             " bytes; every byte must belong to a tensor");
}

Result<uint64_t> sizeInBytes(DType type, std::span<const uint64_t> shape) {
  uint64_t bits = 1;
  bool overflow = false;
  for (uint64_t extent : shape)
    overflow |= __builtin_mul_overflow(bits, extent, &bits);
  overflow |= __builtin_mul_overflow(bits, uint64_t(bitWidth(type)), &bits);
  if (!overflow && bits % 8 == 0)
    return bits / 8;
  std::string what =
      "shape " + shapeText(shape) + " of " + std::string(name(type));
  if (overflow)
    return Status::failure(ErrorCode::SizeOverflow,
                           what + " has a size beyond 64 bits");
  return Status::failure(ErrorCode::MisalignedSize,
                         what + " takes " + std::to_string(bits) +
                             " bits, not a whole number of bytes");
}

std::string tensorText(std::string_view tensor) {
  return "tensor " + inQuotes(tensor);
}

} // namespace moec::weights
