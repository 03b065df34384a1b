//===- MixersTest.cpp - Formulas of short convolution and delta rule ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Values computed by hand; that a step may be cut anywhere; and the delta rule
// against its closed form.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Mixers.h"
#include "Testing.h"

#include <cmath>

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

Sequences<double> batch(std::vector<int64_t> positions,
                        std::vector<int64_t> offsets,
                        std::vector<int64_t> slots) {
  auto vector = [](std::vector<int64_t> values) {
    return Tensor<double>{{int64_t(values.size())}, {}, values};
  };
  return {vector(positions), vector(offsets), vector(slots)};
}

TEST(ShortConv, WindowsBeginWithZeros) {
  Recurrent<double> state{2, {}};
  Tensor<double> weight = reals({2, 1, 3}, {1., 10., 100., 2., 20., 200.});
  Tensor<double> bias = reals({2}, {0.5, 0.25});
  auto y = shortConv(state, reals({3, 2}, {1., 1., 2., 0., 3., 1.}), weight,
                     &bias, batch({0, 1, 2}, {0, 3}, {1}));
  ASSERT_TRUE(y);
  expectNear(*y, {3, 2}, {100.5, 200.25, 210.5, 20.25, 321.5, 202.25});
  // The next step sees the last two rows; another slot sees nothing of them.
  y = shortConv<double>(state, reals({2, 2}, {4., 2., 1., 1.}), weight, nullptr,
                        batch({3, 0}, {0, 1, 2}, {1, 0}));
  ASSERT_TRUE(y);
  expectNear(*y, {2, 2}, {432, 420, 100, 200});
  // A sequence that begins anew forgets.
  y = shortConv<double>(state, reals({1, 2}, {1., 1.}), weight, nullptr,
                        batch({0}, {0, 1}, {1}));
  ASSERT_TRUE(y);
  expectNear(*y, {1, 2}, {100, 200});
}

TEST(ShortConv, RefusesPositionsThatDoNotFollow) {
  Recurrent<double> state{2, {}};
  Tensor<double> weight = reals({1, 1, 2}, {1., 1.});
  auto run = [&](Sequences<double> sequences) {
    return shortConv<double>(state, reals({1, 1}, {1.}), weight, nullptr,
                             sequences);
  };
  ASSERT_TRUE(run(batch({0}, {0, 1}, {0})));
  EXPECT_EQ(run(batch({2}, {0, 1}, {0})).status().message(),
            "position 2 of slot 0 follows 1 positions");
  EXPECT_EQ(run(batch({1}, {0, 1}, {1})).status().message(),
            "position 1 of slot 1 follows 0 positions");
  EXPECT_EQ(run(batch({0}, {0, 1}, {2})).status().message(),
            "slot 2 is not below 2");
  EXPECT_EQ(run(batch({0, 1}, {0, 1}, {0})).status().message(),
            "2 positions for 1 tokens");
  EXPECT_FALSE(run(batch({0}, {0, 2}, {0})));
}

TEST(GatedDelta, ByHand) {
  // One head of key 2 and value 1. After the first token S = [1, 0] * 0.5 * 4;
  // the second halves it, sees 1 of it and adds [0, 1] * (3 - 0).
  Recurrent<double> state{1, {}};
  auto y = gatedDelta(state, reals({2, 2}, {1., 0., 1., 1.}),
                      reals({2, 2}, {1., 0., 0., 1.}), reals({2, 1}, {4., 3.}),
                      reals({2, 1}, {0., std::log(0.5)}),
                      reals({2, 1}, {0.5, 1.}), 1, batch({0, 1}, {0, 2}, {0}));
  ASSERT_TRUE(y);
  expectNear(*y, {2, 1}, {2, 4});
}

struct DeltaInputs {
  Tensor<double> q, k, v, decay, beta;

  DeltaInputs(int64_t first, int64_t tokens, int64_t keyWidth,
              int64_t valueWidth, int64_t heads) {
    auto part = [&](int64_t width, uint64_t seed) {
      std::vector<double> all = noise((first + tokens) * width, seed);
      all.erase(all.begin(), all.begin() + first * width);
      return reals({tokens, width}, all);
    };
    q = part(keyWidth, 1), k = part(keyWidth, 2), v = part(valueWidth, 3);
    decay = part(heads, 4), beta = part(heads, 5);
    for (double &x : decay.reals)
      x = -std::abs(x);
  }
};

/// A token adds k u to S; the additions are u_t = beta (v_t - sum over i < t of
/// exp(decays between) (k_t . k_i) u_i), without any S.
TEST(GatedDelta, IsItsClosedForm) {
  constexpr int64_t tokens = 9, heads = 4, keyHeads = 2, key = 3, value = 2;
  DeltaInputs in(0, tokens, keyHeads * key, heads * value, heads);
  Recurrent<double> state{1, {}};
  std::vector<int64_t> positions(tokens);
  std::iota(positions.begin(), positions.end(), 0);
  auto y = gatedDelta(state, in.q, in.k, in.v, in.decay, in.beta, keyHeads,
                      batch(positions, {0, tokens}, {0}));
  ASSERT_TRUE(y);
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t j = 0; j < value; ++j) {
      std::vector<double> u(tokens);
      for (int64_t t = 0; t < tokens; ++t) {
        auto sum = [&](const Tensor<double> &row, int64_t end) {
          double total = 0, decays = 0;
          for (int64_t i = end; i-- > 0;) {
            if (i + 1 <= t)
              decays += in.decay.row(i + 1)[h];
            double dot = 0;
            for (int64_t d = 0; d < key; ++d)
              dot += row.row(t)[h / 2 * key + d] * in.k.row(i)[h / 2 * key + d];
            total += std::exp(decays) * dot * u[i];
          }
          return total;
        };
        u[t] = in.beta.row(t)[h] * (in.v.row(t)[h * value + j] - sum(in.k, t));
        EXPECT_NEAR(y->row(t)[h * value + j], sum(in.q, t + 1), 1e-12);
      }
    }
}

TEST(GatedDelta, AStepMayBeCutAnywhere) {
  constexpr int64_t tokens = 7;
  auto run = [&](Recurrent<double> &state, int64_t first, int64_t count) {
    DeltaInputs in(first, count, 4, 6, 2);
    std::vector<int64_t> positions(count);
    std::iota(positions.begin(), positions.end(), first);
    auto y = gatedDelta(state, in.q, in.k, in.v, in.decay, in.beta, 1,
                        batch(positions, {0, count}, {0}));
    EXPECT_TRUE(y);
    return y->reals;
  };
  Recurrent<double> whole{1, {}};
  std::vector<double> expected = run(whole, 0, tokens);
  for (int64_t cut = 1; cut < tokens; ++cut) {
    Recurrent<double> state{1, {}};
    std::vector<double> got = run(state, 0, cut),
                        rest = run(state, cut, tokens - cut);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_EQ(got, expected);
  }
}

} // namespace
