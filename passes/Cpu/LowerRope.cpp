//===- LowerRope.cpp - Rotary embeddings as vector code -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Cpu/VectorBuilder.h"
#include "passes/Passes.h"

#include "mlir/IR/Remarks.h"

namespace moec {
#define GEN_PASS_DEF_LOWERROPEPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// The elements first, first + 2, ... of a vector.
static Value everySecond(VectorBuilder &b, Value vector, int64_t first) {
  int64_t size = cast<VectorType>(vector.getType()).getDimSize(0) / 2;
  SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < size; ++i)
    lanes.push_back(2 * i + first);
  return vector::ShuffleOp::create(b, vector, vector, lanes);
}

/// The elements of two vectors by turns.
static Value byTurns(VectorBuilder &b, Value even, Value odd) {
  int64_t size = cast<VectorType>(even.getType()).getDimSize(0);
  SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < size; ++i)
    lanes.append({i, i + size});
  return vector::ShuffleOp::create(b, even, odd, lanes);
}

/// Turns the pairs of the head that starts at `column`, and copies the rest.
/// Both elements of a pair are read before one is written: x and y may be the
/// same memory.
static void rotate(VectorBuilder &b, nn::RopeOp op, Value row, Value column,
                   Value position) {
  Value x = op.getX(), y = op.getOuts()[0], table = op.getTable();
  int64_t half = cast<MemRefType>(table.getType()).getDimSize(2);
  int64_t offset = op.getOffset(), end = offset + 2 * half;
  auto times = [&](Value lhs, Value rhs) -> Value {
    return arith::MulFOp::create(b, lhs, rhs);
  };
  for (Chunk chunk : chunksOf(half, b.lanes)) {
    Value at = b.index(chunk.offset);
    Value cosine = b.load(table, {position, b.index(0), at}, chunk.size);
    Value sine = b.load(table, {position, b.index(1), at}, chunk.size);
    auto turn = [&](Value u, Value v) -> Value {
      return arith::SubFOp::create(b, times(u, cosine), times(v, sine));
    };
    auto turnOther = [&](Value u, Value v) -> Value {
      return arith::AddFOp::create(b, times(v, cosine), times(u, sine));
    };
    if (op.getInterleaved()) {
      Value place = b.add(column, offset + 2 * chunk.offset);
      Value both = b.load(x, {row, place}, 2 * chunk.size);
      Value u = everySecond(b, both, 0), v = everySecond(b, both, 1);
      b.store(byTurns(b, turn(u, v), turnOther(u, v)), y, {row, place});
      continue;
    }
    Value first = b.add(column, offset + chunk.offset);
    Value second = b.add(first, half);
    Value u = b.load(x, {row, first}, chunk.size);
    Value v = b.load(x, {row, second}, chunk.size);
    b.store(turn(u, v), y, {row, first});
    b.store(turnOther(u, v), y, {row, second});
  }
  auto copy = [&](int64_t from, int64_t size) {
    for (Chunk chunk : chunksOf(size, b.lanes)) {
      Value place = b.add(column, from + chunk.offset);
      b.store(b.load(x, {row, place}, chunk.size), y, {row, place});
    }
  };
  copy(0, offset);
  copy(end, op.getSize() - end);
}

namespace {
struct RopeToVectors : OpRewritePattern<nn::RopeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::RopeOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getX(), table = op.getTable(), y = op.getOuts()[0];
    int64_t lanes = lanesFor(op);
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    if (!isRowMajor(x) || !isRowMajor(table) || !isRowMajor(y))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs of static width whose rows have no gaps");

    int64_t width = cast<MemRefType>(x.getType()).getDimSize(1);
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    b.rowTasks(b.dim(x, 0), rowsPerTask(width), [&](Value from, Value to) {
      b.forLoop(from, to, 1, [&](Value row) {
        Value position = b.loadIndex(op.getPositions(), row);
        b.forLoop(b.index(0), b.index(width), op.getSize(),
                  [&](Value column) { rotate(b, op, row, column, position); });
      });
    });
    remark::passed(op.getLoc(), remark::RemarkOpts::name("rope").category(
                                    "moe-cpu-lower-rope"))
        << remark::reason("{0} heads of {1} elements, {2} rows in a task",
                          width / op.getSize(), op.getSize(),
                          rowsPerTask(width));
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerRope : moec::impl::LowerRopePassBase<LowerRope> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<RopeToVectors>(&getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        nn::RopeOp::getOperationName())))
      signalPassFailure();
  }
};
} // namespace
