//===- Routing.cpp - Generic lowering of the choice of experts ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A task is a token. Scores and keys are elementwise computations on its row;
// the selection looks through all experts k times.
//
//===----------------------------------------------------------------------===//

#include "passes/Routing.h"
#include "dialects/Moe/Moe.h"
#include "passes/Fallback/Fallback.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;

namespace {
/// The routing of one token, whose logits are a vector of f32.
class TokenRouter {
public:
  TokenRouter(VectorBuilder &b, moe::RoutingAttr routing, Value bias,
              int64_t experts)
      : b(b), routing(routing), bias(bias), experts(experts),
        stages(routing, bool(bias)),
        scores(buffer(b, {experts}, b.getF32Type())),
        keys(buffer(b, {experts}, b.getF32Type())),
        taken(buffer(b, {experts}, b.getI8Type())),
        cell(buffer(b, {}, b.getF32Type())) {}

  void emit(Value logits, Value ids, Value weights) {
    if (stages.needsScores())
      computeScores(logits);
    computeKeys(stages.keysFromScores ? scores : logits);
    select(stages.weightsFromScores ? scores : logits, ids, weights);
    if (stages.softmaxOfSelected)
      softmax(weights, weights);
    renormalise(weights);
  }

private:
  void computeScores(Value logits) {
    if (routing.getScore() == moe::Score::Softmax)
      return softmax(logits, scores);
    elementwise(b, logits, scores, [](VectorBuilder &in, ValueRange args) {
      Value power = math::ExpOp::create(in, arith::NegFOp::create(in, args[0]));
      Value sum = plus(in, in.f32(1.0), power);
      return Values{arith::DivFOp::create(in, in.f32(1.0), sum)};
    });
  }

  /// `to` may be `from`.
  void softmax(Value from, Value to) {
    auto larger = [](VectorBuilder &in, Value lhs, Value rhs) {
      return in.larger(rhs, lhs);
    };
    set(b, cell, b.f32(-std::numeric_limits<double>::infinity()));
    reduce(b, from, cell, larger);
    Value largest = get(b, cell);
    elementwise(b, from, to, [&](VectorBuilder &in, ValueRange args) {
      Value less = arith::SubFOp::create(in, args[0], largest);
      return Values{math::ExpOp::create(in, less)};
    });
    set(b, cell, b.f32(0.0));
    reduce(b, to, cell, plus);
    divide(to, get(b, cell));
  }

  void divide(Value values, Value divisor) {
    elementwise(b, values, values, [&](VectorBuilder &in, ValueRange args) {
      return Values{arith::DivFOp::create(in, args[0], divisor)};
    });
  }

  /// A key that is not a number counts as minus infinity.
  void computeKeys(Value from) {
    Values ins{from};
    if (bias)
      ins.push_back(bias);
    elementwise(b, ins, keys, [&](VectorBuilder &in, ValueRange args) {
      Value key = bias ? plus(in, args[0], args[1]) : args[0];
      Value isNumber =
          arith::CmpFOp::create(in, arith::CmpFPredicate::ORD, key, key);
      Value least = in.f32(-std::numeric_limits<double>::infinity());
      return Values{arith::SelectOp::create(in, isNumber, key, least)};
    });
  }

  /// k times the first of the largest keys among those not taken.
  void select(Value values, Value ids, Value weights) {
    Value yes = arith::ConstantIntOp::create(b, 1, 8);
    Value no = arith::ConstantIntOp::create(b, 0, 8);
    fill(b, taken, no);
    b.forLoop(b.index(0), b.index(routing.getK()), 1, [&](Value round) {
      Value none = b.index(experts);
      Value best = b.forLoop(b.index(0), none, 1, none,
                             [&](Value expert, ValueRange carried) {
                               return Values{better(expert, carried[0], no)};
                             })[0];
      memref::StoreOp::create(b, yes, taken, best);
      Value id = arith::IndexCastOp::create(b, b.getI32Type(), best);
      memref::StoreOp::create(b, id, ids, round);
      Value weight = memref::LoadOp::create(b, values, best);
      memref::StoreOp::create(b, weight, weights, round);
    });
  }

  /// `expert`, when it is free and `best` is none or has a smaller key.
  Value better(Value expert, Value best, Value no) {
    Value isNone = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, best,
                                         b.index(experts));
    Value isFree =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                              memref::LoadOp::create(b, taken, expert), no);
    // With none there is nothing to compare with: any place will do.
    Value place = arith::SelectOp::create(b, isNone, expert, best);
    Value isLarger = arith::CmpFOp::create(
        b, arith::CmpFPredicate::OGT, memref::LoadOp::create(b, keys, expert),
        memref::LoadOp::create(b, keys, place));
    Value wins = arith::AndIOp::create(
        b, isFree, arith::OrIOp::create(b, isNone, isLarger));
    return arith::SelectOp::create(b, wins, expert, best);
  }

  void renormalise(Value weights) {
    if (routing.getRenorm() == moe::Renorm::Sum) {
      set(b, cell, b.f32(0.0));
      reduce(b, weights, cell, plus);
      Value eps = b.f32(routing.epsValue()), sum = get(b, cell);
      bool add = routing.getEpsMode() == moe::EpsMode::Add;
      divide(weights, add ? plus(b, sum, eps) : b.larger(eps, sum));
    }
    double scale = routing.scaleValue();
    if (scale != 1.0)
      elementwise(b, weights, weights, [&](VectorBuilder &in, ValueRange args) {
        return Values{times(in, args[0], in.f32(scale))};
      });
  }

  VectorBuilder &b;
  moe::RoutingAttr routing;
  Value bias;
  int64_t experts;
  RoutingStages stages;
  Value scores, keys, taken, cell;
};

/// Why an op stays as it is, or an empty string.
StringRef refusal(Value logits, moe::RoutingAttr routing) {
  auto type = dyn_cast<MemRefType>(logits.getType());
  if (!type || type.isDynamicDim(1))
    return "memrefs with a static number of experts";
  return routingWithoutLowering(routing);
}

struct RouteToLinalg : OpRewritePattern<moe::RouteOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::RouteOp op,
                                PatternRewriter &rewriter) const override {
    Value logits = op.getLogits(), ids = op.getOuts()[0];
    Value weights = op.getOuts()[1];
    StringRef expected = refusal(logits, op.getRouting());
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    int64_t experts = cast<MemRefType>(logits.getType()).getDimSize(1);
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(logits, 0), [&](Value token) {
      TokenRouter(b, op.getRouting(), op.getBias(), experts)
          .emit(rowOf(b, logits, token), rowOf(b, ids, token),
                rowOf(b, weights, token));
    });
    rewriter.eraseOp(op);
    return success();
  }
};

struct GateToLinalg : OpRewritePattern<moe::GateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::GateOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getX(), logits = op.getOuts()[2];
    StringRef expected = refusal(logits, op.getRouting());
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    int64_t experts = cast<MemRefType>(logits.getType()).getDimSize(1);
    int64_t width = cast<MemRefType>(x.getType()).getDimSize(1);
    if (!isMatrix(op.getWeight().getType(), experts, width))
      return rewriter.notifyMatchFailure(
          op, "expected a matrix of static size, packed or not");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(x, 0), [&](Value token) {
      TokenRouter router(b, op.getRouting(), op.getBias(), experts);
      Value row = rowOf(b, logits, token);
      product(b, op, rowOf(b, x, token), row, experts);
      router.emit(row, rowOf(b, op.getOuts()[0], token),
                  rowOf(b, op.getOuts()[1], token));
    });
    rewriter.eraseOp(op);
    return success();
  }

  static void product(VectorBuilder &b, moe::GateOp op, Value x, Value logits,
                      int64_t experts) {
    fill(b, logits, b.f32(0.0));
    b.forLoop(b.index(0), b.index(experts), kPanelColumns, [&](Value first) {
      Value part = view(b, logits, panelColumns(b, first, experts));
      accumulateColumns(b, x, op.getWeight(), first, part);
    });
    if (op.getLogitBias())
      elementwise(b, {logits, op.getLogitBias()}, logits,
                  [](VectorBuilder &in, ValueRange args) {
                    return Values{plus(in, args[0], args[1])};
                  });
  }
};
} // namespace

void fallback::populateRouting(RewritePatternSet &patterns) {
  patterns.add<RouteToLinalg, GateToLinalg>(patterns.getContext());
}
