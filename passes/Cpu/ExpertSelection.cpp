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
// wins again. k times, each lane keeps the first of its largest keys; then the
// largest lane wins, the lowest index among equals. Lanes behind the last
// expert count as minus infinity, and lose to every expert that is left.
//
// Steps: (1) where they are needed, scores of all experts; (2) keys; (3) k
// rounds over the keys, each of which ends by marking its winner in memory; (4)
// the weights of the chosen, k of them in a vector.
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

#include <limits>

using namespace mlir;
using namespace moec;

/// Vectors that are unrolled: all of them up to the first number, in groups of
/// the second beyond.
static constexpr int64_t kUnrolled = 8;
static constexpr int64_t kGroup = 4;

static constexpr int64_t kChosen = std::numeric_limits<int32_t>::min();
static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();

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

ExpertSelection::ExpertSelection(VectorBuilder &b, moe::RoutingAttr routing,
                                 Value bias, int64_t experts)
    : b(b), routing(routing), stages(routing, bool(bias)), experts(experts),
      width(rowWidth(experts, b.lanes)) {
  bool isSigmoid = routing.getScore() == moe::Score::Sigmoid;
  scoresOfChosen =
      stages.softmaxOfSelected ||
      (isSigmoid && stages.weightsFromScores && !stages.keysFromScores);
  keys = integerBuffer(b, width);
  if (stages.needsScores() && !scoresOfChosen)
    scores = b.stackBuffer({width});
  int64_t k = llvm::alignTo(routing.getK(), b.lanes);
  chosen = b.stackBuffer({k});
  if (bias)
    copyBias(bias);
  // Lanes behind k must add nothing to a sum.
  Value rest = b.f32Splat(scoresOfChosen ? kMinusInfinity : 0.0, b.lanes);
  for (int64_t offset = 0; offset < k; offset += b.lanes)
    b.store(rest, chosen, b.index(offset));
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

void ExpertSelection::copyBias(Value from) {
  Value first = b.index(0);
  bias = b.stackBuffer({1, width});
  b.forChunks(experts, kGroup, [&](Value at, int64_t size) {
    b.store(b.load(from, at, size), bias, {first, at});
  });
  padRow(b, bias, first, experts);
}

//===----------------------------------------------------------------------===//
// Scores and keys
//===----------------------------------------------------------------------===//

static Value sum(VectorBuilder &b, ArrayRef<Value> vectors) {
  return b.reduce(vectors, [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  });
}

/// exp(vector - shift).
static Value exponential(VectorBuilder &b, Value vector, Value shift) {
  Value less = arith::SubFOp::create(b, vector, shift);
  return math::ExpOp::create(b, less);
}

Value ExpertSelection::sigmoid(Value vector) {
  Value one = b.f32Splat(1.0, b.lanes);
  Value power =
      math::ExpOp::create(b, arith::NegFOp::create(b, vector).getResult());
  return arith::DivFOp::create(b, one, arith::AddFOp::create(b, one, power));
}

/// Scores of all experts; those of a softmax are left undivided where only the
/// chosen ones are asked for.
void ExpertSelection::computeScores() {
  bool isSoftmax = routing.getScore() == moe::Score::Softmax;
  if (isSoftmax)
    exponentiateAll();
  if (isSoftmax && !stages.keysFromScores)
    return;
  Value divisor = isSoftmax ? b.broadcast(sum, b.lanes) : Value();
  forVectors({}, [&](Value offset, ValueRange) {
    Value score =
        isSoftmax ? arith::DivFOp::create(b, vectorAt(scores, offset), divisor)
                  : sigmoid(loadLogits(offset));
    b.store(score, scores, offset);
    return Values();
  });
}

/// exp(l - largest l) as scores, and their sum.
void ExpertSelection::exponentiateAll() {
  Values lanes = forVectors(b.f32Splat(kMinusInfinity, b.lanes),
                            [&](Value offset, ValueRange carried) -> Values {
                              return {b.larger(loadLogits(offset), carried[0])};
                            });
  Value largest =
      b.reduce(lanes, [&](Value lhs, Value rhs) { return b.larger(lhs, rhs); });
  largest = b.broadcast(largest, b.lanes);
  lanes = forVectors(b.f32Splat(0.0, b.lanes),
                     [&](Value offset, ValueRange carried) -> Values {
                       Value power =
                           exponential(b, loadLogits(offset), largest);
                       b.store(power, scores, offset);
                       return {arith::AddFOp::create(b, carried[0], power)};
                     });
  sum = ::sum(b, lanes);
}

/// The integer of a key, in the order of keys.
Value ExpertSelection::integerKey(Value key) {
  Value positive = arith::AddFOp::create(b, key, b.f32Splat(0.0, b.lanes));
  Value isNumber =
      arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, key, key);
  Value number = arith::SelectOp::create(b, isNumber, positive,
                                         b.f32Splat(kMinusInfinity, b.lanes));
  Value bits = vector::BitCastOp::create(
      b, VectorType::get({b.lanes}, b.getI32Type()), number);
  Value sign = arith::ShRSIOp::create(b, bits, i32Splat(31));
  Value flips = arith::AndIOp::create(
      b, sign, i32Splat(std::numeric_limits<int32_t>::max()));
  return arith::XOrIOp::create(b, bits, flips);
}

void ExpertSelection::computeKeys() {
  forVectors({}, [&](Value offset, ValueRange) {
    Value key =
        stages.keysFromScores ? vectorAt(scores, offset) : loadLogits(offset);
    if (bias)
      key = arith::AddFOp::create(b, key,
                                  b.load(bias, {b.index(0), offset}, b.lanes));
    vector::StoreOp::create(b, integerKey(key), keys, offset);
    return Values();
  });
}

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

/// The index of the first of the largest keys.
Value ExpertSelection::firstLargest() {
  auto type = VectorType::get({b.lanes}, b.getI32Type());
  auto lanes = llvm::to_vector(llvm::seq<int32_t>(0, b.lanes));
  Value lane = arith::ConstantOp::create(
      b, DenseIntElementsAttr::get(type, ArrayRef<int32_t>(lanes)));
  Values best = forVectors({i32Splat(kChosen), lane}, [&](Value offset,
                                                          ValueRange carried) {
    Value key = vectorAt(keys, offset);
    Value first = arith::IndexCastOp::create(b, b.getI32Type(), offset);
    Value index = arith::AddIOp::create(b, b.broadcast(first, b.lanes), lane);
    Value isLarger =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, key, carried[0]);
    return Values{arith::MaxSIOp::create(b, key, carried[0]),
                  arith::SelectOp::create(b, isLarger, index, carried[1])};
  });
  Value largest =
      vector::ReductionOp::create(b, vector::CombiningKind::MAXSI, best[0]);
  Value isLargest = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, best[0],
                                          b.broadcast(largest, b.lanes));
  Value indices = arith::SelectOp::create(
      b, isLargest, best[1], i32Splat(std::numeric_limits<int32_t>::max()));
  return vector::ReductionOp::create(b, vector::CombiningKind::MINSI, indices);
}

void ExpertSelection::selectRounds(Value ids, Value token) {
  Value taken = b.i32(kChosen);
  b.forLoop(b.index(0), b.index(routing.getK()), 1, [&](Value round) {
    Value id = firstLargest();
    Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
    memref::StoreOp::create(b, taken, keys, expert);
    memref::StoreOp::create(b, id, ids, ValueRange{token, round});
    bool fromScores = stages.weightsFromScores && !scoresOfChosen;
    Value value =
        fromScores ? memref::LoadOp::create(b, scores, expert)
                   : memref::LoadOp::create(b, logits, ValueRange{row, expert});
    memref::StoreOp::create(b, value, chosen, round);
  });
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

void ExpertSelection::divide(Values &vectors, Value divisor) {
  divisor = b.broadcast(divisor, b.lanes);
  for (Value &vector : vectors)
    vector = arith::DivFOp::create(b, vector, divisor);
}

void ExpertSelection::softmax(Values &vectors) {
  Value largest = b.reduce(
      vectors, [&](Value lhs, Value rhs) { return b.larger(lhs, rhs); });
  largest = b.broadcast(largest, b.lanes);
  for (Value &vector : vectors)
    vector = exponential(b, vector, largest);
  divide(vectors, ::sum(b, vectors));
}

void ExpertSelection::renormalise(Values &vectors) {
  if (routing.getRenorm() == moe::Renorm::Sum) {
    Value total = ::sum(b, vectors), eps = b.f32(routing.epsValue());
    bool add = routing.getEpsMode() == moe::EpsMode::Add;
    divide(vectors,
           add ? arith::AddFOp::create(b, total, eps) : b.larger(eps, total));
  }
  double scale = routing.scaleValue();
  if (scale != 1.0)
    for (Value &vector : vectors)
      vector = arith::MulFOp::create(b, vector, b.f32Splat(scale, b.lanes));
}

ExpertSelection::Values ExpertSelection::weightsOfChosen() {
  Values vectors;
  for (int64_t at = 0; at < routing.getK(); at += b.lanes)
    vectors.push_back(vectorAt(chosen, b.index(at)));
  bool isSoftmax = routing.getScore() == moe::Score::Softmax;
  if (stages.softmaxOfSelected)
    softmax(vectors);
  else if (scoresOfChosen)
    for (Value &vector : vectors)
      vector = sigmoid(vector);
  else if (isSoftmax && stages.weightsFromScores && !stages.keysFromScores)
    divide(vectors, sum);
  renormalise(vectors);
  return vectors;
}

void ExpertSelection::emit(Value logits, Value row, Value ids, Value weights,
                           Value token) {
  this->logits = logits;
  this->row = row;
  if (scores)
    computeScores();
  computeKeys();
  selectRounds(ids, token);
  Values vectors = weightsOfChosen();
  for (Chunk chunk : chunksOf(routing.getK(), b.lanes)) {
    Value part = vectors[chunk.offset / b.lanes];
    if (chunk.size != b.lanes)
      part = vector::ExtractStridedSliceOp::create(
          b, part, ArrayRef<int64_t>{chunk.offset % b.lanes},
          ArrayRef<int64_t>{chunk.size}, ArrayRef<int64_t>{1});
    b.store(part, weights, {token, b.index(chunk.offset)});
  }
}
