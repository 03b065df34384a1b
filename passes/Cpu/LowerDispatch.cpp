//===- LowerDispatch.cpp - Plan and combine as tasks ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan is a counting sort in one task. (1) Count the rows of every expert,
// or add up what was counted when it was chosen; an id of none counts for an
// expert behind the last one, which gets rows behind all others. (2) Sum up:
// where each expert's rows begin, and which experts have some. (3) Token by
// token, each id takes the next row of its expert; the rows of a token are
// ordered by their rank among each other, all ranks at once in a vector. Passes
// over T * k ids without a data-dependent branch but one; a step's matrix
// products take a thousand times as long.
//
// Where every token chose as many experts of each group, it is known where the
// rows of a group begin, and some groups make a task that looks at nothing of
// the others.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/ChoiceCounts.h"
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
/// Tasks of a plan by groups, and the tokens from which on they are worth it.
static constexpr int64_t kParts = 4, kTokensOfParts = 128;

namespace {
//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

class Planner {
public:
  using Values = SmallVector<Value>;

  Planner(VectorBuilder &b, moe::PlanOp op)
      : b(b), op(op), ids(op.getIds()), offsets(op.getOuts()[0]),
        active(op.getOuts()[1]), rowToken(op.getOuts()[2]),
        tokenRow(op.getOuts()[3]), tokenSlot(op.getOuts()[4]),
        k(cast<MemRefType>(ids.getType()).getDimSize(1)),
        experts(cast<MemRefType>(offsets.getType()).getDimSize(0) - 1),
        zero(b.index(0)), tokens(b.dim(ids, 0)) {}

  void emit() {
    if (op.getGroups() > 1)
      return emitGroups();
    b.tasks(b.index(1), [&](Value) { emitAll(); });
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
  Value toIndex(Value number) {
    return arith::IndexCastOp::create(b, b.getIndexType(), number);
  }
  Value isRow(Value row) {
    return b.compare(arith::CmpIPredicate::slt, row, b.i32(kNoRow));
  }

  //===--- All experts in one task ----------------------------------------===//

  void emitAll() {
    start(b.index(op.getFirst()), b.index(experts));
    if (op.getCounts())
      ChoiceCounts(b, op.getCounts(), *op.getCountRows(), tokens)
          .addTo(next, op.getFirst(), experts);
    else
      countRows();
    Value rows = sumUp(zero, zero);
    store(toI32(rows), offsets, b.index(experts));
    listActive();
    b.forLoop(zero, tokens, 1, [&](Value token) { placeToken(token); });
    Value end = b.mul(tokens, k);
    b.forLoop(rows, end, 1,
              [&](Value row) { store(b.i32(-1), rowToken, row); });
  }

  //===--- Groups of which each token chose as many -----------------------===//

  void emitGroups() {
    int64_t groups = op.getGroups(), size = experts / groups;
    Value few =
        b.compare(arith::CmpIPredicate::ult, tokens, b.index(kTokensOfParts));
    Value all = b.index(groups);
    Value atOnce = arith::SelectOp::create(
        b, few, all, b.index(llvm::divideCeilSigned(groups, kParts)));
    Value above = b.add(all, b.sub(atOnce, b.index(1)));
    b.tasks(arith::DivUIOp::create(b, above, atOnce), [&](Value part) {
      Value from = arith::MulIOp::create(b, part, atOnce);
      Value to = b.min(b.add(from, atOnce), all);
      Value first = b.mul(from, size);
      start(first, b.mul(b.sub(to, from), size));
      countRows();
      Value base = arith::MulIOp::create(b, from, b.mul(tokens, k / groups));
      sumUp(first, base);
      b.forLoop(zero, tokens, 1,
                [&](Value token) { placeGroups(token, from, size); });
    });
    b.tasks(b.index(1), [&](Value) {
      store(toI32(b.mul(tokens, k)), offsets, b.index(experts));
      listActive();
    });
  }

  /// The rows of a token of some groups, which have places of their own among
  /// those of the token.
  void placeGroups(Value token, Value firstGroup, int64_t size) {
    int64_t quota = k / op.getGroups();
    Values rows = takeRows(token);
    Value ranks = quota == 1 ? Value() : ranksOf(rows);
    for (int64_t slot = 0; slot < k; ++slot) {
      b.ifThen(isRow(rows[slot]), [&] {
        Value place;
        if (ranks)
          place = b.add(b.mul(firstGroup, quota),
                        toIndex(vector::ExtractOp::create(b, ranks, slot)));
        else
          place = b.div(b.loadIndex(ids, {token, b.index(slot)}), size);
        store(rows[slot], tokenRow, {token, place});
        store(b.i32(slot), tokenSlot, {token, place});
      });
    }
  }

  //===--- Steps ----------------------------------------------------------===//

  /// Clears the rows of the experts of the ids from `first` on; the one behind
  /// them stands for all other ids.
  void start(Value first, Value count) {
    firstId = toI32(first);
    planned = count;
    next = memref::AllocaOp::create(
        b, MemRefType::get({experts + 1}, b.getI32Type()));
    b.forLoop(zero, b.add(planned, 1), 1,
              [&](Value expert) { store(b.i32(0), next, expert); });
  }

  Value expertOf(Value id) {
    id = arith::SubIOp::create(b, id, firstId);
    Value count = toI32(planned);
    // Ids behind the last expert count for it.
    if (op.getOpen())
      id = arith::MinSIOp::create(b, id, b.i32(experts - 1));
    Value exists = b.compare(arith::CmpIPredicate::ult, id, count);
    return toIndex(arith::SelectOp::create(b, exists, id, count));
  }

  /// Takes the next row of an expert, or counts one.
  Value takeRow(Value expert) {
    Value row = load(next, expert);
    store(b.add(row, b.i32(1)), next, expert);
    return row;
  }

  void countRows() {
    b.forLoop(zero, tokens, 1, [&](Value token) {
      for (int64_t slot = 0; slot < k; ++slot)
        takeRow(expertOf(load(ids, {token, b.index(slot)})));
    });
  }

  /// Turns numbers of rows into first rows, from `base` on, which are the
  /// offsets from `first` on; the row behind the last.
  Value sumUp(Value first, Value base) {
    Value end = b.forLoop(zero, planned, 1, toI32(base),
                          [&](Value expert, ValueRange carried) {
                            Value count = load(next, expert);
                            store(carried[0], offsets, b.add(first, expert));
                            store(carried[0], next, expert);
                            return Values{b.add(carried[0], count)};
                          })[0];
    store(b.i32(kNoRow), next, planned);
    return toIndex(end);
  }

  void listActive() {
    Value end = b.index(experts);
    Value actives =
        b.forLoop(zero, end, 1, zero, [&](Value expert, ValueRange carried) {
          // What an expert without rows leaves here is overwritten.
          store(toI32(expert), active, carried[0]);
          Value some =
              b.compare(arith::CmpIPredicate::ne, load(offsets, expert),
                        load(offsets, b.add(expert, 1)));
          return Values{arith::SelectOp::create(b, some, b.add(carried[0], 1),
                                                carried[0])};
        })[0];
    b.forLoop(actives, end, 1, [&](Value at) { store(b.i32(-1), active, at); });
    store(toI32(actives), active, end);
  }

  /// The next row of the expert of each id of a token.
  Values takeRows(Value token) {
    Value number = toI32(token);
    Values rows;
    for (int64_t slot = 0; slot < k; ++slot) {
      Value row = takeRow(expertOf(load(ids, {token, b.index(slot)})));
      b.ifThen(isRow(row), [&] { store(number, rowToken, toIndex(row)); });
      rows.push_back(row);
    }
    return rows;
  }

  void placeToken(Value token) {
    Values rows = takeRows(token);
    Value ranks = ranksOf(rows), none = b.i32(-1);
    for (int64_t slot = 0; slot < k; ++slot) {
      Value place = toIndex(vector::ExtractOp::create(b, ranks, slot));
      Value exists = isRow(rows[slot]);
      auto orNone = [&](Value value) -> Value {
        return arith::SelectOp::create(b, exists, value, none);
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
  moe::PlanOp op;
  Value ids, offsets, active, rowToken, tokenRow, tokenSlot;
  int64_t k, experts;
  Value zero, tokens;
  /// Of the running task: the next row of every expert; the first id that it
  /// plans, and how many.
  Value next, firstId, planned;
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
    Planner(b, op).emit();
    StringRef how = op.getGroups() > 1 ? "each group's rows sorted on their own"
                    : op.getCounts()   ? "sorted in one task, from counts"
                                       : "a counting sort in one task";
    Explain("moe-cpu-lower-dispatch", "dispatch").passed(op, "plan: " + how);
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
    StringRef expected = CombineRows::refusal(op, op.getCombined());
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    VectorBuilder b(op.getLoc(), rewriter, lanesFor(op));
    CombineRows rows(op);
    rows.emitTasks(b);
    int64_t width = cast<MemRefType>(op.getOuts()[0].getType()).getDimSize(1);
    Explain("moe-cpu-lower-dispatch", "dispatch")
        .passed(op, "combine: rows of " + Twine(width) + ", " +
                        Twine(rows.tokensOfTask()) + " tokens in a task");
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
