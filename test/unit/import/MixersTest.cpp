//===- MixersTest.cpp - Recurrent layers in family files ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What programs can say of short convolutions and the gated delta rule, and
// what configurations of the families that have them must not say.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "test/unit/import/Testing.h"

using namespace moec;
using namespace moec::importer;
using namespace moec::importer::test;

namespace {

/// A fixture whose family has other definitions and whose configuration is
/// changed.
struct Mixed {
  Mixed(const std::string &name, Json define, Json config = Json::object())
      : fixture(name + "-a") {
    Json family = {{"family", name},
                   {"extends", name},
                   {"model_types", {name}},
                   {"ignore_tensors", {"*"}},
                   {"ignore_keys",
                    {"conv_L_cache", "linear_conv_kernel_dim",
                     "linear_key_head_dim", "linear_value_head_dim"}},
                   {"define", std::move(define)}};
    fixture.config.update(config);
    directory = fixture.write();
    fixture.writeFile("family.json", family.dump());
    options.archSpec = directory + "/family.json";
  }

  testing::AssertionResult
  failsWith(std::vector<std::string> facts,
            std::string_view code = code::badProgram) const {
    return Imported(directory, options).failsWith(code, 1, std::move(facts));
  }

  EditedFixture fixture;
  std::string directory;
  ImportOptions options;
};

Mixed convolution(const char *call) {
  return Mixed("lfm2_moe", {{"convolution(x)", call}});
}

Mixed delta(const char *arguments) {
  return Mixed("qwen3_next", {{"linear_attention(x)",
                               std::string("gated_delta(") + arguments + ")"}});
}

} // namespace

TEST(MixersTest, LayersOfTwoKindsHaveStatesOfTheirOwn) {
  ImportOptions limits;
  limits.maxSequences = 3;
  Imported imported(fixture("qwen3_next-a"), limits);
  ASSERT_TRUE(imported.module) << imported.messages();
  size_t functions = 0, keysAndValues = 0;
  int64_t recurrent = 0;
  imported.module->walk(
      [&](mlir::func::FuncOp func) { functions += func.isPrivate(); });
  imported.module->walk([&](nn::StateOp state) {
    if (auto type = mlir::dyn_cast<nn::RecurrentType>(state.getType())) {
      recurrent += type.getPoolType().getNumElements() * 4;
      EXPECT_EQ(type.getSequences(), 3);
    } else {
      ++keysAndValues;
    }
  });
  EXPECT_EQ(functions, 2u);
  EXPECT_EQ(keysAndValues, 1u);
  // In three layers, for each slot: the last 3 inputs of 128 channels, and of 4
  // heads S [16, 16], k and additions of 32 positions and their decays.
  EXPECT_EQ(recurrent, 3 * 3 * 4 * (3 * 128 + 4 * (256 + 32 * 33)));
  EXPECT_GT(imported.summary.stateBytes, recurrent);
  EXPECT_EQ(imported.summary.layers[0].mixer, "gated delta rule of 4 heads");
  EXPECT_EQ(imported.summary.layers[3].mixer, "");
}

TEST(MixersTest, OneTensorForSeveralConvolutions) {
  Imported imported(fixture("qwen3_next-a"));
  ASSERT_TRUE(imported.module) << imported.messages();
  std::vector<int64_t> begins;
  imported.module->walk([&](moe::SliceOp slice) {
    EXPECT_EQ(slice.getGroup(), 128);
    begins.push_back(slice.getBegin());
  });
  EXPECT_EQ(begins, (std::vector<int64_t>{0, 32, 64, 0, 32, 64, 0, 32, 64}));
}

TEST(MixersTest, ConvolutionsThatDoNotFit) {
  EXPECT_TRUE(convolution("short_conv(x, 'conv.conv', 1)")
                  .failsWith({"a length of at least 2, got 1"}));
  EXPECT_TRUE(convolution("short_conv(x, 'conv.conv', 3, first=1)")
                  .failsWith({"needs channels 1 to 65 of 64"}));
  EXPECT_TRUE(convolution("short_conv(x, 'conv.conv', 3, channels=40)")
                  .failsWith({"needs channels 0 to 64 of 40"}));
  EXPECT_TRUE(
      convolution("short_conv(x, 'conv.conv', 4)")
          .failsWith({"layers.0.conv.conv.weight", "[64, 1, 4]", "[64, 1, 3]"},
                     code::wrongShape));
  EXPECT_TRUE(convolution("short_conv(x, 'conv.conv', 3, true)")
                  .failsWith({"layers.0.conv.conv.bias"}, code::missingTensor));
  EXPECT_TRUE(Mixed("lfm2_moe", {{"dense(x)", "shared(x, convolution)"}})
                  .failsWith({"short_conv", "belongs into a layer"}));
}

TEST(MixersTest, DeltaRulesThatDoNotFit) {
  EXPECT_TRUE(
      delta("x, x, x, x, x, 4, 3").failsWith({"does not fit", "3 heads"}));
  EXPECT_TRUE(delta("x, x, x, x, x, 4, 4")
                  .failsWith({"4 heads of values in 64", "64 decays"}));
  EXPECT_TRUE(delta("x, head_part(x, 64, 0, 32), x, x, x, 64, 4")
                  .failsWith({"4 heads of keys in 32", "queries of 64"}));
}

TEST(MixersTest, Configurations) {
  auto fails = [](const char *name, Json config) {
    return Mixed(name, Json::object(), std::move(config));
  };
  EXPECT_TRUE(fails("lfm2_moe", {{"layer_types", {"conv", "conv"}}})
                  .failsWith({"it must have num_hidden_layers = "},
                             code::contradiction));
  EXPECT_TRUE(fails("lfm2_moe", {{"conv_L_cache", 1}})
                  .failsWith({"conv_L_cache", "below the minimum"},
                             code::valueOutOfRange));
  EXPECT_TRUE(fails("qwen3_next", {{"linear_num_key_heads", 3}})
                  .failsWith({"must be a multiple of its key heads"},
                             code::contradiction));
  EditedFixture other("lfm2_moe-a");
  other.config["layer_types"] = {"conv", "mamba", "conv"};
  EXPECT_TRUE(
      Imported(other.write()).failsWith(code::unsupportedValue, 3, {"mamba"}));
}
