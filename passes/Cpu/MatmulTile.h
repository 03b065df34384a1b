//===- MatmulTile.h - One register tile of a matrix product -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_MATMULTILE_H
#define MOEC_PASSES_CPU_MATMULTILE_H

#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"

namespace moec {

/// Emits the code of register tiles for one matrix product on packed weights.
///
/// A *unit* is one vector of output columns; the weights of unit u lie in panel
/// u / (16 / lanes). A tile is some rows by some units, and for each of them
/// one accumulator for each bank.
class MatmulTile {
public:
  MatmulTile(mlir::OpBuilder &builder, moe::GroupedMatmulOp op,
             moe::TargetAttr target);

  int64_t lanes() const { return lanesOfF32; }
  int64_t banks() const { return bankViews.size(); }
  /// Steps of the reduction: K, or pairs of K for bf16.
  int64_t steps() const { return reductionSteps; }
  /// Elements that a row of the input must have, with zeros behind K.
  int64_t paddedK() const { return reductionSteps * elementsPerStep; }
  bool needsPadding() { return paddedK() != op.getK(); }

  /// Where a tile reads its input rows: element (row i, column k) of `rows` is
  /// at [rowIndex[i], k].
  struct Input {
    mlir::Value rows;
    llvm::SmallVector<mlir::Value> rowIndex;
  };

  /// Multiplies input rows with the columns of `units` units from `unit` on,
  /// of expert `group`, and writes epilogue(...) to rows `outRow` and following
  /// of `out`. `width` is the number of columns of the last unit, less than
  /// a vector at the end of N. `prefetch` bytes ahead are asked for.
  void emit(const Input &input, mlir::Value group, mlir::Value out,
            mlir::Value outRow, mlir::Value unit, int64_t units, int64_t width,
            int64_t prefetch);

private:
  using Values = llvm::SmallVector<mlir::Value>;

  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value lhs, int64_t rhs);
  /// The indices of step `k` of a unit in a bank's view.
  Values bankIndices(mlir::Value group, mlir::Value unit, mlir::Value k);
  /// The weights of a step: one vector, or two when bf16 is widened.
  Values loadWeights(unsigned bank, mlir::ValueRange indices);
  /// The broadcast input of a step: as many values as loadWeights gives.
  Values loadInput(const Input &input, int64_t row, mlir::Value k);
  mlir::Value multiplyAdd(mlir::ValueRange a, mlir::ValueRange b,
                          mlir::Value acc);
  Values accumulate(const Input &input, mlir::Value group, mlir::Value unit,
                    int64_t units, int64_t prefetch);
  /// Applies the epilogue to the accumulators of one row and unit and stores.
  void finish(mlir::ValueRange accumulators, mlir::Value group, mlir::Value out,
              mlir::Value outRow, mlir::Value unit, int64_t width);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  moe::GroupedMatmulOp op;
  Values bankViews;
  int64_t lanesOfF32;
  int64_t reductionSteps;
  int64_t elementsPerStep;
  bool bf16Weights;
  bool dot;
};

} // namespace moec

#endif // MOEC_PASSES_CPU_MATMULTILE_H
