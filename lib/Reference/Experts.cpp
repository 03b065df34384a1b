//===- Experts.cpp - Grouping by expert and bringing back -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plan counts by looking at every expert in turn: slow, and plainly a
// stable sort.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Experts.h"

#include <algorithm>

using namespace moec;
using namespace moec::reference;
using weights::Result;
using weights::Status;

template <typename Real>
Status reference::checkIds(const Tensor<Real> &ids, int64_t experts) {
  for (int64_t id : ids.ints)
    if (id < -1 || id >= experts)
      return Status::failure(weights::ErrorCode::InvalidArgument,
                             "expert " + std::to_string(id) + " is not below " +
                                 std::to_string(experts));
  return {};
}

template <typename Real>
Plan<Real> reference::plan(const Tensor<Real> &ids, int64_t first,
                           int64_t experts, bool open) {
  int64_t tokens = ids.shape[0], k = ids.shape[1];
  Plan<Real> plan{
      intTensor<Real>({experts + 1}, 0), intTensor<Real>({experts + 1}, -1),
      intTensor<Real>({tokens * k}, -1), intTensor<Real>({tokens, k}, -1),
      intTensor<Real>({tokens, k}, -1)};
  int64_t rows = 0, actives = 0;
  std::vector<int64_t> used(tokens, 0);
  for (int64_t e = 0; e < experts; ++e) {
    plan.offsets.ints[e] = rows;
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t slot = 0; slot < k; ++slot) {
        int64_t id = ids.ints[t * k + slot];
        if (open)
          id = std::min(id, first + experts - 1);
        if (id != first + e)
          continue;
        plan.tokenRow.ints[t * k + used[t]] = rows;
        plan.tokenSlot.ints[t * k + used[t]] = slot;
        plan.rowToken.ints[rows] = t;
        ++used[t];
        ++rows;
      }
    if (rows > plan.offsets.ints[e])
      plan.active.ints[actives++] = e;
  }
  plan.offsets.ints[experts] = rows;
  plan.active.ints[experts] = actives;
  return plan;
}

template <typename Real>
Result<Tensor<Real>>
reference::combine(const Tensor<Real> &rows, const Tensor<Real> &tokenRow,
                   const Tensor<Real> &tokenSlot, const Tensor<Real> &weights,
                   const std::vector<const Tensor<Real> *> &addends) {
  int64_t tokens = tokenRow.shape[0], k = tokenRow.shape[1];
  int64_t width = rows.width();
  Tensor<Real> y = realTensor<Real>({tokens, width});
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t j = 0; j < k && tokenRow.ints[t * k + j] >= 0; ++j) {
      int64_t row = tokenRow.ints[t * k + j];
      int64_t slot = tokenSlot.ints[t * k + j];
      if (row >= rows.rows() || slot < 0 || slot >= k)
        return Status::failure(
            weights::ErrorCode::InvalidArgument,
            "token " + std::to_string(t) + " has row " + std::to_string(row) +
                " of " + std::to_string(rows.rows()) + " and column " +
                std::to_string(slot) + " of " + std::to_string(k));
      Real weight = weights.reals[t * k + slot];
      for (int64_t i = 0; i < width; ++i)
        y.row(t)[i] += weight * rows.row(row)[i];
    }
    for (const Tensor<Real> *addend : addends)
      for (int64_t i = 0; i < width; ++i)
        y.row(t)[i] += addend->row(t)[i];
  }
  return y;
}

#define INSTANTIATE(Real)                                                      \
  template Status reference::checkIds<Real>(const Tensor<Real> &, int64_t);    \
  template Plan<Real> reference::plan<Real>(const Tensor<Real> &, int64_t,     \
                                            int64_t, bool);                    \
  template Result<Tensor<Real>> reference::combine<Real>(                      \
      const Tensor<Real> &, const Tensor<Real> &, const Tensor<Real> &,        \
      const Tensor<Real> &, const std::vector<const Tensor<Real> *> &);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
