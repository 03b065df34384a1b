//===- DType.h - Element types of safetensors -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every element type that the safetensors format defines, with its size.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_DTYPE_H
#define MOEC_LIB_WEIGHTS_DTYPE_H

#include <cstdint>
#include <optional>
#include <string_view>

namespace moec::weights {

/// Spelled as in the files.
enum class DType : uint8_t {
  BOOL,
  F4,
  F6_E2M3,
  F6_E3M2,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
};

/// The type of this spelling, if the format knows it.
std::optional<DType> parseDType(std::string_view spelling);

std::string_view name(DType type);

/// Bits of one element; some types take less than a byte.
unsigned bitWidth(DType type);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_DTYPE_H
