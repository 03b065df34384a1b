//===- Elements.h - Elements of tensors as float ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Conversions between float and the two 16-bit floating point types, and from
// the smaller ones that quantized tensors are stored in. Widening
// is exact. Narrowing rounds to nearest, ties to even; what is too large
// becomes infinite and a NaN stays one. They work on bits, so a process that
// flushes denormals to zero gets the same numbers.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_ELEMENTS_H
#define MOEC_LIB_WEIGHTS_ELEMENTS_H

#include "lib/Weights/DType.h"
#include "lib/Weights/Status.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace moec::weights {

inline float bf16ToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

inline uint16_t floatToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  // Rounding could carry a NaN's mantissa into infinity: set a mantissa bit
  // that stays.
  uint32_t quietNan = (bits >> 16) | 0x40;
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  bool isNan = (bits & 0x7fffffff) > 0x7f800000;
  return static_cast<uint16_t>(isNan ? quietNan : rounded);
}

inline float f16ToFloat(uint16_t value) {
  uint32_t magnitude = static_cast<uint32_t>(value & 0x7fff) << 13;
  uint32_t sign = static_cast<uint32_t>(value & 0x8000) << 16;
  // The exponent's bias grows from 15 to 127; infinity and NaN lie at the top
  // of both ranges, twice as far away.
  constexpr uint32_t rebias = (127 - 15) << 23;
  bool isSpecial = magnitude >= (31u << 23);
  uint32_t normal = magnitude + (isSpecial ? 2 * rebias : rebias);
  // A denormal has no implicit one: give it one, and subtract its value.
  constexpr uint32_t smallestNormal = (127 - 14) << 23;
  float denormal = std::bit_cast<float>(magnitude + smallestNormal) -
                   std::bit_cast<float>(smallestNormal);
  bool isDenormal = magnitude < (1u << 23);
  uint32_t bits = isDenormal ? std::bit_cast<uint32_t>(denormal) : normal;
  return std::bit_cast<float>(bits | sign);
}

inline uint16_t floatToF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  constexpr uint32_t rebias = (127 - 15) << 23;
  uint32_t normal =
      (magnitude - rebias + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // One half has the same distance between neighbours as the denormals of f16:
  // adding it rounds there, and leaves the result in the lowest bits.
  float shifted = std::bit_cast<float>(magnitude) + 0.5f;
  uint32_t denormal =
      std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5f);
  uint32_t nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
  uint32_t result = magnitude > 0x7f800000           ? nan
                    : magnitude >= (127 + 16u) << 23 ? 0x7c00
                    : magnitude < ((127 - 14) << 23) ? denormal
                                                     : normal;
  return static_cast<uint16_t>(result | sign);
}

/// 4 bits of exponent, 3 of mantissa, no infinity: the largest are NaN.
inline float f8E4M3ToFloat(uint8_t value) {
  uint32_t magnitude = static_cast<uint32_t>(value & 0x7f) << 20;
  uint32_t sign = static_cast<uint32_t>(value & 0x80) << 24;
  constexpr uint32_t rebias = (127 - 7) << 23;
  constexpr uint32_t smallestNormal = (127 - 6) << 23;
  uint32_t bits = magnitude + rebias;
  if (magnitude < (1u << 23))
    bits = std::bit_cast<uint32_t>(
        std::bit_cast<float>(magnitude + smallestNormal) -
        std::bit_cast<float>(smallestNormal));
  else if (magnitude == (0x7fu << 20))
    bits = 0x7fc00000;
  return std::bit_cast<float>(bits | sign);
}

/// A power of two, by its exponent alone; the largest is NaN.
inline float f8E8M0ToFloat(uint8_t value) {
  uint32_t bits = static_cast<uint32_t>(value) << 23;
  if (value == 0)
    bits = 1u << 22;
  else if (value == 0xff)
    bits = 0x7fc00000;
  return std::bit_cast<float>(bits);
}

/// 2 bits of exponent, 1 of mantissa, in the low half of a byte.
inline float f4E2M1ToFloat(uint8_t value) {
  constexpr float magnitudes[] = {0.0f, 0.5f, 1.0f, 1.5f,
                                  2.0f, 3.0f, 4.0f, 6.0f};
  float magnitude = magnitudes[value & 7];
  return value & 8 ? -magnitude : magnitude;
}

/// Whether readFloats and writeFloats know the type: F32, F16, BF16.
bool isFloatConvertible(DType type);
/// Whether readFloats knows it: these, F8_E4M3, F8_E8M0 and F4.
bool isFloatReadable(DType type);

/// Reads packed elements, in the byte order of the files and at any alignment.
/// There must be as many elements in `bytes` as in `out`.
Status readFloats(DType type, std::span<const std::byte> bytes,
                  std::span<float> out);

/// The inverse, rounding where the type is narrower.
Status writeFloats(DType type, std::span<const float> values,
                   std::span<std::byte> out);

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_ELEMENTS_H
