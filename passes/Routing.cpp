//===- Routing.cpp - What lowerings ask of a routing pipeline -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Routing.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// Whether the largest softmax scores are those of the largest logits.
static bool ordersByLogit(const RoutingStages &s) {
  RoutingAttr r = s.routing;
  bool ranks = r.is(Policy::TopK) || r.is(Policy::TopP);
  bool comparesGroups =
      s.keepsGroups() && (r.getGroupReduce() != GroupReduce::Max ||
                          r.getGroupFill() != GroupFill::NegInf);
  return s.isSoftmax() && !s.isWindow() && ranks && !s.inputs.bias &&
         !comparesGroups;
}

RoutingStages::RoutingStages(RoutingAttr routing, const RoutingInputs &inputs,
                             int64_t logits)
    : routing(routing), inputs(inputs),
      experts(logits - routing.getSharedExperts()),
      shared(routing.getSharedExperts()) {
  bool selected = routing.getScope() == Scope::Selected;
  bool isIdentity = routing.getScore() == Score::Identity;
  bool takesAll = routing.is(Policy::Dense) || routing.is(Policy::ExpertChoice);
  bool hasKeys = !routing.is(Policy::Dense) && !routing.is(Policy::Table);
  // Scores over the selected exist only after the selection.
  keysFromScores = routing.getSelectOn() == Source::Score && !selected &&
                   !isSequential() && !isIdentity && hasKeys &&
                   !ordersByLogit(*this);
  weightsFromScores = routing.getWeightFrom() == Source::Score &&
                      !isSequential() && !isIdentity;
  bool weighsAll = weightsFromScores && (isSoftmax() || takesAll);
  scoresOfAll = keysFromScores || weighsAll || (countsMass() && !isIdentity);
  scoresOfChosen =
      (selected || (weightsFromScores && !scoresOfAll)) && !isIdentity;
  mayRunOut = inputs.restrictsEligibility() || inputs.tokenK ||
              routing.getThreshold() || routing.is(Policy::Table);
  isLate = routing.getRenormAfterDrop() || routing.is(Policy::ExpertChoice);
}

StringRef moec::routingWithoutLowering(const RoutingStages &stages) {
  constexpr int64_t mostMask = 1 << 16;
  if (stages.inputs.classMask && stages.inputs.classMask.size() > mostMask)
    return "a class_mask of at most 65536 entries";
  return "";
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

static Type typeLike(Value like, Type element) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? Type(vector.clone(element)) : element;
}

static Value constant(VectorBuilder &b, Type type, Attribute element) {
  if (auto vector = dyn_cast<VectorType>(type))
    element = DenseElementsAttr::get(vector, element);
  return arith::ConstantOp::create(b, cast<TypedAttr>(element));
}

Value RoutingMath::number(double value, Value like) {
  return constant(b, typeLike(like, b.getF32Type()), b.getF32FloatAttr(value));
}

Value RoutingMath::integer(int32_t value, Value like) {
  return constant(b, typeLike(like, b.getI32Type()),
                  b.getI32IntegerAttr(value));
}

Value RoutingMath::capped(Value x, double cap) {
  Value limit = number(cap, x);
  Value part = math::TanhOp::create(b, arith::DivFOp::create(b, x, limit));
  return arith::MulFOp::create(b, limit, part);
}

Value RoutingMath::exponential(Value x, Value shift) {
  Value less = arith::SubFOp::create(b, x, shift);
  return math::ExpOp::create(b, less);
}

/// log(1 + exp(-|x|)).
static Value softness(VectorBuilder &b, Value x) {
  Value least = arith::NegFOp::create(b, math::AbsFOp::create(b, x));
  return math::Log1pOp::create(b, math::ExpOp::create(b, least).getResult());
}

Value RoutingMath::score(Score score, Value x) {
  switch (score) {
  case Score::Softmax:
  case Score::Identity:
    break;
  case Score::Sigmoid: {
    Value one = number(1.0, x);
    Value power =
        math::ExpOp::create(b, arith::NegFOp::create(b, x).getResult());
    return arith::DivFOp::create(b, one, arith::AddFOp::create(b, one, power));
  }
  case Score::SqrtSoftplus: {
    Value linear = b.larger(x, number(0.0, x));
    Value root = math::SqrtOp::create(
        b, arith::AddFOp::create(b, linear, softness(b, x)).getResult());
    // Far below 0 it is the root of exp(x), which may be smaller than any
    // number that is normal, while the root is not.
    Value half = arith::MulFOp::create(b, x, number(0.5, x));
    Value power = math::ExpOp::create(b, half);
    Value isFar = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x,
                                        number(-40.0, x));
    return arith::SelectOp::create(b, isFar, power, root);
  }
  case Score::Tanh:
    return math::TanhOp::create(b, x);
  }
  return x;
}

Value RoutingMath::logSigmoid(Value x) {
  Value zero = number(0.0, x);
  Value isBelow = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, zero);
  Value linear = arith::SelectOp::create(b, isBelow, x, zero);
  return arith::SubFOp::create(b, linear, softness(b, x));
}

/// exp(x * factor) of the logarithm of a positive x; 0 stays 0.
static Value raised(VectorBuilder &b, Value x, Value factor, Value zero) {
  Value log = math::LogOp::create(b, x);
  Value power =
      math::ExpOp::create(b, arith::MulFOp::create(b, log, factor).getResult());
  Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, zero);
  return arith::SelectOp::create(b, isZero, zero, power);
}

Value RoutingMath::power(Value x, double power) {
  Value size = math::AbsFOp::create(b, x);
  if (power == 1)
    return size;
  if (power == 2)
    return arith::MulFOp::create(b, x, x);
  return raised(b, size, number(power, x), number(0.0, x));
}

Value RoutingMath::root(Value x, double power) {
  if (power == 1)
    return x;
  if (power == 2)
    return math::SqrtOp::create(b, x);
  return raised(b, x, number(1 / power, x), number(0.0, x));
}

Value RoutingMath::inWindow(RoutingAttr routing, Value x, Value magnitude,
                            Value largest) {
  bool isSigned = routing.getWindowBy() == WindowBy::Signed;
  Value least =
      isSigned ? largest : math::AbsFOp::create(b, largest).getResult();
  Value size = math::AbsFOp::create(b, magnitude);
  Value factor = b.larger(size, least);
  Value distance = arith::DivFOp::create(
      b, arith::SubFOp::create(b, largest, x).getResult(), factor);
  Value isOutside =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, distance,
                            number(routing.getWindow().getValueAsDouble(), x));
  return arith::SelectOp::create(
      b, isOutside, number(-std::numeric_limits<double>::infinity(), x), x);
}

Value RoutingMath::ordered(Value x) {
  Value isNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, x, x);
  return arith::SelectOp::create(
      b, isNumber, x, number(-std::numeric_limits<double>::infinity(), x));
}

Value RoutingMath::integerKey(Value x) {
  Value positive = arith::AddFOp::create(b, x, number(0.0, x));
  Type type = typeLike(x, b.getI32Type());
  Value bits = isa<VectorType>(type)
                   ? vector::BitCastOp::create(b, type, positive).getResult()
                   : arith::BitcastOp::create(b, type, positive).getResult();
  Value sign = arith::ShRSIOp::create(b, bits, integer(31, x));
  Value flips = arith::AndIOp::create(
      b, sign, integer(std::numeric_limits<int32_t>::max(), x));
  return arith::XOrIOp::create(b, bits, flips);
}
