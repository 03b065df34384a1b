//===- Tensor.h - What the reference computes with --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers of activations (Tensor) and of weights (Weight). All floating-point
// elements of a tensor are held in the type of the arithmetic, float or double,
// whatever their type in the IR; where that is narrower, the operations that
// narrow round. Weights stay as they are stored and are widened when read.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_TENSOR_H
#define MOEC_LIB_REFERENCE_TENSOR_H

#include "lib/Weights/DType.h"

#include "mlir/IR/Types.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace moec::reference {

using Shape = std::vector<int64_t>;

inline int64_t countOf(const Shape &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                         std::multiplies<int64_t>());
}

/// "[3, 8]", for messages.
std::string toString(const Shape &shape);

/// A row-major tensor; without dimensions, a scalar. One of the two vectors
/// holds its elements, the other is empty.
template <typename Real> struct Tensor {
  Shape shape;
  std::vector<Real> reals;
  std::vector<int64_t> ints;

  int64_t count() const { return countOf(shape); }
  /// The rows of a matrix, the elements of a vector.
  int64_t rows() const { return shape.front(); }
  /// Elements of one of rows().
  int64_t width() const {
    return countOf(Shape(shape.begin() + 1, shape.end()));
  }
  Real *row(int64_t i) { return reals.data() + i * width(); }
  const Real *row(int64_t i) const { return reals.data() + i * width(); }
};

template <typename Real> Tensor<Real> realTensor(Shape shape, Real fill = 0) {
  int64_t count = countOf(shape);
  return {std::move(shape), std::vector<Real>(count, fill), {}};
}

template <typename Real> Tensor<Real> intTensor(Shape shape, int64_t fill = 0) {
  int64_t count = countOf(shape);
  return {std::move(shape), {}, std::vector<int64_t>(count, fill)};
}

/// A tensor of the checkpoint, or of a recipe.
struct Weight {
  weights::DType type;
  Shape shape;
  std::vector<std::byte> bytes;

  /// Elements `first` to `first + count`, widened.
  template <typename Real>
  void read(int64_t first, int64_t count, Real *out) const;
};

/// All elements; integers stay what they are.
template <typename Real> Tensor<Real> widened(const Weight &weight);

/// The value as an element of type `element` holds it.
template <typename Real> Real rounded(Real value, mlir::Type element);

/// Rounds all elements to what `element` holds.
template <typename Real>
void roundTo(mlir::Type element, std::vector<Real> &values);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_TENSOR_H
