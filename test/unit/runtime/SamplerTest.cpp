//===- SamplerTest.cpp - Choosing tokens and generating -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Distributions are compared with what the logits say; the draws of a seed are
// recorded, because they must not change between versions.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <cmath>
#include <limits>
#include <map>

using namespace moec::runtime;
using namespace moec::runtime::testing;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

Handle<moec_sampler> samplerOf(float temperature, int32_t topK, float topP,
                               uint64_t seed) {
  moec_sampling options = {sizeof(options), temperature, topK, topP, seed};
  moec_sampler *sampler = nullptr;
  EXPECT_TRUE(succeeds(moec_sampler_create(&options, &sampler)));
  return Handle<moec_sampler>(sampler);
}

int32_t sample(moec_sampler *sampler, const std::vector<float> &logits) {
  int32_t id = -1;
  EXPECT_TRUE(succeeds(moec_sampler_sample(sampler, logits.data(),
                                           int32_t(logits.size()), &id)));
  return id;
}

std::vector<double> frequencies(moec_sampler *sampler,
                                const std::vector<float> &logits) {
  std::vector<double> result(logits.size(), 0);
  constexpr int draws = 40000;
  for (int i = 0; i < draws; ++i)
    result[size_t(sample(sampler, logits))] += 1.0 / draws;
  return result;
}

void expectNear(const std::vector<double> &found,
                std::vector<double> expected) {
  double sum = 0;
  for (double weight : expected)
    sum += weight;
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i] / sum, 0.015) << i;
    if (expected[i] == 0)
      EXPECT_EQ(found[i], 0) << i;
  }
}

const std::vector<float> someLogits = {1, 3, 2, 3, -infinity, 0};
double e(double x) { return std::exp(x); }

TEST(SamplerTest, GreedyTakesTheFirstOfTheHighest) {
  auto greedy = samplerOf(0, 0, 0, 1);
  EXPECT_EQ(sample(greedy.get(), someLogits), 1);
  EXPECT_EQ(sample(greedy.get(), {5}), 0);
  EXPECT_EQ(sample(greedy.get(), {-infinity, -7, -7}), 1);
  moec_sampler *defaults = nullptr;
  ASSERT_TRUE(succeeds(moec_sampler_create(nullptr, &defaults)));
  Handle<moec_sampler> owner(defaults);
  EXPECT_EQ(sample(defaults, someLogits), 1);
}

TEST(SamplerTest, FollowsTheSoftmax) {
  expectNear(frequencies(samplerOf(1, 0, 1, 3).get(), someLogits),
             {e(1), e(3), e(2), e(3), 0, 1});
}

TEST(SamplerTest, TemperatureSharpensAndFlattens) {
  expectNear(frequencies(samplerOf(0.5F, 0, 1, 3).get(), someLogits),
             {e(2), e(6), e(4), e(6), 0, 1});
  expectNear(frequencies(samplerOf(2, 0, 1, 3).get(), someLogits),
             {e(.5), e(1.5), e(1), e(1.5), 0, 1});
}

TEST(SamplerTest, TopKKeepsTheHighest) {
  expectNear(frequencies(samplerOf(1, 3, 1, 3).get(), someLogits),
             {0, e(3), e(2), e(3), 0, 0});
  // Of equals, the lower id.
  expectNear(frequencies(samplerOf(1, 1, 1, 3).get(), someLogits),
             {0, 1, 0, 0, 0, 0});
  expectNear(frequencies(samplerOf(1, 100, 1, 3).get(), someLogits),
             {e(1), e(3), e(2), e(3), 0, 1});
}

TEST(SamplerTest, TopPKeepsTheFewestThatSuffice) {
  // Probabilities: 0.395, 0.395, 0.145, 0.053, 0.020.
  auto with = [](float topP) {
    return frequencies(samplerOf(1, 0, topP, 3).get(), someLogits);
  };
  expectNear(with(0.01F), {0, 1, 0, 0, 0, 0});
  expectNear(with(0.39F), {0, 1, 0, 0, 0, 0});
  expectNear(with(0.5F), {0, 1, 0, 1, 0, 0});
  expectNear(with(0.8F), {0, e(3), e(2), e(3), 0, 0});
  expectNear(with(0.95F), {e(1), e(3), e(2), e(3), 0, 0});
}

TEST(SamplerTest, TopPAppliesToWhatTopKLeft) {
  // Of the three highest, the first two have 0.845.
  expectNear(frequencies(samplerOf(1, 3, 0.84F, 3).get(), someLogits),
             {0, 1, 0, 1, 0, 0});
  expectNear(frequencies(samplerOf(1, 3, 0.86F, 3).get(), someLogits),
             {0, e(3), e(2), e(3), 0, 0});
}

TEST(SamplerTest, ASeedGivesTheSameTokensForever) {
  std::vector<float> logits;
  for (int i = 0; i < 100; ++i)
    logits.push_back(float((i * 37) % 11) / 4);
  auto draw = [&](uint64_t seed) {
    auto sampler = samplerOf(1, 0, 0, seed);
    std::vector<int32_t> ids;
    for (int i = 0; i < 8; ++i)
      ids.push_back(sample(sampler.get(), logits));
    return ids;
  };
  EXPECT_EQ(draw(42), draw(42));
  EXPECT_NE(draw(42), draw(43));
  EXPECT_EQ(draw(42), (std::vector<int32_t>{74, 63, 74, 14, 90, 9, 57, 38}));
}

TEST(SamplerTest, LargeLogitsDoNotOverflow) {
  auto sampler = samplerOf(0.01F, 0, 0.9F, 1);
  EXPECT_EQ(sample(sampler.get(), {1e30F, 3e38F, -3e38F}), 1);
}

TEST(SamplerTest, LogitsThatAreNotNumbers) {
  auto refuses = [](std::vector<float> logits, const char *text) {
    for (float temperature : {0.F, 1.F}) {
      int32_t id = -1;
      auto sampler = samplerOf(temperature, 0, 0, 1);
      EXPECT_TRUE(fails(moec_sampler_sample(sampler.get(), logits.data(),
                                            int32_t(logits.size()), &id),
                        MOEC_E_NOT_FINITE, text));
      EXPECT_EQ(id, -1);
    }
  };
  refuses({0, std::nanf("")}, "token 1 is not a number");
  refuses({infinity, 0}, "token 0 is infinite");
  refuses({-infinity, -infinity}, "no logit");
}

TEST(SamplerTest, BadOptions) {
  auto refuses = [](moec_sampling options, const char *text) {
    options.struct_size = sizeof(options);
    moec_sampler *sampler = nullptr;
    return fails(moec_sampler_create(&options, &sampler), MOEC_E_ARGUMENT,
                 text);
  };
  EXPECT_TRUE(refuses({0, -1, 0, 0, 0}, "temperature"));
  EXPECT_TRUE(refuses({0, std::nanf(""), 0, 0, 0}, "temperature"));
  EXPECT_TRUE(refuses({0, infinity, 0, 0, 0}, "temperature"));
  EXPECT_TRUE(refuses({0, 1, -1, 0, 0}, "top_k is -1"));
  EXPECT_TRUE(refuses({0, 1, 0, 1.5F, 0}, "top_p"));
  EXPECT_TRUE(refuses({0, 1, 0, -0.5F, 0}, "top_p"));
}

class GenerateTest : public ::testing::Test {
protected:
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  Handle<moec_session> session = createSession(model.get());
  std::vector<int32_t> reported;
  int32_t stopAfter = 1000;
  moec_generation result = {sizeof(result), -1, MOEC_FINISH_EOS};

  moec_error *generate(const std::vector<int32_t> &prompt,
                       moec_generate_options options) {
    options.struct_size = sizeof(options);
    options.user = this;
    options.on_token = [](void *user, int32_t id) {
      auto *test = static_cast<GenerateTest *>(user);
      test->reported.push_back(id);
      return int(int32_t(test->reported.size()) == test->stopAfter);
    };
    return moec_generate(session.get(), prompt.data(), prompt.size(), &options,
                         &result);
  }

  static moec_generate_options upTo(int32_t tokens) {
    moec_generate_options options = {};
    options.max_new_tokens = tokens;
    options.ignore_eos = 1;
    return options;
  }

  /// What greedy generation must give.
  static std::vector<int32_t> greedy(std::vector<int32_t> tokens,
                                     int32_t count) {
    size_t start = tokens.size();
    for (int32_t i = 0; i < count; ++i)
      tokens.push_back(fakeGreedy(tokens));
    return {tokens.begin() + ptrdiff_t(start), tokens.end()};
  }
};

TEST_F(GenerateTest, Greedy) {
  ASSERT_TRUE(succeeds(generate({1, 2, 3}, upTo(12))));
  EXPECT_EQ(reported, greedy({1, 2, 3}, 12));
  EXPECT_EQ(result.new_tokens, 12);
  EXPECT_EQ(result.finish, MOEC_FINISH_LENGTH);
  EXPECT_EQ(moec_session_length(session.get(), 0), 14);
}

TEST_F(GenerateTest, GoesOnFromWhatTheSlotHolds) {
  ASSERT_TRUE(succeeds(generate({1, 2, 3}, upTo(0))));
  EXPECT_TRUE(reported.empty());
  ASSERT_TRUE(succeeds(generate({4}, upTo(3))));
  EXPECT_EQ(reported, greedy({1, 2, 3, 4}, 3));
}

TEST_F(GenerateTest, StopsAtAnEndOfSequenceToken) {
  // Find a prompt whose continuation has one soon.
  for (int32_t first = 0; first < 50; ++first) {
    std::vector<int32_t> expected = greedy({first}, 90);
    auto end = std::find_if(expected.begin(), expected.end(),
                            [](int32_t id) { return id == 48 || id == 49; });
    if (end == expected.end())
      continue;
    moec_generate_options options = upTo(90);
    options.ignore_eos = 0;
    ASSERT_TRUE(succeeds(generate({first}, options)));
    EXPECT_EQ(result.finish, MOEC_FINISH_EOS);
    EXPECT_EQ(reported, std::vector<int32_t>(expected.begin(), end + 1));
    return;
  }
  FAIL() << "no prompt of one token leads to an end";
}

TEST_F(GenerateTest, StopsWhenTheContextIsFull) {
  std::vector<int32_t> prompt(90, 5);
  ASSERT_TRUE(succeeds(generate(prompt, upTo(50))));
  EXPECT_EQ(result.finish, MOEC_FINISH_CONTEXT);
  EXPECT_EQ(result.new_tokens, 7);
  EXPECT_EQ(reported, greedy(prompt, 7));
}

TEST_F(GenerateTest, StopsWhenTold) {
  stopAfter = 2;
  ASSERT_TRUE(succeeds(generate({1}, upTo(50))));
  EXPECT_EQ(result.finish, MOEC_FINISH_STOPPED);
  EXPECT_EQ(reported.size(), 2u);
}

TEST_F(GenerateTest, SamplesWithTheSampler) {
  auto sampler = samplerOf(100, 0, 0, 7);
  moec_generate_options options = upTo(20);
  options.sampler = sampler.get();
  ASSERT_TRUE(succeeds(generate({1}, options)));
  std::vector<int32_t> first = reported;
  EXPECT_NE(first, greedy({1}, 20));
  reported.clear();
  ASSERT_TRUE(succeeds(moec_session_reset(session.get(), 0)));
  sampler = samplerOf(100, 0, 0, 7);
  options.sampler = sampler.get();
  ASSERT_TRUE(succeeds(generate({1}, options)));
  EXPECT_EQ(reported, first);
}

TEST_F(GenerateTest, BadArguments) {
  EXPECT_TRUE(fails(generate({}, upTo(1)), MOEC_E_ARGUMENT, "no tokens"));
  EXPECT_TRUE(
      fails(generate({1}, upTo(-1)), MOEC_E_ARGUMENT, "max_new_tokens is -1"));
  EXPECT_TRUE(fails(generate({50}, upTo(1)), MOEC_E_TOKEN_ID, "id 50"));
  moec_generate_options options = upTo(1);
  options.slot = 9;
  EXPECT_TRUE(fails(generate({1}, options), MOEC_E_SLOT, "slot 9"));
  EXPECT_TRUE(reported.empty());
}

} // namespace
