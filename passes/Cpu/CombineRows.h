//===- CombineRows.h - The sums of a combine --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_COMBINEROWS_H
#define MOEC_PASSES_CPU_COMBINEROWS_H

#include "dialects/Moe/Moe.h"
#include "passes/Cpu/VectorBuilder.h"

namespace moec {

/// Emits the rows of y of some tokens.
class CombineRows {
public:
  explicit CombineRows(moe::CombineOp op);

  /// Why a combine cannot be emitted so as a part of `op`, or an empty string.
  static llvm::StringRef refusal(mlir::Operation *op,
                                 const moe::CombineParts &parts);

  /// The tokens `from` to `to`.
  void emit(VectorBuilder &b, mlir::Value from, mlir::Value to);

  /// All tokens, as tasks of so many.
  void emitTasks(VectorBuilder &b);
  int64_t tokensOfTask();

private:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<Value>;

  void emitToken(VectorBuilder &b, Value token);
  Value countRows(VectorBuilder &b, Value token);
  Value shareOf(VectorBuilder &b, Value token, int64_t from, int64_t to);
  void emitColumns(VectorBuilder &b, Value token, Value rows, Value column,
                   llvm::ArrayRef<Chunk> chunks);

  moe::CombineOp op;
  int64_t width, k;
  /// Of the token, beside each of the locals.
  Values shares;
};

} // namespace moec

#endif // MOEC_PASSES_CPU_COMBINEROWS_H
