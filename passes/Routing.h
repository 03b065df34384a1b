//===- Routing.h - What lowerings ask of a routing pipeline -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_ROUTING_H
#define MOEC_PASSES_ROUTING_H

#include "dialects/Moe/Moe.h"
#include "passes/Cpu/VectorBuilder.h"

namespace moec {

/// The values that a token's routing goes through, decided once for all
/// lowerings.
///
/// Where a softmax orders experts as their logits do, the logits are the keys:
/// experts that only rounding would make equal stay apart, and the choice
/// depends on no approximation of exp. Other scores saturate; their ties are
/// part of what they mean.
struct RoutingStages {
  /// `logits` counts those of a token, shared experts included.
  RoutingStages(moe::RoutingAttr routing, const moe::RoutingInputs &inputs,
                int64_t logits);

  moe::RoutingAttr routing;
  moe::RoutingInputs inputs;
  int64_t experts, shared;

  /// The keys are scores, plus the bias; otherwise logits, plus the bias.
  bool keysFromScores;
  /// The weights are scores; otherwise logits.
  bool weightsFromScores;
  /// Scores of all experts are computed before the selection.
  bool scoresOfAll;
  /// The score is a function of the chosen logits.
  bool scoresOfChosen;
  /// A token may choose fewer than k experts.
  bool mayRunOut;
  /// Renormalisation and scale wait for the other tokens.
  bool isLate;

  int64_t k() const { return routing.getK(); }
  bool isSoftmax() const { return routing.getScore() == moe::Score::Softmax; }
  bool isWindow() const { return routing.getScope() == moe::Scope::Window; }
  bool isSequential() const {
    return routing.is(moe::Policy::SequentialMasked);
  }
  /// How many experts it takes depends on the mass of their scores.
  bool countsMass() const {
    return routing.getThreshold() && !routing.is(moe::Policy::Threshold);
  }
  /// Groups of which not all are kept.
  bool keepsGroups() const {
    return routing.restrictsGroups() && !routing.getGroupQuota();
  }
};

/// Functions of f32, on scalars or vectors.
class RoutingMath {
public:
  explicit RoutingMath(VectorBuilder &b) : b(b) {}

  using Value = mlir::Value;
  /// A constant of the type of `like`, of f32 or of i32 with as many elements.
  Value number(double value, Value like);
  Value integer(int32_t value, Value like);

  /// cap * tanh(x / cap).
  Value capped(Value x, double cap);
  /// Any score but a softmax.
  Value score(moe::Score score, Value x);
  Value logSigmoid(Value x);
  Value exponential(Value x, Value shift);
  /// |x|^power, and what undoes it.
  Value power(Value x, double power);
  Value root(Value x, double power);
  /// x, or minus infinity where it is outside of the window below `largest`.
  /// `magnitude` is x as it was before others were masked.
  Value inWindow(moe::RoutingAttr routing, Value x, Value magnitude,
                 Value largest);
  /// Minus infinity instead of what is not a number.
  Value ordered(Value x);
  /// The i32 of an ordered value, in the order of values; -0.0 equals 0.0.
  Value integerKey(Value x);

  /// Less than the integer of any key: an expert that cannot be chosen.
  static constexpr int32_t kNoKey = std::numeric_limits<int32_t>::min();

private:
  VectorBuilder &b;
};

/// A limit of what the generated code can hold on the stack of a task, or an
/// empty string.
llvm::StringRef routingWithoutLowering(const RoutingStages &stages);

} // namespace moec

#endif // MOEC_PASSES_ROUTING_H
