//===- ExpertSelection.cpp - Choosing experts in vector code --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: k of E experts by descending key, ties to the lowest index, and a
// defined result for every input, in a small fraction of the time of the
// router's product.
//
// Idea: a key becomes a 32-bit integer of the same order, below which there is
// room: an expert that was chosen before is the least integer of all and never
// wins again, and neither does one that is not eligible. k times, each lane
// keeps the first of its largest keys; then the largest lane wins, the lowest
// index among equals.
//
// Steps: (1) softcap, eligibility and, where they are needed, scores of all
// experts; (2) keys, and groups that are kept; (3) k rounds over the keys, each
// of which ends by marking its winner in memory (here, and in
// ExpertWeights.cpp: (4) the weights of the chosen, k of them in vectors).
//
// Order: an f32 x becomes its bits, with all but the sign flipped when x is
// negative. Adding 0.0 first makes -0.0 equal to 0.0; what is not a number
// counts as minus infinity.
//
// Cost: about 3 E k / lanes vector operations and two reductions over lanes for
// each of k, against 2 E H / lanes of the product.
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/ExpertSelection.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// Vectors that are unrolled: all of them up to the first number, in groups of
/// the second beyond.
static constexpr int64_t kUnrolled = 8;
static constexpr int64_t kGroup = 4;

int64_t ExpertSelection::rowWidth(int64_t experts, int64_t lanes) {
  int64_t vectors = llvm::divideCeilSigned(experts, lanes);
  if (vectors > kUnrolled)
    vectors = llvm::alignTo(vectors, kGroup);
  return vectors * lanes;
}

void ExpertSelection::padRow(VectorBuilder &b, Value logits, Value row,
                             int64_t experts) {
  int64_t behind = rowWidth(experts, b.lanes) - experts;
  for (Chunk chunk : chunksOf(behind, b.lanes))
    b.store(b.f32Splat(kMinusInfinity, chunk.size), logits,
            {row, b.index(experts + chunk.offset)});
}

static Value integerBuffer(VectorBuilder &b, int64_t size) {
  constexpr int64_t cacheLine = 64;
  return memref::AllocaOp::create(b, MemRefType::get({size}, b.getI32Type()),
                                  b.getI64IntegerAttr(cacheLine));
}

ExpertSelection::ExpertSelection(VectorBuilder &b, const RoutingStages &stages,
                                 RoutingRows rows)
    : b(b), stages(stages), rows(rows), math(b), last(b, this->stages, rows),
      routing(stages.routing), experts(stages.experts),
      width(rowWidth(experts + stages.shared, b.lanes)) {
  const RoutingInputs &in = stages.inputs;
  dividesLate = stages.scoresOfAll && stages.isSoftmax() &&
                !stages.keysFromScores && !stages.countsMass() &&
                !routing.is(Policy::ExpertChoice);
  keys = integerBuffer(b, width);
  if (stages.scoresOfAll)
    scores = b.stackBuffer({width});
  if (stages.keepsGroups()) {
    plainKeys = b.stackBuffer({width});
    groupKeys =
        b.stackBuffer({int64_t(llvm::alignTo(routing.getGroups(), b.lanes))});
  }
  if (stages.isSequential())
    remaining = b.stackBuffer({width});
  if (in.restrictsEligibility()) {
    blocked = integerBuffer(b, width);
    forVectors({}, [&](Value offset, ValueRange) {
      vector::StoreOp::create(b, i32Splat(0), blocked, offset);
      return Values();
    });
  }
  if (in.classMask)
    classMask =
        integerTable(b, llvm::to_vector_of<int32_t>(in.classMask.asArrayRef()));
  if (routing.getGroupQuota())
    taken = integerBuffer(b, routing.getGroups());
  int64_t size = llvm::alignTo(stages.k(), b.lanes);
  slots = integerBuffer(b, size);
  chosen = b.stackBuffer({size});
  if (in.expertScale)
    scales = b.stackBuffer({size});
  if (in.bias)
    copyBias();
  for (int64_t offset = 0; offset < size; offset += b.lanes) {
    vector::StoreOp::create(b, i32Splat(-1), slots, b.index(offset));
    b.store(b.f32Splat(0.0, b.lanes), chosen, b.index(offset));
    if (scales)
      b.store(b.f32Splat(1.0, b.lanes), scales, b.index(offset));
  }
  if (stages.shared) {
    int64_t space = llvm::alignTo(stages.shared, b.lanes);
    sharedValues = b.stackBuffer({space});
    for (int64_t offset = 0; offset < space; offset += b.lanes)
      b.store(b.f32Splat(0.0, b.lanes), sharedValues, b.index(offset));
  }
}

//===----------------------------------------------------------------------===//
// Vectors of a row
//===----------------------------------------------------------------------===//

/// Runs the step for every vector of a row, in ascending order.
ExpertSelection::Values ExpertSelection::forVectors(ValueRange inits,
                                                    Step step) {
  int64_t lanes = b.lanes;
  Values carried(inits);
  if (width <= kUnrolled * lanes) {
    for (int64_t offset = 0; offset < width; offset += lanes)
      carried = step(b.index(offset), carried);
    return carried;
  }
  auto group = [&](Value from, ValueRange values) {
    Values next(values);
    for (int64_t i = 0; i < kGroup; ++i)
      next = step(b.add(from, i * lanes), next);
    return next;
  };
  return b.forLoop(b.index(0), b.index(width), kGroup * lanes, carried, group);
}

Value ExpertSelection::vectorAt(Value buffer, Value offset) {
  auto element = cast<MemRefType>(buffer.getType()).getElementType();
  return vector::LoadOp::create(b, VectorType::get({b.lanes}, element), buffer,
                                offset);
}

Value ExpertSelection::i32Splat(int64_t value) {
  auto type = VectorType::get({b.lanes}, b.getI32Type());
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(type, int32_t(value)));
}

Value ExpertSelection::loadLogits(Value offset) {
  return b.load(logits, {row, offset}, b.lanes);
}

void ExpertSelection::copyBias() {
  Value first = b.index(0);
  bias = b.stackBuffer({1, width});
  b.forChunks(experts, kGroup, [&](Value at, int64_t size) {
    b.store(b.load(stages.inputs.bias, at, size), bias, {first, at});
  });
  int64_t behind = width - experts;
  for (Chunk chunk : chunksOf(behind, b.lanes))
    b.store(b.f32Splat(0.0, chunk.size), bias,
            {first, b.index(experts + chunk.offset)});
}

/// The largest of all vectors that `at` makes, in every lane.
Value ExpertSelection::largestOf(llvm::function_ref<Value(Value)> at) {
  Values lanes = forVectors(b.f32Splat(kMinusInfinity, b.lanes),
                            [&](Value offset, ValueRange carried) -> Values {
                              return {b.larger(at(offset), carried[0])};
                            });
  Value largest =
      b.reduce(lanes, [&](Value lhs, Value rhs) { return b.larger(lhs, rhs); });
  return b.broadcast(largest, b.lanes);
}

//===----------------------------------------------------------------------===//
// Scores and keys
//===----------------------------------------------------------------------===//

/// Notes which experts the token must not choose, and makes their logits minus
/// infinity.
void ExpertSelection::maskLogits(Value token) {
  const RoutingInputs &in = stages.inputs;
  Value first, isClass;
  if (in.classId) {
    int64_t classes = in.classMask.size() / experts;
    Value id = memref::LoadOp::create(b, in.classId, token);
    isClass =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, id, b.i32(classes));
    Value valid = arith::SelectOp::create(b, isClass, id, b.i32(0));
    first =
        b.mul(arith::IndexCastOp::create(b, b.getIndexType(), valid), experts);
  }
  b.forLoop(b.index(0), b.index(experts), 1, [&](Value expert) {
    Value may = isClass;
    auto also = [&](Value number) {
      Value zero =
          arith::ConstantOp::create(b, b.getZeroAttr(number.getType()));
      Value isSet =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ne, number, zero);
      may = may ? arith::AndIOp::create(b, may, isSet).getResult() : isSet;
    };
    if (in.classId)
      also(memref::LoadOp::create(
          b, classMask, ValueRange{arith::AddIOp::create(b, first, expert)}));
    if (in.eligible)
      also(memref::LoadOp::create(b, in.eligible, ValueRange{token, expert}));
    Value logit = memref::LoadOp::create(b, logits, ValueRange{row, expert});
    memref::StoreOp::create(
        b, arith::SelectOp::create(b, may, logit, b.f32(kMinusInfinity)),
        logits, ValueRange{row, expert});
    memref::StoreOp::create(b,
                            arith::SelectOp::create(b, may, b.i32(0), b.i32(1)),
                            blocked, expert);
  });
}

/// Softcap; logits that are masked stay minus infinity.
void ExpertSelection::capLogits() {
  double cap = RoutingAttr::valueOr(routing.getSoftcap(), 0);
  if (!cap)
    return;
  forVectors({}, [&](Value offset, ValueRange) {
    Value logit = math.capped(loadLogits(offset), cap);
    if (blocked) {
      Value isOpen = arith::CmpIOp::create(
          b, arith::CmpIPredicate::eq, vectorAt(blocked, offset), i32Splat(0));
      logit = arith::SelectOp::create(b, isOpen, logit,
                                      b.f32Splat(kMinusInfinity, b.lanes));
    }
    b.store(logit, logits, {row, offset});
    return Values();
  });
  padRow(b, logits, row, experts + stages.shared);
}

static Value sumOf(VectorBuilder &b, ArrayRef<Value> vectors) {
  return b.reduce(vectors, [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  });
}

/// Scores of all experts; those of a softmax are left undivided where only the
/// chosen ones are asked for.
void ExpertSelection::computeScores() {
  bool isSoftmax = stages.isSoftmax();
  if (isSoftmax)
    exponentiateAll();
  if (dividesLate)
    return;
  Value divisor = isSoftmax ? b.broadcast(sum, b.lanes) : Value();
  forVectors({}, [&](Value offset, ValueRange) {
    Value score =
        isSoftmax ? arith::DivFOp::create(b, vectorAt(scores, offset), divisor)
                        .getResult()
                  : math.score(routing.getScore(), loadLogits(offset));
    b.store(score, scores, offset);
    return Values();
  });
}

/// exp(l - largest l) as scores, and their sum.
void ExpertSelection::exponentiateAll() {
  Value largest = largestOf([&](Value offset) { return loadLogits(offset); });
  bool windowed = stages.isWindow() && !stages.isSequential();
  Values lanes =
      forVectors(b.f32Splat(0.0, b.lanes),
                 [&](Value offset, ValueRange carried) -> Values {
                   Value logit = loadLogits(offset);
                   if (windowed)
                     logit = math.inWindow(routing, logit, logit, largest);
                   Value power = math.exponential(logit, largest);
                   b.store(power, scores, offset);
                   return {arith::AddFOp::create(b, carried[0], power)};
                 });
  sum = sumOf(b, lanes);
}

/// The keys of a vector of experts; nothing in them is NaN.
Value ExpertSelection::keyAt(Value offset) {
  Value key =
      stages.keysFromScores ? vectorAt(scores, offset) : loadLogits(offset);
  if (bias)
    key = arith::AddFOp::create(b, key,
                                b.load(bias, {b.index(0), offset}, b.lanes));
  return math.ordered(key);
}

void ExpertSelection::computeKeys() {
  if (plainKeys) {
    forVectors({}, [&](Value offset, ValueRange) {
      b.store(keyAt(offset), plainKeys, offset);
      return Values();
    });
    keepGroups();
  }
  forVectors({}, [&](Value offset, ValueRange) {
    Value key = math.integerKey(plainKeys ? vectorAt(plainKeys, offset)
                                          : keyAt(offset));
    vector::StoreOp::create(b, key, keys, offset);
    return Values();
  });
  closeKeys();
}

/// What is no expert, or not eligible, never wins.
void ExpertSelection::closeKeys() {
  if (blocked)
    forVectors({}, [&](Value offset, ValueRange) {
      Value isBlocked = arith::CmpIOp::create(
          b, arith::CmpIPredicate::ne, vectorAt(blocked, offset), i32Splat(0));
      Value key = arith::SelectOp::create(
          b, isBlocked, i32Splat(RoutingMath::kNoKey), vectorAt(keys, offset));
      vector::StoreOp::create(b, key, keys, offset);
      return Values();
    });
  for (Chunk chunk : chunksOf(width - experts, b.lanes)) {
    auto type = VectorType::get({chunk.size}, b.getI32Type());
    Value none = arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, RoutingMath::kNoKey));
    vector::StoreOp::create(b, none, keys, b.index(experts + chunk.offset));
  }
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

/// The key of the group that begins with an expert: its largest key, or the sum
/// of its two largest.
Value ExpertSelection::groupKey(Value first) {
  int64_t size = experts / routing.getGroups();
  bool two = routing.getGroupReduce() == GroupReduce::Top2Sum && size > 1;
  auto smaller = [&](Value lhs, Value rhs) -> Value {
    Value less = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, lhs, rhs);
    return arith::SelectOp::create(b, less, lhs, rhs);
  };
  // The two largest of a and b together, of pairs of the two largest.
  using Pair = std::pair<Value, Value>;
  auto merge = [&](Pair a, Pair o) -> Pair {
    Value most = b.larger(a.first, o.first);
    if (!two)
      return {most, most};
    return {most,
            b.larger(smaller(a.first, o.first), b.larger(a.second, o.second))};
  };
  auto lowest = [&](int64_t lanes) {
    return b.f32Splat(kMinusInfinity, lanes);
  };
  auto halved = [&](Pair pair) {
    int64_t lanes = cast<VectorType>(pair.first.getType()).getDimSize(0);
    for (int64_t half = lanes / 2; half >= 1; half /= 2) {
      auto part = [&](Value vector, int64_t from) -> Value {
        auto picked = llvm::to_vector(llvm::seq(from, from + half));
        return vector::ShuffleOp::create(b, vector, vector, picked);
      };
      pair = merge({part(pair.first, 0), part(pair.second, 0)},
                   {part(pair.first, half), part(pair.second, half)});
    }
    return pair;
  };
  std::optional<Pair> whole, best;
  for (Chunk chunk : chunksOf(size, b.lanes)) {
    Value key = b.load(plainKeys, b.add(first, chunk.offset), chunk.size);
    Pair pair{key, lowest(chunk.size)};
    if (chunk.size == b.lanes) {
      whole = whole ? merge(*whole, pair) : pair;
      continue;
    }
    pair = halved(pair);
    best = best ? merge(*best, pair) : pair;
  }
  if (whole) {
    Pair pair = halved(*whole);
    best = best ? merge(*best, pair) : pair;
  }
  Value most = vector::ExtractOp::create(b, best->first, 0);
  if (!two)
    return most;
  Value second = vector::ExtractOp::create(b, best->second, 0);
  return math.ordered(arith::AddFOp::create(b, most, second));
}

/// Fills the keys of the groups that are not kept: those that at least as many
/// others as are kept come before.
void ExpertSelection::keepGroups() {
  int64_t groups = routing.getGroups(), size = experts / groups;
  int64_t space = llvm::alignTo(groups, b.lanes);
  for (int64_t at = 0; at < space; at += b.lanes)
    b.store(b.f32Splat(kMinusInfinity, b.lanes), groupKeys, b.index(at));
  b.forLoop(b.index(0), b.index(groups), 1, [&](Value group) {
    memref::StoreOp::create(b, groupKey(b.mul(group, size)), groupKeys, group);
  });
  bool zero = routing.getGroupFill() == GroupFill::Zero;
  b.forLoop(b.index(0), b.index(groups), 1, [&](Value group) {
    Value key =
        b.broadcast(memref::LoadOp::create(b, groupKeys, group), b.lanes);
    Value number = b.broadcast(
        arith::IndexCastOp::create(b, b.getI32Type(), group), b.lanes);
    Value before = i32Splat(0);
    for (int64_t at = 0; at < space; at += b.lanes) {
      auto type = VectorType::get({b.lanes}, b.getI32Type());
      auto numbers = llvm::to_vector_of<int32_t>(llvm::seq(at, at + b.lanes));
      Value lane = arith::ConstantOp::create(
          b, DenseIntElementsAttr::get(type, ArrayRef<int32_t>(numbers)));
      Value other = vectorAt(groupKeys, b.index(at));
      auto compare = [&](arith::CmpFPredicate predicate) -> Value {
        return arith::CmpFOp::create(b, predicate, other, key);
      };
      Value isLower =
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lane, number);
      Value wins = arith::OrIOp::create(
          b, compare(arith::CmpFPredicate::OGT),
          arith::AndIOp::create(b, compare(arith::CmpFPredicate::OEQ),
                                isLower));
      before = arith::AddIOp::create(
          b, before,
          arith::SelectOp::create(b, wins, i32Splat(1), i32Splat(0)));
    }
    Value rank =
        vector::ReductionOp::create(b, vector::CombiningKind::ADD, before);
    Value isOut = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, rank,
                                        b.i32(routing.getGroupKeep()));
    b.ifThen(isOut, [&] {
      Value first = b.mul(group, size);
      for (Chunk chunk : chunksOf(size, b.lanes))
        b.store(b.f32Splat(zero ? 0.0 : kMinusInfinity, chunk.size), plainKeys,
                b.add(first, chunk.offset));
    });
  });
}

void ExpertSelection::emit(Value logits, Value row, Value token) {
  this->logits = logits;
  this->row = row;
  if (blocked)
    maskLogits(token);
  capLogits();
  if (scores)
    computeScores();
  if (routing.is(Policy::ExpertChoice))
    return offerAll(token);
  if (routing.is(Policy::Dense))
    selectAll();
  else if (routing.is(Policy::Table))
    selectFromTable(token);
  else
    selectRounds(token);
  finish(token);
}
