//===- Rope.h - The frequencies of rotary embeddings ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Frequencies and attention factor of the known kinds of rotary embeddings.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_ROPE_H
#define MOEC_LIB_IMPORT_ROPE_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moec::importer {

struct RopeParameters {
  /// default, linear, llama3, yarn, longrope, proportional
  std::string type = "default";
  int64_t dims = 0; ///< Elements of a head that are turned; even.
  double theta = 10000;
  double factor = 1;
  double originalContext = 0; ///< llama3, yarn, longrope
  double lowFrequencyFactor = 1, highFrequencyFactor = 4; ///< llama3
  std::optional<double> attentionFactor; ///< yarn, longrope; else of the factor
  std::optional<double> mscale, mscaleAllDims; ///< yarn
  double betaFast = 32, betaSlow = 1;          ///< yarn
  bool truncate = true;                        ///< yarn
  /// longrope: divisors of the frequencies, one for each, and the attention
  /// factors that go with them. The long ones are for a model of more positions
  /// than the original context.
  std::vector<double> shortFactors, longFactors;
  std::optional<double> shortMscale, longMscale;
  int64_t positions = 0;
  double proportion = 1; ///< proportional: of the pairs that turn at all
};

struct RopeFrequencies {
  std::vector<double> frequencies; ///< dims / 2 of them, each exact in f32.
  double attentionFactor = 1;
};

/// The frequencies, or nothing and why not.
std::optional<RopeFrequencies> ropeFrequencies(const RopeParameters &parameters,
                                               std::string &error);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_ROPE_H
