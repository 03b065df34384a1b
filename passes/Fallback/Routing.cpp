//===- Routing.cpp - Generic lowering of the choice of experts ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A task is a token, each stage a scalar loop over its experts; the selection
// looks through all of them k times. The product in front of it is linalg.
//
//===----------------------------------------------------------------------===//

#include "passes/ChoiceCounts.h"
#include "passes/Fallback/Fallback.h"
#include "passes/RoutingRows.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;
using moe::Policy;
using moe::RoutingAttr;

namespace {
/// The routing of one token after another.
class TokenRouter {
public:
  TokenRouter(VectorBuilder &b, const RoutingStages &stages, RoutingRows rows)
      : b(b), stages(stages), rows(rows), math(b), finish(b, stages, rows),
        routing(stages.routing), scored(stages.experts + stages.shared),
        values(buffer(b, {scored}, b.getF32Type())),
        scores(buffer(b, {scored}, b.getF32Type())),
        masses(buffer(b, {scored}, b.getF32Type())),
        keys(buffer(b, {stages.experts}, b.getF32Type())),
        open(buffer(b, {stages.experts}, b.getI1Type())) {
    if (stages.inputs.classMask)
      classMask = integerTable(
          b, llvm::to_vector_of<int32_t>(stages.inputs.classMask.asArrayRef()));
    if (stages.keepsGroups())
      groupKeys = buffer(b, {routing.getGroups()}, b.getF32Type());
    if (routing.getGroupQuota())
      taken = buffer(b, {routing.getGroups()}, b.getI32Type());
  }

  /// `logits` is a matrix of all tokens.
  void emit(Value logits, Value token);

private:
  using Predicate = arith::CmpIPredicate;
  using Body = llvm::function_ref<void(Value)>;

  void each(int64_t count, Body body) {
    b.forLoop(b.index(0), b.index(count), 1, body);
  }
  Value fold(int64_t count, Value init,
             llvm::function_ref<Value(Value, Value)> fn) {
    return b.forLoop(b.index(0), b.index(count), 1, init,
                     [&](Value i, ValueRange carried) {
                       return Values{fn(i, carried[0])};
                     })[0];
  }
  Value load(Value memref, ValueRange at) {
    return memref::LoadOp::create(b, memref, at);
  }
  void store(Value value, Value memref, ValueRange at) {
    memref::StoreOp::create(b, value, memref, at);
  }
  Value both(Value lhs, Value rhs) {
    return arith::AndIOp::create(b, lhs, rhs);
  }
  Value select(Value condition, Value yes, Value no) {
    return arith::SelectOp::create(b, condition, yes, no);
  }
  Value truth(bool value) { return arith::ConstantIntOp::create(b, value, 1); }
  Value toI32(Value index) {
    return arith::IndexCastOp::create(b, b.getI32Type(), index);
  }
  Value toIndex(Value number) {
    return arith::IndexCastOp::create(b, b.getIndexType(), number);
  }
  Value largestOf(Value memref, int64_t count) {
    return fold(count, b.f32(kMinusInfinity), [&](Value i, Value most) {
      return b.larger(load(memref, i), most);
    });
  }

  Value isEligible(Value token, Value expert);
  void prepare(Value logits, Value token);
  void softmax(Value from, Value to, int64_t count, bool windowed);
  void computeScores();
  void computeKeys();
  Value groupKey(Value group);
  void keepGroups();
  Value best();
  Value roundWeight(Value expert);
  Value valueOf(Value expert);
  void choose(Value token, Value slot, Value found, Value expert);
  void selectRounds(Value token);
  void selectFromTable(Value token);
  void selectAll(Value token);
  void offerAll(Value token);
  void scoreChosen(Value token);

  VectorBuilder &b;
  const RoutingStages &stages;
  RoutingRows rows;
  RoutingMath math;
  RoutingFinish finish;
  RoutingAttr routing;
  int64_t scored;
  /// Logits; scores; what counts towards a mass; keys; who may be chosen yet.
  Value values, scores, masses, keys, open;
  Value classMask, groupKeys, taken;
};

Value TokenRouter::isEligible(Value token, Value expert) {
  const moe::RoutingInputs &in = stages.inputs;
  Value may = truth(true);
  auto also = [&](Value number) {
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(number.getType()));
    may = both(may, b.compare(Predicate::ne, number, zero));
  };
  if (in.eligible)
    also(load(in.eligible, {token, expert}));
  if (!in.classId)
    return may;
  Value id = load(in.classId, token);
  int64_t classes = in.classMask.size() / stages.experts;
  Value isClass = b.compare(Predicate::ult, id, b.i32(classes));
  Value row = b.mul(toIndex(select(isClass, id, b.i32(0))), stages.experts);
  also(load(classMask, b.add(row, expert)));
  return both(may, isClass);
}

/// Softcap and eligibility.
void TokenRouter::prepare(Value logits, Value token) {
  double cap = RoutingAttr::valueOr(routing.getSoftcap(), 0);
  each(scored, [&](Value i) {
    Value logit = load(logits, {token, i});
    store(cap ? math.capped(logit, cap) : logit, values, i);
  });
  each(stages.experts, [&](Value expert) {
    Value may = isEligible(token, expert);
    store(may, open, expert);
    store(select(may, load(values, expert), b.f32(kMinusInfinity)), values,
          expert);
  });
}

void TokenRouter::softmax(Value from, Value to, int64_t count, bool windowed) {
  Value largest = largestOf(from, count);
  each(count, [&](Value i) {
    Value logit = load(from, i);
    if (windowed)
      logit = math.inWindow(routing, logit, logit, largest);
    store(math.exponential(logit, largest), to, i);
  });
  Value sum = fold(count, b.f32(0.0), [&](Value i, Value total) {
    return plus(b, total, load(to, i));
  });
  each(count, [&](Value i) {
    store(arith::DivFOp::create(b, load(to, i), sum), to, i);
  });
}

void TokenRouter::computeScores() {
  if (stages.isSequential()) {
    if (stages.countsMass())
      softmax(values, masses, scored, false);
    return;
  }
  if (stages.isSoftmax())
    softmax(values, scores, scored, stages.isWindow());
  else
    each(scored, [&](Value i) {
      store(math.score(routing.getScore(), load(values, i)), scores, i);
    });
  if (stages.countsMass())
    each(scored, [&](Value i) { store(load(scores, i), masses, i); });
}

void TokenRouter::computeKeys() {
  each(stages.experts, [&](Value i) {
    Value key = load(stages.keysFromScores ? scores : values, i);
    if (stages.inputs.bias)
      key = plus(b, key, load(stages.inputs.bias, i));
    store(math.ordered(key), keys, i);
  });
  if (stages.keepsGroups())
    keepGroups();
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

Value TokenRouter::groupKey(Value group) {
  int64_t size = stages.experts / routing.getGroups();
  bool two = routing.getGroupReduce() == moe::GroupReduce::Top2Sum && size > 1;
  Value first = b.mul(group, size), least = b.f32(kMinusInfinity);
  Values most = b.forLoop(
      b.index(0), b.index(size), 1, ValueRange{least, least},
      [&](Value i, ValueRange carried) {
        Value key = load(keys, b.add(first, i));
        Value wins = b.compare(arith::CmpFPredicate::OGT, key, carried[0]);
        Value loser = select(wins, carried[0], key);
        return Values{b.larger(key, carried[0]), b.larger(loser, carried[1])};
      });
  return two ? math.ordered(plus(b, most[0], most[1])) : most[0];
}

void TokenRouter::keepGroups() {
  int64_t groups = routing.getGroups(), size = stages.experts / groups;
  bool zero = routing.getGroupFill() == moe::GroupFill::Zero;
  each(groups, [&](Value group) { store(groupKey(group), groupKeys, group); });
  each(groups, [&](Value group) {
    Value key = load(groupKeys, group);
    Value rank = fold(groups, b.i32(0), [&](Value other, Value count) -> Value {
      Value theirs = load(groupKeys, other);
      Value tie = both(b.compare(arith::CmpFPredicate::OEQ, theirs, key),
                       b.compare(Predicate::slt, other, group));
      Value wins = arith::OrIOp::create(
          b, tie, b.compare(arith::CmpFPredicate::OGT, theirs, key));
      return arith::AddIOp::create(
          b, count, arith::ExtUIOp::create(b, b.getI32Type(), wins));
    });
    Value isOut =
        b.compare(Predicate::sge, rank, b.i32(routing.getGroupKeep()));
    b.ifThen(isOut, [&] {
      each(size, [&](Value i) {
        store(b.f32(zero ? 0.0 : kMinusInfinity), keys,
              b.add(b.mul(group, size), i));
      });
    });
  });
}

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

/// The first of the largest keys among those that are open; the number of
/// experts when none is.
Value TokenRouter::best() {
  Value none = b.index(stages.experts);
  return fold(stages.experts, none, [&](Value expert, Value so) {
    Value isNone = b.compare(Predicate::eq, so, none);
    // With none there is nothing to compare with: any place will do.
    Value place = select(isNone, expert, so);
    Value isLarger = b.compare(arith::CmpFPredicate::OGT, load(keys, expert),
                               load(keys, place));
    Value wins =
        both(load(open, expert), arith::OrIOp::create(b, isNone, isLarger));
    return select(wins, expert, so);
  });
}

/// The share of an expert in a softmax over those that are open.
Value TokenRouter::roundWeight(Value expert) {
  auto left = [&](Value i) {
    Value may = load(open, i);
    return select(may, load(values, i), b.f32(kMinusInfinity));
  };
  Value largest =
      fold(stages.experts, b.f32(kMinusInfinity),
           [&](Value i, Value most) { return b.larger(left(i), most); });
  auto power = [&](Value i) {
    Value logit = left(i);
    if (stages.isWindow())
      logit = math.inWindow(routing, logit, load(values, i), largest);
    return math.exponential(logit, largest);
  };
  Value sum = fold(stages.experts, b.f32(0.0), [&](Value i, Value total) {
    return plus(b, total, power(i));
  });
  return arith::DivFOp::create(b, power(expert), sum);
}

Value TokenRouter::valueOf(Value expert) {
  if (stages.isSequential())
    return roundWeight(expert);
  return load(stages.weightsFromScores ? scores : values, expert);
}

/// Puts an expert into a slot, or nothing.
void TokenRouter::choose(Value token, Value slot, Value found, Value expert) {
  Value id = select(found, toI32(expert), b.i32(-1));
  Value weight = select(found, valueOf(expert), b.f32(0.0));
  store(id, rows.ids, {token, slot});
  store(weight, rows.weights, {token, slot});
  b.ifThen(found, [&] { store(truth(false), open, expert); });
}

void TokenRouter::selectRounds(Value token) {
  if (taken)
    each(routing.getGroups(), [&](Value g) { store(b.i32(0), taken, g); });
  Value none = b.index(stages.experts);
  Value limit = b.i32(stages.k());
  if (stages.inputs.tokenK)
    limit = load(stages.inputs.tokenK, token);
  fold(stages.k(), b.f32(0.0), [&](Value round, Value mass) {
    Value expert = best();
    Value found = both(b.compare(Predicate::ne, expert, none),
                       b.compare(Predicate::slt, toI32(round), limit));
    expert = select(found, expert, b.index(0));
    Value threshold = b.f32(RoutingAttr::valueOr(routing.getThreshold(), 0));
    if (routing.is(Policy::Threshold))
      found = both(found, b.compare(arith::CmpFPredicate::OGT,
                                    load(keys, expert), threshold));
    if (stages.countsMass()) {
      Value isFirst = b.compare(Predicate::eq, round, b.index(0));
      Value isBelow = b.compare(arith::CmpFPredicate::OLT, mass, threshold);
      found = both(found, arith::OrIOp::create(b, isFirst, isBelow));
      mass = plus(b, mass, load(masses, expert));
    }
    choose(token, round, found, expert);
    if (!taken)
      return mass;
    int64_t size = stages.experts / routing.getGroups();
    Value group = b.div(expert, size);
    Value count = arith::AddIOp::create(b, load(taken, group), b.i32(1));
    store(count, taken, group);
    b.ifThen(b.compare(Predicate::eq, count, b.i32(routing.getGroupQuota())),
             [&] {
               each(size, [&](Value i) {
                 store(truth(false), open, b.add(b.mul(group, size), i));
               });
             });
    return mass;
  });
}

void TokenRouter::selectFromTable(Value token) {
  Value table = stages.inputs.table, id = load(stages.inputs.tokenId, token);
  int64_t size = cast<MemRefType>(table.getType()).getDimSize(0);
  Value isRow = b.compare(Predicate::ult, id, b.i32(size));
  Value entry = toIndex(select(isRow, id, b.i32(0)));
  each(stages.k(), [&](Value slot) {
    Value name = load(table, {entry, slot});
    Value isExpert = b.compare(Predicate::ult, name, b.i32(stages.experts));
    Value expert = toIndex(select(isExpert, name, b.i32(0)));
    // An expert stays open: a table may name it twice.
    Value found = both(both(isRow, isExpert), load(open, expert));
    store(select(found, name, b.i32(-1)), rows.ids, {token, slot});
    store(select(found, valueOf(expert), b.f32(0.0)), rows.weights,
          {token, slot});
  });
}

void TokenRouter::selectAll(Value token) {
  each(stages.experts, [&](Value expert) {
    choose(token, expert, load(open, expert), expert);
  });
}

/// Keys as ids, and weights, of all experts, among which these will choose.
void TokenRouter::offerAll(Value token) {
  each(stages.experts, [&](Value expert) {
    Value key = math.integerKey(load(keys, expert));
    Value none = b.i32(RoutingMath::kNoKey);
    store(select(load(open, expert), key, none), rows.ids, {token, expert});
    store(valueOf(expert), rows.weights, {token, expert});
  });
}

/// Scores that exist only after the selection.
void TokenRouter::scoreChosen(Value token) {
  for (int64_t i = 0; i < stages.shared; ++i)
    store(valueOf(b.index(stages.experts + i)), rows.shared,
          {token, b.index(i)});
  if (routing.getScope() == moe::Scope::Selected)
    finish.score(token);
}

void TokenRouter::emit(Value logits, Value token) {
  prepare(logits, token);
  computeScores();
  computeKeys();
  if (routing.is(Policy::ExpertChoice))
    return offerAll(token);
  if (routing.is(Policy::Dense))
    selectAll(token);
  else if (routing.is(Policy::Table))
    selectFromTable(token);
  else
    selectRounds(token);
  scoreChosen(token);
  if (!stages.isLate)
    finish.normalise(token);
  if (!routing.drops())
    finish.rename(token);
}

struct RouteToLinalg : OpRewritePattern<moe::RouteOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::RouteOp op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<MemRefType>(op.getLogits().getType());
    if (!type || type.isDynamicDim(1))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs with a static number of experts");
    RoutingStages stages(op.getRouting(), op.getInputs(), type.getDimSize(1));
    StringRef expected = routingWithoutLowering(stages);
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    RoutingRows rows{op.getOuts()[0], op.getOuts()[1], op.getShared()};
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getLogits(), 0), [&](Value token) {
      TokenRouter(b, stages, rows).emit(op.getLogits(), token);
    });
    emitStagesOfBatch(b, stages, rows);
    if (op.getCounts())
      emitCounts(b, op.getCounts(), *op.getCountRows(), rows.ids);
    rewriter.eraseOp(op);
    return success();
  }
};

struct GateToLinalg : OpRewritePattern<moe::GateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::GateOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getX(), logits = op.getOuts()[2];
    auto type = dyn_cast<MemRefType>(logits.getType());
    if (!type || type.isDynamicDim(1))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs with a static number of experts");
    int64_t scored = type.getDimSize(1);
    RoutingStages stages(op.getRouting(), op.getInputs(), scored);
    StringRef expected = routingWithoutLowering(stages);
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    int64_t width = cast<MemRefType>(x.getType()).getDimSize(1);
    if (!isMatrix(op.getWeight().getType(), scored, width))
      return rewriter.notifyMatchFailure(
          op, "expected a matrix of static size, packed or not");
    RoutingRows rows{op.getOuts()[0], op.getOuts()[1], op.getShared()};
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(x, 0), [&](Value token) {
      TokenRouter router(b, stages, rows);
      product(b, op, token, scored);
      router.emit(logits, token);
    });
    emitStagesOfBatch(b, stages, rows);
    if (op.getCounts())
      emitCounts(b, op.getCounts(), *op.getCountRows(), rows.ids);
    rewriter.eraseOp(op);
    return success();
  }

  static void product(VectorBuilder &b, moe::GateOp op, Value token,
                      int64_t experts) {
    Value x = rowOf(b, op.getX(), token);
    Value logits = rowOf(b, op.getOuts()[2], token);
    fill(b, logits, b.f32(0.0));
    b.forLoop(b.index(0), b.index(experts), kPanelColumns, [&](Value first) {
      Value part = view(b, logits, panelColumns(b, first, experts));
      accumulateColumns(b, x, op.getWeight(), first, part);
    });
    if (op.getEpilogue().empty())
      return;
    Slice all = Slice::from(b.getIndexAttr(0), b.getIndexAttr(experts));
    applyEpilogue(b, op.getProduct(), logits, /*group=*/Value(), token, all,
                  logits);
  }
};
} // namespace

void fallback::populateRouting(RewritePatternSet &patterns) {
  patterns.add<RouteToLinalg, GateToLinalg>(patterns.getContext());
}
