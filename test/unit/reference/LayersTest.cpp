//===- LayersTest.cpp - Formulas of nn and of plan and combine ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Values computed by hand, and attention against a brute-force one.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Layers.h"
#include "Testing.h"
#include "lib/Reference/Experts.h"

#include <cmath>

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

TEST(RmsNorm, FullWidth) {
  // Mean square 12.5, plus 3.5: root 4.
  Tensor<double> weight = reals({2}, {1., 2.});
  auto y = rmsNorm(reals({1, 2}, {3., 4.}), &weight, 2, 3.5, 0);
  expectNear(y, {1, 2}, {0.75, 2});
}

TEST(RmsNorm, ChunksAndOffset) {
  Tensor<double> weight = reals({2}, {0., 1.});
  auto y = rmsNorm(reals({1, 4}, {1., 1., 2., -2.}), &weight, 2, 0, 1);
  expectNear(y, {1, 4}, {1, 2, 1, -2});
}

TEST(RmsNorm, WithoutWeight) {
  auto y = rmsNorm<double>(reals({1, 2}, {3., 3.}), nullptr, 2, 0, 0);
  expectNear(y, {1, 2}, {1, 1});
}

TEST(Rope, TurnsHalvesAndCopiesTheRest) {
  // Position 1 turns by a right angle, position 0 not at all.
  Tensor<double> table = reals({2, 2, 1}, {1., 0., 0., 1.});
  auto y = rope(reals({2, 6}, {1., 2., 9., 3., 4., 8., 1., 2., 9., 3., 4., 8.}),
                table, ints({2}, {0, 1}), {3, 0, false});
  ASSERT_TRUE(y);
  expectNear(*y, {2, 6}, {1, 2, 9, 3, 4, 8, -2, 1, 9, -4, 3, 8});
}

TEST(Rope, TurnsNeighboursFromAnOffsetOn) {
  Tensor<double> table = reals({1, 2, 2}, {0., 1., 1., 0.});
  auto y = rope(reals({1, 6}, {9., 1., 2., 3., 4., 8.}), table, ints({1}, {0}),
                {6, 1, true});
  ASSERT_TRUE(y);
  expectNear(*y, {1, 6}, {9, -2, 1, 3, 4, 8});
}

TEST(LayerNorm, ScalesAndShiftsChunks) {
  // Mean 3, variance 1, plus 3: root 2.
  Tensor<double> weight = reals({2}, {1., 4.}), bias = reals({2}, {0., 1.});
  auto x = reals({1, 4}, {2., 4., 4., 2.});
  expectNear(layerNorm(x, &weight, &bias, 2, 3), {1, 4}, {-0.5, 3, 0.5, -1});
  expectNear(layerNorm<double>(x, nullptr, nullptr, 4, 3), {1, 4},
             {-0.5, 0.5, 0.5, -0.5});
}

TEST(JoinHeads, TakesPartsAndLendsASingleHead) {
  Tensor<double> own = reals({1, 6}, {1., 2., 3., 4., 5., 6.});
  Tensor<double> lent = reals({1, 3}, {7., 8., 9.});
  auto y = joinHeads<double>({{&own, 3, 1, 2}, {&lent, 3, 2, 1}}, 2);
  ASSERT_TRUE(y);
  expectNear(*y, {1, 6}, {2, 3, 9, 5, 6, 9});
}

TEST(Rope, RefusesPositionsBeyondTheTable) {
  Tensor<double> table = reals({2, 2, 1}, {1., 0., 0., 1.});
  auto y = rope(reals({1, 2}, {1., 2.}), table, ints({1}, {2}), {2, 0, false});
  ASSERT_FALSE(y);
  EXPECT_EQ(y.status().message(), "position 2 is not below 2");
}

TEST(GatherRows, PlainAndOutOfRange) {
  Tensor<double> table = reals({3, 2}, {1., 2., 3., 4., 5., 6.});
  Matrix<double> matrix = matrixOf(table, 3, 2);
  auto y = gatherRows(matrix, ints({3}, {2, 0, 2}));
  ASSERT_TRUE(y);
  expectNear(*y, {3, 2}, {5, 6, 1, 2, 5, 6});
  EXPECT_FALSE(gatherRows(matrix, ints({1}, {3})));
  EXPECT_FALSE(gatherRows(matrix, ints({1}, {-1})));
}

TEST(TokenSlots, SplitsTheTokens) {
  auto slots = tokenSlots(ints({4}, {0, 2, 2, 3}), ints({3}, {7, 1, 4}), 3);
  ASSERT_TRUE(slots);
  EXPECT_EQ(slots->ints, (std::vector<int64_t>{7, 7, 4}));
  EXPECT_FALSE(tokenSlots(ints({3}, {0, 2, 2}), ints({2}, {0, 1}), 3));
  EXPECT_FALSE(tokenSlots(ints({3}, {0, 2, 1}), ints({2}, {0, 1}), 1));
  EXPECT_FALSE(tokenSlots(ints({2}, {0, 2}), ints({2}, {0, 1}), 2));
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// One token of one sequence by the formula, without any of the code under
/// test: rows are [position][element].
std::vector<double> bruteForce(const std::vector<std::vector<double>> &keys,
                               const std::vector<std::vector<double>> &values,
                               const double *q, int64_t heads, int64_t kvHeads,
                               int64_t key, int64_t value, double scale,
                               int64_t first) {
  std::vector<double> out;
  for (int64_t h = 0; h < heads; ++h) {
    int64_t kv = h * kvHeads / heads;
    std::vector<double> sum(value);
    double total = 0;
    for (size_t j = first; j < keys.size(); ++j) {
      double dot = 0;
      for (int64_t i = 0; i < key; ++i)
        dot += q[h * key + i] * keys[j][kv * key + i];
      double p = std::exp(scale * dot);
      total += p;
      for (int64_t i = 0; i < value; ++i)
        sum[i] += p * values[j][kv * value + i];
    }
    for (double s : sum)
      out.push_back(s / total);
  }
  return out;
}

struct AttentionCase {
  int64_t heads, kvHeads, key, value, tokens, window, chunk;
};

class AttentionTest : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionTest, IsTheFormula) {
  AttentionCase c = GetParam();
  KeyValues<double> state{c.kvHeads, c.key, c.value, 2, c.tokens, {}};
  auto q =
      reals({c.tokens, c.heads * c.key}, noise(c.tokens * c.heads * c.key, 1));
  auto k = reals({c.tokens, c.kvHeads * c.key},
                 noise(c.tokens * c.kvHeads * c.key, 2));
  auto v = reals({c.tokens, c.kvHeads * c.value},
                 noise(c.tokens * c.kvHeads * c.value, 3));
  auto slots = ints({c.tokens}, std::vector<int64_t>(c.tokens, 1));
  auto positions = ints({c.tokens}, countUp(c.tokens));
  ASSERT_TRUE(append(state, k, v, positions, slots).ok());
  auto out = attention<double>(state, q, positions, slots, nullptr,
                               {c.heads, 0.3, c.window, c.chunk, 0});
  ASSERT_TRUE(out) << out.status().message();

  std::vector<std::vector<double>> keys, values;
  for (int64_t t = 0; t < c.tokens; ++t) {
    keys.emplace_back(k.row(t), k.row(t) + k.width());
    values.emplace_back(v.row(t), v.row(t) + v.width());
    int64_t first = c.window ? std::max<int64_t>(0, t - c.window + 1) : 0;
    if (c.chunk)
      first = std::max(first, t / c.chunk * c.chunk);
    std::vector<double> expected = bruteForce(
        keys, values, q.row(t), c.heads, c.kvHeads, c.key, c.value, 0.3, first);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(out->row(t)[i], expected[i], 1e-14) << t << " " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest,
                         ::testing::Values(AttentionCase{1, 1, 4, 4, 1, 0, 0},
                                           AttentionCase{4, 4, 3, 5, 9, 0, 0},
                                           AttentionCase{6, 2, 5, 4, 40, 0, 0},
                                           AttentionCase{6, 2, 5, 4, 40, 7, 0},
                                           AttentionCase{3, 1, 2, 2, 5, 1, 0},
                                           AttentionCase{2, 1, 2, 2, 5, 5, 0},
                                           AttentionCase{2, 1, 2, 2, 9, 0, 4},
                                           AttentionCase{2, 1, 2, 2, 9, 3, 4}));

TEST(Attention, SinkTakesItsShare) {
  KeyValues<double> state{1, 1, 1, 1, 4, {}};
  auto one = reals({1, 1}, {1.}), zero = ints({1}, {0});
  ASSERT_TRUE(append(state, one, reals({1, 1}, {10.}), zero, zero).ok());
  Tensor<double> sinks = reals({2}, {1., 3.});
  auto out = attention<double>(state, reals({1, 2}, {1., 1.}), zero, zero,
                               &sinks, {2, 1.0, 0, 0, 0});
  ASSERT_TRUE(out);
  expectNear(*out, {1, 2}, {5, 10 / (1 + std::exp(2))});
}

TEST(Attention, SoftcapBoundsScores) {
  KeyValues<double> state{1, 1, 1, 1, 4, {}};
  auto both = ints({2}, {0, 1}), slots = ints({2}, {0, 0});
  ASSERT_TRUE(append(state, reals({2, 1}, {8., 0.}), reals({2, 1}, {1., 0.}),
                     both, slots)
                  .ok());
  auto out = attention<double>(state, reals({1, 1}, {1.}), ints({1}, {1}),
                               ints({1}, {0}), nullptr, {1, 0.5, 0, 0, 2.0});
  ASSERT_TRUE(out);
  // 2 tanh(4 / 2) against 0.
  expectNear(*out, {1, 1}, {1 / (1 + std::exp(-2 * std::tanh(2.)))});
}

TEST(Attention, SequencesDoNotSeeEachOther) {
  KeyValues<double> state{1, 1, 1, 2, 4, {}};
  auto one = reals({2, 1}, {1., 1.});
  ASSERT_TRUE(append(state, one, reals({2, 1}, {10., 20.}), ints({2}, {0, 0}),
                     ints({2}, {0, 1}))
                  .ok());
  auto out = attention<double>(state, one, ints({2}, {0, 0}), ints({2}, {1, 0}),
                               nullptr, {1, 1.0, 0, 0, 0});
  ASSERT_TRUE(out);
  expectNear(*out, {2, 1}, {20, 10});
}

TEST(Attention, StoresAgain) {
  KeyValues<double> state{1, 1, 1, 1, 4, {}};
  auto one = reals({1, 1}, {1.});
  auto zero = ints({1}, {0});
  ASSERT_TRUE(append(state, one, reals({1, 1}, {10.}), zero, zero).ok());
  ASSERT_TRUE(append(state, one, reals({1, 1}, {30.}), zero, zero).ok());
  auto out =
      attention<double>(state, one, zero, zero, nullptr, {1, 1.0, 0, 0, 0});
  ASSERT_TRUE(out);
  expectNear(*out, {1, 1}, {30});
}

TEST(Attention, LargeScoresDoNotOverflow) {
  KeyValues<double> state{1, 1, 1, 1, 4, {}};
  auto both = ints({2}, {0, 1});
  auto slots = ints({2}, {0, 0});
  ASSERT_TRUE(append(state, reals({2, 1}, {1000., 999.}),
                     reals({2, 1}, {1., 0.}), both, slots)
                  .ok());
  auto out = attention<double>(state, reals({1, 1}, {1.}), ints({1}, {1}),
                               ints({1}, {0}), nullptr, {1, 1.0, 0, 0, 0});
  ASSERT_TRUE(out);
  expectNear(*out, {1, 1}, {1 / (1 + std::exp(-1))});
}

TEST(Attention, SaysWhatIsMissing) {
  KeyValues<double> state{1, 1, 1, 2, 4, {}};
  auto one = reals({1, 1}, {1.});
  auto at = [](int64_t i) { return ints({1}, {i}); };
  ASSERT_TRUE(append(state, one, one, at(2), at(0)).ok());
  auto out =
      attention<double>(state, one, at(2), at(0), nullptr, {1, 1.0, 0, 0, 0});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.status().message(), "position 0 of slot 0 is read by position "
                                    "2, but nothing was stored there");
  EXPECT_TRUE(
      attention<double>(state, one, at(2), at(0), nullptr, {1, 1.0, 1, 0, 0}));
  EXPECT_EQ(append(state, one, one, at(4), at(0)).message(),
            "position 4 is not below 4");
  EXPECT_EQ(append(state, one, one, at(0), at(2)).message(),
            "slot 2 is not below 2");
}

//===----------------------------------------------------------------------===//
// Plan, combine
//===----------------------------------------------------------------------===//

using Ints = std::vector<int64_t>;

TEST(Plan, SortsByExpertThenToken) {
  auto p = plan(ints({3, 2}, {2, 0, 0, 3, 2, -1}), 0, 5);
  EXPECT_EQ(p.offsets.ints, (Ints{0, 2, 2, 4, 5, 5}));
  EXPECT_EQ(p.active.ints, (Ints{0, 2, 3, -1, -1, 3}));
  EXPECT_EQ(p.rowToken.ints, (Ints{0, 1, 0, 2, 1, -1}));
  EXPECT_EQ(p.tokenRow.ints, (Ints{0, 2, 1, 4, 3, -1}));
  EXPECT_EQ(p.tokenSlot.ints, (Ints{1, 0, 0, 1, 0, -1}));
}

TEST(Plan, NoTokens) {
  auto p = plan(ints({0, 2}, {}), 0, 2);
  EXPECT_EQ(p.offsets.ints, (Ints{0, 0, 0}));
  EXPECT_EQ(p.active.ints, (Ints{-1, -1, 0}));
}

TEST(Plan, ChecksIds) {
  EXPECT_TRUE(checkIds(ints({1, 2}, {-1, 3}), 4).ok());
  EXPECT_FALSE(checkIds(ints({1, 2}, {0, 4}), 4).ok());
  EXPECT_FALSE(checkIds(ints({1, 2}, {-2, 0}), 4).ok());
}

TEST(Combine, WeighsRowsAndAddsAddends) {
  Tensor<double> addend = reals({2, 1}, {100., 200.});
  auto y = combine(reals({3, 1}, {1., 2., 3.}), ints({2, 2}, {0, 2, 1, -1}),
                   ints({2, 2}, {1, 0, 1, -1}),
                   reals({2, 2}, {10., 20., 30., 40.}), {&addend});
  ASSERT_TRUE(y);
  // Token 0: 20 * 1 + 10 * 3; token 1: 40 * 2.
  expectNear(*y, {2, 1}, {150, 280});
}

TEST(Combine, RefusesRowsThatDoNotExist) {
  EXPECT_FALSE(combine(reals({1, 1}, {1.}), ints({1, 1}, {1}),
                       ints({1, 1}, {0}), reals({1, 1}, {1.}), {}));
  EXPECT_FALSE(combine(reals({1, 1}, {1.}), ints({1, 1}, {0}),
                       ints({1, 1}, {1}), reals({1, 1}, {1.}), {}));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

TEST(Matrix, ProductOfOddSizes) {
  int64_t n = 19, k = 7;
  Tensor<double> x = reals({3, k}, noise(3 * k, 5));
  Tensor<double> w = reals({n, k}, noise(n * k, 6));
  std::vector<double> out(2 * n);
  product(x, {2, 0}, matrixOf(w, n, k), out.data());
  for (int64_t r = 0; r < 2; ++r)
    for (int64_t c = 0; c < n; ++c) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i)
        sum += x.row(r ? 0 : 2)[i] * w.row(c)[i];
      EXPECT_DOUBLE_EQ(out[r * n + c], sum);
    }
}

/// The same matrix in all its forms has the same rows.
TEST(Matrix, PackedFormsHaveTheSameRows) {
  int64_t n = 17, k = 5;
  std::vector<float> plain = noise<float>(n * k, 7);
  std::vector<float> panels(2 * k * 16), pairs(2 * 3 * 16 * 2);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t i = 0; i < k; ++i) {
      float value =
          weights::bf16ToFloat(weights::floatToBf16(plain[row * k + i]));
      plain[row * k + i] = value;
      panels[(row / 16 * k + i) * 16 + row % 16] = value;
      pairs[((row / 16 * 3 + i / 2) * 16 + row % 16) * 2 + i % 2] = value;
    }
  Weight forms[] = {weight(weights::DType::F32, {n, k}, plain),
                    weight(weights::DType::F32, {2, k, 16}, panels),
                    weight(weights::DType::BF16, {2, 3, 16, 2}, pairs)};
  for (const Weight &form : forms) {
    EXPECT_TRUE(isMatrix(form.shape, n, k));
    Matrix<float> matrix = matrixOf<float>(form, n, k);
    for (int64_t row = 0; row < n; ++row) {
      std::vector<float> out(k);
      matrix.readRow(row, out.data());
      EXPECT_EQ(out, std::vector<float>(plain.begin() + row * k,
                                        plain.begin() + (row + 1) * k));
    }
  }
  EXPECT_FALSE(isMatrix({n, k + 1}, n, k));
  EXPECT_FALSE(isMatrix({1, k, 16}, n, k));
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

TEST(Rounded, Bf16AndF16AgreeWithTheConversionsOfFloats) {
  mlir::MLIRContext context;
  mlir::Type bf16 = mlir::BFloat16Type::get(&context);
  mlir::Type f16 = mlir::Float16Type::get(&context);
  uint32_t bits = 1;
  for (int i = 0; i < 20000; ++i) {
    bits = bits * 1664525u + 1013904223u;
    auto value = std::bit_cast<float>(bits);
    if (std::isnan(value))
      continue;
    EXPECT_EQ(rounded(value, bf16),
              weights::bf16ToFloat(weights::floatToBf16(value)))
        << value;
    EXPECT_EQ(rounded(value, f16),
              weights::f16ToFloat(weights::floatToF16(value)))
        << value;
  }
  // Around the ranges' ends, where the patterns above rarely fall.
  for (float value : {65519.f, 65520.f, -65520.f, 6.1e-5f, 5.96e-8f, 2.98e-8f,
                      2.99e-8f, 1e-9f, 0.f, -0.f})
    EXPECT_EQ(rounded(value, f16),
              weights::f16ToFloat(weights::floatToF16(value)))
        << value;
}

TEST(Rounded, ADoubleIsRoundedOnce) {
  mlir::MLIRContext context;
  mlir::Type bf16 = mlir::BFloat16Type::get(&context);
  // Just above the middle between two neighbours: as a float, the middle.
  double value = 1 + 0x1p-8 + 0x1p-40;
  EXPECT_EQ(rounded(value, bf16), 1 + 0x1p-7);
  EXPECT_EQ(rounded(1 + 0x1p-8, bf16), 1.0);
  EXPECT_TRUE(std::isnan(rounded(std::nan(""), bf16)));
}

} // namespace
