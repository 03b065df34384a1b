//===- Rope.cpp - The frequencies of rotary embeddings --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The original implementation computes frequencies in f32, and a position times
// a frequency that is off by one unit in the last place is off by a visible
// angle. So this file rounds to f32 after the same operations, in the same
// order. Scalars of a configuration are doubles until they meet a tensor.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

using namespace moec::importer;

// A fused multiplication and addition would round once where two are meant.
#pragma STDC FP_CONTRACT OFF

/// theta ** (2i / dims). The power is correctly rounded where the double is.
static std::vector<float> wavelengths(const RopeParameters &parameters) {
  std::vector<float> result;
  for (int64_t i = 0; i < parameters.dims; i += 2) {
    float exponent =
        static_cast<float>(i) / static_cast<float>(parameters.dims);
    result.push_back(static_cast<float>(
        std::pow(static_cast<double>(static_cast<float>(parameters.theta)),
                 static_cast<double>(exponent))));
  }
  return result;
}

static float linear(float wavelength, const RopeParameters &parameters) {
  float frequency = 1.0f / wavelength;
  return frequency / static_cast<float>(parameters.factor);
}

static float llama3(float wavelength, const RopeParameters &parameters) {
  float frequency = 1.0f / wavelength;
  auto factor = static_cast<float>(parameters.factor);
  auto context = static_cast<float>(parameters.originalContext);
  auto low = static_cast<float>(parameters.lowFrequencyFactor);
  auto lowWave = static_cast<float>(parameters.originalContext /
                                    parameters.lowFrequencyFactor);
  auto highWave = static_cast<float>(parameters.originalContext /
                                     parameters.highFrequencyFactor);
  auto span = static_cast<float>(parameters.highFrequencyFactor -
                                 parameters.lowFrequencyFactor);
  float wave = static_cast<float>(2 * std::numbers::pi) / frequency;
  if (wave > lowWave)
    return frequency / factor;
  if (wave < highWave)
    return frequency;
  float smooth = (context / wave - low) / span;
  return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

//===----------------------------------------------------------------------===//
// YaRN
//===----------------------------------------------------------------------===//

static double magnitude(double factor, double scale) {
  return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

static double yarnAttentionFactor(const RopeParameters &parameters) {
  if (parameters.attentionFactor)
    return *parameters.attentionFactor;
  double mscale = parameters.mscale.value_or(0);
  double allDims = parameters.mscaleAllDims.value_or(0);
  if (mscale != 0 && allDims != 0)
    return magnitude(parameters.factor, mscale) /
           magnitude(parameters.factor, allDims);
  return magnitude(parameters.factor, 1);
}

namespace {
/// The dimensions between which YaRN goes over from extrapolation to
/// interpolation.
struct Ramp {
  double low, high;
};
} // namespace

static double correctionDim(double rotations,
                            const RopeParameters &parameters) {
  return static_cast<double>(parameters.dims) *
         std::log(parameters.originalContext /
                  (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(parameters.theta));
}

static Ramp yarnRamp(const RopeParameters &parameters) {
  Ramp ramp{correctionDim(parameters.betaFast, parameters),
            correctionDim(parameters.betaSlow, parameters)};
  if (parameters.truncate)
    ramp = {std::floor(ramp.low), std::ceil(ramp.high)};
  ramp.low = std::max(ramp.low, 0.0);
  ramp.high = std::min(ramp.high, static_cast<double>(parameters.dims - 1));
  if (ramp.low == ramp.high)
    ramp.high += 0.001;
  return ramp;
}

static float yarn(float wavelength, int64_t i, const Ramp &ramp,
                  const RopeParameters &parameters) {
  float extrapolated = 1.0f / wavelength;
  float interpolated =
      1.0f / (static_cast<float>(parameters.factor) * wavelength);
  float position = (static_cast<float>(i) - static_cast<float>(ramp.low)) /
                   static_cast<float>(ramp.high - ramp.low);
  float keep = 1.0f - std::clamp(position, 0.0f, 1.0f);
  return interpolated * (1.0f - keep) + extrapolated * keep;
}

//===----------------------------------------------------------------------===//
// LongRoPE
//===----------------------------------------------------------------------===//

static bool isLong(const RopeParameters &parameters) {
  return static_cast<double>(parameters.positions) > parameters.originalContext;
}

static double longAttentionFactor(const RopeParameters &parameters) {
  auto mscale =
      isLong(parameters) ? parameters.longMscale : parameters.shortMscale;
  if (mscale || parameters.attentionFactor)
    return mscale ? *mscale : *parameters.attentionFactor;
  return parameters.factor <= 1
             ? 1.0
             : std::sqrt(1 + std::log(parameters.factor) /
                                 std::log(parameters.originalContext));
}

static float longrope(float wavelength, size_t i,
                      const RopeParameters &parameters) {
  const auto &factors =
      isLong(parameters) ? parameters.longFactors : parameters.shortFactors;
  return 1.0f / (static_cast<float>(factors[i]) * wavelength);
}

static std::string checkLong(const RopeParameters &parameters) {
  if (!(parameters.originalContext > 1))
    return "original_max_position_embeddings must be above 1";
  auto pairs = static_cast<size_t>(parameters.dims / 2);
  for (const auto *factors :
       {&parameters.shortFactors, &parameters.longFactors}) {
    if (factors->size() != pairs)
      return "short_factor and long_factor must have a number for each of "
             "the " +
             std::to_string(pairs) + " pairs, got " +
             std::to_string(factors->size());
    for (double factor : *factors)
      if (!(factor > 0))
        return "short_factor and long_factor must be positive";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Proportional
//===----------------------------------------------------------------------===//

/// Pairs behind the turning ones stay as they are.
static float proportional(float wavelength, size_t i,
                          const RopeParameters &parameters) {
  auto dims = static_cast<double>(parameters.dims);
  if (static_cast<double>(i) >= std::floor(parameters.proportion * dims / 2))
    return 0.0f;
  return 1.0f / wavelength / static_cast<float>(parameters.factor);
}

//===----------------------------------------------------------------------===//
// All kinds
//===----------------------------------------------------------------------===//

static std::string check(const RopeParameters &parameters) {
  bool scaled = parameters.type == "yarn" || parameters.type == "llama3";
  if (parameters.dims < 2 || parameters.dims % 2)
    return "a rotary embedding turns an even number of elements, got " +
           std::to_string(parameters.dims);
  if (!(parameters.theta > 1) && parameters.type == "yarn")
    return "YaRN needs a base (rope_theta) above 1";
  if (!(parameters.theta > 0) || !(parameters.factor > 0))
    return "the base (rope_theta) and the factor of a rotary embedding must "
           "be positive";
  if (scaled && !(parameters.originalContext > 0))
    return "original_max_position_embeddings must be positive";
  if (parameters.type == "llama3" &&
      !(parameters.highFrequencyFactor > parameters.lowFrequencyFactor))
    return "high_freq_factor must be greater than low_freq_factor";
  if (!(parameters.lowFrequencyFactor > 0) || !(parameters.betaFast > 0) ||
      !(parameters.betaSlow > 0))
    return "low_freq_factor, beta_fast and beta_slow must be positive";
  if (!(parameters.proportion >= 0) || !(parameters.proportion <= 1))
    return "partial_rotary_factor must be from 0 to 1";
  return parameters.type == "longrope" ? checkLong(parameters) : "";
}

std::optional<RopeFrequencies>
moec::importer::ropeFrequencies(const RopeParameters &parameters,
                                std::string &error) {
  error = check(parameters);
  const std::string &type = parameters.type;
  constexpr std::string_view types[] = {"default", "linear",   "llama3",
                                        "yarn",    "longrope", "proportional"};
  if (error.empty() && std::ranges::find(types, type) == std::end(types))
    error = "no rotary embedding is called '" + type + "'";
  if (!error.empty())
    return std::nullopt;
  RopeFrequencies result;
  Ramp ramp{0, 0};
  if (type == "yarn") {
    result.attentionFactor = yarnAttentionFactor(parameters);
    ramp = yarnRamp(parameters);
  }
  if (type == "longrope")
    result.attentionFactor = longAttentionFactor(parameters);
  std::vector<float> waves = wavelengths(parameters);
  for (size_t i = 0; i < waves.size(); ++i) {
    float frequency = type == "linear"     ? linear(waves[i], parameters)
                      : type == "llama3"   ? llama3(waves[i], parameters)
                      : type == "yarn"     ? yarn(waves[i], i, ramp, parameters)
                      : type == "longrope" ? longrope(waves[i], i, parameters)
                      : type == "proportional"
                          ? proportional(waves[i], i, parameters)
                          : 1.0f / waves[i];
    result.frequencies.push_back(frequency);
  }
  return result;
}
