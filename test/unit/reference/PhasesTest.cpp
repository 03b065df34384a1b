//===- PhasesTest.cpp - Phases on tensors keep what a module means --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The recorded models after each phase that leaves tensors, evaluated by
// definition. In f32 nothing may change; in bf16 the bound is that of the
// original implementation in bf16.
//
//===----------------------------------------------------------------------===//

#include "Fixtures.h"
#include "passes/Pipeline.h"

#include "mlir/Pass/PassManager.h"

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

class PhasesTest : public ::testing::TestWithParam<std::string> {
protected:
  /// Gives the module a target and allows its passes their dialects.
  void prepare(Model &model, bool bf16Dot) {
    mlir::DialectRegistry registry;
    registerAll(registry);
    model.context.appendDialectRegistry(registry);
    (*model.module)
        ->setAttr("moe.target",
                  moe::TargetAttr::get(&model.context, /*vector_bits=*/512,
                                       /*vector_registers=*/32, bf16Dot,
                                       /*l2_bytes=*/1 << 20,
                                       /*emulate=*/false));
  }

  void runPhase(Model &model, Phase phase) {
    mlir::PassManager manager(&model.context);
    buildPhase(phase, manager, {});
    ASSERT_TRUE(mlir::succeeded(manager.run(*model.module)));
  }
};

TEST_P(PhasesTest, KeepTheMeaningInF32) {
  Model model(GetParam(), "f32");
  ASSERT_TRUE(model.isLoaded());
  prepare(model, /*bf16Dot=*/false);
  for (Phase phase :
       {Phase::Import, Phase::Gating, Phase::Dispatch, Phase::Experts}) {
    SCOPED_TRACE(phases()[size_t(phase)].name.str());
    ASSERT_NO_FATAL_FAILURE(runPhase(model, phase));
    expectRecorded(model, model.evaluate<float>());
  }
}

/// The original's own error in bf16, over the tokens with the same experts.
double recordedBf16Error(const std::string &fixture) {
  return readJson(fs::path(MOEC_FIXTURES_DIR) / fixture /
                  "meta.json")["bf16_of_the_original"]["same"];
}

/// The logits of the tokens whose experts are the recorded ones in all layers.
template <typename Real>
double errorOfSameTokens(const Model &model, const Outcome<Real> &outcome,
                         int64_t &same) {
  std::vector<float> expected = model.expected.floats("logits"), kept;
  std::vector<Real> actual;
  int64_t tokens = outcome.logits.rows(), width = outcome.logits.width();
  std::vector<bool> isSame(tokens, true);
  for (const auto &[layer, ids] : outcome.choices) {
    int64_t k = ids.width();
    auto chosen = Expected::sortedRows(ids.ints, k);
    auto recorded = model.expected.choiceOf(layer, k);
    for (int64_t t = 0; t < tokens; ++t)
      isSame[t] = isSame[t] && std::equal(chosen.begin() + t * k,
                                          chosen.begin() + (t + 1) * k,
                                          recorded.begin() + t * k);
  }
  for (int64_t t = 0; t < tokens; ++t) {
    if (!isSame[t])
      continue;
    ++same;
    kept.insert(kept.end(), expected.begin() + t * width,
                expected.begin() + (t + 1) * width);
    actual.insert(actual.end(), outcome.logits.row(t),
                  outcome.logits.row(t) + width);
  }
  return relativeError(actual, kept);
}

TEST_P(PhasesTest, KeepTheMeaningInBf16) {
  Model model(GetParam(), "bf16");
  ASSERT_TRUE(model.isLoaded());
  prepare(model, /*bf16Dot=*/true);
  double bound = std::max(2e-2, 1.5 * recordedBf16Error(GetParam()));
  for (Phase phase :
       {Phase::Import, Phase::Gating, Phase::Dispatch, Phase::Experts}) {
    SCOPED_TRACE(phases()[size_t(phase)].name.str());
    ASSERT_NO_FATAL_FAILURE(runPhase(model, phase));
    Outcome<float> outcome = model.evaluate<float>();
    ASSERT_FALSE(outcome.logits.shape.empty());
    int64_t same = 0;
    EXPECT_LE(errorOfSameTokens(model, outcome, same), bound);
    EXPECT_GE(same, outcome.logits.rows() * 3 / 4);
  }
}

TEST(Fixtures, AreThere) { EXPECT_GE(fixtures().size(), 9u); }

INSTANTIATE_TEST_SUITE_P(All, PhasesTest, ::testing::ValuesIn(fixtures()),
                         nameOf);

} // namespace
