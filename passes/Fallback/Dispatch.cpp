//===- Dispatch.cpp - Generic lowering of plan and combine ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan looks through all ids once for every expert, as its definition does:
// rows come in their final order, and nothing is counted beforehand. What
// spreads over rows, or reorders them, is a copy.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Fallback/Fallback.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;

namespace {
class Planner {
public:
  Planner(VectorBuilder &b, moe::PlanOp op, int64_t k)
      : b(b), k(k), first(op.getFirst()), open(op.getOpen()), ids(op.getIds()),
        offsets(op.getOuts()[0]), active(op.getOuts()[1]),
        rowToken(op.getOuts()[2]), tokenRow(op.getOuts()[3]),
        tokenSlot(op.getOuts()[4]),
        experts(cast<MemRefType>(offsets.getType()).getDimSize(0) - 1) {}

  void emit() {
    Value none = b.i32(-1);
    for (Value out : {active, rowToken, tokenRow, tokenSlot})
      fill(b, out, none);
    Value end = b.index(experts), zero = b.index(0);
    Values sums = b.forLoop(zero, end, 1, {zero, zero},
                            [&](Value expert, ValueRange carried) {
                              return emitExpert(expert, carried[0], carried[1]);
                            });
    store(sums[0], offsets, end);
    store(sums[1], active, end);
  }

private:
  void store(Value index, Value memref, ValueRange place) {
    Value number = arith::IndexCastOp::create(b, b.getI32Type(), index);
    memref::StoreOp::create(b, number, memref, place);
  }

  /// The rows of one expert, which begin at `first`; the next expert's first
  /// row, and the number of active experts with this one.
  Values emitExpert(Value expert, Value first, Value actives) {
    store(first, offsets, expert);
    Value end = b.forLoop(b.index(0), b.dim(ids, 0), 1, first,
                          [&](Value token, ValueRange carried) {
                            return Values{emitToken(expert, token, carried[0])};
                          })[0];
    auto some = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, first, end);
    b.ifThen(some, [&] { store(expert, active, actives); });
    Value more = arith::SelectOp::create(b, some, b.add(actives, 1), actives);
    return {end, more};
  }

  Value emitToken(Value expert, Value token, Value row) {
    return b.forLoop(
        b.index(0), b.index(k), 1, row, [&](Value slot, ValueRange carried) {
          Value id = b.loadIndex(ids, {token, slot});
          if (open)
            id = b.min(id, b.index(first + experts - 1));
          Value chosen = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, id,
                                               b.add(expert, first));
          b.ifThen(chosen, [&] { emitRow(token, slot, carried[0]); });
          return Values{arith::SelectOp::create(b, chosen, b.add(carried[0], 1),
                                                carried[0])};
        })[0];
  }

  /// The next free entry of the token gets the row.
  void emitRow(Value token, Value slot, Value row) {
    store(token, rowToken, row);
    Value place = b.forLoop(
        b.index(0), b.index(k), 1, b.index(0),
        [&](Value entry, ValueRange carried) {
          Value used = arith::CmpIOp::create(
              b, arith::CmpIPredicate::sge,
              memref::LoadOp::create(b, tokenRow, ValueRange{token, entry}),
              b.i32(0));
          return Values{arith::SelectOp::create(b, used, b.add(carried[0], 1),
                                                carried[0])};
        })[0];
    store(row, tokenRow, {token, place});
    store(slot, tokenSlot, {token, place});
  }

  VectorBuilder &b;
  int64_t k, first;
  bool open; ///< Ids behind the last expert count for it.
  Value ids, offsets, active, rowToken, tokenRow, tokenSlot;
  int64_t experts;
};

struct PlanToLoops : OpRewritePattern<moe::PlanOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::PlanOp op,
                                PatternRewriter &rewriter) const override {
    auto ids = dyn_cast<MemRefType>(op.getIds().getType());
    if (!ids || ids.isDynamicDim(1))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs with a static number of experts for a token");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.index(1),
            [&](Value) { Planner(b, op, ids.getDimSize(1)).emit(); });
    rewriter.eraseOp(op);
    return success();
  }
};

struct CombineToLinalg : OpRewritePattern<moe::CombineOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::CombineOp op,
                                PatternRewriter &rewriter) const override {
    auto y = dyn_cast<MemRefType>(op.getOuts()[0].getType());
    auto weights = dyn_cast<MemRefType>(op.getWeights().getType());
    if (!y || y.isDynamicDim(1) || weights.isDynamicDim(1))
      return rewriter.notifyMatchFailure(op,
                                         "expected memrefs of static width");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getOuts()[0], 0), [&](Value token) {
      Value sum = buffer(b, {y.getDimSize(1)}, b.getF32Type());
      fill(b, sum, b.f32(0.0));
      b.forLoop(b.index(0), b.index(weights.getDimSize(1)), 1,
                [&](Value j) { addRow(b, op, sum, token, j); });
      for (auto [i, local] : llvm::enumerate(op.getLocals()))
        add(b, rowOf(b, local, token),
            share(b, op, token, op.getRanges()[2 * i],
                  op.getRanges()[2 * i + 1]),
            sum);
      for (Value addend : op.getAddends())
        add(b, rowOf(b, addend, token), b.f32(1.0), sum);
      elementwise(b, sum, rowOf(b, op.getOuts()[0], token),
                  [&](VectorBuilder &in, ValueRange args) {
                    return Values{narrow(in, args[0], y.getElementType())};
                  });
    });
    rewriter.eraseOp(op);
    return success();
  }

  static void addRow(VectorBuilder &b, moe::CombineOp op, Value sum,
                     Value token, Value j) {
    Value row = b.loadIndex(op.getTokenRow(), {token, j});
    Value some =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, row, b.index(0));
    b.ifThen(some, [&] {
      Value slot = b.loadIndex(op.getTokenSlot(), {token, j});
      Value weight = op.getUnweighted()
                         ? b.f32(1.0)
                         : memref::LoadOp::create(b, op.getWeights(),
                                                  ValueRange{token, slot})
                               .getResult();
      add(b, rowOf(b, op.getRows(), row), weight, sum);
    });
  }

  /// The weights of the token that stand beside ids from `from` to `to`.
  static Value share(VectorBuilder &b, moe::CombineOp op, Value token,
                     int64_t from, int64_t to) {
    int64_t k = cast<MemRefType>(op.getIds().getType()).getDimSize(1);
    return b.forLoop(b.index(0), b.index(k), 1, b.f32(0.0),
                     [&](Value j, ValueRange carried) {
                       Value weight = memref::LoadOp::create(
                           b, op.getWeights(), ValueRange{token, j});
                       Value isIn = isBetween(
                           b, b.loadIndex(op.getIds(), {token, j}), from, to);
                       return Values{arith::SelectOp::create(
                           b, isIn, plus(b, carried[0], weight), carried[0])};
                     })[0];
  }

  static Value isBetween(VectorBuilder &b, Value id, int64_t from, int64_t to) {
    Value above =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, id, b.index(from));
    Value below =
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, id, b.index(to));
    return arith::AndIOp::create(b, above, below);
  }

  static void add(VectorBuilder &b, Value row, Value weight, Value sum) {
    elementwise(b, row, sum, [&](VectorBuilder &in, ValueRange args) {
      return Values{plus(in, args[1], times(in, weight, widen(in, args[0])))};
    });
  }
};

struct SpreadToLinalg : OpRewritePattern<moe::SpreadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::SpreadOp op,
                                PatternRewriter &rewriter) const override {
    auto bank = dyn_cast<MemRefType>(op.getBank().getType());
    if (!bank || !bank.hasStaticShape())
      return rewriter.notifyMatchFailure(op, "expected memrefs");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    Type element = cast<MemRefType>(op.getOuts()[0].getType()).getElementType();
    b.tasks(b.index(bank.getDimSize(0)), [&](Value expert) {
      Value from = b.loadIndex(op.getOffsets(), expert);
      Value to = b.loadIndex(op.getOffsets(), b.add(expert, 1));
      b.forLoop(from, to, 1, [&](Value row) {
        elementwise(b, rowOf(b, op.getBank(), expert),
                    rowOf(b, op.getOuts()[0], row),
                    [&](VectorBuilder &in, ValueRange args) {
                      return Values{narrow(in, widen(in, args[0]), element)};
                    });
      });
    });
    rewriter.eraseOp(op);
    return success();
  }
};

struct RowWeightsToLoops : OpRewritePattern<moe::RowWeightsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::RowWeightsOp op,
                                PatternRewriter &rewriter) const override {
    auto weights = dyn_cast<MemRefType>(op.getWeights().getType());
    if (!weights || weights.isDynamicDim(1))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs with a static number of experts for a token");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getWeights(), 0), [&](Value token) {
      b.forLoop(b.index(0), b.index(weights.getDimSize(1)), 1, [&](Value j) {
        Value row = b.loadIndex(op.getTokenRow(), {token, j});
        Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, row,
                                           b.index(0));
        b.ifThen(some, [&] {
          Value slot = b.loadIndex(op.getTokenSlot(), {token, j});
          Value weight = memref::LoadOp::create(b, op.getWeights(),
                                                ValueRange{token, slot});
          memref::StoreOp::create(b, weight, op.getOuts()[0],
                                  ValueRange{row, b.index(0)});
        });
      });
    });
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void fallback::populateDispatch(RewritePatternSet &patterns) {
  patterns.add<PlanToLoops, CombineToLinalg, SpreadToLinalg, RowWeightsToLoops>(
      patterns.getContext());
}
