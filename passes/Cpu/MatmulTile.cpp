//===- MatmulTile.cpp - One register tile of a matrix product -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// acc[i][j] += a[i][k] * b[k][j] for k ascending, with every accumulator in a
// register: each step of K loads one vector of weights for each unit and bank,
// and for each row one element that is broadcast. Three forms of a step:
//   f32 weights       one multiply-add;
//   bf16, with dot    a 32-bit lane holds two consecutive k of both operands,
//                     one instruction multiplies and adds both;
//   bf16, without     the lane is widened by a shift and a mask into the f32 of
//                     k and of k + 1, then two multiply-adds.
// Nothing here depends on how many rows there are, so a row's result does not
// either.
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/MatmulTile.h"

#include "passes/Cpu/Epilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"

using namespace mlir;
using namespace moec;

/// A bank whose pairs of bf16 are one dimension: [(E,) panels, K/2, 32].
static Value flattenPairs(OpBuilder &builder, Location loc, Value bank) {
  auto type = cast<MemRefType>(bank.getType());
  if (!type.getElementType().isBF16())
    return bank;
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i + 2 < type.getRank(); ++i)
    groups.push_back({i});
  groups.push_back({type.getRank() - 2, type.getRank() - 1});
  return memref::CollapseShapeOp::create(builder, loc, bank, groups);
}

MatmulTile::MatmulTile(OpBuilder &builder, moe::GroupedMatmulOp op,
                       moe::TargetAttr target)
    : builder(builder), loc(op.getLoc()), op(op), lanesOfF32(target.lanes()),
      bf16Weights(op.getWeightType().isBF16()) {
  auto x = cast<MemRefType>(op.getX().getType());
  dot = bf16Weights && x.getElementType().isBF16();
  elementsPerStep = bf16Weights ? 2 : 1;
  reductionSteps = llvm::divideCeilSigned(op.getK(), elementsPerStep);
  for (Value bank : op.getBanks())
    bankViews.push_back(flattenPairs(builder, loc, bank));
}

Value MatmulTile::index(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value MatmulTile::add(Value lhs, int64_t rhs) {
  return rhs ? arith::AddIOp::create(builder, loc, lhs, index(rhs)).getResult()
             : lhs;
}

MatmulTile::Values MatmulTile::bankIndices(Value group, Value unit, Value k) {
  int64_t unitsPerPanel = kPanelColumns / lanesOfF32;
  Value panel = unit, column = index(0);
  if (unitsPerPanel > 1) {
    Value n = index(unitsPerPanel);
    panel = arith::DivUIOp::create(builder, loc, unit, n);
    Value inPanel = arith::RemUIOp::create(builder, loc, unit, n);
    column = arith::MulIOp::create(builder, loc, inPanel,
                                   index(lanesOfF32 * elementsPerStep));
  }
  Values indices;
  if (op.isGrouped())
    indices.push_back(group);
  llvm::append_range(indices, ArrayRef<Value>{panel, k, column});
  return indices;
}

MatmulTile::Values MatmulTile::loadWeights(unsigned bank, ValueRange indices) {
  Type element = op.getWeightType();
  auto type = VectorType::get({lanesOfF32 * elementsPerStep}, element);
  Value loaded =
      vector::LoadOp::create(builder, loc, type, bankViews[bank], indices);
  if (!bf16Weights || dot)
    return {loaded};
  auto ints = VectorType::get({lanesOfF32}, builder.getI32Type());
  auto floats = VectorType::get({lanesOfF32}, builder.getF32Type());
  Value pairs = vector::BitCastOp::create(builder, loc, ints, loaded);
  auto splat = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(
        builder, loc, DenseElementsAttr::get(ints, APInt(32, value)));
  };
  Value even = arith::ShLIOp::create(builder, loc, pairs, splat(16));
  Value odd = arith::AndIOp::create(builder, loc, pairs,
                                    splat(static_cast<int32_t>(0xffff0000)));
  return {vector::BitCastOp::create(builder, loc, floats, even),
          vector::BitCastOp::create(builder, loc, floats, odd)};
}

MatmulTile::Values MatmulTile::loadInput(const Input &input, int64_t row,
                                         Value k) {
  Value rowIndex = input.rowIndex[row];
  Value column = k;
  if (elementsPerStep > 1)
    column = arith::MulIOp::create(builder, loc, k, index(elementsPerStep));
  if (dot) {
    auto pair = VectorType::get({2}, builder.getBF16Type());
    auto lane = VectorType::get({1}, builder.getI32Type());
    auto ints = VectorType::get({lanesOfF32}, builder.getI32Type());
    auto all = VectorType::get({2 * lanesOfF32}, builder.getBF16Type());
    Value loaded = vector::LoadOp::create(builder, loc, pair, input.rows,
                                          ValueRange{rowIndex, column});
    Value bits = vector::ExtractOp::create(
        builder, loc, vector::BitCastOp::create(builder, loc, lane, loaded),
        ArrayRef<int64_t>{0});
    Value spread = vector::BroadcastOp::create(builder, loc, ints, bits);
    return {vector::BitCastOp::create(builder, loc, all, spread)};
  }
  Values values;
  auto type = VectorType::get({lanesOfF32}, builder.getF32Type());
  for (int64_t i = 0; i < elementsPerStep; ++i) {
    Value scalar = memref::LoadOp::create(builder, loc, input.rows,
                                          ValueRange{rowIndex, add(column, i)});
    values.push_back(vector::BroadcastOp::create(builder, loc, type, scalar));
  }
  return values;
}

Value MatmulTile::multiplyAdd(ValueRange a, ValueRange b, Value acc) {
  if (dot)
    return x86vector::DotBF16Op::create(builder, loc, acc.getType(), acc, a[0],
                                        b[0]);
  for (auto [x, w] : llvm::zip(a, b))
    acc = vector::FMAOp::create(builder, loc, x, w, acc);
  return acc;
}

MatmulTile::Values MatmulTile::accumulate(const Input &input, Value group,
                                          Value unit, int64_t units,
                                          int64_t prefetch) {
  int64_t rows = input.rowIndex.size(), vectors = units * banks();
  auto type = VectorType::get({lanesOfF32}, builder.getF32Type());
  Value zero =
      arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
  Values init(rows * vectors, zero);
  int64_t bytesPerStep = kPanelColumns * elementsPerStep *
                         op.getWeightType().getIntOrFloatBitWidth() / 8;
  auto body = [&](OpBuilder &, Location, Value k, ValueRange acc) {
    Values next(acc.begin(), acc.end());
    auto weights = [&](int64_t v) {
      Value at = add(unit, v / banks());
      Values loaded = loadWeights(v % banks(), bankIndices(group, at, k));
      if (prefetch)
        memref::PrefetchOp::create(
            builder, loc, bankViews[v % banks()],
            bankIndices(group, at, add(k, prefetch / bytesPerStep)),
            /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
      return loaded;
    };
    auto inputs = [&](int64_t row) { return loadInput(input, row, k); };
    // The fewer of both stay in registers, the others come one by one.
    auto each = [&](int64_t kept, auto keep, int64_t passing, auto pass,
                    auto multiply) {
      SmallVector<Values> held;
      for (int64_t i = 0; i < kept; ++i)
        held.push_back(keep(i));
      for (int64_t j = 0; j < passing; ++j) {
        Values one = pass(j);
        for (int64_t i = 0; i < kept; ++i)
          multiply(i, held[i], j, one);
      }
    };
    auto multiply = [&](int64_t row, ValueRange a, int64_t v, ValueRange b) {
      Value &sum = next[row * vectors + v];
      sum = multiplyAdd(a, b, sum);
    };
    if (rows < vectors)
      each(rows, inputs, vectors, weights,
           [&](int64_t row, ValueRange a, int64_t v, ValueRange b) {
             multiply(row, a, v, b);
           });
    else
      each(vectors, weights, rows, inputs,
           [&](int64_t v, ValueRange b, int64_t row, ValueRange a) {
             multiply(row, a, v, b);
           });
    scf::YieldOp::create(builder, loc, next);
  };
  OpBuilder::InsertionGuard guard(builder);
  auto loop = scf::ForOp::create(builder, loc, index(0), index(steps()),
                                 index(1), init);
  builder.setInsertionPointToStart(loop.getBody());
  body(builder, loc, loop.getInductionVar(), loop.getRegionIterArgs());
  return llvm::to_vector_of<Value>(loop.getResults());
}

void MatmulTile::emit(const Input &input, Value group, Value out, Value outRow,
                      Value unit, int64_t units, int64_t width,
                      int64_t prefetch) {
  Values acc = accumulate(input, group, unit, units, prefetch);
  int64_t vectors = units * banks();
  for (int64_t i = 0; i < static_cast<int64_t>(input.rowIndex.size()); ++i)
    for (int64_t u = 0; u < units; ++u) {
      ValueRange mine =
          ValueRange(acc).slice(i * vectors + u * banks(), banks());
      finish(mine, group, out, add(outRow, i), add(unit, u),
             u + 1 == units ? width : lanesOfF32);
    }
}

/// The first `width` lanes of a vector.
static Value firstLanes(OpBuilder &builder, Location loc, Value vector,
                        int64_t width) {
  auto type = cast<VectorType>(vector.getType());
  if (type.getDimSize(0) == width)
    return vector;
  return vector::ExtractStridedSliceOp::create(
      builder, loc, vector, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{width},
      ArrayRef<int64_t>{1});
}

void MatmulTile::finish(ValueRange accumulators, Value group, Value out,
                        Value outRow, Value unit, int64_t width) {
  Value column = arith::MulIOp::create(builder, loc, unit, index(lanesOfF32));
  Value result =
      Epilogue(builder, loc, op.getProduct())
          .emit(accumulators, group, outRow, column, lanesOfF32, width);
  vector::StoreOp::create(builder, loc, firstLanes(builder, loc, result, width),
                          out, ValueRange{outRow, column});
}
