//===- RoutingTest.cpp - The choice of experts ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every stage of #moe.routing on logits whose outcome can be computed by hand,
// and routers of well-known models written out directly.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Routing.h"
#include "Testing.h"

#include "mlir/AsmParser/AsmParser.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;
using moe::RoutingAttr;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

class RoutingTest : public ::testing::Test {
protected:
  RoutingTest() { context.loadDialect<moe::MoeDialect>(); }

  RoutingAttr attribute(const std::string &text) {
    auto parsed = mlir::parseAttribute("#moe.routing<" + text + ">", &context);
    EXPECT_TRUE(parsed) << text;
    return mlir::cast<RoutingAttr>(parsed);
  }

  /// Routes one token and remembers the outcome.
  void route(const std::string &text, std::vector<double> logits,
             std::vector<double> bias = {}) {
    RoutingAttr routing = attribute(text);
    int64_t experts = logits.size();
    Tensor<double> biasTensor = reals({experts}, bias);
    Operands<double> operands;
    if (!bias.empty())
      operands.bias = &biasTensor;
    auto chosen = reference::route(
        routing, reals({1, experts}, std::move(logits)), operands);
    ids = chosen.ids.ints;
    weights = chosen.weights.reals;
  }

  void expectWeights(const std::vector<double> &expected) {
    ASSERT_EQ(weights.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(weights[i], expected[i], 1e-14) << "at " << i;
  }

  mlir::MLIRContext context;
  std::vector<int64_t> ids;
  std::vector<double> weights;
};

using Ids = std::vector<int64_t>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST_F(RoutingTest, SoftmaxTopK) {
  // Logits log(1), log(4), log(2), log(3): probabilities in tenths.
  route("k = 2", {0, std::log(4), std::log(2), std::log(3)});
  EXPECT_EQ(ids, (Ids{1, 3}));
  expectWeights({0.4, 0.3});
}

TEST_F(RoutingTest, RenormaliseBySum) {
  route("k = 2, renorm = sum", {0, std::log(4), std::log(2), std::log(3)});
  expectWeights({4. / 7, 3. / 7});
}

TEST_F(RoutingTest, SoftmaxOverSelectedIsRenormalisedSoftmax) {
  std::vector<double> logits = noise(16, 3);
  route("k = 4, renorm = sum", logits);
  Ids all = ids;
  std::vector<double> expected = weights;
  route("k = 4, scope = selected, weight_from = logit", logits);
  EXPECT_EQ(ids, all);
  expectWeights(expected);
  route("k = 4, select_on = logit, weight_from = logit, renorm = softmax",
        logits);
  EXPECT_EQ(ids, all);
  expectWeights(expected);
}

TEST_F(RoutingTest, TiesGoToTheLowestIndex) {
  route("k = 3", {1, 2, 2, 1, 2});
  EXPECT_EQ(ids, (Ids{1, 2, 4}));
  route("k = 3", {0, 0, 0, 0});
  EXPECT_EQ(ids, (Ids{0, 1, 2}));
  route("k = 2, score = sigmoid", {40, 41, 42}); // all scores round to 1
  EXPECT_EQ(ids, (Ids{0, 1}));
  route("k = 2, score = sigmoid, select_on = logit", {40, 41, 42});
  EXPECT_EQ(ids, (Ids{2, 1}));
}

TEST_F(RoutingTest, WhatIsNoNumberComesLast) {
  route("k = 2, score = identity", {kNan, -3, kNan, -2});
  EXPECT_EQ(ids, (Ids{3, 1}));
  route("k = 3, score = identity", {kNan, -kInf, 0, kNan});
  EXPECT_EQ(ids, (Ids{2, 0, 1}));
}

TEST_F(RoutingTest, Sigmoid) {
  route("k = 2, score = sigmoid, scale = 2.5 : f64", {0, 1, -1});
  EXPECT_EQ(ids, (Ids{1, 0}));
  expectWeights({2.5 * sigmoid(1), 2.5 * 0.5});
}

TEST_F(RoutingTest, OtherScores) {
  route("k = 1, score = identity", {0.25, -1});
  expectWeights({0.25});
  route("k = 1, score = tanh", {0.25, -1});
  expectWeights({std::tanh(0.25)});
  route("k = 1, score = sqrt_softplus", {0.25, -1});
  expectWeights({std::sqrt(std::log(1 + std::exp(0.25)))});
  route("k = 1, score = sqrt_softplus", {800, -1}); // exp(800) overflows
  expectWeights({std::sqrt(800)});
}

TEST_F(RoutingTest, BiasChoosesButDoesNotWeigh) {
  route("k = 1, score = sigmoid", {1, 0}, {-1, 0});
  EXPECT_EQ(ids, (Ids{1}));
  expectWeights({0.5});
}

TEST_F(RoutingTest, SoftcapOfLogits) {
  route("k = 2, score = identity, softcap = 2.0 : f64", {10, 1});
  expectWeights({2 * std::tanh(5), 2 * std::tanh(0.5)});
}

TEST_F(RoutingTest, GroupsByMaximum) {
  // Groups {0,1}, {2,3}, {4,5}: best keys 3, 5, 4.
  std::vector<double> keys = {3, 2.9, 5, 0, 4, 1};
  route("k = 3, score = identity, groups = 3, group_keep = 2", keys);
  EXPECT_EQ(ids, (Ids{2, 4, 5}));
  route("k = 3, score = identity, groups = 3", keys); // no group_keep: all
  EXPECT_EQ(ids, (Ids{2, 4, 0}));
}

TEST_F(RoutingTest, GroupsByTopTwoSum) {
  // Sums 5.9, 5, 5: of equal groups the first one.
  route("k = 2, score = identity, groups = 3, group_keep = 2, "
        "group_reduce = top2_sum",
        {3, 2.9, 5, 0, 4, 1});
  EXPECT_EQ(ids, (Ids{2, 0}));
}

TEST_F(RoutingTest, FillOfGroupsThatAreNotKept) {
  std::vector<double> keys = {-1, -2, -3, -4};
  std::string groups = "k = 3, score = identity, groups = 2, group_keep = 1";
  route(groups, keys);
  EXPECT_EQ(ids, (Ids{0, 1, 2}));
  route(groups + ", group_fill = zero", keys);
  EXPECT_EQ(ids, (Ids{2, 3, 0}));
}

TEST_F(RoutingTest, QuotaOfEachGroup) {
  route("k = 2, score = identity, groups = 2, group_quota = 1", {1, 2, 9, 8});
  EXPECT_EQ(ids, (Ids{2, 1}));
}

TEST_F(RoutingTest, TopPTakesUpToTheMass) {
  std::vector<double> logits = {std::log(5), std::log(3), std::log(2)};
  route("k = 3, policy = topp, threshold = 0.4 : f64", logits);
  EXPECT_EQ(ids, (Ids{0, -1, -1}));
  expectWeights({0.5, 0, 0});
  route("k = 3, policy = topp, threshold = 0.75 : f64", logits);
  EXPECT_EQ(ids, (Ids{0, 1, -1}));
  route("k = 1, policy = topp, threshold = 0.75 : f64", logits);
  EXPECT_EQ(ids, (Ids{0}));
}

TEST_F(RoutingTest, ThresholdTakesWhatIsAbove) {
  route("k = 2, score = sigmoid, policy = threshold, threshold = 0.5 : f64",
        {-1, 2, 0});
  EXPECT_EQ(ids, (Ids{1, -1}));
  route("k = 2, score = sigmoid, policy = threshold, threshold = 0.5 : f64, "
        "renorm = sum",
        {-1, -2, -3});
  EXPECT_EQ(ids, (Ids{-1, -1}));
  expectWeights({0, 0});
}

TEST_F(RoutingTest, DenseTakesAllInOrder) {
  route("k = 3, policy = dense", {0, std::log(2), 0});
  EXPECT_EQ(ids, (Ids{0, 1, 2}));
  expectWeights({0.25, 0.5, 0.25});
}

TEST_F(RoutingTest, EpsilonAddsOrClamps) {
  std::string sums = "k = 2, score = identity, renorm = sum, eps = 0.5 : f64";
  route(sums, {0.125, 0.125});
  expectWeights({0.125 / 0.75, 0.125 / 0.75});
  route(sums + ", eps_mode = clamp", {0.125, 0.125});
  expectWeights({0.25, 0.25});
  route(sums + ", eps_mode = clamp", {0.75, 0.25});
  expectWeights({0.75, 0.25});
}

TEST_F(RoutingTest, LpNorm) {
  route("k = 2, score = identity, renorm = lp, lp = 2.0 : f64", {3, 4});
  expectWeights({0.8, 0.6});
  route("k = 2, score = identity, renorm = lp", {3, -1});
  expectWeights({0.75, -0.25});
}

TEST_F(RoutingTest, LogSigmoidSoftmaxIsSigmoidBySum) {
  route("k = 2, weight_from = logit, renorm = logsigmoid_softmax", {1, -2, 0});
  double sum = sigmoid(1) + sigmoid(0);
  EXPECT_EQ(ids, (Ids{0, 2}));
  expectWeights({sigmoid(1) / sum, sigmoid(0) / sum});
}

TEST_F(RoutingTest, NullExpertsWeighNothing) {
  std::string nulls = "k = 2, score = identity, renorm = sum, null_experts = 1";
  route(nulls, {1, 0, 3});
  EXPECT_EQ(ids, (Ids{2, 0}));
  expectWeights({0, 0.25});
  route(nulls + ", null_before_norm = true", {1, 0, 3});
  expectWeights({0, 1});
}

/// The rounds of sparsemixer as the model's own code does them.
void sparsemixer(std::vector<double> scores, double eps, Ids &ids,
                 std::vector<double> &weights) {
  std::vector<double> masked = scores;
  for (int round = 0; round < 2; ++round) {
    auto best = std::max_element(masked.begin(), masked.end());
    double sum = 0;
    for (size_t e = 0; e < scores.size(); ++e) {
      double factor = std::max(std::abs(scores[e]), *best);
      if ((*best - scores[e]) / factor > 2 * eps || masked[e] == -kInf)
        continue;
      sum += std::exp(masked[e]);
    }
    ids.push_back(best - masked.begin());
    weights.push_back(std::exp(*best) / sum);
    *best = -kInf;
  }
}

TEST_F(RoutingTest, SequentialMaskedInWindowIsSparsemixer) {
  int inWindow = 0;
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::vector<double> logits = noise(16, seed), expected;
    Ids expectedIds;
    sparsemixer(logits, 0.05, expectedIds, expected);
    route("k = 2, policy = sequential_masked, scope = window, "
          "window = 0.1 : f64",
          logits);
    EXPECT_EQ(ids, expectedIds);
    expectWeights(expected);
    inWindow += expected[0] != 1;
  }
  EXPECT_GT(inWindow, 5);
}

TEST_F(RoutingTest, SequentialMaskedOverAll) {
  route("k = 2, policy = sequential_masked",
        {std::log(2), std::log(5), std::log(3)});
  EXPECT_EQ(ids, (Ids{1, 2}));
  expectWeights({0.5, 0.6});
}

/// DeepSeek-V3 as its published code: sigmoid, bias, two-level choice, weights
/// without the bias, renormalised and scaled.
TEST_F(RoutingTest, DeepSeekV3) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::vector<double> logits = noise(32, seed), bias = noise(32, seed + 99);
    std::vector<double> keys;
    for (int e = 0; e < 32; ++e)
      keys.push_back(sigmoid(logits[e]) + bias[e]);
    std::vector<std::pair<double, int>> groups;
    for (int g = 0; g < 8; ++g) {
      std::vector<double> of(keys.begin() + 4 * g, keys.begin() + 4 * g + 4);
      std::sort(of.rbegin(), of.rend());
      groups.push_back({-(of[0] + of[1]), g});
    }
    std::sort(groups.begin(), groups.end());
    std::vector<std::pair<double, int>> candidates;
    for (int i = 0; i < 4; ++i)
      for (int e = 4 * groups[i].second; e < 4 * groups[i].second + 4; ++e)
        candidates.push_back({-keys[e], e});
    std::sort(candidates.begin(), candidates.end());
    Ids expectedIds;
    std::vector<double> expected;
    double sum = 1e-20;
    for (int i = 0; i < 8; ++i) {
      expectedIds.push_back(candidates[i].second);
      expected.push_back(sigmoid(logits[candidates[i].second]));
      sum += expected.back();
    }
    for (double &weight : expected)
      weight *= 2.5 / sum;
    route("k = 8, score = sigmoid, groups = 8, group_keep = 4, "
          "group_reduce = top2_sum, renorm = sum, eps = 1.0e-20 : f64, "
          "scale = 2.5 : f64",
          logits, bias);
    EXPECT_EQ(ids, expectedIds);
    expectWeights(expected);
  }
}

TEST_F(RoutingTest, TokensAreIndependent) {
  auto routing = attribute("k = 1");
  auto chosen = reference::route<double>(
      routing, reals({3, 2}, {0., 1., 1., 0., 5., 5.}));
  EXPECT_EQ(chosen.ids.shape, (Shape{3, 1}));
  EXPECT_EQ(chosen.ids.ints, (Ids{1, 0, 0}));
  auto none = reference::route<double>(routing, reals({0, 2}, {}));
  EXPECT_EQ(none.ids.shape, (Shape{0, 1}));
}

} // namespace
