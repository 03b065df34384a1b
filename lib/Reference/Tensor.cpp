//===- Tensor.cpp - What the reference computes with ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Widening of weights, rounding of activations.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Tensor.h"

#include "lib/Weights/Elements.h"

#include <cmath>
#include <cstring>

using namespace moec;
using namespace moec::reference;

std::string reference::toString(const Shape &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

template <typename Stored>
static Stored storedAt(const std::vector<std::byte> &bytes, int64_t i) {
  Stored value;
  std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
  return value;
}

template <typename Real>
void Weight::read(int64_t first, int64_t count, Real *out) const {
  for (int64_t i = 0; i < count; ++i) {
    switch (type) {
    case weights::DType::F32:
      out[i] = storedAt<float>(bytes, first + i);
      break;
    case weights::DType::BF16:
      out[i] = weights::bf16ToFloat(storedAt<uint16_t>(bytes, first + i));
      break;
    default:
      out[i] = weights::f16ToFloat(storedAt<uint16_t>(bytes, first + i));
    }
  }
}

template <typename Real> Tensor<Real> reference::widened(const Weight &weight) {
  if (weight.type == weights::DType::I32) {
    Tensor<Real> tensor = intTensor<Real>(weight.shape);
    for (size_t i = 0; i < tensor.ints.size(); ++i)
      tensor.ints[i] = storedAt<int32_t>(weight.bytes, i);
    return tensor;
  }
  Tensor<Real> tensor = realTensor<Real>(weight.shape);
  weight.read(0, tensor.count(), tensor.reals.data());
  return tensor;
}

/// Rounds a number to `bits` bits of significand, ties to even. Rounding a
/// double by way of float would round twice.
static double withSignificand(double value, int bits) {
  uint64_t word = std::bit_cast<uint64_t>(value);
  uint64_t dropped = 53 - bits;
  uint64_t half = (uint64_t(1) << (dropped - 1)) - 1;
  word += half + ((word >> dropped) & 1);
  word &= ~((uint64_t(1) << dropped) - 1);
  return std::isfinite(value) ? std::bit_cast<double>(word) : value;
}

/// A number as a binary format with `bits` bits of significand and a smallest
/// normal exponent `minExponent` holds it.
static double inFormat(double value, int bits, int minExponent,
                       double largest) {
  int exponent = 0;
  std::frexp(value, &exponent);
  // Below the normal numbers the spacing stays that of the smallest ones.
  if (value != 0 && exponent - 1 < minExponent) {
    double unit = std::ldexp(1.0, minExponent - bits + 1);
    return std::nearbyint(value / unit) * unit;
  }
  double result = withSignificand(value, bits);
  return std::abs(result) > largest ? std::copysign(INFINITY, value) : result;
}

template <typename Real>
Real reference::rounded(Real value, mlir::Type element) {
  if (element.isBF16())
    return inFormat(value, 8, -126, 0x1.fep127);
  if (element.isF16())
    return inFormat(value, 11, -14, 65504.0);
  return value;
}

template <typename Real>
void reference::roundTo(mlir::Type element, std::vector<Real> &values) {
  if (!element.isBF16() && !element.isF16())
    return;
  for (Real &value : values)
    value = rounded(value, element);
}

#define INSTANTIATE(Real)                                                      \
  template void Weight::read<Real>(int64_t, int64_t, Real *) const;            \
  template Tensor<Real> reference::widened<Real>(const Weight &);              \
  template Real reference::rounded<Real>(Real, mlir::Type);                    \
  template void reference::roundTo<Real>(mlir::Type, std::vector<Real> &);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
