//===- Scores.h - Functions of router logits --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_SCORES_H
#define MOEC_LIB_REFERENCE_SCORES_H

#include "dialects/Moe/Moe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace moec::reference {

template <typename Real> using Vector = std::vector<Real>;

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

template <typename Real> Real logSigmoid(Real x) {
  return std::min(x, Real(0)) - std::log1p(std::exp(-std::abs(x)));
}

template <typename Real> Real softplus(Real x) {
  return std::max(x, Real(0)) + std::log1p(std::exp(-std::abs(x)));
}

/// Far below 0 that of exp(x), which may be smaller than any number.
template <typename Real> Real sqrtSoftplus(Real x) {
  return x < -40 ? std::exp(x / 2) : std::sqrt(softplus(x));
}

template <typename Real>
Vector<Real> mapped(Vector<Real> values, Real (*fn)(Real)) {
  std::transform(values.begin(), values.end(), values.begin(), fn);
  return values;
}

/// The scores of logits that are compared with each other only.
template <typename Real>
Vector<Real> scored(moe::Score score, Vector<Real> logits) {
  switch (score) {
  case moe::Score::Softmax:
    return softmax(std::move(logits));
  case moe::Score::Sigmoid:
    return mapped<Real>(std::move(logits),
                        [](Real x) { return 1 / (1 + std::exp(-x)); });
  case moe::Score::Identity:
    break;
  case moe::Score::SqrtSoftplus:
    return mapped<Real>(std::move(logits), sqrtSoftplus<Real>);
  case moe::Score::Tanh:
    return mapped<Real>(std::move(logits), [](Real x) { return std::tanh(x); });
  }
  return logits;
}

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_SCORES_H
