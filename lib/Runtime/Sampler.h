//===- Sampler.h - Choosing the next token ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Greedy or random choice from logits, reproducible from a seed.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_SAMPLER_H
#define MOEC_LIB_RUNTIME_SAMPLER_H

#include "lib/Runtime/Status.h"

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace moec::runtime {

class Sampler {
public:
  /// The zeros of moec_sampling stand for: greedy, no top_k, no top_p.
  static Result<Sampler> create(float temperature, int32_t topK, float topP,
                                uint64_t seed);

  Result<int32_t> sample(std::span<const float> logits);

private:
  Sampler() = default;

  struct Candidate {
    float logit;
    int32_t id;
    double weight; ///< exp((logit - highest) / temperature)
  };
  static bool ranksLower(const Candidate &a, const Candidate &b);

  int32_t draw(std::span<const float> logits, float highest);
  void keepTopK();
  /// Returns the weight that is left.
  double keepTopP(double enough);
  int32_t pick(double total);

  double temperature = 0;
  size_t topK = 0;
  double topP = 1;
  std::mt19937_64 generator;
  std::vector<Candidate> candidates; ///< Of the token that is being chosen.
};

/// The highest logit, ties to the lowest id.
Result<int32_t> greedyToken(std::span<const float> logits);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_SAMPLER_H
