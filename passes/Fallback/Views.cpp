//===- Views.cpp - Views and computations of the generic lowering ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Fallback/Fallback.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

Slice Slice::at(Value index) {
  Builder builder(index.getContext());
  return {getAsOpFoldResult(index), builder.getIndexAttr(1), true};
}

Slice Slice::at(int64_t index, VectorBuilder &b) {
  return {b.getIndexAttr(index), b.getIndexAttr(1), true};
}

Slice Slice::from(OpFoldResult offset, OpFoldResult size) {
  return {offset, size, false};
}

Slice Slice::all(VectorBuilder &b, Value memref, int64_t dimension) {
  return {b.getIndexAttr(0), getAsOpFoldResult(b.dim(memref, dimension)),
          false};
}

Value fallback::view(VectorBuilder &b, Value memref, ArrayRef<Slice> slices) {
  SmallVector<OpFoldResult> offsets, sizes;
  SmallVector<OpFoldResult> strides(slices.size(), b.getIndexAttr(1));
  SmallVector<int64_t> kept;
  for (const Slice &slice : slices) {
    offsets.push_back(slice.offset);
    sizes.push_back(slice.size);
    if (!slice.dropped)
      kept.push_back(
          getConstantIntValue(slice.size).value_or(ShapedType::kDynamic));
  }
  auto source = cast<MemRefType>(memref.getType());
  MemRefType type = memref::SubViewOp::inferRankReducedResultType(
      kept, source, offsets, sizes, strides);
  return memref::SubViewOp::create(b, type, memref, offsets, sizes, strides);
}

Value fallback::rowOf(VectorBuilder &b, Value matrix, Value index) {
  return view(b, matrix, {Slice::at(index), Slice::all(b, matrix, 1)});
}

Value fallback::partOfRow(VectorBuilder &b, Value matrix, Value row,
                          Value column, int64_t size) {
  return view(b, matrix,
              {Slice::at(row),
               Slice::from(getAsOpFoldResult(column), b.getIndexAttr(size))});
}

Value fallback::buffer(VectorBuilder &b, ArrayRef<int64_t> shape,
                       Type element) {
  return memref::AllocaOp::create(b, MemRefType::get(shape, element));
}

void fallback::fill(VectorBuilder &b, Value memref, Value scalar) {
  linalg::FillOp::create(b, ValueRange{scalar}, ValueRange{memref});
}

Value fallback::get(VectorBuilder &b, Value cell) {
  return memref::LoadOp::create(b, cell, ValueRange());
}

void fallback::set(VectorBuilder &b, Value cell, Value scalar) {
  memref::StoreOp::create(b, scalar, cell, ValueRange());
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value fallback::widen(VectorBuilder &b, Value scalar) {
  if (scalar.getType().isF32())
    return scalar;
  return arith::ExtFOp::create(b, b.getF32Type(), scalar);
}

Value fallback::narrow(VectorBuilder &b, Value scalar, Type element) {
  if (scalar.getType() == element)
    return scalar;
  return arith::TruncFOp::create(b, element, scalar);
}

Value fallback::plus(VectorBuilder &b, Value lhs, Value rhs) {
  return arith::AddFOp::create(b, lhs, rhs);
}

Value fallback::times(VectorBuilder &b, Value lhs, Value rhs) {
  return arith::MulFOp::create(b, lhs, rhs);
}

//===----------------------------------------------------------------------===//
// Computations
//===----------------------------------------------------------------------===//

void fallback::generic(VectorBuilder &b, ValueRange ins, ValueRange outs,
                       ArrayRef<AffineMap> maps, unsigned reductions,
                       Element element) {
  SmallVector<utils::IteratorType> iterators;
  for (unsigned i = 0; i < maps.front().getNumDims(); ++i)
    iterators.push_back(reductions >> i & 1 ? utils::IteratorType::reduction
                                            : utils::IteratorType::parallel);
  linalg::GenericOp::create(
      b, ins, outs, maps, iterators,
      [&](OpBuilder &nested, Location loc, ValueRange args) {
        VectorBuilder inner(loc, nested, b.lanes);
        linalg::YieldOp::create(inner, element(inner, args));
      });
}

void fallback::elementwise(VectorBuilder &b, ValueRange ins, ValueRange outs,
                           Element element) {
  AffineMap map = b.getDimIdentityMap();
  SmallVector<AffineMap> maps(ins.size() + outs.size(), map);
  generic(b, ins, outs, maps, 0, element);
}

void fallback::reduce(
    VectorBuilder &b, Value vector, Value into,
    function_ref<Value(VectorBuilder &, Value, Value)> combine) {
  AffineMap none = AffineMap::get(1, 0, b.getContext());
  generic(b, vector, into, {b.getDimIdentityMap(), none}, 1,
          [&](VectorBuilder &inner, ValueRange args) {
            return Values{combine(inner, args[1], widen(inner, args[0]))};
          });
}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

bool fallback::isMatrix(Type type, int64_t n, int64_t k) {
  auto shaped = dyn_cast<MemRefType>(type);
  if (!shaped || ShapedType::isDynamic(n) || ShapedType::isDynamic(k))
    return false;
  int64_t panels = llvm::divideCeilSigned(n, kPanelColumns);
  SmallVector<int64_t> packed{panels, k, kPanelColumns};
  SmallVector<int64_t> paired{panels, llvm::divideCeilSigned(k, 2),
                              kPanelColumns, 2};
  ArrayRef<int64_t> shape = shaped.getShape();
  return shape == ArrayRef<int64_t>{n, k} || shape == ArrayRef(packed) ||
         shape == ArrayRef(paired);
}

void fallback::accumulateColumns(VectorBuilder &b, Value x, Value matrix,
                                 Value first, Value acc) {
  // Loops: k, which adds up, then the columns.
  MLIRContext *context = b.getContext();
  AffineExpr k = b.getAffineDimExpr(0), n = b.getAffineDimExpr(1);
  auto type = cast<MemRefType>(matrix.getType());
  Slice columns = Slice::all(b, acc, 0);
  SmallVector<Slice> slices;
  SmallVector<AffineExpr> place;
  if (type.getRank() == 2) {
    slices = {Slice::from(getAsOpFoldResult(first), columns.size),
              Slice::all(b, matrix, 1)};
    place = {n, k};
  } else {
    slices = {Slice::at(b.div(first, kPanelColumns)), Slice::all(b, matrix, 1),
              columns};
    place = {k, n};
    if (type.getRank() == 4) {
      slices.push_back(Slice::all(b, matrix, 3));
      place = {k.floorDiv(2), n, k % 2};
    }
  }
  generic(b, {x, view(b, matrix, slices)}, acc,
          {AffineMap::get(2, 0, k), AffineMap::get(2, 0, place, context),
           AffineMap::get(2, 0, n)},
          1, [](VectorBuilder &inner, ValueRange args) {
            Value product =
                times(inner, widen(inner, args[0]), widen(inner, args[1]));
            return Values{plus(inner, args[2], product)};
          });
}

Slice fallback::panelColumns(VectorBuilder &b, Value first, int64_t n) {
  Value count = b.index(kPanelColumns);
  if (n % kPanelColumns)
    count = b.min(count, b.sub(b.index(n), first));
  return Slice::from(getAsOpFoldResult(first), getAsOpFoldResult(count));
}
