//===- EvaluateMoe.cpp - The moe dialect ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Routing, experts, plan, combine, weights and taps.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Experts.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Routing.h"

#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace moec;
using namespace moec::moe;
using namespace moec::reference;

static LogicalResult report(Operation *op, const weights::Status &status) {
  if (!status.ok())
    return op->emitOpError() << status.message();
  return success();
}

//===----------------------------------------------------------------------===//
// Choose
//===----------------------------------------------------------------------===//

/// Routes and sets all results from `first` on but a gate's logits.
template <typename OpTy, typename Real>
static LogicalResult routeInto(OpTy op, const Tensor<Real> &logits,
                               Interpreter<Real> &interpreter,
                               Frame<Real> &frame, unsigned first = 0) {
  RoutingInputs inputs = op.getInputs();
  SmallVector<TensorRef<Real>> alive;
  Operands<Real> operands;
  operands.setTensors(inputs, [&](Value value) -> const Tensor<Real> * {
    if (!value)
      return nullptr;
    return alive.emplace_back(frame.tensor(value)).get();
  });
  if (inputs.classMask)
    operands.classMask = inputs.classMask.asArrayRef();
  if (inputs.alias)
    operands.alias = inputs.alias.asArrayRef();
  for (const Tensor<Real> **byToken : operands.byToken())
    if (*byToken && (*byToken)->rows() != logits.rows())
      return op->emitOpError("has ")
             << logits.rows() << " tokens, and an operand for "
             << (*byToken)->rows();
  if (interpreter.routed)
    interpreter.routed(op.getRouting(), logits, operands);
  Chosen<Real> chosen = route(op.getRouting(), logits, operands);
  unsigned next = op->getNumResults();
  if (Value counts = op.getCounts()) {
    const auto &shape = frame.tensor(counts)->shape;
    Tensor<Real> made =
        countChoices(chosen.ids, shape[0], *op.getCountRows(), shape[1]);
    if (failed(setResult(op, --next, counts, std::move(made), frame)))
      return failure();
  }
  if (Value shared = op.getShared())
    if (failed(setResult(op, --next, shared, std::move(chosen.shared), frame)))
      return failure();
  if (failed(setResult(op, first, op.getOuts()[first], std::move(chosen.ids),
                       frame)))
    return failure();
  return setResult(op, first + 1, op.getOuts()[first + 1],
                   std::move(chosen.weights), frame);
}

template <typename Real>
static LogicalResult evaluate(RouteOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  return routeInto(op, *frame.tensor(op.getLogits()), interpreter, frame);
}

/// Makes the logits of a gate and routes; the results of the gate begin at
/// `first`.
template <typename OpTy, typename Real>
static LogicalResult gateInto(OpTy op, TensorRef<Real> x,
                              Interpreter<Real> &interpreter,
                              Frame<Real> &frame, unsigned first) {
  if (failed(evaluateProduct(op, op.getProduct(), x, first + 2, interpreter,
                             frame)))
    return failure();
  return routeInto(op, *frame.tensor(op->getResult(first + 2)), interpreter,
                   frame, first);
}

template <typename Real>
static LogicalResult evaluate(GateOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  return gateInto(op, frame.tensor(op.getX()), interpreter, frame, 0);
}

//===----------------------------------------------------------------------===//
// Group by expert, bring back
//===----------------------------------------------------------------------===//

/// What a plan is told of its ids must be so.
template <typename Real>
static LogicalResult checkClaims(PlanOp op, const Tensor<Real> &ids,
                                 const Tensor<Real> *counts) {
  int64_t tokens = ids.shape[0], k = ids.shape[1];
  if (counts) {
    Tensor<Real> actual = countChoices(ids, counts->shape[0],
                                       *op.getCountRows(), counts->shape[1]);
    for (int64_t i = 0; i < actual.count(); ++i)
      if (actual.ints[i] >= 0 && actual.ints[i] != counts->ints[i])
        return op->emitOpError("is told that block ")
               << i / actual.width() << " chose expert " << i % actual.width()
               << " " << counts->ints[i] << " times, not " << actual.ints[i];
  }
  int64_t groups = op.getGroups();
  int64_t size =
      (cast<ShapedType>(op.getOuts()[0].getType()).getDimSize(0) - 1) / groups;
  for (int64_t t = 0; groups > 1 && t < tokens; ++t) {
    std::vector<int64_t> chosen(groups, 0);
    for (int64_t slot = 0; slot < k; ++slot)
      if (int64_t id = ids.ints[t * k + slot]; id >= 0)
        ++chosen[id / size];
    for (int64_t count : chosen)
      if (count != k / groups)
        return op->emitOpError("is told that token ")
               << t << " chose " << k / groups << " of each group, not "
               << count;
  }
  return success();
}

template <typename Real>
static LogicalResult evaluate(PlanOp op, Interpreter<Real> &,
                              Frame<Real> &frame) {
  TensorRef<Real> ids = frame.tensor(op.getIds());
  int64_t experts = frame.tensor(op.getOuts()[0])->rows() - 1;
  int64_t first = op.getFirst();
  if (failed(report(op, checkIds(*ids, first + experts + op.getOthers()))))
    return failure();
  TensorRef<Real> counts;
  if (op.getCounts())
    counts = frame.tensor(op.getCounts());
  if (failed(checkClaims(op, *ids, counts.get())))
    return failure();
  Plan<Real> made = plan(*ids, first, experts, op.getOpen());
  Tensor<Real> *results[] = {&made.offsets, &made.active, &made.rowToken,
                             &made.tokenRow, &made.tokenSlot};
  for (auto [i, result] : llvm::enumerate(results))
    if (failed(setResult(op, i, op.getOuts()[i], std::move(*result), frame)))
      return failure();
  return success();
}

template <typename Real>
static LogicalResult evaluate(SpreadOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  Value out = op.getOuts()[0];
  // Rows of no expert are not numbers, so that nothing can rest on them.
  Tensor<Real> rows = realTensor<Real>(frame.tensor(out)->shape,
                                       std::numeric_limits<Real>::quiet_NaN());
  auto bank = dyn_cast<BankType>(op.getBank().getType());
  if (!bank)
    return noSemantics(op);
  const auto &name = std::get<BankRef>(frame.values.at(op.getBank())).name;
  TensorRef<Real> offsets = frame.tensor(op.getOffsets());
  for (int64_t e = 0; e < bank.getExperts(); ++e) {
    int64_t begin = offsets->ints[e], end = offsets->ints[e + 1];
    if (begin == end)
      continue;
    if (begin < 0 || begin > end || end > rows.rows())
      return op->emitOpError("expert ") << e << " has rows " << begin << " to "
                                        << end << " of " << rows.rows();
    auto member = interpreter.load(op, name, e, bank.getMember());
    if (failed(member))
      return failure();
    Tensor<Real> vector = widened<Real>(**member);
    for (int64_t r = begin; r < end; ++r)
      std::copy(vector.reals.begin(), vector.reals.end(), rows.row(r));
  }
  return setResult(op, 0, out, std::move(rows), frame);
}

template <typename Real>
static LogicalResult evaluate(RowWeightsOp op, Interpreter<Real> &,
                              Frame<Real> &frame) {
  Value out = op.getOuts()[0];
  Tensor<Real> rows = realTensor<Real>(frame.tensor(out)->shape,
                                       std::numeric_limits<Real>::quiet_NaN());
  TensorRef<Real> weights = frame.tensor(op.getWeights());
  TensorRef<Real> tokenRow = frame.tensor(op.getTokenRow());
  TensorRef<Real> tokenSlot = frame.tensor(op.getTokenSlot());
  int64_t k = weights->shape[1];
  for (int64_t i = 0; i < tokenRow->count(); ++i) {
    int64_t row = tokenRow->ints[i], slot = tokenSlot->ints[i];
    if (row < 0)
      continue;
    if (row >= rows.rows() || slot < 0 || slot >= k)
      return op->emitOpError("token ")
             << i / k << " has row " << row << " of " << rows.rows()
             << " and column " << slot << " of " << k;
    rows.reals[row] = weights->reals[i / k * k + slot];
  }
  return setResult(op, 0, out, std::move(rows), frame);
}

/// The weights of a token that stand beside ids from `from` to `to`.
template <typename Real>
static Real shareOf(const Tensor<Real> &ids, const Tensor<Real> &weights,
                    int64_t token, int64_t from, int64_t to) {
  Real share = 0;
  int64_t k = ids.shape[1];
  for (int64_t i = token * k; i < (token + 1) * k; ++i)
    if (ids.ints[i] >= from && ids.ints[i] < to)
      share += weights.reals[i];
  return share;
}

/// Every row of `local` times the share that its token gives to these ids.
template <typename Real>
static Tensor<Real> shared(const Tensor<Real> &local, const Tensor<Real> &ids,
                           const Tensor<Real> &weights, int64_t from,
                           int64_t to) {
  Tensor<Real> result = local;
  for (int64_t t = 0; t < result.rows(); ++t) {
    Real share = shareOf(ids, weights, t, from, to);
    for (int64_t c = 0; c < result.width(); ++c)
      result.row(t)[c] *= share;
  }
  return result;
}

template <typename Real>
static FailureOr<Tensor<Real>>
combined(Operation *op, const CombineParts &parts, Frame<Real> &frame) {
  std::vector<TensorRef<Real>> held;
  std::vector<const Tensor<Real> *> addends;
  TensorRef<Real> tokenRow = frame.tensor(parts.tokenRow);
  TensorRef<Real> weights = frame.tensor(parts.weights);
  for (auto [i, local] : llvm::enumerate(parts.locals)) {
    held.push_back(std::make_shared<Tensor<Real>>(
        shared(*frame.tensor(local), *frame.tensor(parts.ids), *weights,
               parts.ranges[2 * i], parts.ranges[2 * i + 1])));
    addends.push_back(held.back().get());
  }
  if (parts.unweighted)
    weights = std::make_shared<Tensor<Real>>(
        realTensor<Real>(weights->shape, Real(1)));
  for (Value addend : parts.addends) {
    held.push_back(frame.tensor(addend));
    addends.push_back(held.back().get());
    if (addends.back()->rows() != tokenRow->rows())
      return op->emitOpError("adds ")
             << toString(addends.back()->shape) << " to " << tokenRow->rows()
             << " tokens";
  }
  auto result = combine(*frame.tensor(parts.rows), *tokenRow,
                        *frame.tensor(parts.tokenSlot), *weights, addends);
  if (!result)
    return report(op, result.status());
  return std::move(*result);
}

template <typename Real>
static LogicalResult evaluate(CombineOp op, Interpreter<Real> &,
                              Frame<Real> &frame) {
  auto y = combined(op, op.getCombined(), frame);
  if (failed(y))
    return failure();
  return setResult(op, 0, op.getOuts()[0], std::move(*y), frame);
}

template <typename Real>
static LogicalResult evaluate(CombineGateOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  auto y = combined(op, op.getCombined(), frame);
  if (failed(y) ||
      failed(setResult(op, 0, op.getOuts()[0], std::move(*y), frame)))
    return failure();
  return gateInto(op, frame.tensor(op->getResult(0)), interpreter, frame, 1);
}

template <typename Real>
static LogicalResult evaluate(GroupedMatmulOp op,
                              Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  return evaluateProduct(op, op.getProduct(), frame.tensor(op.getX()), 0,
                         interpreter, frame);
}

template <typename Real>
static LogicalResult evaluate(CombineMatmulOp op,
                              Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  auto y = combined(op, op.getCombined(), frame);
  if (failed(y) ||
      failed(setResult(op, 0, op.getOuts()[0], std::move(*y), frame)))
    return failure();
  return evaluateProduct(op, op.getProduct(), frame.tensor(op->getResult(0)), 1,
                         interpreter, frame);
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

/// The places (token and column of ids) where an expert was chosen.
template <typename Real>
static std::vector<int64_t> placesOf(int64_t expert, const Tensor<Real> &ids) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < ids.count(); ++i)
    if (ids.ints[i] == expert)
      places.push_back(i);
  return places;
}

template <typename Real>
static LogicalResult addExpert(ExpertsOp op, const ExpertsOp::Range &range,
                               int64_t expert, Interpreter<Real> &interpreter,
                               Frame<Real> &frame, Tensor<Real> &y) {
  TensorRef<Real> ids = frame.tensor(op.getIds());
  std::vector<int64_t> places = placesOf(range.first + expert, *ids);
  if (places.empty())
    return success();
  int64_t k = ids->shape[1];
  TensorRef<Real> x = frame.tensor(op.getX());
  TensorRef<Real> weights = frame.tensor(op.getWeights());
  bool onInput = op.getWeightOnInput();
  Tensor<Real> rows = realTensor<Real>({int64_t(places.size()), x->width()});
  for (size_t i = 0; i < places.size(); ++i)
    for (int64_t c = 0; c < x->width(); ++c)
      rows.row(i)[c] = x->row(places[i] / k)[c] *
                       (onInput ? weights->reals[places[i]] : Real(1));
  std::vector<ValueOf<Real>> members;
  for (Value bank : range.banks) {
    const auto &name = std::get<BankRef>(frame.values.at(bank)).name;
    auto member = interpreter.load(op, name, expert,
                                   cast<BankType>(bank.getType()).getMember());
    if (failed(member))
      return failure();
    members.push_back(*member);
  }
  auto result = runRows(op, *range.body, std::move(rows), std::move(members),
                        interpreter, frame);
  if (failed(result))
    return failure();
  for (size_t i = 0; i < places.size(); ++i)
    for (int64_t c = 0; c < y.width(); ++c)
      y.row(places[i] / k)[c] +=
          (onInput ? Real(1) : weights->reals[places[i]]) *
          (*result)->row(i)[c];
  return success();
}

/// Adds what the experts of a range make of the tokens that chose them.
template <typename Real>
static LogicalResult addRange(ExpertsOp op, const ExpertsOp::Range &range,
                              Interpreter<Real> &interpreter,
                              Frame<Real> &frame, Tensor<Real> &y) {
  if (range.kind == ExpertKind::Zero)
    return success();
  if (range.kind == ExpertKind::Ffn) {
    for (int64_t expert = 0; expert < range.count; ++expert)
      if (failed(addExpert(op, range, expert, interpreter, frame, y)))
        return failure();
    return success();
  }
  TensorRef<Real> made = frame.tensor(op.getX());
  if (range.kind == ExpertKind::Local) {
    std::vector<ValueOf<Real>> params;
    for (Value param : range.banks)
      params.push_back(frame.values.at(param));
    auto result =
        runRows(op, *range.body, *made, std::move(params), interpreter, frame);
    if (failed(result))
      return failure();
    made = *result;
  }
  Tensor<Real> addend =
      shared(*made, *frame.tensor(op.getIds()), *frame.tensor(op.getWeights()),
             range.first, range.first + range.count);
  for (int64_t i = 0; i < y.count(); ++i)
    y.reals[i] += addend.reals[i];
  return success();
}

template <typename Real>
static LogicalResult evaluate(ExpertsOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  if (failed(report(op, checkIds(*frame.tensor(op.getIds()), op.numExperts()))))
    return failure();
  Value out = op.getOuts()[0];
  Tensor<Real> y = realTensor<Real>(frame.tensor(out)->shape);
  if (y.rows() != frame.tensor(op.getX())->rows())
    return op->emitOpError("computes ")
           << y.rows() << " rows of " << frame.tensor(op.getX())->rows();
  for (const ExpertsOp::Range &range : op.rangeList())
    if (failed(addRange(op, range, interpreter, frame, y)))
      return failure();
  return setResult(op, 0, out, std::move(y), frame);
}

template <typename Real>
static LogicalResult evaluate(SharedOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  std::vector<ValueOf<Real>> params;
  for (Value param : op.getParams())
    params.push_back(frame.values.at(param));
  auto result = runRows(op, op.getBody().front(), *frame.tensor(op.getX()),
                        std::move(params), interpreter, frame);
  if (failed(result))
    return failure();
  return setResult(op, 0, op.getOuts()[0], **result, frame);
}

//===----------------------------------------------------------------------===//
// Weights, taps
//===----------------------------------------------------------------------===//

template <typename Real>
static LogicalResult evaluate(WeightOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  std::string name = op.getName().str();
  if (isa<BankType>(op.getType())) {
    frame.values[op] = BankRef{std::move(name)};
    return success();
  }
  auto type = dyn_cast<RankedTensorType>(op.getType());
  if (!type)
    return noSemantics(op);
  auto weight = interpreter.load(op, name, 0, type);
  if (failed(weight))
    return failure();
  frame.values[op] = *weight;
  return success();
}

template <typename Real>
static LogicalResult evaluate(TapOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  if (!interpreter.tap)
    return success();
  std::string name = op.getName().str();
  const std::string placeholder = "{layer}";
  size_t at = name.find(placeholder);
  if (at != std::string::npos && frame.layer)
    name.replace(at, placeholder.size(), std::to_string(*frame.layer));
  if (at != std::string::npos && frame.recursion)
    name = "recursions." + std::to_string(*frame.recursion) + "." + name;
  interpreter.tappedTokens = frame.tokens;
  interpreter.tap(name, ofAllTokens(*frame.tensor(op.getValue()), frame));
  return success();
}

template <typename Real>
LogicalResult reference::evaluateMoe(Operation *op,
                                     Interpreter<Real> &interpreter,
                                     Frame<Real> &frame) {
  if (isa<IterateOp, RecurseOp>(op))
    return evaluateRepeat(op, interpreter, frame);
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<RouteOp, GateOp, PlanOp, SpreadOp, RowWeightsOp, CombineOp,
            CombineGateOp, CombineMatmulOp, GroupedMatmulOp, ExpertsOp,
            SharedOp, WeightOp, TapOp>(
          [&](auto typed) { return evaluate(typed, interpreter, frame); })
      .Default(noSemantics);
}

template LogicalResult reference::evaluateMoe(Operation *, Interpreter<float> &,
                                              Frame<float> &);
template LogicalResult
reference::evaluateMoe(Operation *, Interpreter<double> &, Frame<double> &);
