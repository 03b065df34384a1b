//===- Routing.cpp - The choice of experts --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The stages of the pipeline, each a function:
//   logits -> softcap -> scores -> keys (+ bias) -> groups -> select
//          -> weights -> renormalise -> scale
// A key that is not a number counts as minus infinity, and of equal keys the
// one with the lowest index comes first, so every choice is defined.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Routing.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

using namespace moec;
using namespace moec::moe;
using namespace moec::reference;

namespace {

template <typename Real> using Vector = std::vector<Real>;
using Indices = std::vector<int64_t>;

template <typename Real>
constexpr Real kMinusInfinity = -std::numeric_limits<Real>::infinity();

template <typename Real> Real numberOrMinusInfinity(Real value) {
  return std::isnan(value) ? kMinusInfinity<Real> : value;
}

template <typename Real> Real maximum(const Vector<Real> &values) {
  Real result = kMinusInfinity<Real>;
  for (Real value : values)
    result = std::max(result, value);
  return result;
}

/// exp(x_i) / sum of exp(x_j); zero where x is minus infinity.
template <typename Real> Vector<Real> softmax(Vector<Real> values) {
  Real largest = maximum(values), sum = 0;
  for (Real &value : values)
    sum += value = std::exp(value - largest);
  for (Real &value : values)
    value /= sum;
  return values;
}

/// Values within `window` of the largest one, relative to the greater of it and
/// their own magnitude; the others become minus infinity.
template <typename Real>
Vector<Real> inWindow(Vector<Real> values, const Vector<Real> &magnitudes,
                      Real window) {
  Real largest = maximum(values);
  for (size_t i = 0; i < values.size(); ++i) {
    Real factor = std::max(std::abs(magnitudes[i]), largest);
    if ((largest - values[i]) / factor > window)
      values[i] = kMinusInfinity<Real>;
  }
  return values;
}

template <typename Real> Real logSigmoid(Real x) {
  return std::min(x, Real(0)) - std::log1p(std::exp(-std::abs(x)));
}

template <typename Real> Real softplus(Real x) {
  return std::max(x, Real(0)) + std::log1p(std::exp(-std::abs(x)));
}

template <typename Real>
Vector<Real> mapped(Vector<Real> values, Real (*fn)(Real)) {
  std::transform(values.begin(), values.end(), values.begin(), fn);
  return values;
}

/// The pipeline for one token.
template <typename Real> class Router {
public:
  Router(RoutingAttr routing, Vector<Real> logits, const Real *bias)
      : routing(routing), logits(std::move(logits)), bias(bias) {}

  void run(int64_t *ids, Real *weights);

private:
  void capLogits();
  Vector<Real> allScores() const;
  Vector<Real> selectionKeys() const;
  void keepGroups(Vector<Real> &keys) const;

  Indices ranked(const Vector<Real> &keys) const;
  Indices select(const Vector<Real> &keys) const;
  Indices selectOfEachGroup(const Vector<Real> &keys) const;
  Indices upToMass(Indices order) const;

  Vector<Real> maskedWeights(const Indices &chosen) const;
  Vector<Real> weightsOf(const Indices &chosen) const;
  void dropNull(const Indices &chosen, Vector<Real> &weights) const;
  void renormalise(Vector<Real> &weights) const;

  int64_t experts() const { return logits.size(); }
  Real parameter(mlir::FloatAttr attr, double absent) const {
    return static_cast<Real>(RoutingAttr::valueOr(attr, absent));
  }

  RoutingAttr routing;
  Vector<Real> logits;
  const Real *bias;
  Vector<Real> scores;
};

//===----------------------------------------------------------------------===//
// Scores and keys
//===----------------------------------------------------------------------===//

template <typename Real> void Router<Real>::capLogits() {
  Real cap = parameter(routing.getSoftcap(), 0);
  if (cap == 0)
    return;
  for (Real &logit : logits)
    logit = cap * std::tanh(logit / cap);
}

template <typename Real> Vector<Real> Router<Real>::allScores() const {
  switch (routing.getScore()) {
  case Score::Softmax:
    if (routing.getScope() == Scope::Window)
      return softmax(
          inWindow(logits, logits, parameter(routing.getWindow(), 0)));
    return softmax(logits);
  case Score::Sigmoid:
    return mapped<Real>(logits, [](Real x) { return 1 / (1 + std::exp(-x)); });
  case Score::Identity:
    return logits;
  case Score::SqrtSoftplus:
    return mapped<Real>(logits, [](Real x) { return std::sqrt(softplus(x)); });
  case Score::Tanh:
    return mapped<Real>(logits, [](Real x) { return std::tanh(x); });
  }
  return logits;
}

template <typename Real> Vector<Real> Router<Real>::selectionKeys() const {
  // Scores that depend on the selection exist only after it.
  bool onLogits = routing.getSelectOn() == Source::Logit ||
                  routing.getScope() == Scope::Selected ||
                  routing.getPolicy() == Policy::SequentialMasked;
  Vector<Real> keys = onLogits ? logits : scores;
  for (int64_t e = 0; e < experts(); ++e) {
    if (bias)
      keys[e] += bias[e];
    keys[e] = numberOrMinusInfinity(keys[e]);
  }
  return keys;
}

/// Keeps the keys of the best groups of experts.
template <typename Real>
void Router<Real>::keepGroups(Vector<Real> &keys) const {
  int64_t groups = routing.getGroups(), keep = routing.getGroupKeep();
  if (groups == 1 || keep == 0 || keep == groups)
    return;
  int64_t size = experts() / groups;
  Vector<Real> groupKeys;
  for (int64_t g = 0; g < groups; ++g) {
    Vector<Real> of(keys.begin() + g * size, keys.begin() + (g + 1) * size);
    std::sort(of.begin(), of.end(), std::greater<Real>());
    bool two = routing.getGroupReduce() == GroupReduce::Top2Sum && size > 1;
    groupKeys.push_back(numberOrMinusInfinity(two ? of[0] + of[1] : of[0]));
  }
  Indices order = ranked(groupKeys);
  bool zero = routing.getGroupFill() == GroupFill::Zero;
  for (int64_t i = keep; i < groups; ++i)
    std::fill_n(keys.begin() + order[i] * size, size,
                zero ? Real(0) : kMinusInfinity<Real>);
}

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

/// All indices by descending key.
template <typename Real>
Indices Router<Real>::ranked(const Vector<Real> &keys) const {
  Indices order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return keys[a] > keys[b] || (keys[a] == keys[b] && a < b);
  });
  return order;
}

template <typename Real>
Indices Router<Real>::selectOfEachGroup(const Vector<Real> &keys) const {
  int64_t size = experts() / routing.getGroups();
  Indices taken(routing.getGroups(), 0), chosen;
  for (int64_t e : ranked(keys))
    if (taken[e / size]++ < routing.getGroupQuota())
      chosen.push_back(e);
  return chosen;
}

/// The first of `order` until their scores reach the threshold together.
template <typename Real> Indices Router<Real>::upToMass(Indices order) const {
  Real mass = 0, threshold = parameter(routing.getThreshold(), 0);
  size_t count = 0;
  while (count < order.size() && (count == 0 || mass < threshold))
    mass += scores[order[count++]];
  order.resize(count);
  return order;
}

template <typename Real>
Indices Router<Real>::select(const Vector<Real> &keys) const {
  if (routing.getGroupQuota())
    return selectOfEachGroup(keys);
  Indices order = ranked(keys);
  if (routing.getPolicy() == Policy::TopP)
    order = upToMass(std::move(order));
  if (routing.getPolicy() == Policy::Threshold) {
    Real threshold = parameter(routing.getThreshold(), 0);
    std::erase_if(order, [&](int64_t e) { return !(keys[e] > threshold); });
  }
  order.resize(std::min<size_t>(order.size(), routing.getK()));
  return order;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Expert by expert, a softmax over those that are not chosen yet.
template <typename Real>
Vector<Real> Router<Real>::maskedWeights(const Indices &chosen) const {
  Vector<Real> remaining = logits, weights;
  for (int64_t e : chosen) {
    Vector<Real> visible = remaining;
    if (routing.getScope() == Scope::Window)
      visible = inWindow(std::move(visible), logits,
                         parameter(routing.getWindow(), 0));
    weights.push_back(softmax(std::move(visible))[e]);
    remaining[e] = kMinusInfinity<Real>;
  }
  return weights;
}

template <typename Real>
Vector<Real> Router<Real>::weightsOf(const Indices &chosen) const {
  if (routing.getPolicy() == Policy::SequentialMasked)
    return maskedWeights(chosen);
  bool fromLogits = routing.getWeightFrom() == Source::Logit;
  Vector<Real> weights;
  for (int64_t e : chosen)
    weights.push_back(fromLogits ? logits[e] : scores[e]);
  bool isSelected = routing.getScope() == Scope::Selected &&
                    routing.getScore() == Score::Softmax;
  return isSelected ? softmax(std::move(weights)) : weights;
}

/// The last experts compute nothing.
template <typename Real>
void Router<Real>::dropNull(const Indices &chosen,
                            Vector<Real> &weights) const {
  for (size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i] >= experts() - routing.getNullExperts())
      weights[i] = 0;
}

template <typename Real>
void Router<Real>::renormalise(Vector<Real> &weights) const {
  Real power = 1;
  switch (routing.getRenorm()) {
  case Renorm::None:
    return;
  case Renorm::Softmax:
    weights = softmax(std::move(weights));
    return;
  case Renorm::LogSigmoidSoftmax:
    weights = softmax(mapped<Real>(std::move(weights), logSigmoid));
    return;
  case Renorm::Lp:
    power = parameter(routing.getLp(), 1);
    break;
  case Renorm::Sum:
    break;
  }
  bool isSum = routing.getRenorm() == Renorm::Sum;
  Real norm = 0;
  for (Real weight : weights)
    norm += isSum ? weight : std::pow(std::abs(weight), power);
  norm = std::pow(norm, 1 / power);
  Real eps = static_cast<Real>(routing.epsValue());
  norm =
      routing.getEpsMode() == EpsMode::Add ? norm + eps : std::max(norm, eps);
  for (Real &weight : weights)
    weight /= norm;
}

template <typename Real> void Router<Real>::run(int64_t *ids, Real *out) {
  capLogits();
  scores = allScores();
  Vector<Real> keys = selectionKeys();
  keepGroups(keys);
  Indices chosen = select(keys);
  Vector<Real> weights = weightsOf(chosen);
  if (routing.getNullBeforeNorm())
    dropNull(chosen, weights);
  renormalise(weights);
  dropNull(chosen, weights);
  for (size_t i = 0; i < chosen.size(); ++i) {
    ids[i] = chosen[i];
    out[i] = weights[i] * static_cast<Real>(routing.scaleValue());
  }
}

} // namespace

weights::Status reference::checkRouting(RoutingAttr routing, int64_t experts) {
  auto fail = [](std::string message) {
    return weights::Status::failure(weights::ErrorCode::InvalidArgument,
                                    std::move(message));
  };
  Policy policy = routing.getPolicy();
  if (policy == Policy::ExpertChoice || policy == Policy::Table)
    return fail("policy " + stringifyPolicy(policy).str() +
                " needs more than the logits of a token to choose its experts");
  if (policy == Policy::Dense && routing.getK() != experts)
    return fail("policy dense takes all " + std::to_string(experts) +
                " experts, k is " + std::to_string(routing.getK()));
  return {};
}

template <typename Real>
Chosen<Real> reference::route(RoutingAttr routing, const Tensor<Real> &logits,
                              const Tensor<Real> *bias) {
  int64_t tokens = logits.rows(), k = routing.getK();
  Chosen<Real> chosen{intTensor<Real>({tokens, k}, -1),
                      realTensor<Real>({tokens, k})};
  for (int64_t t = 0; t < tokens; ++t) {
    Vector<Real> row(logits.row(t), logits.row(t) + logits.width());
    Router<Real> router(routing, std::move(row),
                        bias ? bias->reals.data() : nullptr);
    router.run(chosen.ids.ints.data() + t * k, chosen.weights.row(t));
  }
  return chosen;
}

template Chosen<float> reference::route(RoutingAttr, const Tensor<float> &,
                                        const Tensor<float> *);
template Chosen<double> reference::route(RoutingAttr, const Tensor<double> &,
                                         const Tensor<double> *);
