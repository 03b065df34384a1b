//===- Margin.h - How near a choice of experts was --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two sums of a router's logits in different order differ a little, and where
// keys are close to each other the choice differs then. Whether another choice
// is such a tie or an error is judged by the definition of the routing itself,
// so that bias, groups, thresholds and all other stages count as they do there:
// how far must the logits be off until it chooses so?
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_MARGIN_H
#define MOEC_LIB_REFERENCE_MARGIN_H

#include "lib/Reference/Routing.h"

#include <memory>

namespace moec::reference {

/// A choice that was made, and what it was made of.
class KeptChoice {
public:
  template <typename Real>
  KeptChoice(moe::RoutingAttr routing, const Tensor<Real> &logits,
             const Operands<Real> &operands);

  /// The least gap for which the token chooses the experts `ids` (-1: none, in
  /// any order) when no logit is off by more than half of it; infinity where
  /// there is none. A pair of logits changes places when they are less than the
  /// gap apart. Keys may besides be off by a few units in their last place, as
  /// functions that are computed otherwise are.
  double gap(int64_t token, const std::vector<int32_t> &ids) const;
  /// The largest finite magnitude among the token's logits.
  double largestLogit(int64_t token) const;

private:
  moe::RoutingAttr routing;
  Tensor<double> logits;
  Operands<double> operands;
  std::vector<std::shared_ptr<const Tensor<double>>> kept;
  llvm::SmallVector<bool> classMask;
  std::vector<int32_t> alias;
};

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_MARGIN_H
