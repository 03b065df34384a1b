//===- CompareTest.cpp - When an artifact agrees with the reference -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Compare.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace moec::driver;

namespace {

constexpr int64_t tokens = 3;

/// Three tokens that choose 1 of 3 experts by these logits; then an output of
/// one number for each token.
Recorded record(std::vector<float> logits, std::vector<int32_t> experts,
                std::vector<float> out) {
  Recorded recorded;
  recorded.order = {"layers.0.router_logits", "layers.0.experts",
                    "layers.0.out"};
  recorded.values["layers.0.router_logits"] = {tokens, std::move(logits), {}};
  recorded.values["layers.0.experts"] = {tokens, {}, std::move(experts)};
  recorded.values["layers.0.out"] = {tokens, std::move(out), {}};
  return recorded;
}

/// Its second token's two best logits are `gap` apart.
Recorded reference(float gap) {
  Recorded recorded =
      record({9, 1, 0, 8, 8 - gap, 0, 0, 1, 9}, {0, 0, 2}, {1, 2, 3});
  recorded.margins["layers.0.experts"] =
      [gap](int64_t token, const std::vector<int32_t> &ids) {
        bool isSecond = token == 1 && ids == std::vector<int32_t>{1};
        return Margin{isSecond ? gap : INFINITY, 8};
      };
  return recorded;
}

/// Like the reference, but the second token goes to expert 1.
Recorded artifact(float gap, std::vector<float> out) {
  Recorded recorded = reference(gap);
  recorded.values["layers.0.experts"].ints = {0, 1, 2};
  recorded.values["layers.0.out"].reals = std::move(out);
  return recorded;
}

std::vector<Comparison> compare(const Recorded &reference,
                                const Recorded &artifact, bool narrow) {
  return compareValues(reference, artifact, {narrow, narrow ? 2e-2 : 2e-5});
}

TEST(CompareTest, EqualValuesAgree) {
  auto list = compare(reference(1), reference(1), false);
  ASSERT_EQ(list.size(), 3u);
  for (const Comparison &comparison : list) {
    EXPECT_EQ(comparison.mismatch, "") << comparison.name;
    EXPECT_EQ(comparison.rows, tokens);
  }
}

TEST(CompareTest, ValuesBeyondToleranceAreNamed) {
  Recorded other = reference(1);
  other.values["layers.0.out"].reals[2] = 3.001f;
  auto list = compare(reference(1), other, false);
  EXPECT_EQ(list[1].mismatch, "");
  EXPECT_NE(list[2].mismatch.find("token 2, element 0"), std::string::npos)
      << list[2].mismatch;
  EXPECT_EQ(compare(reference(1), other, true)[2].mismatch, "");
}

TEST(CompareTest, OneBadElementAmongManyIsFound) {
  Recorded good, bad;
  good.order = bad.order = {"x"};
  good.values["x"] = {1, std::vector<float>(1 << 20, 1.0f), {}};
  bad = good;
  bad.values["x"].reals[5] = 1.01f;
  auto list = compare(good, bad, false);
  EXPECT_LT(list[0].frobenius, 2e-5);
  EXPECT_NE(list[0].mismatch, "");
}

TEST(CompareTest, NanNeverAgrees) {
  Recorded other = reference(1);
  other.values["layers.0.out"].reals[0] = NAN;
  EXPECT_NE(compare(reference(1), other, true)[2].mismatch, "");
}

TEST(CompareTest, WhatIsNoNumberByDefinitionAgrees) {
  Recorded wanted = reference(1), got = reference(1);
  wanted.values["layers.0.out"].reals = {NAN, -INFINITY, 3};
  got.values["layers.0.out"].reals = {NAN, -INFINITY, 3};
  EXPECT_EQ(compare(wanted, got, false)[2].mismatch, "");
  got.values["layers.0.out"].reals[1] = INFINITY;
  EXPECT_NE(compare(wanted, got, false)[2].mismatch, "");
  got.values["layers.0.out"].reals = {1, -INFINITY, 3};
  EXPECT_NE(compare(wanted, got, false)[2].mismatch, "");
}

TEST(CompareTest, OtherIntegersAreEqualInOrder) {
  Recorded wanted, got;
  wanted.order = {"ids"};
  wanted.values["ids"] = {2, {}, {1, 2, 3, 4}};
  got.values["ids"] = {2, {}, {1, 2, 4, 3}};
  EXPECT_EQ(compare(wanted, wanted, false)[0].mismatch, "");
  EXPECT_EQ(compare(wanted, got, false)[0].mismatch,
            "row 1, element 0: 4, the reference has 3");
}

TEST(CompareTest, OtherExpertIsATieOnlyWithinTheMargin) {
  // 1e-5 and 2^-7 of the largest logit, 8.
  struct Case {
    float gap;
    bool narrow, tie;
  };
  for (auto [gap, narrow, tie] :
       {Case{7e-5f, false, true}, Case{9e-5f, false, false},
        Case{0.06f, true, true}, Case{0.07f, true, false}}) {
    auto list = compare(reference(gap), artifact(gap, {1, 2, 3}), narrow);
    EXPECT_EQ(list[1].ties, tie) << gap;
    EXPECT_EQ(list[1].mismatch.empty(), tie) << gap;
  }
}

TEST(CompareTest, AnExpertFarBehindIsNoTieWhereOthersAreClose) {
  // The best two logits are equal; the artifact goes to the third, or nowhere.
  for (int32_t wrong : {2, -1, 3}) {
    Recorded bad = artifact(0, {1, 2, 3});
    bad.values["layers.0.experts"].ints[1] = wrong;
    auto list = compare(reference(0), bad, true);
    EXPECT_EQ(list[1].ties, 0) << wrong;
    EXPECT_NE(list[1].mismatch, "") << wrong;
  }
}

TEST(CompareTest, TokensAfterATieAreLeftOut) {
  // Token 1 went elsewhere; token 2 has attended to it.
  auto wide = compare(reference(0), artifact(0, {1, 7, 7}), false);
  EXPECT_EQ(wide[2].rows, 1);
  EXPECT_EQ(wide[2].mismatch, "");
  auto narrow = compare(reference(0), artifact(0, {1, 7, 3}), true);
  EXPECT_EQ(narrow[2].rows, 2);
  EXPECT_EQ(narrow[2].mismatch, "");
  EXPECT_NE(compare(reference(0), artifact(0, {1, 7, 7}), true)[2].mismatch,
            "");
}

TEST(CompareTest, WithoutAMarginNothingIsATie) {
  Recorded bare = reference(0);
  bare.margins.clear();
  EXPECT_NE(compare(bare, artifact(0, {1, 2, 3}), true)[1].mismatch, "");
}

TEST(CompareTest, OtherShapesDiffer) {
  Recorded other = reference(1);
  other.values["layers.0.out"] = {tokens, {1, 2, 3, 4, 5, 6}, {}};
  EXPECT_EQ(compare(reference(1), other, true)[2].mismatch,
            "is [3, 2], the reference has [3, 1]");
}

} // namespace
