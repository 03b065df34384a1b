//===- LowerDispatch.cpp - Plan and combine as tasks ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan is a counting sort in one task. (1) Count the rows of every expert;
// an id of none counts for an expert behind the last one, which gets rows
// behind all others. (2) Sum up: where each expert's rows begin, and which
// experts have some. (3) Token by token, each id takes the next row of its
// expert; the rows of a token are ordered by their rank among each other, all
// ranks at once in a vector. Three passes over T * k ids and no data-dependent
// branch but one; a step's matrix products take a thousand times as long.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Cpu/CombineRows.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_LOWERDISPATCHPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// The first row of ids of none: behind all others.
static constexpr int64_t kNoRow = 1 << 30;

namespace {
//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

class Planner {
public:
  using Values = SmallVector<Value>;

  Planner(VectorBuilder &b, moe::PlanOp op)
      : b(b), ids(op.getIds()), offsets(op.getOuts()[0]),
        active(op.getOuts()[1]), rowToken(op.getOuts()[2]),
        tokenRow(op.getOuts()[3]), tokenSlot(op.getOuts()[4]),
        k(cast<MemRefType>(ids.getType()).getDimSize(1)), first(op.getFirst()),
        experts(cast<MemRefType>(offsets.getType()).getDimSize(0) - 1),
        open(op.getOpen()) {}

  void emit() {
    zero = b.index(0);
    tokens = b.dim(ids, 0);
    none = b.i32(-1);
    next = memref::AllocaOp::create(
        b, MemRefType::get({experts + 1}, b.getI32Type()));
    countRows();
    Value rows = sumUp();
    b.forLoop(zero, tokens, 1, [&](Value token) { placeToken(token); });
    Value end = b.mul(tokens, k);
    b.forLoop(rows, end, 1, [&](Value row) { store(none, rowToken, row); });
  }

private:
  Value load(Value memref, ValueRange place) {
    return memref::LoadOp::create(b, memref, place);
  }
  void store(Value number, Value memref, ValueRange place) {
    memref::StoreOp::create(b, number, memref, place);
  }
  Value toI32(Value index) {
    return arith::IndexCastOp::create(b, b.getI32Type(), index);
  }

  /// The expert of an id, or the one behind the last where it is not planned.
  Value expertOf(Value id) {
    if (first)
      id = arith::SubIOp::create(b, id, b.i32(first));
    if (open)
      id = arith::MinSIOp::create(b, id, b.i32(experts - 1));
    Value exists =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, id, b.i32(experts));
    Value number = arith::SelectOp::create(b, exists, id, b.i32(experts));
    return arith::IndexCastOp::create(b, b.getIndexType(), number);
  }

  /// Takes the next row of an expert, or counts one.
  Value takeRow(Value expert) {
    Value row = load(next, expert);
    store(b.add(row, b.i32(1)), next, expert);
    return row;
  }

  void countRows() {
    b.forLoop(zero, b.index(experts + 1), 1,
              [&](Value expert) { store(b.i32(0), next, expert); });
    b.forLoop(zero, tokens, 1, [&](Value token) {
      for (int64_t slot = 0; slot < k; ++slot)
        takeRow(expertOf(load(ids, {token, b.index(slot)})));
    });
  }

  /// Turns numbers of rows into first rows; the number of all rows.
  Value sumUp() {
    Value end = b.index(experts);
    Values sums = b.forLoop(
        zero, end, 1, {b.i32(0), zero}, [&](Value expert, ValueRange carried) {
          Value first = carried[0], count = load(next, expert);
          store(first, offsets, expert);
          store(first, next, expert);
          // What an expert without rows leaves here is overwritten.
          store(toI32(expert), active, carried[1]);
          Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, count,
                                             b.i32(0));
          Value actives = arith::SelectOp::create(b, some, b.add(carried[1], 1),
                                                  carried[1]);
          return Values{b.add(first, count), actives};
        });
    store(sums[0], offsets, end);
    b.forLoop(sums[1], end, 1, [&](Value at) { store(none, active, at); });
    store(toI32(sums[1]), active, end);
    store(b.i32(kNoRow), next, end);
    return arith::IndexCastOp::create(b, b.getIndexType(), sums[0]);
  }

  void placeToken(Value token) {
    Value number = toI32(token);
    Values rows, exists;
    for (int64_t slot = 0; slot < k; ++slot) {
      Value row = takeRow(expertOf(load(ids, {token, b.index(slot)})));
      Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row,
                                         b.i32(kNoRow));
      b.ifThen(some, [&] {
        Value at = arith::IndexCastOp::create(b, b.getIndexType(), row);
        store(number, rowToken, at);
      });
      rows.push_back(row);
      exists.push_back(some);
    }
    Value ranks = ranksOf(rows);
    for (int64_t slot = 0; slot < k; ++slot) {
      Value rank = vector::ExtractOp::create(b, ranks, slot);
      Value place = arith::IndexCastOp::create(b, b.getIndexType(), rank);
      auto orNone = [&](Value value) -> Value {
        return arith::SelectOp::create(b, exists[slot], value, none);
      };
      store(orNone(rows[slot]), tokenRow, {token, place});
      store(orNone(b.i32(slot)), tokenSlot, {token, place});
    }
  }

  /// How many of the rows are less than each of them.
  Value ranksOf(ValueRange rows) {
    auto type = VectorType::get({k}, b.getI32Type());
    Value all = vector::FromElementsOp::create(b, type, rows);
    Value ranks =
        arith::ConstantOp::create(b, DenseElementsAttr::get(type, int32_t(0)));
    for (Value row : rows) {
      Value isLess = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                           b.broadcast(row, k), all);
      Value one = arith::ExtUIOp::create(b, type, isLess);
      ranks = b.add(ranks, one);
    }
    return ranks;
  }

  VectorBuilder &b;
  Value ids, offsets, active, rowToken, tokenRow, tokenSlot;
  int64_t k, first, experts;
  /// Whether ids behind the last expert count for it.
  bool open;
  /// The next row of every expert.
  Value next;
  Value zero, tokens, none;
};

struct LowerPlan : OpRewritePattern<moe::PlanOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::PlanOp op,
                                PatternRewriter &rewriter) const override {
    int64_t lanes = lanesFor(op);
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    for (Value value : op->getOperands())
      if (!isRowMajor(value))
        return rewriter.notifyMatchFailure(
            op, "expected memrefs of static width whose rows have no gaps");
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    b.tasks(b.index(1), [&](Value) { Planner(b, op).emit(); });
    Explain("moe-cpu-lower-dispatch", "dispatch")
        .passed(op, "plan: a counting sort in one task");
    rewriter.eraseOp(op);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Combine
//===----------------------------------------------------------------------===//

struct LowerCombine : OpRewritePattern<moe::CombineOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::CombineOp op,
                                PatternRewriter &rewriter) const override {
    StringRef expected = CombineRows::refusal(op);
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    Value y = op.getOuts()[0];
    int64_t width = cast<MemRefType>(y.getType()).getDimSize(1);
    int64_t k = cast<MemRefType>(op.getWeights().getType()).getDimSize(1);
    int64_t inputs = k + op.getLocals().size() + op.getAddends().size();
    VectorBuilder b(op.getLoc(), rewriter, lanesFor(op));
    b.rowTasks(
        b.dim(y, 0), rowsPerTask(width * inputs),
        [&](Value from, Value to) { CombineRows(op).emit(b, from, to); });
    Explain("moe-cpu-lower-dispatch", "dispatch")
        .passed(op, "combine: rows of " + Twine(width) + ", " +
                        Twine(rowsPerTask(width * inputs)) +
                        " tokens in a task");
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerDispatch : moec::impl::LowerDispatchPassBase<LowerDispatch> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerPlan, LowerCombine>(&getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        {moe::PlanOp::getOperationName(),
                         moe::CombineOp::getOperationName()})))
      signalPassFailure();
  }
};
} // namespace
