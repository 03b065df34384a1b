//===- RuntimeTest.cpp - The runtime reads what the writer wrote ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The two sides share docs/artifact.md and no code; here they meet.
//
//===----------------------------------------------------------------------===//

#include "ArtifactTesting.h"
#include "lib/Runtime/Manifest.h"

using namespace moec;
using namespace moec::artifact;
using namespace moec::artifact::test;

namespace {

TEST_F(ArtifactTest, TheRuntimeUnderstandsTheManifest) {
  ASSERT_TRUE(write().ok());
  std::string text = read("manifest.json");
  auto manifest = runtime::parseManifest(text);
  ASSERT_TRUE(manifest) << manifest.status().message();
  EXPECT_EQ(manifest->model.vocabulary, 1000);
  EXPECT_EQ(manifest->limits.sequences, 8);
  EXPECT_EQ(manifest->state.buffers.size(), 1u);
  EXPECT_EQ(manifest->weights.bytes, contents.weightsBytes);
  ASSERT_EQ(manifest->targets.size(), 2u);
  EXPECT_EQ(manifest->targets[1].rank, 2u);
  EXPECT_EQ(manifest->targets[0].features,
            (std::vector<std::string>{"avx2", "fma"}));
  const runtime::Entry *entry = manifest->targets[0].entry("step");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->arena.tokens, 8192);
  EXPECT_EQ(entry->taps.size(), 1u);
  ASSERT_NE(manifest->file("tokenizer.json"), nullptr);
  EXPECT_EQ(manifest->file("tokenizer.json")->bytes, 8u);
}

} // namespace
