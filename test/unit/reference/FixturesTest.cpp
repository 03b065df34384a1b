//===- FixturesTest.cpp - Import and reference against the originals ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The imported module, evaluated by definition, gives the logits and chooses
// the experts that the original implementation did, from both spellings of the
// configuration.
//
//===----------------------------------------------------------------------===//

#include "Fixtures.h"

#include "llvm/Support/FormatVariadic.h"

using namespace moec::reference::testing;

namespace {

class FixturesTest : public ::testing::TestWithParam<FixtureCase> {};

TEST_P(FixturesTest, GiveTheRecordedLogitsAndExperts) {
  Model model(GetParam(), "f32");
  ASSERT_TRUE(model.isLoaded());
  double inFloat = expectRecorded(model, model.evaluate<float>());
  double inDouble = expectRecorded(model, model.evaluate<double>());
  RecordProperty("error_f32", llvm::formatv("{0:e}", inFloat).str());
  RecordProperty("error_f64", llvm::formatv("{0:e}", inDouble).str());
}

TEST(Fixtures, AreThere) { EXPECT_GE(fixtures().size(), 18u); }

INSTANTIATE_TEST_SUITE_P(All, FixturesTest, ::testing::ValuesIn(fixtures()),
                         nameOf);

} // namespace
