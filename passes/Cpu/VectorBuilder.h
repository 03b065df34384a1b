//===- VectorBuilder.h - Building vector code ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the lowerings to vector code share. A row of static width is cut into
// chunks: vectors of the machine's width, then, for what is left, vectors of
// falling powers of two, so that nothing outside the row is ever touched.
// Arithmetic is in f32, in an order that depends on the width alone.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_VECTORBUILDER_H
#define MOEC_PASSES_CPU_VECTORBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {

/// `size` elements of a row, from `offset` on.
struct Chunk {
  int64_t offset;
  int64_t size;
};

/// Cuts a row into chunks of `lanes` elements and a tail of falling powers of
/// two.
llvm::SmallVector<Chunk> chunksOf(int64_t width, int64_t lanes);

class VectorBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<mlir::Value>;

  VectorBuilder(mlir::Location loc, mlir::OpBuilder &builder, int64_t lanes)
      : ImplicitLocOpBuilder(loc, builder), lanes(lanes) {}

  /// f32 lanes of the machine's vectors.
  const int64_t lanes;

  mlir::VectorType f32Vector(int64_t size);

  // Constants.
  Value index(int64_t value);
  Value i32(int64_t value);
  Value f32(double value);
  Value f32Splat(double value, int64_t size);
  Value broadcast(Value scalar, int64_t size);

  // Index arithmetic, folded where operands are constants. Division is that of
  // non-negative numbers.
  Value add(Value lhs, Value rhs);
  Value add(Value lhs, int64_t rhs) { return add(lhs, index(rhs)); }
  Value sub(Value lhs, Value rhs);
  Value mul(Value lhs, int64_t rhs);
  Value div(Value lhs, int64_t rhs);
  Value ceilDiv(Value lhs, int64_t rhs);
  Value rem(Value lhs, int64_t rhs);
  Value min(Value lhs, Value rhs);
  Value max(Value lhs, Value rhs);

  // Memory. Elements are f32 or bf16, and are widened or rounded on the way.
  Value load(Value memref, ValueRange indices, int64_t size);
  void store(Value vector, Value memref, ValueRange indices);
  /// A vector in f32 as one of an element type that is stored.
  Value narrow(Value vector, mlir::Type element);
  Value compare(mlir::arith::CmpIPredicate predicate, Value lhs, Value rhs);
  Value compare(mlir::arith::CmpFPredicate predicate, Value lhs, Value rhs);
  /// A number stored as i32.
  Value loadIndex(Value memref, ValueRange indices);
  /// The size of a dimension, as a constant where it is static.
  Value dim(Value memref, int64_t dimension);
  /// A buffer of the running task.
  Value stackBuffer(llvm::ArrayRef<int64_t> shape);

  // f32 arithmetic on scalars or vectors.
  Value fma(Value a, Value b, Value c);
  /// The larger operand, `rhs` where they do not compare.
  Value larger(Value lhs, Value rhs);
  /// 1 / sqrt(sum / count + eps).
  Value inverseRoot(Value sum, int64_t count, const llvm::APFloat &eps);

  using Combine = llvm::function_ref<Value(Value, Value)>;
  /// All elements of all values combined, halves with halves; vectors of one
  /// power of two.
  Value reduce(llvm::ArrayRef<Value> vectors, Combine combine);
  /// Values combined pairwise, neighbours first.
  Value tree(llvm::ArrayRef<Value> values, Combine combine);

  // Loops.
  using Body = llvm::function_ref<void(Value)>;
  void forLoop(Value from, Value to, int64_t step, Body body);
  using Carried = llvm::function_ref<Values(Value, ValueRange)>;
  Values forLoop(Value from, Value to, int64_t step, ValueRange inits,
                 Carried body);
  void ifThen(Value condition, llvm::function_ref<void()> body);

  /// Builds code for every chunk of a row of `width` elements: a loop over the
  /// groups of `unroll` full vectors where there are several, the rest
  /// unrolled. The body gets the offset and size of a chunk.
  void forChunks(int64_t width, int64_t unroll,
                 llvm::function_ref<void(Value, int64_t)> body);

  /// Builds tasks of `rows` consecutive rows of `count`; the body gets the
  /// first row and the end.
  void rowTasks(Value count, int64_t rows,
                llvm::function_ref<void(Value, Value)> body);
  /// Builds `count` tasks.
  void tasks(Value count, Body body);
};

/// f32 lanes of the target of the module around `op`, 0 when it has none.
int64_t lanesFor(mlir::Operation *op);

/// Whether a value is a memref of which all dimensions but the first are static
/// and whose last dimension lies without gaps.
bool isRowMajor(mlir::Value value);
/// The same for a matrix with rows of a given width.
bool isRowMajor(mlir::Value value, int64_t width);

/// Rows of `elements` elements each that make a task worth its start.
int64_t rowsPerTask(int64_t elements);

/// Applies the patterns once to all ops inside `root`. An op of one of the
/// `names` that is left gets an error that says what its pattern expected; then
/// the result is failure.
mlir::LogicalResult lowerAll(mlir::Operation *root,
                             mlir::RewritePatternSet &&patterns,
                             llvm::ArrayRef<llvm::StringRef> names);

} // namespace moec

#endif // MOEC_PASSES_CPU_VECTORBUILDER_H
