//===- Routing.h - The choice of experts ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What #moe.routing means, stage by stage, for the logits of one token.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_ROUTING_H
#define MOEC_LIB_REFERENCE_ROUTING_H

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Tensor.h"
#include "lib/Weights/Status.h"

namespace moec::reference {

/// Whether the attribute alone says which experts a token gets.
weights::Status checkRouting(moe::RoutingAttr routing, int64_t experts);

template <typename Real> struct Chosen {
  Tensor<Real> ids;     ///< [T, k], -1 where fewer than k were chosen
  Tensor<Real> weights; ///< [T, k], 0 there
};

/// The experts of every token: `logits` [T, E], `bias` [E] or null.
template <typename Real>
Chosen<Real> route(moe::RoutingAttr routing, const Tensor<Real> &logits,
                   const Tensor<Real> *bias);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_ROUTING_H
