//===- NumericTest.cpp - Imported models compute what they should ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs every imported fixture by definition and compares it with what the
// original implementation recorded: hidden states, logits, chosen experts.
//
//===----------------------------------------------------------------------===//

#include "test/unit/reference/Fixtures.h"

using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

class NumericTest : public ::testing::TestWithParam<std::string> {};

template <typename Real>
void expectTap(const Model &model, const Outcome<Real> &outcome,
               const std::string &tap, const std::string &recorded,
               double bound) {
  auto found = outcome.taps.find(tap);
  ASSERT_NE(found, outcome.taps.end()) << tap;
  EXPECT_LE(relativeError(found->second.reals, model.expected.floats(recorded)),
            bound)
      << tap;
}

} // namespace

// The recorded hidden.N is after the final norm; the others are what layers
// give to the next.
TEST_P(NumericTest, EqualsTheOriginal) {
  Model model(GetParam(), "f32");
  ASSERT_TRUE(model.isLoaded());
  auto outcome = model.evaluate<float>();
  expectRecorded(model, outcome);
  expectTap(model, outcome, "embed", "hidden.0", 1e-6);
  for (int layer = 0;; ++layer) {
    std::string after = "hidden." + std::to_string(layer + 1);
    if (!model.expected.has(after))
      break;
    bool isLast = !model.expected.has("hidden." + std::to_string(layer + 2));
    expectTap(model, outcome,
              isLast ? "final_norm"
                     : "layers." + std::to_string(layer) + ".out",
              after, model.tolerance);
  }
  expectRecorded(model, model.evaluate<double>());
}

INSTANTIATE_TEST_SUITE_P(Fixtures, NumericTest, ::testing::ValuesIn(fixtures()),
                         nameOf);
