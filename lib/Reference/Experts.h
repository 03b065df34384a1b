//===- Experts.h - Grouping by expert and bringing back ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formulas of moe.plan and moe.combine.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_EXPERTS_H
#define MOEC_LIB_REFERENCE_EXPERTS_H

#include "lib/Reference/Tensor.h"
#include "lib/Weights/Status.h"

namespace moec::reference {

/// A failure unless every id is -1 or below the number of experts.
template <typename Real>
weights::Status checkIds(const Tensor<Real> &ids, int64_t experts);

/// The outputs of moe.plan; entries that it does not define are -1.
template <typename Real> struct Plan {
  Tensor<Real> offsets, active, rowToken, tokenRow, tokenSlot;
};

/// Of the ids from `first` on, so many; others make no rows or, `open`, count
/// as the last of these.
template <typename Real>
Plan<Real> plan(const Tensor<Real> &ids, int64_t first, int64_t experts,
                bool open = false);

/// The weighted sum of the rows of each token, then the addends.
template <typename Real>
weights::Result<Tensor<Real>>
combine(const Tensor<Real> &rows, const Tensor<Real> &tokenRow,
        const Tensor<Real> &tokenSlot, const Tensor<Real> &weights,
        const std::vector<const Tensor<Real> *> &addends);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_EXPERTS_H
