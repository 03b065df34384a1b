//===- Margin.cpp - How near a choice of experts was ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing favours a choice more than logits that rise for its experts and fall
// for all others. So the least change that leads to a choice is found by
// halving an interval of such changes. A group of experts is kept by keys of
// its own, which may be those of experts that are not chosen in the end: these
// fall, stay or rise, whichever favours it.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Margin.h"
#include "lib/Reference/Scores.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>

using namespace moec;
using namespace moec::moe;
using namespace moec::reference;

template <typename Real>
static Tensor<double> toDouble(const Tensor<Real> &of) {
  return {of.shape, {of.reals.begin(), of.reals.end()}, of.ints};
}

template <typename Real>
KeptChoice::KeptChoice(RoutingAttr routing, const Tensor<Real> &given,
                       const Operands<Real> &in)
    : routing(routing), logits(toDouble(given)),
      classMask(in.classMask.begin(), in.classMask.end()),
      alias(in.alias.begin(), in.alias.end()) {
  operands.setTensors(in, [&](const Tensor<Real> *tensor) {
    if (!tensor)
      return static_cast<const Tensor<double> *>(nullptr);
    return kept
        .emplace_back(std::make_shared<Tensor<double>>(toDouble(*tensor)))
        .get();
  });
}

template KeptChoice::KeptChoice(RoutingAttr, const Tensor<float> &,
                                const Operands<float> &);
template KeptChoice::KeptChoice(RoutingAttr, const Tensor<double> &,
                                const Operands<double> &);

double KeptChoice::largestLogit(int64_t token) const {
  double largest = 0;
  for (int64_t i = 0; i < logits.width(); ++i)
    if (double value = std::abs(logits.row(token)[i]); std::isfinite(value))
      largest = std::max(largest, value);
  return largest;
}

namespace {
/// Looks for the change of one token's logits.
class Search {
public:
  Search(RoutingAttr routing, const Tensor<double> &logits,
         const Operands<double> &operands, int64_t token,
         std::vector<int64_t> ids)
      : routing(routing), logits(logits), operands(operands), token(token),
        ids(std::move(ids)),
        experts(logits.width() - routing.getSharedExperts()),
        slack(slackOfKeys()) {
    llvm::sort(this->ids);
  }

  bool chooses(double shift) const {
    for (double inGroup : {-1.0, 0.0, 1.0}) {
      if (chooses(shift, inGroup))
        return true;
      if (!routing.restrictsGroups())
        break;
    }
    return false;
  }

private:
  /// What a key may be off by itself: some units in the last place of an f32.
  std::vector<double> slackOfKeys() const {
    std::vector<double> slack(experts);
    bool onLogits = routing.getSelectOn() == Source::Logit ||
                    routing.getScope() == Scope::Selected ||
                    routing.is(Policy::SequentialMasked);
    if (onLogits)
      return slack;
    const double *row = logits.row(token);
    std::vector<double> scores =
        scored<double>(routing.getScore(), {row, row + logits.width()});
    for (int64_t e = 0; e < experts; ++e) {
      double bias = operands.bias ? operands.bias->reals[e] : 0;
      double size = std::abs(scores[e]) + std::abs(bias);
      slack[e] = std::isfinite(size) ? 0x1p-21 * size : 0;
    }
    return slack;
  }

  /// 1 for the experts that lead to the ids, `inGroup` for others of their
  /// groups, and -1 for the rest.
  std::vector<double> favour(double inGroup) const {
    std::vector<double> signs(experts, -1);
    auto isWanted = [&](int64_t expert) {
      int64_t id = operands.alias.empty() ? expert : operands.alias[expert];
      return llvm::is_contained(ids, id);
    };
    int64_t size =
        routing.restrictsGroups() ? experts / routing.getGroups() : 1;
    for (int64_t e = 0; e < experts; ++e)
      if (isWanted(e))
        std::fill_n(signs.begin() + e / size * size, size, inGroup);
    for (int64_t e = 0; e < experts; ++e)
      if (isWanted(e))
        signs[e] = 1;
    return signs;
  }

  bool chooses(double shift, double inGroup) const {
    std::vector<double> signs = favour(inGroup);
    Tensor<double> moved = logits, bias = realTensor<double>({experts});
    for (int64_t e = 0; e < experts; ++e) {
      moved.row(token)[e] += signs[e] * shift;
      bias.reals[e] = signs[e] * slack[e];
      if (operands.bias)
        bias.reals[e] += operands.bias->reals[e];
    }
    Operands<double> in = operands;
    in.bias = &bias;
    Tensor<double> chosen = route(routing, moved, in).ids;
    auto row = chosen.ints.begin() + token * chosen.width();
    std::vector<int64_t> actual(row, row + chosen.width());
    llvm::sort(actual);
    return actual == ids;
  }

  RoutingAttr routing;
  const Tensor<double> &logits;
  const Operands<double> &operands;
  int64_t token;
  std::vector<int64_t> ids;
  int64_t experts;
  std::vector<double> slack;
};
} // namespace

static Tensor<double> rowOf(const Tensor<double> &tensor, int64_t row) {
  auto slice = [&](const auto &of) {
    using Elements = std::decay_t<decltype(of)>;
    if (of.empty())
      return Elements();
    auto begin = of.begin() + row * tensor.width();
    return Elements(begin, begin + tensor.width());
  };
  Shape shape = tensor.shape;
  shape[0] = 1;
  return {std::move(shape), slice(tensor.reals), slice(tensor.ints)};
}

double KeptChoice::gap(int64_t token, const std::vector<int32_t> &ids) const {
  Operands<double> in = operands;
  in.classMask = classMask;
  in.alias = alias;
  Tensor<double> rows = logits;
  // Where other tokens have no say, they need not choose again.
  std::vector<std::unique_ptr<Tensor<double>>> slices;
  if (!routing.dependsOnBatch()) {
    rows = rowOf(logits, token);
    for (const Tensor<double> **byToken : in.byToken())
      if (*byToken) {
        slices.push_back(
            std::make_unique<Tensor<double>>(rowOf(**byToken, token)));
        *byToken = slices.back().get();
      }
  }
  double most = 2 * largestLogit(token), least = 0;
  Search search(routing, rows, in, routing.dependsOnBatch() ? token : 0,
                {ids.begin(), ids.end()});
  if (search.chooses(0))
    return 0;
  if (!search.chooses(most))
    return std::numeric_limits<double>::infinity();
  for (int i = 0; i < 40; ++i) {
    double middle = (least + most) / 2;
    (search.chooses(middle) ? most : least) = middle;
  }
  return 2 * most;
}
