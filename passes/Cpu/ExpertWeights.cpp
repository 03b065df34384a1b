//===- ExpertWeights.cpp - Rounds of a choice, and its weights ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The other half of ExpertSelection.cpp, where the idea is told: who is chosen,
// and what the chosen weigh.
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/ExpertSelection.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/Sequence.h"

#include <limits>

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static Value both(VectorBuilder &b, Value lhs, Value rhs) {
  return lhs ? arith::AndIOp::create(b, lhs, rhs).getResult() : rhs;
}

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

/// The largest key, and the index of the first expert that has it.
std::pair<Value, Value> ExpertSelection::firstLargest() {
  auto type = VectorType::get({b.lanes}, b.getI32Type());
  auto lanes = llvm::to_vector(llvm::seq<int32_t>(0, b.lanes));
  Value lane = arith::ConstantOp::create(
      b, DenseIntElementsAttr::get(type, ArrayRef<int32_t>(lanes)));
  Values best = forVectors(
      {i32Splat(RoutingMath::kNoKey), lane},
      [&](Value offset, ValueRange carried) {
        Value key = vectorAt(keys, offset);
        Value first = arith::IndexCastOp::create(b, b.getI32Type(), offset);
        Value index =
            arith::AddIOp::create(b, b.broadcast(first, b.lanes), lane);
        Value isLarger = b.compare(arith::CmpIPredicate::sgt, key, carried[0]);
        return Values{arith::MaxSIOp::create(b, key, carried[0]),
                      arith::SelectOp::create(b, isLarger, index, carried[1])};
      });
  Value largest =
      vector::ReductionOp::create(b, vector::CombiningKind::MAXSI, best[0]);
  Value isLargest = b.compare(arith::CmpIPredicate::eq, best[0],
                              b.broadcast(largest, b.lanes));
  Value indices = arith::SelectOp::create(
      b, isLargest, best[1], i32Splat(std::numeric_limits<int32_t>::max()));
  return {largest, vector::ReductionOp::create(b, vector::CombiningKind::MINSI,
                                               indices)};
}

/// What an expert weighs before the last stages, or what that is made of.
Value ExpertSelection::valueOf(Value expert) {
  if (stages.isSequential())
    return roundWeight(expert);
  if (stages.weightsFromScores && stages.scoresOfAll)
    return memref::LoadOp::create(b, scores, expert);
  return memref::LoadOp::create(b, logits, ValueRange{row, expert});
}

/// Puts an expert into a slot, or nothing; `found` null: an expert.
void ExpertSelection::choose(Value slot, Value found, Value id, Value value) {
  if (scales) {
    Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
    memref::StoreOp::create(
        b, memref::LoadOp::create(b, stages.inputs.expertScale, expert), scales,
        slot);
  }
  if (found) {
    id = arith::SelectOp::create(b, found, id, b.i32(-1));
    value = arith::SelectOp::create(b, found, value, b.f32(0.0));
  }
  memref::StoreOp::create(b, id, slots, slot);
  memref::StoreOp::create(b, value, chosen, slot);
}

/// Whether the round may take the expert of the largest key; null: it may.
Value ExpertSelection::isAllowed(Value found, Value largest, Value round,
                                 Value limit, ValueRange mass) {
  if (routing.is(Policy::Threshold)) {
    double threshold = routing.getThreshold().getValueAsDouble();
    Value key = math.integerKey(b.f32(threshold));
    found = both(b, found, b.compare(arith::CmpIPredicate::sgt, largest, key));
  }
  if (limit)
    found = both(b, found, b.compare(arith::CmpIPredicate::slt, round, limit));
  if (!mass.empty()) {
    Value isFirst = b.compare(arith::CmpIPredicate::eq, round, b.i32(0));
    Value isBelow =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, mass[0],
                              b.f32(routing.getThreshold().getValueAsDouble()));
    found = both(b, found, arith::OrIOp::create(b, isFirst, isBelow));
  }
  return found;
}

void ExpertSelection::selectRounds(Value token) {
  computeKeys();
  if (remaining)
    forVectors({}, [&](Value offset, ValueRange) {
      b.store(loadLogits(offset), remaining, offset);
      return Values();
    });
  if (taken)
    b.forLoop(b.index(0), b.index(routing.getGroups()), 1, [&](Value group) {
      memref::StoreOp::create(b, b.i32(0), taken, group);
    });
  Value none = b.i32(RoutingMath::kNoKey), limit;
  if (stages.inputs.tokenK)
    limit = memref::LoadOp::create(b, stages.inputs.tokenK, token);
  Values inits;
  if (stages.countsMass())
    inits.push_back(b.f32(0.0));
  b.forLoop(
      b.index(0), b.index(stages.k()), 1, inits,
      [&](Value round, ValueRange mass) {
        auto [largest, id] = firstLargest();
        Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
        Value found;
        if (stages.mayRunOut) {
          Value number = arith::IndexCastOp::create(b, b.getI32Type(), round);
          found = b.compare(arith::CmpIPredicate::ne, largest, none);
          found = isAllowed(found, largest, number, limit, mass);
        }
        memref::StoreOp::create(b, none, keys, expert);
        choose(round, found, id, valueOf(expert));
        if (taken)
          closeGroup(expert);
        Values next(mass);
        if (!mass.empty()) {
          Value score =
              scores
                  ? memref::LoadOp::create(b, scores, expert).getResult()
                  : memref::LoadOp::create(b, logits, ValueRange{row, expert})
                        .getResult();
          next[0] = arith::AddFOp::create(b, next[0], score);
        }
        return next;
      });
}

/// After its quota, a group has no more experts to choose.
void ExpertSelection::closeGroup(Value expert) {
  int64_t size = experts / routing.getGroups();
  Value group = b.div(expert, size);
  Value count = arith::AddIOp::create(
      b, memref::LoadOp::create(b, taken, group), b.i32(1));
  memref::StoreOp::create(b, count, taken, group);
  Value isFull = b.compare(arith::CmpIPredicate::eq, count,
                           b.i32(routing.getGroupQuota()));
  b.ifThen(isFull, [&] {
    Value first = b.mul(group, size);
    for (Chunk chunk : chunksOf(size, b.lanes)) {
      auto type = VectorType::get({chunk.size}, b.getI32Type());
      Value none = arith::ConstantOp::create(
          b, DenseElementsAttr::get(type, RoutingMath::kNoKey));
      vector::StoreOp::create(b, none, keys, b.add(first, chunk.offset));
    }
  });
}

/// The share that an expert has of a softmax over those that are left; it is
/// not left behind that.
Value ExpertSelection::roundWeight(Value expert) {
  Value largest =
      largestOf([&](Value offset) { return vectorAt(remaining, offset); });
  auto visible = [&](Value logit, Value magnitude, Value most) {
    return stages.isWindow() ? math.inWindow(routing, logit, magnitude, most)
                             : logit;
  };
  Values total =
      forVectors(b.f32Splat(0.0, b.lanes),
                 [&](Value offset, ValueRange carried) -> Values {
                   Value logit = visible(vectorAt(remaining, offset),
                                         loadLogits(offset), largest);
                   return {arith::AddFOp::create(
                       b, carried[0], math.exponential(logit, largest))};
                 });
  Value sum = b.reduce(total, [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  });
  Value most = vector::ExtractOp::create(b, largest, 0);
  Value logit = memref::LoadOp::create(b, remaining, expert);
  Value magnitude = memref::LoadOp::create(b, logits, ValueRange{row, expert});
  Value power = math.exponential(visible(logit, magnitude, most), most);
  memref::StoreOp::create(b, b.f32(kMinusInfinity), remaining, expert);
  return arith::DivFOp::create(b, power, sum);
}

/// Ids from the table; what is no row of it, or no expert, chooses nothing.
void ExpertSelection::selectFromTable(Value token) {
  const RoutingInputs &in = stages.inputs;
  int64_t size = cast<MemRefType>(in.table.getType()).getDimSize(0);
  Value tokenId = memref::LoadOp::create(b, in.tokenId, token);
  Value isRow = b.compare(arith::CmpIPredicate::ult, tokenId, b.i32(size));
  Value valid = arith::SelectOp::create(b, isRow, tokenId, b.i32(0));
  Value entry = arith::IndexCastOp::create(b, b.getIndexType(), valid);
  b.forLoop(b.index(0), b.index(stages.k()), 1, [&](Value slot) {
    Value id = memref::LoadOp::create(b, in.table, ValueRange{entry, slot});
    Value isExpert = b.compare(arith::CmpIPredicate::ult, id, b.i32(experts));
    id = arith::SelectOp::create(b, isExpert, id, b.i32(0));
    Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
    Value found = both(b, isRow, isExpert);
    if (blocked)
      found =
          both(b, found,
               b.compare(arith::CmpIPredicate::eq,
                         memref::LoadOp::create(b, blocked, expert), b.i32(0)));
    choose(slot, found, id, valueOf(expert));
  });
}

/// All experts in order.
void ExpertSelection::selectAll() {
  b.forLoop(b.index(0), b.index(experts), 1, [&](Value expert) {
    Value found;
    if (blocked)
      found = b.compare(arith::CmpIPredicate::eq,
                        memref::LoadOp::create(b, blocked, expert), b.i32(0));
    Value id = arith::IndexCastOp::create(b, b.getI32Type(), expert);
    choose(expert, found, id, valueOf(expert));
  });
}

/// Keys as ids, and weights, of all experts, among which these will choose.
void ExpertSelection::offerAll(Value token) {
  computeKeys();
  b.forLoop(b.index(0), b.index(experts), 1, [&](Value expert) {
    memref::StoreOp::create(b, memref::LoadOp::create(b, keys, expert),
                            rows.ids, ValueRange{token, expert});
    memref::StoreOp::create(b, valueOf(expert), rows.weights,
                            ValueRange{token, expert});
  });
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Which lanes of the vectors of chosen and shared experts hold one; null: all.
Value ExpertSelection::holds(int64_t offset) {
  int64_t space = llvm::alignTo(stages.k(), b.lanes);
  if (offset < space) {
    if (!stages.mayRunOut && offset + b.lanes <= stages.k())
      return Value();
    return b.compare(arith::CmpIPredicate::sge,
                     vectorAt(slots, b.index(offset)), i32Splat(0));
  }
  SmallVector<bool> lanes;
  for (int64_t i = 0; i < b.lanes; ++i)
    lanes.push_back(offset - space + i < stages.shared);
  auto type = VectorType::get({b.lanes}, b.getI1Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, lanes));
}

Value ExpertSelection::masked(Value vector, int64_t offset, double rest) {
  Value mask = holds(offset);
  if (!mask)
    return vector;
  return arith::SelectOp::create(b, mask, vector, b.f32Splat(rest, b.lanes));
}

void ExpertSelection::maskAll(Values &vectors, double rest) {
  for (auto [i, vector] : llvm::enumerate(vectors))
    vector = masked(vector, i * b.lanes, rest);
}

void ExpertSelection::apply(Values &vectors,
                            llvm::function_ref<Value(Value)> fn) {
  for (Value &vector : vectors)
    vector = fn(vector);
}

void ExpertSelection::divide(Values &vectors, Value divisor) {
  divisor = b.broadcast(divisor, b.lanes);
  apply(vectors, [&](Value vector) -> Value {
    return arith::DivFOp::create(b, vector, divisor);
  });
}

static Value total(VectorBuilder &b, ArrayRef<Value> vectors) {
  return b.reduce(vectors, [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  });
}

void ExpertSelection::softmax(Values &vectors) {
  maskAll(vectors, kMinusInfinity);
  Value largest = b.reduce(
      vectors, [&](Value lhs, Value rhs) { return b.larger(lhs, rhs); });
  largest = b.broadcast(largest, b.lanes);
  apply(vectors,
        [&](Value vector) { return math.exponential(vector, largest); });
  divide(vectors, total(b, vectors));
}

/// Makes weights of what the slots hold.
void ExpertSelection::scoreChosen(Values &vectors) {
  if (stages.scoresOfChosen && stages.isSoftmax())
    return softmax(vectors);
  if (stages.scoresOfChosen)
    return apply(vectors, [&](Value vector) {
      return math.score(routing.getScore(), vector);
    });
  if (dividesLate && stages.weightsFromScores)
    divide(vectors, sum);
}

/// The last experts weigh nothing.
void ExpertSelection::dropNull(Values &vectors) {
  if (!routing.getNullExperts())
    return;
  for (int64_t at = 0; at < stages.k(); at += b.lanes) {
    Value isReal =
        b.compare(arith::CmpIPredicate::slt, vectorAt(slots, b.index(at)),
                  i32Splat(experts - routing.getNullExperts()));
    Value &vector = vectors[at / b.lanes];
    vector =
        arith::SelectOp::create(b, isReal, vector, b.f32Splat(0.0, b.lanes));
  }
}

void ExpertSelection::renormalise(Values &vectors) {
  switch (routing.getRenorm()) {
  case Renorm::None:
    return;
  case Renorm::LogSigmoidSoftmax:
    apply(vectors, [&](Value vector) { return math.logSigmoid(vector); });
    return softmax(vectors);
  case Renorm::Softmax:
    return softmax(vectors);
  case Renorm::Sum:
  case Renorm::Lp:
    break;
  }
  maskAll(vectors, 0.0);
  bool isSum = routing.getRenorm() == Renorm::Sum;
  double power = RoutingAttr::valueOr(routing.getLp(), 1);
  Values powers = vectors;
  if (!isSum)
    apply(powers, [&](Value vector) { return math.power(vector, power); });
  Value norm = total(b, powers), eps = b.f32(routing.epsValue());
  if (!isSum)
    norm = math.root(norm, power);
  norm = routing.getEpsMode() == EpsMode::Add
             ? arith::AddFOp::create(b, norm, eps).getResult()
             : b.larger(eps, norm);
  divide(vectors, norm);
}

void ExpertSelection::scale(Values &vectors) {
  double scale = routing.scaleValue();
  if (scale != 1.0)
    apply(vectors, [&](Value vector) -> Value {
      return arith::MulFOp::create(b, vector, b.f32Splat(scale, b.lanes));
    });
  for (int64_t at = 0; scales && at < stages.k(); at += b.lanes) {
    Value &vector = vectors[at / b.lanes];
    vector = arith::MulFOp::create(b, vector, vectorAt(scales, b.index(at)));
  }
}

void ExpertSelection::storeParts(ArrayRef<Value> vectors, Value memref,
                                 Value token, int64_t size) {
  for (Chunk chunk : chunksOf(size, b.lanes)) {
    Value part = vectors[chunk.offset / b.lanes];
    if (chunk.size != b.lanes)
      part = vector::ExtractStridedSliceOp::create(
          b, part, ArrayRef<int64_t>{chunk.offset % b.lanes},
          ArrayRef<int64_t>{chunk.size}, ArrayRef<int64_t>{1});
    vector::StoreOp::create(b, part, memref,
                            ValueRange{token, b.index(chunk.offset)});
  }
}

void ExpertSelection::finish(Value token) {
  Values ids, vectors;
  for (int64_t at = 0; at < stages.k(); at += b.lanes) {
    ids.push_back(vectorAt(slots, b.index(at)));
    vectors.push_back(vectorAt(chosen, b.index(at)));
  }
  size_t own = vectors.size();
  if (stages.shared)
    b.forLoop(b.index(0), b.index(stages.shared), 1, [&](Value slot) {
      memref::StoreOp::create(b, valueOf(b.add(slot, experts)), sharedValues,
                              slot);
    });
  for (int64_t at = 0; at < stages.shared; at += b.lanes)
    vectors.push_back(vectorAt(sharedValues, b.index(at)));
  scoreChosen(vectors);
  if (!stages.isLate) {
    if (routing.getNullBeforeNorm())
      dropNull(vectors);
    renormalise(vectors);
    scale(vectors);
    dropNull(vectors);
  }
  if (stages.mayRunOut)
    maskAll(vectors, 0.0);
  storeParts(ids, rows.ids, token, stages.k());
  storeParts(ArrayRef(vectors).take_front(own), rows.weights, token,
             stages.k());
  if (stages.shared)
    storeParts(ArrayRef(vectors).drop_front(own), rows.shared, token,
               stages.shared);
  if (!routing.drops())
    last.rename(token);
}
