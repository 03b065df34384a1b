//===- Matrix.h - Matrices and products -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A matrix [N, K] seen row by row, whether it is a weight or an activation and
// whether it lies in rows, in columns, or in the panels of moe.pack.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_MATRIX_H
#define MOEC_LIB_REFERENCE_MATRIX_H

#include "lib/Reference/Tensor.h"

#include <functional>

namespace moec::reference {

template <typename Real> struct Matrix {
  int64_t n;
  int64_t k;
  /// Writes the k elements of a row.
  std::function<void(int64_t row, Real *out)> readRow;
};

/// A weight or a tensor of rank 2, or packed (rank 3: [N/16, K, 16], rank 4:
/// [N/16, K/2, 16, 2]), of which the first n rows and k columns count. It must
/// outlive the matrix.
template <typename Real>
Matrix<Real> matrixOf(const Weight &weight, int64_t n, int64_t k);
template <typename Real>
Matrix<Real> matrixOf(const Tensor<Real> &tensor, int64_t n, int64_t k);
/// Whether a shape is that of a matrix [n, k] in one of these forms.
bool isMatrix(const Shape &shape, int64_t n, int64_t k);

/// A stored matrix [K, N].
template <typename Real> Matrix<Real> transposed(const Matrix<Real> &matrix);

/// out[i] = x[rows[i]] * matrix^T, the sums in ascending order of k from zero;
/// out is [rows.size(), n].
template <typename Real>
void product(const Tensor<Real> &x, const std::vector<int64_t> &rows,
             const Matrix<Real> &matrix, Real *out);

/// 0, 1, ... n - 1.
std::vector<int64_t> countUp(int64_t n);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_MATRIX_H
