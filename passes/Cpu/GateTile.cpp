//===- GateTile.cpp - Register tiles of the router product ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: a router's matrix has few columns and many tokens share it; the
// product is bound by the multiplier as long as the matrix comes from a near
// cache.
//
// Idea: a unit is one vector of experts. A register tile is some tokens by some
// units. For each group of units and each block of K, all tokens of the task
// pass through, so that the block of the matrix is read from memory once for
// all of them; the sums wait in a buffer in between. A single token gets a tile
// of one row; a tile that hangs over the end reads the last token again, and
// what it adds up there is not used.
//
// Order: every sum is one chain over ascending k, whatever the tile.
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/GateTile.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace moec;

/// Columns of a block of K: with 64 experts, a matrix block of 64 KiB.
static constexpr int64_t kBlock = 256;
/// Rows beyond which a tile saves no more loads.
static constexpr int64_t kMostRows = 12;
/// Register tiles of a task.
static constexpr int64_t kTilesOfTask = 4;

namespace {
/// A register tile that leaves the operands their registers: one for each unit,
/// and one for the input.
struct TileSize {
  TileSize(int64_t experts, moe::TargetAttr target) {
    int64_t all = llvm::divideCeilSigned(experts, target.lanes());
    bool many = target.getVectorRegisters() >= 32;
    int64_t most = many ? 4 : 2, accumulators = many ? 24 : 12;
    units = llvm::divideCeilSigned(all, llvm::divideCeilSigned(all, most));
    rows = std::min(kMostRows, accumulators / units);
  }
  int64_t units, rows;
};
} // namespace

StringRef GateTile::refusal(Value x, Value matrix, Value logits) {
  auto type = dyn_cast<MemRefType>(matrix.getType());
  if (!type || !isRowMajor(x) || !isRowMajor(logits))
    return "memrefs of static width whose rows have no gaps";
  int64_t k = cast<MemRefType>(x.getType()).getDimSize(1);
  int64_t n = cast<MemRefType>(logits.getType()).getDimSize(1);
  int64_t panels = llvm::divideCeilSigned(n, kPanelColumns);
  bool isPlain = type.getShape() == ArrayRef<int64_t>{n, k};
  bool isPacked =
      type.getElementType().isF32() &&
      type.getShape() == ArrayRef<int64_t>{panels, k, kPanelColumns};
  bool isPaired =
      type.getElementType().isBF16() &&
      type.getShape() == ArrayRef<int64_t>{panels, llvm::divideCeilSigned(k, 2),
                                           kPanelColumns, 2};
  // Panels may lie apart, their elements may not.
  if ((!isPlain && !isPacked && !isPaired) ||
      !type.areTrailingDimsContiguous(type.getRank() - 1))
    return "a matrix [experts, width], or its packed form, of f32 or bf16";
  return "";
}

GateTile::GateTile(VectorBuilder &b, moe::GateOp op, moe::TargetAttr target)
    : b(b), op(op), matrix(op.getWeight()) {
  experts = cast<MemRefType>(op.getOuts()[2].getType()).getDimSize(1);
  width = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  auto type = cast<MemRefType>(matrix.getType());
  step = type.getRank() == 4 ? 2 : 1;
  if (step == 2)
    matrix = memref::CollapseShapeOp::create(
        b, matrix, ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}});
  units = llvm::divideCeilSigned(experts, b.lanes);
  TileSize size(experts, target);
  tileUnits = size.units;
  tileRows = size.rows;
}

int64_t GateTile::rowsOfTask(int64_t experts, moe::TargetAttr target) {
  return TileSize(experts, target).rows * kTilesOfTask;
}

//===----------------------------------------------------------------------===//
// Loops around tiles
//===----------------------------------------------------------------------===//

void GateTile::emit(Value sums, Value from, Value to) {
  int64_t whole = units / tileUnits * tileUnits;
  b.forLoop(b.index(0), b.index(whole), tileUnits,
            [&](Value unit) { emitUnits(sums, from, to, unit, tileUnits); });
  if (whole != units)
    emitUnits(sums, from, to, b.index(whole), units - whole);
}

void GateTile::emitUnits(Value sums, Value from, Value to, Value unit,
                         int64_t count) {
  Value last = b.sub(to, b.index(1));
  auto tileOf = [&](Value row, int64_t rows) {
    Tile tile{{}, {}, unit, count};
    for (int64_t i = 0; i < rows; ++i) {
      tile.source.push_back(b.min(b.add(row, i), last));
      tile.sums.push_back(b.add(b.sub(row, from), i));
    }
    return tile;
  };
  b.forLoop(b.index(0), b.index(width), kBlock, [&](Value begin) {
    Value end = b.min(b.add(begin, kBlock), b.index(width));
    Value isSingle =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, from, last);
    auto choice = scf::IfOp::create(b, isSingle, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    emitTile(sums, tileOf(from, 1), begin, end);
    b.setInsertionPointToStart(choice.elseBlock());
    b.forLoop(from, to, tileRows, [&](Value row) {
      emitTile(sums, tileOf(row, tileRows), begin, end);
    });
  });
}

//===----------------------------------------------------------------------===//
// A tile
//===----------------------------------------------------------------------===//

void GateTile::emitTile(Value sums, const Tile &tile, Value begin, Value end) {
  Values accumulators;
  auto forSums = [&](llvm::function_ref<void(Value, Value)> body) {
    for (Value row : tile.sums)
      for (int64_t u = 0; u < tile.units; ++u)
        body(row, b.mul(b.add(tile.unit, u), b.lanes));
  };
  forSums([&](Value row, Value column) {
    accumulators.push_back(b.load(sums, {row, column}, b.lanes));
  });
  // A last k without a partner is left for behind the loop.
  Value whole = b.min(end, b.index(width / step * step));
  accumulators = b.forLoop(begin, whole, step, accumulators,
                           [&](Value k, ValueRange carried) {
                             Values next(carried);
                             for (int64_t half = 0; half < step; ++half)
                               next = multiplyAdd(tile, k, half, next);
                             return next;
                           });
  if (width % step) {
    Value isLast =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, end, b.index(width));
    auto types = llvm::to_vector(ValueRange(accumulators).getTypes());
    auto choice = scf::IfOp::create(b, types, isLast, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    scf::YieldOp::create(
        b, multiplyAdd(tile, b.index(width - 1), 0, accumulators));
    b.setInsertionPointToStart(choice.elseBlock());
    scf::YieldOp::create(b, accumulators);
    accumulators = Values(choice.getResults());
  }
  auto next = accumulators.begin();
  forSums(
      [&](Value row, Value column) { b.store(*next++, sums, {row, column}); });
}

GateTile::Values GateTile::multiplyAdd(const Tile &tile, Value k, int64_t half,
                                       Values sums) {
  Values columns;
  for (int64_t u = 0; u < tile.units; ++u)
    columns.push_back(weights(b.add(tile.unit, u), k, half));
  auto sum = sums.begin();
  for (Value row : tile.source) {
    Value element = b.broadcast(input(row, b.add(k, half)), b.lanes);
    for (Value column : columns) {
      *sum = b.fma(element, column, *sum);
      ++sum;
    }
  }
  return sums;
}

Value GateTile::input(Value row, Value k) {
  Value element = memref::LoadOp::create(b, op.getX(), ValueRange{row, k});
  if (element.getType().isF32())
    return element;
  return arith::ExtFOp::create(b, b.getF32Type(), element);
}

/// The weights of k + half for one vector of experts; `k` begins a pair where
/// the matrix is packed by pairs.
Value GateTile::weights(Value unit, Value k, int64_t half) {
  int64_t unitsOfPanel = kPanelColumns / b.lanes;
  auto rank = cast<MemRefType>(op.getWeight().getType()).getRank();
  if (rank == 2)
    return plainWeights(unit, k);
  Value panel = b.div(unit, unitsOfPanel);
  Value column = b.mul(b.rem(unit, unitsOfPanel), b.lanes * step);
  if (rank == 3)
    return b.load(matrix, {panel, k, column}, b.lanes);
  auto integers = VectorType::get({b.lanes}, b.getI32Type());
  Value pairs =
      vector::LoadOp::create(b, VectorType::get({2 * b.lanes}, b.getBF16Type()),
                             matrix, ValueRange{panel, b.div(k, 2), column});
  Value bits = vector::BitCastOp::create(b, integers, pairs);
  auto constant = [&](int32_t value) {
    return arith::ConstantOp::create(b,
                                     DenseElementsAttr::get(integers, value));
  };
  // An f32 begins with the bits of a bf16.
  Value wide =
      half ? arith::AndIOp::create(b, bits, constant(0xFFFF0000)).getResult()
           : arith::ShLIOp::create(b, bits, constant(16)).getResult();
  return vector::BitCastOp::create(b, b.f32Vector(b.lanes), wide);
}

/// One element of each row of a matrix that is not packed; behind the last
/// expert, those of the last one again.
Value GateTile::plainWeights(Value unit, Value k) {
  Values elements;
  for (int64_t i = 0; i < b.lanes; ++i) {
    Value expert = b.min(b.add(b.mul(unit, b.lanes), i), b.index(experts - 1));
    Value element = memref::LoadOp::create(b, matrix, ValueRange{expert, k});
    if (!element.getType().isF32())
      element = arith::ExtFOp::create(b, b.getF32Type(), element);
    elements.push_back(element);
  }
  return vector::FromElementsOp::create(b, b.f32Vector(b.lanes), elements);
}
