//===- CombineRows.cpp - The sums of a combine ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A token's row is made some vectors of columns at a time, whose sums stay in
// registers over all rows of the token.
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/CombineRows.h"

using namespace mlir;
using namespace moec;

/// Vectors of columns of which the sums are kept at a time.
static constexpr int64_t kColumns = 8;

StringRef CombineRows::refusal(Operation *op, const moe::CombineParts &parts) {
  if (!lanesFor(op))
    return "moe.target on the module";
  SmallVector<Value> values{parts.rows, parts.tokenRow, parts.tokenSlot,
                            parts.weights, parts.y};
  if (parts.ids)
    values.push_back(parts.ids);
  llvm::append_range(values, parts.locals);
  llvm::append_range(values, parts.addends);
  if (!llvm::all_of(values, [](Value value) { return isRowMajor(value); }))
    return "memrefs of static width whose rows have no gaps";
  return "";
}

CombineRows::CombineRows(moe::CombineOp op)
    : op(op), width(cast<MemRefType>(op.getOuts()[0].getType()).getDimSize(1)),
      k(cast<MemRefType>(op.getWeights().getType()).getDimSize(1)) {}

void CombineRows::emit(VectorBuilder &b, Value from, Value to) {
  b.forLoop(from, to, 1, [&](Value token) { emitToken(b, token); });
}

int64_t CombineRows::tokensOfTask() {
  int64_t inputs = k + op.getLocals().size() + op.getAddends().size();
  return rowsPerTask(width * inputs);
}

void CombineRows::emitTasks(VectorBuilder &b) {
  b.rowTasks(b.dim(op.getOuts()[0], 0), tokensOfTask(),
             [&](Value from, Value to) { emit(b, from, to); });
}

void CombineRows::emitToken(VectorBuilder &b, Value token) {
  Value rows = countRows(b, token);
  shares.clear();
  for (size_t i = 0; i < op.getLocals().size(); ++i)
    shares.push_back(
        shareOf(b, token, op.getRanges()[2 * i], op.getRanges()[2 * i + 1]));
  int64_t group = kColumns * b.lanes;
  int64_t looped = width / group * group;
  b.forLoop(b.index(0), b.index(looped), group, [&](Value column) {
    emitColumns(b, token, rows, column, chunksOf(group, b.lanes));
  });
  if (looped != width)
    emitColumns(b, token, rows, b.index(looped),
                chunksOf(width - looped, b.lanes));
}

/// The entries of the token before the first that is none.
Value CombineRows::countRows(VectorBuilder &b, Value token) {
  Value count = b.index(0);
  for (int64_t j = 0; j < k; ++j) {
    Value row = b.loadIndex(op.getTokenRow(), {token, b.index(j)});
    Value some =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, row, b.index(0));
    count = arith::SelectOp::create(b, some, b.index(j + 1), count);
  }
  return count;
}

/// The weights of the token that stand beside ids from `from` to `to`.
Value CombineRows::shareOf(VectorBuilder &b, Value token, int64_t from,
                           int64_t to) {
  Value share = b.f32(0.0);
  for (int64_t j = 0; j < k; ++j) {
    Values place{token, b.index(j)};
    Value id = memref::LoadOp::create(b, op.getIds(), place);
    Value distance = arith::SubIOp::create(b, id, b.i32(from));
    Value isIn = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, distance,
                                       b.i32(to - from));
    Value weight = memref::LoadOp::create(b, op.getWeights(), place);
    Value sum = arith::AddFOp::create(b, share, weight);
    share = arith::SelectOp::create(b, isIn, sum, share);
  }
  return share;
}

void CombineRows::emitColumns(VectorBuilder &b, Value token, Value rows,
                              Value column, ArrayRef<Chunk> chunks) {
  Values sums;
  for (Chunk chunk : chunks)
    sums.push_back(b.f32Splat(0.0, chunk.size));
  sums = b.forLoop(b.index(0), rows, 1, sums, [&](Value j, ValueRange sums) {
    Value row = b.loadIndex(op.getTokenRow(), {token, j});
    Value slot = b.loadIndex(op.getTokenSlot(), {token, j});
    Value weight = op.getUnweighted()
                       ? b.f32(1.0)
                       : memref::LoadOp::create(b, op.getWeights(),
                                                ValueRange{token, slot})
                             .getResult();
    Values next;
    for (auto [chunk, sum] : llvm::zip(chunks, sums)) {
      Value part =
          b.load(op.getRows(), {row, b.add(column, chunk.offset)}, chunk.size);
      next.push_back(b.fma(b.broadcast(weight, chunk.size), part, sum));
    }
    return next;
  });
  for (auto [chunk, sum] : llvm::zip(chunks, sums)) {
    Value place = b.add(column, chunk.offset);
    for (auto [local, share] : llvm::zip(op.getLocals(), shares))
      sum = b.fma(b.broadcast(share, chunk.size),
                  b.load(local, {token, place}, chunk.size), sum);
    for (Value addend : op.getAddends())
      sum = arith::AddFOp::create(b, sum,
                                  b.load(addend, {token, place}, chunk.size));
    b.store(sum, op.getOuts()[0], {token, place});
  }
}
