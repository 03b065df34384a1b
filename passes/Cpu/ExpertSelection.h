//===- ExpertSelection.h - Choosing experts in vector code ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_EXPERTSELECTION_H
#define MOEC_PASSES_CPU_EXPERTSELECTION_H

#include "passes/Cpu/VectorBuilder.h"
#include "passes/Routing.h"

namespace moec {

/// Emits the choice of experts of one token after another.
class ExpertSelection {
public:
  /// Emits the buffers that the tokens of a task share. `bias` may be null.
  ExpertSelection(VectorBuilder &b, moe::RoutingAttr routing, mlir::Value bias,
                  int64_t experts);

  /// f32 elements of a row of logits: the experts, and what fills up the last
  /// vectors.
  static int64_t rowWidth(int64_t experts, int64_t lanes);

  /// Puts minus infinity behind the last expert of a row of logits.
  static void padRow(VectorBuilder &b, mlir::Value logits, mlir::Value row,
                     int64_t experts);

  /// Chooses from row `row` of `logits`, a buffer of rows of rowWidth elements
  /// that are padded, and writes row `token` of `ids` and `weights`.
  void emit(mlir::Value logits, mlir::Value row, mlir::Value ids,
            mlir::Value weights, mlir::Value token);

private:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<Value>;
  using Step = llvm::function_ref<Values(Value, ValueRange)>;

  Values forVectors(ValueRange inits, Step step);
  Value vectorAt(Value buffer, Value offset);
  Value i32Splat(int64_t value);
  void copyBias(Value from);
  Value loadLogits(Value offset);
  Value sigmoid(Value vector);
  void computeScores();
  void exponentiateAll();
  Value integerKey(Value key);
  void computeKeys();
  void selectRounds(Value ids, Value token);
  Value firstLargest();
  Values weightsOfChosen();
  void softmax(Values &vectors);
  void divide(Values &vectors, Value divisor);
  void renormalise(Values &vectors);

  VectorBuilder &b;
  moe::RoutingAttr routing;
  RoutingStages stages;
  int64_t experts, width;
  /// The bias, padded like a row of logits, or null.
  Value bias;
  /// The weights are computed of the chosen logits.
  bool scoresOfChosen;
  Value scores, keys, chosen;
  /// Of the token at hand: its logits, and the sum of their exponentials where
  /// `scores` holds these.
  Value logits, row, sum;
};

} // namespace moec

#endif // MOEC_PASSES_CPU_EXPERTSELECTION_H
