//===- ImportTest.cpp - What modules an import makes ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Structure of the modules, options, and what is known of a model.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "test/unit/import/Testing.h"
#include "test/unit/reference/Fixtures.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <filesystem>

using namespace moec;
using namespace moec::importer;
using namespace moec::importer::test;

namespace {

template <typename Op> std::vector<Op> all(mlir::ModuleOp module) {
  std::vector<Op> found;
  module.walk([&](Op op) { found.push_back(op); });
  return found;
}

size_t numLayerFunctions(mlir::ModuleOp module) {
  return llvm::count_if(all<mlir::func::FuncOp>(module),
                        [](auto func) { return func.isPrivate(); });
}

class BothSpellings : public testing::TestWithParam<std::string> {};

/// The fixtures that have their configuration in the newer spelling too.
std::vector<std::string> fixturesInBothSpellings() {
  std::vector<std::string> names = moec::reference::testing::fixtures();
  llvm::erase_if(names, [](const std::string &name) {
    return !std::filesystem::exists(fixture(name) + "/config.v5.json");
  });
  return names;
}

} // namespace

TEST_P(BothSpellings, ImportAlike) {
  EditedFixture five(GetParam(), "config.v5.json");
  Imported published(fixture(GetParam())), newer(five.write());
  ASSERT_TRUE(published.module) << published.messages();
  ASSERT_TRUE(newer.module) << newer.messages();
  EXPECT_EQ(published.text(), newer.text());
  EXPECT_EQ(published.text().find(MOEC_TEST_DATA), std::string::npos)
      << "no path of this machine belongs into the module";
}

INSTANTIATE_TEST_SUITE_P(Fixtures, BothSpellings,
                         testing::ValuesIn(fixturesInBothSpellings()),
                         moec::reference::testing::nameOf);

TEST(ImportTest, EqualLayersShareAFunction) {
  for (auto [name, functions] :
       {std::pair("olmoe-a", 1u), {"qwen2_moe-b", 2u}, {"qwen3_moe-b", 2u}}) {
    Imported imported(fixture(name));
    ASSERT_TRUE(imported.module) << imported.messages();
    EXPECT_EQ(numLayerFunctions(*imported.module), functions) << name;
    auto calls = all<mlir::func::CallOp>(*imported.module);
    ASSERT_EQ(calls.size(), 3u);
    for (size_t i = 0; i < calls.size(); ++i)
      EXPECT_EQ(calls[i]->getAttrOfType<mlir::IntegerAttr>("layer").getInt(),
                static_cast<int64_t>(i));
  }
}

TEST(ImportTest, EveryLayerHasItsOwnState) {
  Imported imported(fixture("qwen3_moe-a"));
  ASSERT_TRUE(imported.module) << imported.messages();
  auto states = all<nn::StateOp>(*imported.module);
  ASSERT_EQ(states.size(), 3u);
  for (size_t i = 0; i < states.size(); ++i)
    EXPECT_EQ(states[i].getIndex(), static_cast<int64_t>(i));
  auto type = mlir::cast<nn::StateType>(states[0].getType());
  EXPECT_EQ(type.getHeads(), 2);
  EXPECT_EQ(type.getKey(), 24);
  EXPECT_EQ(type.getValue(), 24);
  EXPECT_EQ(type.getSequences(), 8);
  EXPECT_EQ(type.getPositions(), 256);
  EXPECT_TRUE(type.getElement().isBF16());
}

TEST(ImportTest, Entry) {
  Imported imported(fixture("olmoe-a"));
  ASSERT_TRUE(imported.module) << imported.messages();
  auto step = (*imported.module).lookupSymbol<mlir::func::FuncOp>("step");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->getAttrOfType<mlir::StringAttr>("moe.entry"), "step");
  const std::pair<const char *, const char *> inputs[] = {
      {"ids", "T"},
      {"positions", "T"},
      {"seq_offsets", "S+1"},
      {"slots", "S"},
      {"rows", "R"}};
  ASSERT_EQ(step.getNumArguments(), std::size(inputs));
  for (size_t i = 0; i < std::size(inputs); ++i) {
    EXPECT_EQ(step.getArgAttrOfType<mlir::StringAttr>(i, "moe.name"),
              inputs[i].first);
    auto dims = step.getArgAttrOfType<mlir::ArrayAttr>(i, "moe.dims");
    EXPECT_EQ(mlir::cast<mlir::StringAttr>(dims[0]), inputs[i].second);
  }
  EXPECT_EQ(step.getResultAttrOfType<mlir::StringAttr>(0, "moe.name"),
            "logits");
}

// Norms, biases, routers and rotary tables are f32 whatever the weights are.
TEST(ImportTest, ElementTypes) {
  for (auto [dtype, bits] : {std::pair("f32", 32u), {"bf16", 16u}}) {
    ImportOptions options;
    options.dtype = dtype;
    Imported imported(fixture("qwen2_moe-b"), options);
    ASSERT_TRUE(imported.module) << imported.messages();
    for (moe::DefineOp define : all<moe::DefineOp>(*imported.module)) {
      mlir::Type type = define.getValue().getType();
      if (auto bank = mlir::dyn_cast<moe::BankType>(type))
        type = bank.getMember();
      auto tensor = mlir::cast<mlir::RankedTensorType>(type);
      bool exact = tensor.getRank() == 1 || define.getRole() == "router" ||
                   define.getRole() == "rope";
      EXPECT_EQ(tensor.getElementTypeBitWidth(), exact ? 32 : bits)
          << define.getName().str();
    }
    for (nn::StateOp state : all<nn::StateOp>(*imported.module))
      EXPECT_EQ(mlir::cast<nn::StateType>(state.getType())
                    .getElement()
                    .getIntOrFloatBitWidth(),
                bits);
  }
}

TEST(ImportTest, DtypeByDefault) {
  EXPECT_EQ(Imported(fixture("mixtral-a")).summary.dtype, "f32");
  EXPECT_EQ(Imported(fixture("mixtral-b")).summary.dtype, "bf16");
  EXPECT_EQ(Imported(fixture("olmoe-b")).summary.dtype, "bf16") << "float16";
  for (auto [name, dtype] :
       {std::pair("mixtral-a", "f32"), {"mixtral-b", "bf16"}}) {
    EditedFixture silent(name);
    silent.config.erase("torch_dtype");
    EXPECT_EQ(Imported(silent.write()).summary.dtype, dtype)
        << "by the tensors";
  }
}

TEST(ImportTest, Limits) {
  ImportOptions options;
  options.maxContext = 100;
  options.maxSequences = 3;
  options.maxStepTokens = 17;
  Imported imported(fixture("olmoe-a"), options);
  ASSERT_TRUE(imported.module) << imported.messages();
  auto state = mlir::cast<nn::StateType>(
      all<nn::StateOp>(*imported.module)[0].getType());
  EXPECT_EQ(state.getPositions(), 100);
  EXPECT_EQ(state.getSequences(), 3);
  EXPECT_EQ(imported.summary.stateBytes,
            3 * 3 * 4 * 32 * 4 * (16 + 16) * 2); // 4 blocks of 32 hold 100
  auto table = all<moe::RopeTableOp>(*imported.module)[0];
  EXPECT_EQ(mlir::cast<mlir::ShapedType>(table.getType()).getDimSize(0), 100);
  auto model =
      (*imported.module)->getAttrOfType<mlir::DictionaryAttr>("moe.model");
  EXPECT_EQ(model.getAs<mlir::IntegerAttr>("step_tokens").getInt(), 17);
  EXPECT_EQ(model.getAs<mlir::IntegerAttr>("sequences").getInt(), 3);
  EXPECT_EQ(model.getAs<mlir::IntegerAttr>("context").getInt(), 100);

  EditedFixture large("olmoe-a");
  large.config["max_position_embeddings"] = 131072;
  EXPECT_EQ(Imported(large.write()).summary.maxContext, 4096);
  options.maxContext = 300;
  Imported beyond(fixture("olmoe-a"), options);
  EXPECT_TRUE(beyond.module);
  EXPECT_NE(beyond.messages().find("warning: [MOE0202]"), std::string::npos);
}

TEST(ImportTest, SpecialTokens) {
  EditedFixture edited("mixtral-a");
  Imported configured(edited.write());
  EXPECT_EQ(configured.summary.eos, std::vector<int64_t>{2});
  EXPECT_EQ(configured.summary.bos, 1);
  edited.writeFile("generation_config.json",
                   R"({"eos_token_id": [7, 9, 7, 256], "bos_token_id": null})");
  Imported generation(edited.write());
  EXPECT_EQ(generation.summary.eos, (std::vector<int64_t>{7, 9}))
      << "256 is no token of this model";
  EXPECT_EQ(generation.summary.bos, 1);
  EXPECT_NE(generation.messages().find("eos_token_id 256"), std::string::npos);
  edited.config["bos_token_id"] = nullptr;
  edited.config["eos_token_id"] = nullptr;
  edited.writeFile("generation_config.json", "{}");
  Imported none(edited.write());
  ASSERT_TRUE(none.module) << none.messages();
  EXPECT_TRUE(none.summary.eos.empty());
  EXPECT_FALSE(none.summary.bos);
}

TEST(ImportTest, Windows) {
  auto windows = [](const std::string &directory) {
    Imported imported(directory);
    EXPECT_TRUE(imported.module) << imported.messages();
    std::vector<int64_t> result;
    for (const LayerSummary &layer : imported.summary.layers)
      result.push_back(layer.window);
    return result;
  };
  EXPECT_EQ(windows(fixture("mixtral-a")), (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(windows(fixture("mixtral-b")), (std::vector<int64_t>{12, 12, 12}));
  EditedFixture third("qwen3_moe-a");
  third.config["sliding_window"] = 16;
  EXPECT_EQ(windows(third.write()), (std::vector<int64_t>{0, 0, 0}))
      << "given, but not used";
  third.config["use_sliding_window"] = true;
  EXPECT_EQ(windows(third.write()), (std::vector<int64_t>{16, 16, 16}));
  EditedFixture second("qwen2_moe-a");
  second.config["sliding_window"] = 16;
  second.config["use_sliding_window"] = true;
  EXPECT_EQ(windows(second.write()), (std::vector<int64_t>{0, 0, 0}))
      << "layer_types decide";
  second.config["layer_types"][1] = "sliding_attention";
  EXPECT_EQ(windows(second.write()), (std::vector<int64_t>{0, 16, 0}));
  second.config.erase("layer_types");
  EXPECT_EQ(windows(second.write()), (std::vector<int64_t>{16, 0, 16}));
  second.config["max_window_layers"] = 2;
  EXPECT_EQ(windows(second.write()), (std::vector<int64_t>{16, 0, 0}));
}

TEST(ImportTest, HeadSizeFollowsFromHiddenSize) {
  EditedFixture edited("mixtral-a");
  std::string given = Imported(edited.write()).text();
  edited.config["head_dim"] = nullptr;
  EXPECT_EQ(Imported(edited.write()).text(), given);
  edited.config.erase("head_dim");
  EXPECT_EQ(Imported(edited.write()).text(), given);
}

TEST(ImportTest, RopeScaling) {
  auto table = [](EditedFixture &edited) {
    Imported imported(edited.write());
    EXPECT_TRUE(imported.module) << imported.messages();
    auto op = all<moe::RopeTableOp>(*imported.module)[0];
    return std::pair(std::vector<double>(op.getFrequencies()),
                     op.getAttentionFactor().convertToDouble());
  };
  EditedFixture edited("olmoe-a");
  auto plain = table(edited);
  edited.config["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  auto linear = table(edited);
  for (size_t i = 0; i < plain.first.size(); ++i)
    EXPECT_EQ(linear.first[i], plain.first[i] / 4);
  // The last frequency turns less than once in the original context.
  edited.config["rope_scaling"] = {{"rope_type", "llama3"},
                                   {"factor", 8.0},
                                   {"low_freq_factor", 1.0},
                                   {"high_freq_factor", 4.0},
                                   {"original_max_position_embeddings", 256}};
  auto llama = table(edited);
  EXPECT_EQ(llama.first.front(), plain.first.front());
  EXPECT_EQ(llama.first.back(), plain.first.back() / 8);
  // Without the original context and the factor, what the configuration
  // says elsewhere.
  edited.config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 2.0}};
  auto implied = table(edited);
  edited.config["rope_scaling"]["original_max_position_embeddings"] = 256;
  EXPECT_EQ(table(edited), implied);
  edited.config["rope_scaling"]["original_max_position_embeddings"] = 128;
  auto given = table(edited);
  EXPECT_NE(given, implied);
  edited.config["rope_scaling"].erase("factor");
  EXPECT_EQ(table(edited), given);
}

TEST(ImportTest, Summary) {
  Diagnostics diagnostics;
  ModelSummary summary =
      inspectCheckpoint(fixture("qwen2_moe-b"), {}, diagnostics);
  EXPECT_FALSE(diagnostics.hasErrors());
  EXPECT_EQ(summary.family, "qwen2_moe");
  EXPECT_EQ(summary.vocabulary, 256);
  EXPECT_EQ(summary.hidden, 64);
  ASSERT_EQ(summary.layers.size(), 3u);
  EXPECT_EQ(summary.layers[0].router, "");
  EXPECT_EQ(summary.layers[1].router, "softmax, top-3, renormalised");
  EXPECT_EQ(summary.layers[1].experts, 12);
  EXPECT_EQ(summary.layers[1].expertsPerToken, 3);
  EXPECT_EQ(summary.roles["experts"].parameters, 12 * 3 * 40 * 64);
  EXPECT_EQ(summary.roles["experts"].bytes, 12 * 3 * 40 * 64 * 2);
  EXPECT_EQ(summary.roles["router"].bytes, 12 * 64 * 4);
  EXPECT_EQ(summary.roles["mlp"].parameters, 2 * 3 * 128 * 64);
  EXPECT_EQ(summary.roles["shared"].parameters, 3 * 80 * 64 + 64);
  EXPECT_EQ(summary.parameters - summary.activeParameters, 9 * 3 * 40 * 64);
  EXPECT_TRUE(summary.unsupported.empty());
}

TEST(ImportTest, SummaryOfWhatIsNotSupported) {
  EditedFixture edited("olmoe-a");
  edited.config["hidden_act"] = "mish";
  edited.config["attn_logit_softcapping"] = 50.0;
  Diagnostics diagnostics;
  ModelSummary summary = inspectCheckpoint(edited.write(), {}, diagnostics);
  EXPECT_EQ(summary.family, "olmoe");
  ASSERT_EQ(summary.unsupported.size(), 2u);
  EXPECT_NE(summary.unsupported[0].find("mish"), std::string::npos);
  EXPECT_NE(summary.unsupported[1].find("softcapping"), std::string::npos);
  EXPECT_EQ(diagnostics.exitCode(), 3);
}
