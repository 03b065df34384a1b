//===- MarginTest.cpp - How near a choice of experts was ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gaps that can be computed by hand from the inverse of the score.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Margin.h"
#include "Testing.h"

#include "mlir/AsmParser/AsmParser.h"

#include <cmath>
#include <limits>

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;
using moe::RoutingAttr;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class MarginTest : public ::testing::Test {
protected:
  MarginTest() { context.loadDialect<moe::MoeDialect>(); }

  KeptChoice choice(const std::string &text, std::vector<double> logits,
                    const Operands<double> &operands, int64_t tokens = 1) {
    auto parsed = mlir::parseAttribute("#moe.routing<" + text + ">", &context);
    int64_t width = logits.size() / tokens;
    return KeptChoice(mlir::cast<RoutingAttr>(parsed),
                      reals({tokens, width}, std::move(logits)), operands);
  }

  double gap(const std::string &text, std::vector<double> logits,
             std::vector<int32_t> ids, std::vector<double> bias = {}) {
    int64_t experts = logits.size();
    Tensor<double> biasTensor = reals({experts}, bias);
    Operands<double> operands;
    if (!bias.empty())
      operands.bias = &biasTensor;
    return choice(text, std::move(logits), operands).gap(0, ids);
  }

  mlir::MLIRContext context;
};

double logit(double score) { return std::log(score / (1 - score)); }

TEST_F(MarginTest, OfLogitsThatChangePlaces) {
  std::vector<double> logits = {1, 4, 3, 2.5};
  EXPECT_EQ(gap("k = 2", logits, {1, 2}), 0);
  EXPECT_EQ(gap("k = 2", logits, {2, 1}), 0);
  EXPECT_NEAR(gap("k = 2", logits, {3, 1}), 0.5, 1e-5);
  EXPECT_NEAR(gap("k = 2", logits, {0, 1}), 2, 1e-5);
  EXPECT_NEAR(gap("k = 2", logits, {2, 3}), 1.5, 1e-5);
  EXPECT_EQ(gap("k = 2", logits, {1, -1}), kInfinity);
  EXPECT_EQ(gap("k = 2", logits, {1, 1}), kInfinity);
}

TEST_F(MarginTest, ABiasDecidesWhoIsNear) {
  // Keys 0.5, 0.6 and 0.61, though the second has the least logit by far.
  std::string text = "score = sigmoid, k = 1";
  std::vector<double> bias = {0, 0.5, 0.01};
  std::vector<double> logits = {logit(0.5), logit(0.1), logit(0.6)};
  EXPECT_EQ(gap(text, logits, {2}, bias), 0);
  // sigmoid(l1 + x) + 0.5 = sigmoid(l2 - x) + 0.01 at half of the gap.
  double near = gap(text, logits, {1}, bias) / 2;
  auto score = [](double x) { return 1 / (1 + std::exp(-x)); };
  EXPECT_NEAR(score(logits[1] + near) + 0.5, score(logits[2] - near) + 0.01,
              2e-6);
  EXPECT_LT(near, 0.04);
  // The first is nearer by its logit, and farther by its key.
  EXPECT_GT(gap(text, logits, {0}, bias), 4 * near);
}

TEST_F(MarginTest, RoundingOfAScoreIsATie) {
  // Scores of 1 to the last place of an f32, whose logits are far apart.
  std::string text = "score = sigmoid, k = 1";
  EXPECT_EQ(gap(text, {20, 25}, {0}), 0);
  EXPECT_GT(gap(text, {5, 6}, {0}), 0.9);
}

TEST_F(MarginTest, AGroupMayBeNear) {
  // Groups by the sum of their best two: 5 + 1, then 3 + 2.9.
  std::string text =
      "k = 2, groups = 2, group_keep = 1, group_reduce = top2_sum, "
      "select_on = logit";
  std::vector<double> logits = {5, 1, 0, 3, 2.9, 0};
  EXPECT_EQ(gap(text, logits, {0, 1}), 0);
  // All four logits of the two sums give a fourth of what is between them.
  EXPECT_NEAR(gap(text, logits, {3, 4}), 0.05, 1e-9);
  // In that group the third is far.
  EXPECT_NEAR(gap(text, logits, {3, 5}), 2.9, 0.2);
  // Never from both.
  EXPECT_EQ(gap(text, logits, {0, 3}), kInfinity);
}

TEST_F(MarginTest, OnlyTheTokenItselfIsMoved) {
  // Each expert keeps one token; the second one's first choice is taken.
  std::string text = "k = 1, capacity = 1.0 : f64, capacity_unit = tokens";
  KeptChoice kept = choice(text, {9, 1, 8, 7.75}, {}, 2);
  EXPECT_EQ(kept.gap(1, {-1}), 0);
  EXPECT_NEAR(kept.gap(1, {1}), 0.25, 1e-5);
  EXPECT_EQ(kept.gap(1, {0}), kInfinity);
  EXPECT_EQ(kept.largestLogit(0), 9);
  EXPECT_EQ(kept.largestLogit(1), 8);
}

TEST_F(MarginTest, EligibilityIsTheTokensOwn) {
  Tensor<double> eligible = intTensor<double>({2, 3});
  eligible.ints = {1, 1, 1, 1, 0, 1};
  Operands<double> operands;
  operands.eligible = &eligible;
  KeptChoice kept = choice("k = 1", {3, 2, 1, 3, 2, 1}, operands, 2);
  EXPECT_NEAR(kept.gap(0, {1}), 1, 1e-5);
  EXPECT_EQ(kept.gap(1, {1}), kInfinity);
  EXPECT_NEAR(kept.gap(1, {2}), 2, 1e-5);
}

} // namespace
