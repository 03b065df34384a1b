//===- Fallback.h - The generic lowering, by family of ops ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the families share: views of memrefs and computations on them in linalg.
// A task is a row or an expert, its work scalar; operands need not be packed,
// aligned or without gaps.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_FALLBACK_FALLBACK_H
#define MOEC_PASSES_FALLBACK_FALLBACK_H

#include "dialects/Moe/Moe.h"
#include "passes/Cpu/VectorBuilder.h"

#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/AffineMap.h"

namespace moec::fallback {

void populateRouting(mlir::RewritePatternSet &patterns);
void populateDispatch(mlir::RewritePatternSet &patterns);
void populateMatmul(mlir::RewritePatternSet &patterns);
void populateLayers(mlir::RewritePatternSet &patterns);
void populateAttention(mlir::RewritePatternSet &patterns);
void populateMixers(mlir::RewritePatternSet &patterns);

using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

/// One dimension of a view: a single index, which drops the dimension, or
/// `size` elements from `offset` on.
struct Slice {
  static Slice at(Value index);
  static Slice at(int64_t index, VectorBuilder &b);
  static Slice from(mlir::OpFoldResult offset, mlir::OpFoldResult size);
  static Slice all(VectorBuilder &b, Value memref, int64_t dimension);

  mlir::OpFoldResult offset, size;
  bool dropped;
};

/// A view of a memref, one slice for each dimension.
Value view(VectorBuilder &b, Value memref, llvm::ArrayRef<Slice> slices);
/// Row `index` of a matrix.
Value rowOf(VectorBuilder &b, Value matrix, Value index);
/// `size` elements of a row of a matrix from `column` on.
Value partOfRow(VectorBuilder &b, Value matrix, Value row, Value column,
                int64_t size);

/// A buffer of the running task.
Value buffer(VectorBuilder &b, llvm::ArrayRef<int64_t> shape,
             mlir::Type element);
void fill(VectorBuilder &b, Value memref, Value scalar);
/// The only element of a memref of rank 0.
Value get(VectorBuilder &b, Value cell);
void set(VectorBuilder &b, Value cell, Value scalar);

/// Scalars in f32 and back.
Value widen(VectorBuilder &b, Value scalar);
Value narrow(VectorBuilder &b, Value scalar, mlir::Type element);
Value plus(VectorBuilder &b, Value lhs, Value rhs);
Value times(VectorBuilder &b, Value lhs, Value rhs);

/// The element that `outs` of one computation get, from elements of `ins` and
/// the present ones of `outs`.
using Element = llvm::function_ref<Values(VectorBuilder &, ValueRange)>;

/// A linalg.generic; one map for each operand, all from the same loops. Loop i
/// adds up when bit i of `reductions` is set.
void generic(VectorBuilder &b, ValueRange ins, ValueRange outs,
             llvm::ArrayRef<mlir::AffineMap> maps, unsigned reductions,
             Element element);
/// The same over vectors of one length, element by element.
void elementwise(VectorBuilder &b, ValueRange ins, ValueRange outs,
                 Element element);
/// `into`, of rank 0, combined with every element of a vector in ascending
/// order.
void reduce(VectorBuilder &b, Value vector, Value into,
            llvm::function_ref<Value(VectorBuilder &, Value, Value)> combine);

/// `acc[j] += x . matrix row (first + j)` for a matrix [N, K], packed or not,
/// of which `first` begins a panel; K ascending.
void accumulateColumns(VectorBuilder &b, Value x, Value matrix, Value first,
                       Value acc);
/// Whether a type is that of a matrix with N rows, packed or not, of static
/// width.
bool isMatrix(mlir::Type type, int64_t n, int64_t k);

/// Writes to `out` what the epilogue of a product makes of `sums`, one for each
/// bank: those of the columns of row `row` that `columns` says.
void applyEpilogue(VectorBuilder &b, const moe::ProductParts &parts,
                   ValueRange sums, Value group, Value row, Slice columns,
                   Value out);

/// The columns of a product of width `n` that lie in the panel beginning at
/// column `first`.
Slice panelColumns(VectorBuilder &b, Value first, int64_t n);

} // namespace moec::fallback

#endif // MOEC_PASSES_FALLBACK_FALLBACK_H
