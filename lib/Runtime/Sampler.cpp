//===- Sampler.cpp - Choosing the next token ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Problem: top_p needs the candidates in descending order, yet sorting a
// vocabulary of 150,000 for each token would take longer than many models.
//
// Idea: a heap gives the candidates in order as far as they are asked for, and
// top_p rarely asks for more than a few. The order is total (logit, then id),
// so the result does not depend on the heap.
//
// Without top_k and top_p there is no order to keep: the draw goes through the
// vocabulary by id.
//
// Cost: linear in the vocabulary, plus log(vocabulary) for each candidate kept.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace moec::runtime {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

Status notFinite(size_t id, float logit) {
  return Status(MOEC_E_NOT_FINITE,
                "the logit of token " + std::to_string(id) + " is " +
                    (std::isnan(logit) ? "not a number" : "infinite") +
                    "; the weights are damaged or overflow their type");
}

} // namespace

Result<int32_t> greedyToken(std::span<const float> logits) {
  float highest = -infinity;
  size_t best = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!(logits[id] < infinity))
      return notFinite(id, logits[id]);
    if (logits[id] > highest) {
      highest = logits[id];
      best = id;
    }
  }
  if (highest == -infinity)
    return Status(MOEC_E_NOT_FINITE, "no logit is above negative infinity");
  return int32_t(best);
}

Result<Sampler> Sampler::create(float temperature, int32_t topK, float topP,
                                uint64_t seed) {
  if (!(temperature >= 0) || !std::isfinite(temperature))
    return Status(MOEC_E_ARGUMENT, "temperature is " +
                                       std::to_string(temperature) +
                                       ", it must be 0 or more");
  if (topK < 0)
    return Status(MOEC_E_ARGUMENT, "top_k is " + std::to_string(topK) +
                                       ", it must be 0 (all) or more");
  if (!(topP >= 0 && topP <= 1))
    return Status(MOEC_E_ARGUMENT, "top_p is " + std::to_string(topP) +
                                       ", it must be from 0 (all) to 1");
  Sampler sampler;
  sampler.temperature = temperature;
  sampler.topK = size_t(topK);
  sampler.topP = topP == 0 ? 1 : topP;
  sampler.generator.seed(seed);
  return sampler;
}

Result<int32_t> Sampler::sample(std::span<const float> logits) {
  Result<int32_t> best = greedyToken(logits);
  if (!best || temperature == 0)
    return best;
  return draw(logits, logits[size_t(*best)]);
}

int32_t Sampler::draw(std::span<const float> logits, float highest) {
  candidates.clear();
  for (size_t id = 0; id < logits.size(); ++id)
    candidates.push_back({logits[id], int32_t(id), 0});
  if (topK > 0 && topK < candidates.size())
    keepTopK();
  double total = 0;
  for (Candidate &candidate : candidates) {
    candidate.weight =
        std::exp((double(candidate.logit) - highest) / temperature);
    total += candidate.weight;
  }
  if (topP < 1)
    total = keepTopP(topP * total);
  return pick(total);
}

bool Sampler::ranksLower(const Candidate &a, const Candidate &b) {
  return a.logit != b.logit ? a.logit < b.logit : a.id > b.id;
}

void Sampler::keepTopK() {
  auto end = candidates.begin() + ptrdiff_t(topK);
  std::nth_element(
      candidates.begin(), end - 1, candidates.end(),
      [](const auto &a, const auto &b) { return ranksLower(b, a); });
  candidates.erase(end, candidates.end());
  // Sums must not depend on the order that nth_element leaves.
  std::sort(candidates.begin(), candidates.end(),
            [](const auto &a, const auto &b) { return a.id < b.id; });
}

double Sampler::keepTopP(double enough) {
  std::make_heap(candidates.begin(), candidates.end(), ranksLower);
  double total = 0;
  auto end = candidates.end();
  do {
    std::pop_heap(candidates.begin(), end--, ranksLower);
    total += end->weight;
  } while (end != candidates.begin() && total < enough);
  // The popped ones lie at the back, the highest last.
  candidates.erase(candidates.begin(), end);
  std::reverse(candidates.begin(), candidates.end());
  return total;
}

int32_t Sampler::pick(double total) {
  double left = double(generator() >> 11) * 0x1p-53 * total;
  int32_t chosen = candidates.front().id;
  for (const Candidate &candidate : candidates) {
    if (candidate.weight == 0)
      continue;
    chosen = candidate.id;
    if (left < candidate.weight)
      break;
    left -= candidate.weight;
  }
  return chosen;
}

} // namespace moec::runtime
