//===- AttentionTiles.h - The products of attention ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The two matrix products of attention over one block of a state, as register
// tiles: scores = q * keys, and sums += probabilities * values. A row is one
// query head of one token; the rows of a task are in buffers of the task.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_ATTENTIONTILES_H
#define MOEC_PASSES_CPU_ATTENTIONTILES_H

#include "passes/Cpu/State.h"

namespace moec {

/// Values of the generated code that say where a block of one head lies.
struct StateBlock {
  mlir::Value storage; // in the pools
  mlir::Value head;    // of the state
};

/// The tile sizes that fit a register file.
struct TileShape {
  int64_t registers;

  /// Rows of the tiles, falling; the last is 1.
  llvm::SmallVector<int64_t> rowCounts() const;
  /// Vectors of columns beside `rows` rows: accumulators, the vectors of one
  /// step and a broadcast must fit the registers.
  int64_t vectors(int64_t rows) const;
};

class AttentionTiles {
public:
  using Value = mlir::Value;

  AttentionTiles(VectorBuilder &b, const State &state, TileShape shape,
                 int64_t rows);

  // Buffers of the task, by row.
  Value queries; // [rows, key], scaled
  Value scores;  // [rows, 32], then probabilities
  Value sums;    // [rows, value]

  /// Cuts the rows `from` to `to` into tiles.
  void forTiles(Value from, Value to,
                llvm::function_ref<void(int64_t rows, Value row)> body);
  /// scores[row .. row + rows] = queries * keys, for all lanes of the block.
  void score(int64_t rows, Value row, StateBlock block);
  /// sums[row .. row + rows] += scores * values, over the lanes `from` to `to`.
  void accumulate(int64_t rows, Value row, StateBlock block, Value from,
                  Value to);

private:
  void scoreRows(int64_t rows, Value row, StateBlock block);
  void accumulateColumns(int64_t rows, Value row, StateBlock block, Value from,
                         Value to, Value column, int64_t vectors, int64_t size);

  VectorBuilder &b;
  const State &state;
  TileShape shape;
};

} // namespace moec

#endif // MOEC_PASSES_CPU_ATTENTIONTILES_H
