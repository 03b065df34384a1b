//===- GateTile.h - Register tiles of the router product --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_GATETILE_H
#define MOEC_PASSES_CPU_GATETILE_H

#include "dialects/Moe/Moe.h"
#include "passes/Cpu/VectorBuilder.h"

namespace moec {

/// Emits the product of some tokens with the router's matrix.
class GateTile {
public:
  /// Where the matrix is packed by pairs of k, views it as vectors of pairs.
  GateTile(VectorBuilder &b, moe::GateOp op, moe::TargetAttr target);

  /// Why a gate of x with this matrix has no tile, or an empty string.
  static llvm::StringRef refusal(mlir::Value x, mlir::Value matrix,
                                 mlir::Value logits);

  /// Rows that a task takes: enough register tiles that the matrix, read once
  /// for all of them, is not what the task waits for.
  static int64_t rowsOfTask(int64_t experts, moe::TargetAttr target);

  /// Adds to `sums`, a buffer of whole vectors of experts for the rows of a
  /// task, the product of the tokens `from` to `to` of
  /// x, K in ascending order.
  void emit(mlir::Value sums, mlir::Value from, mlir::Value to);

private:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  /// A register tile: rows of x, rows of `sums`, the first vector of experts,
  /// how many of these.
  struct Tile {
    Values source, sums;
    Value unit;
    int64_t units;
  };

  void emitUnits(Value sums, Value from, Value to, Value unit, int64_t units);
  void emitTile(Value sums, const Tile &tile, Value begin, Value end);
  Values multiplyAdd(const Tile &tile, Value k, int64_t half, Values sums);
  Value weights(Value unit, Value k, int64_t half);
  Value plainWeights(Value unit, Value k);
  Value input(Value row, Value k);

  VectorBuilder &b;
  moe::GateOp op;
  Value matrix;
  int64_t experts, width, step, units, tileUnits, tileRows;
};

} // namespace moec

#endif // MOEC_PASSES_CPU_GATETILE_H
