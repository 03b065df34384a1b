//===- ExpertSelection.h - Choosing experts in vector code ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_EXPERTSELECTION_H
#define MOEC_PASSES_CPU_EXPERTSELECTION_H

#include "passes/RoutingRows.h"

namespace moec {

/// Emits the choice of experts of one token after another.
class ExpertSelection {
public:
  /// Emits the buffers that the tokens of a task share.
  ExpertSelection(VectorBuilder &b, const RoutingStages &stages,
                  RoutingRows rows);

  /// f32 elements of a row of logits: the experts, and what fills up the last
  /// vectors.
  static int64_t rowWidth(int64_t experts, int64_t lanes);

  /// Puts minus infinity behind the last expert of a row of logits.
  static void padRow(VectorBuilder &b, mlir::Value logits, mlir::Value row,
                     int64_t experts);

  /// Chooses from row `row` of `logits`, a buffer of rows of rowWidth elements
  /// that are padded and may be changed, and writes row `token` of the outputs.
  void emit(mlir::Value logits, mlir::Value row, mlir::Value token);

private:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<Value>;
  using Step = llvm::function_ref<Values(Value, ValueRange)>;

  // Vectors of a row.
  Values forVectors(ValueRange inits, Step step);
  Value vectorAt(Value buffer, Value offset);
  Value i32Splat(int64_t value);
  void copyBias();
  Value loadLogits(Value offset);
  Value largestOf(llvm::function_ref<Value(Value)> at);

  // Scores and keys.
  void maskLogits(Value token);
  void capLogits();
  void computeScores();
  void exponentiateAll();
  Value keyAt(Value offset);
  void computeKeys();
  void keepGroups();
  Value groupKey(Value first);

  // Selection.
  void closeKeys();
  std::pair<Value, Value> firstLargest();
  Value valueOf(Value expert);
  Value isAllowed(Value found, Value largest, Value round, Value limit,
                  ValueRange mass);
  void selectRounds(Value token);
  void closeGroup(Value expert);
  Value roundWeight(Value expert);
  void selectFromTable(Value token);
  void selectAll();
  void choose(Value slot, Value found, Value id, Value value);
  void offerAll(Value token);

  // Weights.
  Value holds(int64_t offset);
  Value masked(Value vector, int64_t offset, double rest);
  void maskAll(Values &vectors, double rest);
  void apply(Values &vectors, llvm::function_ref<Value(Value)> fn);
  void scoreChosen(Values &vectors);
  void dropNull(Values &vectors);
  void softmax(Values &vectors);
  void divide(Values &vectors, Value divisor);
  void renormalise(Values &vectors);
  void scale(Values &vectors);
  void storeParts(llvm::ArrayRef<Value> vectors, Value memref, Value token,
                  int64_t size);
  void finish(Value token);

  VectorBuilder &b;
  RoutingStages stages;
  RoutingRows rows;
  RoutingMath math;
  RoutingFinish last;
  moe::RoutingAttr routing;
  int64_t experts, width;
  /// Only the scores of the chosen are divided by the sum of all.
  bool dividesLate;
  /// The bias, padded like a row of logits, or null.
  Value bias;
  /// Of the chosen: ids, -1 behind the last, values, and where they have a
  /// scale of their own, that; values of shared experts.
  Value slots, chosen, scales, sharedValues;
  /// Of all experts: scores, keys as integers and, for groups, as they are;
  /// logits of those that are left, and not 0 for what may not be chosen.
  Value scores, keys, plainKeys, remaining, blocked;
  /// How many were chosen of each group, and keys of groups.
  Value taken, groupKeys;
  /// Which experts each class may choose.
  Value classMask;
  /// Of the token at hand: its logits, and the sum of their exponentials where
  /// `scores` holds these.
  Value logits, row, sum;
};

} // namespace moec

#endif // MOEC_PASSES_CPU_EXPERTSELECTION_H
