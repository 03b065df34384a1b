//===- Routing.cpp - The choice of experts --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What follows the choice of each token: renormalisation and scale, capacity,
// and alias.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Routing.h"
#include "lib/Reference/TokenRouting.h"

#include <tuple>

using namespace moec;
using namespace moec::moe;
using namespace moec::reference;

namespace {

//===----------------------------------------------------------------------===//
// Renormalisation and scale
//===----------------------------------------------------------------------===//

template <typename Real>
void renormalise(RoutingAttr routing, Vector<Real> &weights) {
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
    power = static_cast<Real>(RoutingAttr::valueOr(routing.getLp(), 1));
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

/// The last experts compute nothing.
template <typename Real>
void dropNull(RoutingAttr routing, int64_t experts, Pick<Real> &pick) {
  for (size_t i = 0; i < pick.ids.size(); ++i)
    if (pick.ids[i] >= experts - routing.getNullExperts())
      pick.weights[i] = 0;
}

template <typename Real>
void normalise(RoutingAttr routing, const Operands<Real> &in, int64_t experts,
               Pick<Real> &pick) {
  if (routing.getNullBeforeNorm())
    dropNull(routing, experts, pick);
  Vector<Real> present;
  for (size_t i = 0; i < pick.ids.size(); ++i)
    if (pick.ids[i] >= 0)
      present.push_back(pick.weights[i]);
  present.insert(present.end(), pick.shared.begin(), pick.shared.end());
  renormalise(routing, present);
  Real scale = static_cast<Real>(routing.scaleValue());
  auto next = present.begin();
  for (size_t i = 0; i < pick.ids.size(); ++i) {
    if (pick.ids[i] < 0)
      continue;
    pick.weights[i] = *next++ * scale;
    if (in.expertScale)
      pick.weights[i] *= in.expertScale->reals[pick.ids[i]];
  }
  for (Real &weight : pick.shared)
    weight = *next++ * scale;
  dropNull(routing, experts, pick);
}

//===----------------------------------------------------------------------===//
// Stages that look at many tokens
//===----------------------------------------------------------------------===//

/// Calls `body(from, to)` for the tokens that share a capacity.
template <typename Real, typename Body>
void forScopes(RoutingAttr routing, const Operands<Real> &in, int64_t tokens,
               Body body) {
  if (!routing.needsSequence())
    return body(0, tokens);
  for (int64_t from = 0, to; from < tokens; from = to) {
    to = from + 1;
    while (to < tokens && in.sequence->ints[to] == in.sequence->ints[from])
      ++to;
    body(from, to);
  }
}

/// Capacity of an expert for so many tokens, not yet rounded.
double capacityOf(RoutingAttr routing, int64_t expert, int64_t experts,
                  int64_t tokens) {
  double capacity = routing.getCapacity().getValueAsDouble();
  double count = static_cast<double>(tokens);
  switch (routing.getCapacityUnit()) {
  case CapacityUnit::Tokens:
    return std::floor(capacity);
  case CapacityUnit::Fraction:
    return capacity * count;
  case CapacityUnit::Factor:
    break;
  }
  int64_t light = routing.getLightExperts();
  if (!light)
    return capacity * count / static_cast<double>(experts);
  double share = routing.getLightShare().getValueAsDouble();
  double parts =
      share * static_cast<double>(experts - light) + static_cast<double>(light);
  double factor = expert < experts - light ? share * capacity : capacity;
  return factor * count / parts;
}

/// Experts choose tokens, of which `keys` holds what `picks` offers.
template <typename Real>
void chooseTokens(RoutingAttr routing, int64_t experts, int64_t from,
                  int64_t to, const std::vector<Vector<Real>> &keys,
                  std::vector<Pick<Real>> &picks) {
  int64_t least = std::max<int64_t>(1, routing.getCapacityMin());
  for (int64_t e = 0; e < experts; ++e) {
    Indices candidates;
    for (int64_t t = from; t < to; ++t)
      if (picks[t].ids[e] >= 0)
        candidates.push_back(t);
    std::sort(candidates.begin(), candidates.end(), [&](int64_t a, int64_t b) {
      Real x = keys[a][e], y = keys[b][e];
      return x > y || (x == y && a < b);
    });
    double capacity = std::floor(capacityOf(routing, e, experts, to - from));
    int64_t most = std::max<int64_t>(
        least, static_cast<int64_t>(
                   std::min(capacity, static_cast<double>(to - from))));
    for (size_t i = most; i < candidates.size(); ++i) {
      picks[candidates[i]].ids[e] = -1;
      picks[candidates[i]].weights[e] = 0;
    }
  }
}

/// Experts keep only so many of the tokens that chose them.
template <typename Real>
void dropOverflow(RoutingAttr routing, int64_t experts, int64_t from,
                  int64_t to, std::vector<Pick<Real>> &picks) {
  bool byRank = routing.getDropOrder() == DropOrder::KMajor;
  bool byWeight = routing.getPriority() == Priority::Prob;
  // Rank, falling weight, token, slot.
  using Choice = std::tuple<int64_t, Real, int64_t, int64_t>;
  std::vector<Choice> order;
  for (int64_t t = from; t < to; ++t)
    for (size_t j = 0; j < picks[t].ids.size(); ++j)
      if (picks[t].ids[j] >= 0)
        order.push_back(
            {byRank ? j : 0,
             byWeight ? -numberOrMinusInfinity(picks[t].weights[j]) : 0, t, j});
  std::sort(order.begin(), order.end());
  std::vector<double> left;
  for (int64_t e = 0; e < experts; ++e)
    left.push_back(
        std::max(std::ceil(capacityOf(routing, e, experts, to - from)),
                 static_cast<double>(routing.getCapacityMin())));
  for (auto [rank, weight, token, slot] : order) {
    int64_t &id = picks[token].ids[slot];
    if (left[id] >= 1) {
      left[id] -= 1;
      continue;
    }
    id = -1;
    picks[token].weights[slot] = 0;
  }
}

//===----------------------------------------------------------------------===//
// Alias
//===----------------------------------------------------------------------===//

template <typename Real>
void rename(RoutingAttr routing, llvm::ArrayRef<int32_t> alias,
            Pick<Real> &pick) {
  for (size_t i = 0; i < pick.ids.size(); ++i) {
    int64_t &id = pick.ids[i];
    if (id < 0)
      continue;
    id = alias[id];
    if (routing.getDedupe() == Dedupe::None)
      continue;
    for (size_t j = 0; j < i; ++j)
      if (pick.ids[j] == id) {
        pick.weights[j] += pick.weights[i];
        pick.weights[i] = 0;
        id = -1;
        break;
      }
  }
}

} // namespace

template <typename Real>
Chosen<Real> reference::route(RoutingAttr routing, const Tensor<Real> &logits,
                              const Operands<Real> &in) {
  int64_t tokens = logits.rows(), k = routing.getK();
  int64_t shared = routing.getSharedExperts();
  int64_t experts = logits.width() - shared;
  bool offers = routing.is(Policy::ExpertChoice);
  std::vector<Pick<Real>> picks;
  std::vector<Vector<Real>> keys;
  for (int64_t t = 0; t < tokens; ++t) {
    Vector<Real> row(logits.row(t), logits.row(t) + logits.width());
    picks.push_back(offers ? offerExperts(routing, in, t, std::move(row),
                                          keys.emplace_back())
                           : chooseExperts(routing, in, t, std::move(row)));
  }
  bool isLate = offers || routing.getRenormAfterDrop();
  auto normaliseAll = [&] {
    for (Pick<Real> &pick : picks)
      normalise(routing, in, experts, pick);
  };
  if (!isLate)
    normaliseAll();
  if (routing.dependsOnBatch())
    forScopes(routing, in, tokens, [&](int64_t from, int64_t to) {
      if (offers)
        chooseTokens(routing, experts, from, to, keys, picks);
      else
        dropOverflow(routing, experts, from, to, picks);
    });
  if (isLate)
    normaliseAll();
  Chosen<Real> chosen{intTensor<Real>({tokens, k}, -1),
                      realTensor<Real>({tokens, k}),
                      realTensor<Real>({tokens, shared})};
  for (int64_t t = 0; t < tokens; ++t) {
    Pick<Real> &pick = picks[t];
    if (!in.alias.empty())
      rename(routing, in.alias, pick);
    std::copy(pick.ids.begin(), pick.ids.end(),
              chosen.ids.ints.begin() + t * k);
    std::copy(pick.weights.begin(), pick.weights.end(), chosen.weights.row(t));
    std::copy(pick.shared.begin(), pick.shared.end(), chosen.shared.row(t));
  }
  return chosen;
}

template <typename Real>
Tensor<Real> reference::countChoices(const Tensor<Real> &ids, int64_t blocks,
                                     int64_t rows, int64_t experts) {
  int64_t tokens = ids.shape[0], k = ids.shape[1];
  int64_t times = (tokens + rows * blocks - 1) / (rows * blocks);
  Tensor<Real> counts = intTensor<Real>({blocks, experts}, -1);
  for (int64_t t = 0; t < tokens; ++t) {
    auto block = counts.ints.begin() + t / (rows * times) * experts;
    if (t % (rows * times) == 0)
      std::fill(block, block + experts, 0);
    for (int64_t slot = 0; slot < k; ++slot)
      if (int64_t id = ids.ints[t * k + slot]; id >= 0)
        ++block[id];
  }
  return counts;
}

template Tensor<float> reference::countChoices(const Tensor<float> &, int64_t,
                                               int64_t, int64_t);
template Tensor<double> reference::countChoices(const Tensor<double> &, int64_t,
                                                int64_t, int64_t);

template Chosen<float> reference::route(RoutingAttr, const Tensor<float> &,
                                        const Operands<float> &);
template Chosen<double> reference::route(RoutingAttr, const Tensor<double> &,
                                         const Operands<double> &);
