//===- Routing.h - What lowerings ask of a routing pipeline -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_ROUTING_H
#define MOEC_PASSES_ROUTING_H

#include "dialects/Moe/Moe.h"

namespace moec {

/// The values that a token's routing goes through, decided once for all
/// lowerings.
///
/// Without a bias, softmax and sigmoid order experts as the logits do. Then the
/// logits are the keys: experts that only rounding would make equal stay apart,
/// and the choice depends on no approximation of exp.
struct RoutingStages {
  RoutingStages(moe::RoutingAttr routing, bool hasBias);

  /// The keys are scores, plus the bias; otherwise logits, plus the bias.
  bool keysFromScores;
  /// The weights are scores; otherwise logits.
  bool weightsFromScores;
  /// The weights go through a softmax of their own.
  bool softmaxOfSelected;

  bool needsScores() const { return keysFromScores || weightsFromScores; }
};

/// A stage of the pipeline that no lowering knows, or an empty string.
llvm::StringRef routingWithoutLowering(moe::RoutingAttr routing);

} // namespace moec

#endif // MOEC_PASSES_ROUTING_H
