//===- TokenRouting.cpp - The choice of one token -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The stages of the pipeline that look at one token, each a function:
//   logits -> softcap -> eligibility -> scores -> keys (+ bias) -> groups
//          -> select -> weights
// A key that is not a number counts as minus infinity, and of equal keys the
// one with the lowest index comes first, so every choice is defined.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/TokenRouting.h"

#include <functional>

using namespace moec;
using namespace moec::moe;
using namespace moec::reference;

namespace {

/// Values within the window of the largest one, relative to the greater of it
/// and their own magnitude; the others become minus infinity.
template <typename Real>
Vector<Real> inWindow(RoutingAttr routing, Vector<Real> values,
                      const Vector<Real> &magnitudes) {
  Real window = static_cast<Real>(routing.getWindow().getValueAsDouble());
  Real largest = maximum(values);
  bool isSigned = routing.getWindowBy() == WindowBy::Signed;
  Real least = isSigned ? largest : std::abs(largest);
  for (size_t i = 0; i < values.size(); ++i) {
    Real factor = std::max(std::abs(magnitudes[i]), least);
    if ((largest - values[i]) / factor > window)
      values[i] = kMinusInfinity<Real>;
  }
  return values;
}

/// The stages that look at one token.
template <typename Real> class Router {
public:
  Router(RoutingAttr routing, const Operands<Real> &in, int64_t token,
         Vector<Real> logits)
      : routing(routing), in(in), token(token), logits(std::move(logits)),
        experts(this->logits.size() - routing.getSharedExperts()) {
    capLogits();
    maskLogits();
    // Those of a softmax over the selected exist only after the selection.
    scores = routing.getScope() == Scope::Window
                 ? softmax(inWindow(routing, this->logits, this->logits))
                 : scored(routing.getScore(), this->logits);
    keys = selectionKeys();
    keepGroups();
  }

  /// The experts that the token chooses, with weights as yet unnormalised.
  Pick<Real> choose() const;
  /// All experts that may choose it, the others as -1.
  Pick<Real> offer() const;
  /// Keys of the experts, in which nothing is NaN.
  const Vector<Real> &selection() const { return keys; }

private:
  void capLogits();
  void maskLogits();
  bool isEligible(int64_t expert) const;
  Vector<Real> selectionKeys() const;
  void keepGroups();

  Indices ranked() const;
  Indices select() const;
  Indices selectOfEachGroup() const;
  Indices fromTable() const;
  size_t upToMass(const Indices &order) const;

  Vector<Real> maskedWeights(const Indices &chosen) const;
  Pick<Real> weighed(Indices chosen) const;

  RoutingAttr routing;
  const Operands<Real> &in;
  int64_t token;
  Vector<Real> logits;
  int64_t experts;
  Vector<Real> scores, keys;
};

//===----------------------------------------------------------------------===//
// Scores and keys
//===----------------------------------------------------------------------===//

template <typename Real> void Router<Real>::capLogits() {
  Real cap = static_cast<Real>(RoutingAttr::valueOr(routing.getSoftcap(), 0));
  if (cap == 0)
    return;
  for (Real &logit : logits)
    logit = cap * std::tanh(logit / cap);
}

template <typename Real> bool Router<Real>::isEligible(int64_t expert) const {
  if (in.eligible && !in.eligible->ints[token * experts + expert])
    return false;
  if (!in.classId)
    return true;
  int64_t id = in.classId->ints[token];
  int64_t classes = in.classMask.size() / experts;
  return id >= 0 && id < classes && in.classMask[id * experts + expert];
}

template <typename Real> void Router<Real>::maskLogits() {
  for (int64_t e = 0; e < experts; ++e)
    if (!isEligible(e))
      logits[e] = kMinusInfinity<Real>;
}

template <typename Real> Vector<Real> Router<Real>::selectionKeys() const {
  bool onLogits = routing.getSelectOn() == Source::Logit ||
                  routing.getScope() == Scope::Selected ||
                  routing.is(Policy::SequentialMasked);
  Vector<Real> result = onLogits ? logits : scores;
  result.resize(experts);
  for (int64_t e = 0; e < experts; ++e) {
    if (in.bias)
      result[e] += in.bias->reals[e];
    result[e] = numberOrMinusInfinity(result[e]);
  }
  return result;
}

/// All indices by descending value.
template <typename Real> Indices byDescending(const Vector<Real> &values) {
  Indices order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return values[a] > values[b] || (values[a] == values[b] && a < b);
  });
  return order;
}

/// Keeps the keys of the best groups of experts.
template <typename Real> void Router<Real>::keepGroups() {
  if (!routing.restrictsGroups() || routing.getGroupQuota())
    return;
  int64_t groups = routing.getGroups(), size = experts / groups;
  Vector<Real> groupKeys;
  for (int64_t g = 0; g < groups; ++g) {
    Vector<Real> of(keys.begin() + g * size, keys.begin() + (g + 1) * size);
    std::sort(of.begin(), of.end(), std::greater<Real>());
    bool two = routing.getGroupReduce() == GroupReduce::Top2Sum && size > 1;
    groupKeys.push_back(numberOrMinusInfinity(two ? of[0] + of[1] : of[0]));
  }
  Indices order = byDescending(groupKeys);
  bool zero = routing.getGroupFill() == GroupFill::Zero;
  for (int64_t i = routing.getGroupKeep(); i < groups; ++i)
    std::fill_n(keys.begin() + order[i] * size, size,
                zero ? Real(0) : kMinusInfinity<Real>);
}

//===----------------------------------------------------------------------===//
// Selection
//===----------------------------------------------------------------------===//

/// The eligible experts by descending key.
template <typename Real> Indices Router<Real>::ranked() const {
  Indices order = byDescending(keys);
  std::erase_if(order, [&](int64_t e) { return !isEligible(e); });
  return order;
}

template <typename Real> Indices Router<Real>::selectOfEachGroup() const {
  int64_t size = experts / routing.getGroups();
  Indices taken(routing.getGroups(), 0), chosen;
  for (int64_t e : ranked())
    if (taken[e / size]++ < routing.getGroupQuota())
      chosen.push_back(e);
  return chosen;
}

template <typename Real> Indices Router<Real>::fromTable() const {
  int64_t k = routing.getK(), row = in.tokenId->ints[token];
  Indices chosen(k, -1);
  if (row < 0 || row >= in.table->rows())
    return chosen;
  for (int64_t j = 0; j < k; ++j) {
    int64_t e = in.table->ints[row * k + j];
    if (e >= 0 && e < experts && isEligible(e))
      chosen[j] = e;
  }
  return chosen;
}

/// How many of `order` it takes until their scores reach the threshold
/// together; at least one.
template <typename Real>
size_t Router<Real>::upToMass(const Indices &order) const {
  Vector<Real> whole;
  bool ofRounds = routing.is(Policy::SequentialMasked);
  if (ofRounds)
    whole = softmax(logits);
  const Vector<Real> &masses = ofRounds ? whole : scores;
  Real mass = 0;
  Real threshold = static_cast<Real>(routing.getThreshold().getValueAsDouble());
  size_t count = 0;
  while (count < order.size() && (count == 0 || mass < threshold))
    mass += masses[order[count++]];
  return count;
}

template <typename Real> Indices Router<Real>::select() const {
  if (routing.is(Policy::Table))
    return fromTable();
  if (routing.is(Policy::Dense)) {
    Indices all(experts);
    for (int64_t e = 0; e < experts; ++e)
      all[e] = isEligible(e) ? e : -1;
    return all;
  }
  if (routing.getGroupQuota())
    return selectOfEachGroup();
  Indices order = ranked();
  if (routing.is(Policy::Threshold)) {
    Real threshold =
        static_cast<Real>(routing.getThreshold().getValueAsDouble());
    std::erase_if(order, [&](int64_t e) { return !(keys[e] > threshold); });
  } else if (routing.getThreshold()) {
    order.resize(upToMass(order));
  }
  int64_t most = routing.getK();
  if (in.tokenK)
    most = std::clamp<int64_t>(in.tokenK->ints[token], 0, most);
  order.resize(std::min<size_t>(order.size(), most));
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
      visible = inWindow(routing, std::move(visible), logits);
    weights.push_back(softmax(std::move(visible))[e]);
    remaining[e] = kMinusInfinity<Real>;
  }
  return weights;
}

template <typename Real>
Pick<Real> Router<Real>::weighed(Indices chosen) const {
  Pick<Real> pick{std::move(chosen), {}, {}};
  if (routing.is(Policy::SequentialMasked)) {
    pick.weights = maskedWeights(pick.ids);
    return pick;
  }
  const Vector<Real> &values =
      routing.getWeightFrom() == Source::Logit ? logits : scores;
  bool isSelected = routing.getScope() == Scope::Selected;
  Vector<Real> present;
  for (int64_t e : pick.ids)
    if (e >= 0)
      present.push_back(values[e]);
  present.insert(present.end(), values.begin() + experts, values.end());
  if (isSelected)
    present = scored(routing.getScore(), std::move(present));
  auto next = present.begin();
  for (int64_t e : pick.ids)
    pick.weights.push_back(e >= 0 ? *next++ : Real(0));
  pick.shared.assign(next, present.end());
  return pick;
}

template <typename Real> Pick<Real> Router<Real>::choose() const {
  return weighed(select());
}

template <typename Real> Pick<Real> Router<Real>::offer() const {
  Indices all(experts);
  for (int64_t e = 0; e < experts; ++e)
    all[e] = isEligible(e) ? e : -1;
  return weighed(std::move(all));
}

} // namespace

template <typename Real>
Pick<Real> reference::chooseExperts(RoutingAttr routing,
                                    const Operands<Real> &in, int64_t token,
                                    Vector<Real> logits) {
  return Router<Real>(routing, in, token, std::move(logits)).choose();
}

template <typename Real>
Pick<Real> reference::offerExperts(RoutingAttr routing,
                                   const Operands<Real> &in, int64_t token,
                                   Vector<Real> logits, Vector<Real> &keys) {
  Router<Real> router(routing, in, token, std::move(logits));
  keys = router.selection();
  return router.offer();
}

template Pick<float> reference::chooseExperts(RoutingAttr,
                                              const Operands<float> &, int64_t,
                                              Vector<float>);
template Pick<double> reference::chooseExperts(RoutingAttr,
                                               const Operands<double> &,
                                               int64_t, Vector<double>);
template Pick<float> reference::offerExperts(RoutingAttr,
                                             const Operands<float> &, int64_t,
                                             Vector<float>, Vector<float> &);
template Pick<double> reference::offerExperts(RoutingAttr,
                                              const Operands<double> &, int64_t,
                                              Vector<double>, Vector<double> &);
