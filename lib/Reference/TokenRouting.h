//===- TokenRouting.h - The choice of one token -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_TOKENROUTING_H
#define MOEC_LIB_REFERENCE_TOKENROUTING_H

#include "lib/Reference/Routing.h"
#include "lib/Reference/Scores.h"

namespace moec::reference {

using Indices = std::vector<int64_t>;

/// What a token chose; an id of -1 is a slot that holds nothing.
template <typename Real> struct Pick {
  Indices ids;
  Vector<Real> weights, shared;
};

/// The experts that a token chooses by its logits, with weights as yet
/// unnormalised.
template <typename Real>
Pick<Real> chooseExperts(moe::RoutingAttr routing, const Operands<Real> &in,
                         int64_t token, Vector<Real> logits);
/// All experts that may choose it, the others as -1; `keys` gets what they
/// choose by, in which nothing is NaN.
template <typename Real>
Pick<Real> offerExperts(moe::RoutingAttr routing, const Operands<Real> &in,
                        int64_t token, Vector<Real> logits, Vector<Real> &keys);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_TOKENROUTING_H
