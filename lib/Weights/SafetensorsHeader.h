//===- SafetensorsHeader.h - The header of a safetensors file ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The header says which tensors a file holds and where. parseHeader accepts
// exactly the headers that make every byte of the file belong to one tensor;
// renderHeader is its inverse.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_SAFETENSORSHEADER_H
#define MOEC_LIB_WEIGHTS_SAFETENSORSHEADER_H

#include "lib/Weights/SafetensorsLayout.h"
#include "lib/Weights/Status.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace moec::weights {

struct Header {
  std::vector<TensorInfo> tensors; ///< In the order of their data.
  std::map<std::string, std::string> metadata;
  uint64_t dataOffset = 0; ///< Where the data begins in the file.
};

/// Reads and validates the header of the file whose bytes are `file`. Only the
/// header's own bytes are touched.
Result<Header> parseHeader(std::span<const std::byte> file);

/// The bytes before the data: length, JSON, and padding that aligns the data to
/// eight bytes. Fails as parseHeader would fail on the file.
Result<std::string>
renderHeader(const std::vector<TensorInfo> &tensors,
             const std::map<std::string, std::string> &metadata);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_SAFETENSORSHEADER_H
