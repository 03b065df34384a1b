//===- RopeTest.cpp - Frequencies of rotary embeddings --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Against values that NumPy computed in float32, step by step as the original
// implementation does. (A whole model with YaRN is among the fixtures.)
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Rope.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace moec::importer;

static RopeFrequencies compute(const RopeParameters &parameters) {
  std::string error;
  auto result = ropeFrequencies(parameters, error);
  EXPECT_TRUE(result) << error;
  return result.value_or(RopeFrequencies());
}

TEST(RopeTest, IsExactInF32) {
  for (const char *type : {"default", "linear", "llama3", "yarn"}) {
    RopeParameters p;
    p.type = type;
    p.dims = 64;
    p.factor = 3;
    p.originalContext = 128;
    RopeFrequencies rope = compute(p);
    ASSERT_EQ(rope.frequencies.size(), 32u) << type;
    EXPECT_EQ(rope.frequencies[0], type == std::string("linear") ? 1.0f / 3 : 1)
        << type;
    for (double frequency : rope.frequencies)
      EXPECT_EQ(frequency, static_cast<float>(frequency)) << type;
  }
}

TEST(RopeTest, Linear) {
  RopeParameters p;
  p.type = "linear";
  p.dims = 16;
  p.theta = 500000;
  p.factor = 8;
  std::vector<double> frequencies = compute(p).frequencies;
  EXPECT_EQ(frequencies[0], 0.125);
  EXPECT_FLOAT_EQ(frequencies[1], 0.024240344762802124);
  EXPECT_FLOAT_EQ(frequencies[2], 0.004700753837823868);
}

// One frequency is kept, one lies on the ramp, three are divided.
TEST(RopeTest, Llama3) {
  RopeParameters p;
  p.type = "llama3";
  p.dims = 16;
  p.theta = 500000;
  p.factor = 8;
  p.originalContext = 8192;
  p.lowFrequencyFactor = 1;
  p.highFrequencyFactor = 4;
  const double expected[] = {1.0,
                             0.193922758102417,
                             0.03760603070259094,
                             0.00729266507551074,
                             0.0005248460220173001,
                             3.428102354519069e-05,
                             6.647869668086059e-06,
                             1.289173155782919e-06};
  std::vector<double> frequencies = compute(p).frequencies;
  ASSERT_EQ(frequencies.size(), std::size(expected));
  for (size_t i = 0; i < frequencies.size(); ++i)
    EXPECT_FLOAT_EQ(frequencies[i], expected[i]) << i;
}

TEST(RopeTest, YarnAttentionFactor) {
  RopeParameters p;
  p.type = "yarn";
  p.dims = 16;
  p.factor = 4;
  p.originalContext = 64;
  EXPECT_DOUBLE_EQ(compute(p).attentionFactor, 0.1 * std::log(4.0) + 1);
  p.mscale = 0.707;
  EXPECT_DOUBLE_EQ(compute(p).attentionFactor, 0.1 * std::log(4.0) + 1)
      << "needs both";
  p.mscaleAllDims = 1;
  EXPECT_DOUBLE_EQ(compute(p).attentionFactor,
                   (0.1 * 0.707 * std::log(4.0) + 1) /
                       (0.1 * std::log(4.0) + 1));
  p.attentionFactor = 1.25;
  EXPECT_EQ(compute(p).attentionFactor, 1.25);
  p = {};
  p.type = "yarn";
  p.dims = 16;
  p.factor = 1;
  p.originalContext = 64;
  EXPECT_EQ(compute(p).attentionFactor, 1);
}

TEST(RopeTest, YarnTruncation) {
  RopeParameters p;
  p.type = "yarn";
  p.dims = 64;
  p.theta = 150000;
  p.factor = 32;
  p.originalContext = 4096;
  std::vector<double> whole = compute(p).frequencies;
  p.truncate = false;
  std::vector<double> exact = compute(p).frequencies;
  EXPECT_EQ(whole.front(), exact.front());
  EXPECT_EQ(whole.back(), exact.back());
  EXPECT_NE(whole, exact);
}

TEST(RopeTest, LongRope) {
  RopeParameters p;
  p.type = "longrope";
  p.dims = 4;
  p.theta = 100;
  p.factor = 4;
  p.originalContext = 16;
  p.shortFactors = {1, 2};
  p.longFactors = {4, 5};
  p.positions = 16;
  RopeFrequencies rope = compute(p);
  EXPECT_EQ(rope.frequencies, (std::vector<double>{1, 1.0f / (2.0f * 10.0f)}));
  EXPECT_EQ(rope.attentionFactor, std::sqrt(1.5)); // 1 + log 4 / log 16
  p.positions = 17;
  rope = compute(p);
  EXPECT_EQ(rope.frequencies,
            (std::vector<double>{0.25, 1.0f / (5.0f * 10.0f)}));
  p.attentionFactor = 3;
  EXPECT_EQ(compute(p).attentionFactor, 3);
  p.shortMscale = 1.5;
  EXPECT_EQ(compute(p).attentionFactor, 3);
  p.longMscale = 2;
  EXPECT_EQ(compute(p).attentionFactor, 2);
  p.positions = 16;
  EXPECT_EQ(compute(p).attentionFactor, 1.5);
  p = RopeParameters();
  p.type = "longrope";
  p.dims = 4;
  p.originalContext = 16;
  p.shortFactors = p.longFactors = {1, 1};
  EXPECT_EQ(compute(p).attentionFactor, 1);
}

TEST(RopeTest, Proportional) {
  RopeParameters p;
  p.type = "proportional";
  p.dims = 8;
  p.theta = 16;
  p.factor = 2;
  p.proportion = 0.6; // 2.4 pairs
  RopeFrequencies rope = compute(p);
  EXPECT_EQ(rope.frequencies, (std::vector<double>{0.5, 0.25, 0, 0}));
  EXPECT_EQ(rope.attentionFactor, 1);
}

TEST(RopeTest, RefusesNonsense) {
  auto refuse = [](auto edit, const char *why) {
    RopeParameters p;
    p.dims = 16;
    p.originalContext = 64;
    edit(p);
    std::string error;
    EXPECT_FALSE(ropeFrequencies(p, error)) << why;
    EXPECT_NE(error.find(why), std::string::npos) << error;
  };
  refuse([](auto &p) { p.dims = 15; }, "even number of elements, got 15");
  refuse([](auto &p) { p.dims = 0; }, "got 0");
  refuse([](auto &p) { p.theta = 0; }, "must be positive");
  refuse([](auto &p) { p.theta = NAN; }, "must be positive");
  refuse([](auto &p) { p.factor = -1; }, "must be positive");
  refuse([](auto &p) { p.type = "dynamic"; }, "'dynamic'");
  refuse(
      [](auto &p) {
        p.type = "longrope";
        p.originalContext = 1;
      },
      "must be above 1");
  refuse(
      [](auto &p) {
        p.type = "longrope";
        p.shortFactors = {1};
      },
      "got 1");
  refuse(
      [](auto &p) {
        p.type = "longrope";
        p.shortFactors.assign(p.dims / 2, 1);
        p.longFactors.assign(p.dims / 2, 0);
      },
      "must be positive");
  refuse([](auto &p) { p.proportion = 1.5; }, "from 0 to 1");
  refuse(
      [](auto &p) {
        p.type = "yarn";
        p.theta = 1;
      },
      "above 1");
  refuse(
      [](auto &p) {
        p.type = "yarn";
        p.betaFast = 0;
      },
      "beta_fast");
  refuse(
      [](auto &p) {
        p.type = "yarn";
        p.originalContext = 0;
      },
      "original_max_position_embeddings");
  refuse(
      [](auto &p) {
        p.type = "llama3";
        p.highFrequencyFactor = 1;
      },
      "high_freq_factor");
}
