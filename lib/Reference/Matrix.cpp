//===- Matrix.cpp - Matrices and products ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The product goes through the matrix sixteen rows at a time, turned so that
// the sixteen sums advance together: each sum still takes its terms one by one.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Matrix.h"

#include <algorithm>

using namespace moec;
using namespace moec::reference;

static constexpr int64_t kPanel = 16;

/// Where element (row, column) of a matrix lies, by the shape that it has.
static int64_t elementIndex(const Shape &shape, int64_t row, int64_t column) {
  int64_t panel = row / kPanel, lane = row % kPanel;
  switch (shape.size()) {
  case 3: // [panels, K, 16]
    return (panel * shape[1] + column) * kPanel + lane;
  case 4: // [panels, K / 2, 16, 2]
    return ((panel * shape[1] + column / 2) * kPanel + lane) * 2 + column % 2;
  default: // [N, K]
    return row * shape[1] + column;
  }
}

static int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

bool reference::isMatrix(const Shape &shape, int64_t n, int64_t k) {
  int64_t panels = roundUp(n, kPanel) / kPanel;
  return shape == Shape{n, k} || shape == Shape{panels, k, kPanel} ||
         shape == Shape{panels, roundUp(k, 2) / 2, kPanel, 2};
}

template <typename Real>
Matrix<Real> reference::matrixOf(const Weight &weight, int64_t n, int64_t k) {
  return {n, k, [&weight, k](int64_t row, Real *out) {
            if (weight.shape.size() == 2)
              return weight.read(row * k, k, out);
            for (int64_t i = 0; i < k; ++i)
              weight.read(elementIndex(weight.shape, row, i), 1, out + i);
          }};
}

template <typename Real>
Matrix<Real> reference::matrixOf(const Tensor<Real> &tensor, int64_t n,
                                 int64_t k) {
  return {n, k, [&tensor, k](int64_t row, Real *out) {
            for (int64_t i = 0; i < k; ++i)
              out[i] = tensor.reals[elementIndex(tensor.shape, row, i)];
          }};
}

template <typename Real>
Matrix<Real> reference::transposed(const Matrix<Real> &matrix) {
  auto values = std::make_shared<std::vector<Real>>(matrix.n * matrix.k);
  for (int64_t row = 0; row < matrix.n; ++row)
    matrix.readRow(row, values->data() + row * matrix.k);
  int64_t rows = matrix.n, columns = matrix.k;
  return {columns, rows, [=](int64_t column, Real *out) {
            for (int64_t row = 0; row < rows; ++row)
              out[row] = (*values)[row * columns + column];
          }};
}

/// Rows `first` to `first + count` of a matrix, as columns of [k, kPanel].
template <typename Real>
static std::vector<Real> panelOf(const Matrix<Real> &matrix, int64_t first,
                                 int64_t count) {
  std::vector<Real> row(matrix.k), panel(matrix.k * kPanel);
  for (int64_t lane = 0; lane < count; ++lane) {
    matrix.readRow(first + lane, row.data());
    for (int64_t i = 0; i < matrix.k; ++i)
      panel[i * kPanel + lane] = row[i];
  }
  return panel;
}

template <typename Real>
void reference::product(const Tensor<Real> &x, const std::vector<int64_t> &rows,
                        const Matrix<Real> &matrix, Real *out) {
  int64_t n = matrix.n, k = matrix.k;
  for (int64_t first = 0; rows.size() && first < n; first += kPanel) {
    int64_t count = std::min(kPanel, n - first);
    std::vector<Real> panel = panelOf(matrix, first, count);
    for (size_t r = 0; r < rows.size(); ++r) {
      const Real *xRow = x.row(rows[r]);
      Real sums[kPanel] = {};
      for (int64_t i = 0; i < k; ++i)
        for (int64_t lane = 0; lane < kPanel; ++lane)
          sums[lane] += xRow[i] * panel[i * kPanel + lane];
      std::copy_n(sums, count, out + r * n + first);
    }
  }
}

std::vector<int64_t> reference::countUp(int64_t n) {
  std::vector<int64_t> numbers(n);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

#define INSTANTIATE(Real)                                                      \
  template Matrix<Real> reference::matrixOf<Real>(const Weight &, int64_t,     \
                                                  int64_t);                    \
  template Matrix<Real> reference::matrixOf<Real>(const Tensor<Real> &,        \
                                                  int64_t, int64_t);           \
  template Matrix<Real> reference::transposed<Real>(const Matrix<Real> &);     \
  template void reference::product<Real>(const Tensor<Real> &,                 \
                                         const std::vector<int64_t> &,         \
                                         const Matrix<Real> &, Real *);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
