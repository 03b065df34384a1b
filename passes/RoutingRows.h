//===- RoutingRows.h - What follows the choice of experts -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_ROUTINGROWS_H
#define MOEC_PASSES_ROUTINGROWS_H

#include "passes/Routing.h"

#include <limits>

namespace moec {

/// The key of an expert that is not to be chosen.
inline constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();

/// The outputs of a choice of experts; `shared` may be null.
struct RoutingRows {
  mlir::Value ids, weights, shared;
};

/// Scalar code for the last stages of tokens whose ids and weights are in
/// memory.
class RoutingFinish {
public:
  /// Emits what the tokens of a task share.
  RoutingFinish(VectorBuilder &b, const RoutingStages &stages,
                RoutingRows rows);

  /// Scores of what was chosen, and of the shared experts, of their logits.
  void score(mlir::Value token);
  /// Renormalisation and scale.
  void normalise(mlir::Value token);
  /// Alias.
  void rename(mlir::Value token);

private:
  using Value = mlir::Value;
  using Map = llvm::function_ref<Value(Value)>;
  using Fold = llvm::function_ref<Value(Value, Value)>;

  Value isNull(Value id);
  void map(Value token, Map fn);
  Value fold(Value token, double init, Fold fn);
  void dropNull(Value token);
  void softmax(Value token);
  void renormalise(Value token);
  void scale(Value token);

  VectorBuilder &b;
  const RoutingStages &stages;
  RoutingRows rows;
  RoutingMath math;
  Value alias;
};

/// Emits the stages that look at many tokens, and what comes after them, as
/// tasks of their own behind those of single tokens.
void emitStagesOfBatch(VectorBuilder &b, const RoutingStages &stages,
                       RoutingRows rows);

/// Emits a stack buffer of i32 with these elements.
mlir::Value integerTable(VectorBuilder &b, llvm::ArrayRef<int32_t> elements);

} // namespace moec

#endif // MOEC_PASSES_ROUTINGROWS_H
