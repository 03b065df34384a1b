//===- ChoiceCounts.h - How often experts were chosen -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The counts of a choice of experts, by block of tokens. A block belongs to one
// task, so that counting needs no atomics, and which tokens it has depends on
// their number alone, so that the counts are the same for any threads.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CHOICECOUNTS_H
#define MOEC_PASSES_CHOICECOUNTS_H

#include "passes/Cpu/VectorBuilder.h"

namespace moec {

class ChoiceCounts {
public:
  using Value = mlir::Value;

  /// `counts` [B, E] are those of `tokens` tokens, in blocks of `rows` or a
  /// multiple.
  ChoiceCounts(VectorBuilder &b, Value counts, int64_t rows, Value tokens);

  /// Builds a task for each block that has tokens; the body gets the block, its
  /// first token and the end.
  void blockTasks(llvm::function_ref<void(Value, Value, Value)> body);

  void clear(Value block);
  /// Counts the choices of a token.
  void add(Value block, Value ids, Value token);

  /// Adds the counts of all blocks for the experts from `first` on to `sums`,
  /// one number for each expert.
  void addTo(Value sums, int64_t first, int64_t experts);

private:
  VectorBuilder &b;
  Value counts, tokens, blockRows, blocks;
};

/// Emits the counts of ids that are in memory, as tasks of their own.
void emitCounts(VectorBuilder &b, mlir::Value counts, int64_t rows,
                mlir::Value ids);

} // namespace moec

#endif // MOEC_PASSES_CHOICECOUNTS_H
