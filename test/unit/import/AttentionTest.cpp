//===- AttentionTest.cpp - Attention of all kinds in family files ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What programs can say of heads, positions, attention and shared states, and
// keys that layers have values of their own of.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/RecipeWeights.h"
#include "test/unit/import/Testing.h"

#include "mlir/IR/Diagnostics.h"

#include <cmath>

using namespace moec;
using namespace moec::importer;
using namespace moec::importer::test;

namespace {

/// Mixtral's fixture, with other definitions, keys and configuration.
class Attention {
public:
  explicit Attention(Json define, Json keys = Json::object(),
                     Json config = Json::object())
      : fixture("mixtral-a") {
    Json family = {{"family", "mixtral"},
                   {"extends", "mixtral"},
                   {"model_types", {"mixtral"}},
                   {"ignore_keys", {"head_dim", "rope_theta"}},
                   {"ignore_tensors", {"*"}},
                   {"keys", std::move(keys)},
                   {"define", std::move(define)}};
    fixture.config.update(config);
    directory = fixture.write();
    fixture.writeFile("family.json", family.dump());
    options.archSpec = directory + "/family.json";
  }

  Imported import() const { return {directory, options}; }
  std::string text() const {
    Imported imported = import();
    EXPECT_TRUE(imported.module) << imported.messages();
    return imported.module ? imported.text() : "";
  }
  testing::AssertionResult
  failsWith(std::vector<std::string> facts,
            std::string_view code = code::badProgram) const {
    return import().failsWith(code, 1, std::move(facts));
  }

  EditedFixture fixture;
  std::string directory;
  ImportOptions options;
};

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != text.npos;
}

Attention attends(const std::string &arguments) {
  return Attention({{"self_attention(x)",
                     {"q = project(x, 'self_attn.q_proj', 64, false)",
                      "k = project(x, 'self_attn.k_proj', 32, false)",
                      "project(attention(" + arguments +
                          "), 'self_attn.o_proj', 64, "
                          "false)"}}});
}

} // namespace

TEST(AttentionTest, Kinds) {
  EXPECT_TRUE(has(attends("q, k, k, 4, 2, chunk=8, softcap=30").text(),
                  "nn.attention {chunk = 8 : i64, heads = 4 : i64, kv_heads = "
                  "2 : i64, scale = 2.500000e-01 : f64, softcap = "
                  "3.000000e+01 : f64}"));
  // 64 numbers are not one for each of 4 heads.
  EXPECT_TRUE(attends("q, k, k, 4, 2, sinks='input_layernorm.weight'")
                  .failsWith({"layers.0.input_layernorm.weight", "[64]", "[4]"},
                             code::wrongShape));
  EXPECT_TRUE(attends("q, k, k, 4, 2, chunk=-8").failsWith({"chunk -8"}));
  EXPECT_TRUE(
      attends("q, k, k, 4, 2, softcap=-1")
          .failsWith({"a softcap that is finite and not negative, got -1"}));
  EXPECT_TRUE(
      attends("q, k, k, 4, 2, softcap=1e308 * 1e308").failsWith({"softcap"}));
  EXPECT_TRUE(attends("q, k, k, 4, 3").failsWith({"does not fit", "4", "3"}));
  EXPECT_TRUE(attends("q, k, q, 4, 1").failsWith({"does not fit", "32"}));
}

// Of 4 heads of 16 elements, 8 of their own and 8 of a common part.
TEST(AttentionTest, Latent) {
  auto latent = [](const std::string &rank, const std::string &arguments) {
    return Attention({{"self_attention(x)",
                       {"q = project(x, 'self_attn.q_proj', 64, false)",
                        "c = head_part(x, 64, 0, " + rank + ")",
                        "p = head_part(x, 64, 0, 8)",
                        "o = repeat(latent_attention(" + arguments + "), 2)",
                        "project(o, 'self_attn.o_proj', 64, false)"}}});
  };
  // A matrix [4 * (8 + 8), 64], as q's is: 72 numbers of a token instead of
  // 4 * (16 + 8).
  std::string text =
      latent("64", "q, c, p, 'self_attn.q_proj', 4, 8, 8").text();
  EXPECT_TRUE(has(text, "!nn.state<heads = 1, key = 72, value = 64, element = "
                        "f32, sequences = 8, positions = 256, prefix = true>"));
  EXPECT_TRUE(has(text, "moe.grouped_matmul {side_by_side}"));
  EXPECT_TRUE(has(text, "moe.split"));
  EXPECT_TRUE(has(text, "scale = 2.500000e-01 : f64"));
  // One head of 24 + 8 and 40: as many as 64 + 8, which is not less.
  text = Attention({{"self_attention(x)",
                     {"q = project(x, 'self_attn.k_proj', 32, false)",
                      "o = latent_attention(q, x, head_part(x, 64, 0, 8), "
                      "'self_attn.q_proj', 1, 24, 40, scale=1)",
                      "o = join_heads(o, head_part(x, 64, 0, 24), 1)",
                      "project(o, 'self_attn.o_proj', 64, false)"}}})
             .text();
  EXPECT_TRUE(has(text, "!nn.state<heads = 1, key = 32, value = 40, element = "
                        "f32, sequences = 8, positions = 256>"));
  EXPECT_FALSE(has(text, "side_by_side"));
  EXPECT_TRUE(latent("64", "q, c, p, 'self_attn.q_proj', 4, 9, 7")
                  .failsWith({"latent_attention() does not fit", "4 heads",
                              "64 elements", "keys of 9 and 8"}));
  EXPECT_TRUE(latent("64", "q, c, p, 'self_attn.q_proj', 4, 8, 0")
                  .failsWith({"at least 1, got 4, 8 and 0"}));
  EXPECT_TRUE(
      latent("32", "q, c, p, 'self_attn.q_proj', 4, 8, 8")
          .failsWith({"self_attn.q_proj.weight", "[64, 64]", "[64, 32]"},
                     code::wrongShape));
}

TEST(AttentionTest, HeadsFromParts) {
  auto prepared = [](const char *q) {
    return Attention(Json{{"prepare_q(q)", q}});
  };
  std::string text =
      prepared("join_heads(head_part(q, 16, 4, 12), head_part(q, 64, 0, 4), 4, "
               "lend=true)")
          .text();
  EXPECT_TRUE(has(text, "nn.join_heads {counts = array<i64: 12>, heads = 4 : "
                        "i64, offsets = array<i64: 4>, sizes = array<i64: "
                        "16>}"));
  EXPECT_TRUE(has(text, "nn.join_heads {counts = array<i64: 12, 4>, heads = 4 "
                        ": i64, offsets = array<i64: 0, 0>, sizes = "
                        "array<i64: 12, 4>}"));
  EXPECT_TRUE(prepared("head_part(q, 15, 0, 3)").failsWith({"64, got 15"}));
  EXPECT_TRUE(prepared("head_part(q, 16, 8, 9)")
                  .failsWith({"takes 9 elements from 8 on of heads of 16"}));
  EXPECT_TRUE(prepared("join_heads(q, q, 3)").failsWith({"64, got 3"}));
  EXPECT_TRUE(
      has(prepared("rotate(q, rope, 32, 16, true)").text(),
          "nn.rope {interleaved = true, offset = 16 : i64, size = 32 : i64}"));
  EXPECT_TRUE(prepared("rotate(q, rope, 32, 20)")
                  .failsWith({"turns 16 elements from 20 on of heads of 32"}));
}

TEST(AttentionTest, ReadsWhatAnEarlierLayerStored) {
  auto shares = [](const char *heads, const char *source) {
    return Attention(
        {{"own(q, x)", "attention(q, project(x, 'self_attn.k_proj', 32, "
                       "false), project(x, 'self_attn.v_proj', 32, false), 4, "
                       "2)"},
         {"self_attention(x)",
          {"q = project(x, 'self_attn.q_proj', 64, false)",
           std::string("attention(q, null, null, ") + heads +
               ", layer=" + source + ") if layer == 2 else own(q, x)"}}});
  };
  Imported imported = shares("4, 2", "1").import();
  ASSERT_TRUE(imported.module) << imported.messages();
  std::vector<int64_t> read;
  imported.module->walk(
      [&](nn::StateOp state) { read.push_back(state.getIndex()); });
  EXPECT_EQ(read, (std::vector<int64_t>{0, 1, 1}));
  // Two kinds of layers, one of which stores.
  size_t stores = 0;
  imported.module->walk([&](nn::AppendOp) { ++stores; });
  EXPECT_EQ(stores, 1u);
  EXPECT_TRUE(shares("4, 2", "2").failsWith({"layer 2", "no earlier layer"}));
  EXPECT_TRUE(shares("4, 2", "-1").failsWith({"layer -1"}));
  EXPECT_TRUE(
      shares("4, 1", "1").failsWith({"reads 2 heads of 16", "1 of 16"}));
}

// The original's temperature of queries, of which each step is in f32.
TEST(AttentionTest, PositionsAsNumbers) {
  Attention model(
      Json{{"finish_q(q)",
            "q * tap(log(floor((positions() + 1) / 8) + 1) * 0.1 + 1, 't')"}});
  Imported imported = model.import();
  ASSERT_TRUE(imported.module) << imported.messages();
  auto checkpoint = weights::Checkpoint::open(model.directory);
  auto recipes = weights::RecipeExecutor::create(
      *(*imported.module).getOps<moe::RecipesOp>().begin(), *checkpoint);
  ASSERT_TRUE(recipes) << recipes.status().message();
  reference::RecipeWeights weights(*recipes);
  reference::Evaluator<float> evaluator(*imported.module, weights);
  reference::Tensor<float> temperature;
  evaluator.onTap([&](const std::string &name, const auto &value) {
    if (name == "layers.1.t")
      temperature = value;
  });
  auto ints = [](std::vector<int64_t> values) {
    auto tensor = reference::intTensor<float>({int64_t(values.size())});
    tensor.ints = std::move(values);
    return tensor;
  };
  std::vector<int64_t> positions(20);
  for (int64_t i = 0; i < 20; ++i)
    positions[i] = i;
  auto results = evaluator.evaluate("step", {ints(std::vector<int64_t>(20, 7)),
                                             ints(positions), ints({0, 20}),
                                             ints({0}), ints({19})});
  ASSERT_TRUE(mlir::succeeded(results));
  ASSERT_EQ(temperature.reals.size(), 20u);
  for (int i = 0; i < 20; ++i)
    EXPECT_FLOAT_EQ(temperature.reals[i],
                    std::log1p(std::floor((i + 1.0f) / 8)) * 0.1f + 1)
        << i;
}

TEST(AttentionTest, KeysOfLayers) {
  Json keys = {{"reach",
                {{"type", "int"},
                 {"from", {"per_layer.{layer}.reach"}},
                 {"default", "100 + layer"},
                 {"min", 1}}}};
  Json window = {{"window", "reach"}};
  auto config = [](const char *text) {
    return Json{{"per_layer", Json::parse(text)}};
  };
  Imported imported =
      Attention(window, keys, config(R"({"1": {"reach": 8}})")).import();
  ASSERT_TRUE(imported.module) << imported.messages();
  std::vector<int64_t> windows;
  for (const LayerSummary &layer : imported.summary.layers)
    windows.push_back(layer.window);
  EXPECT_EQ(windows, (std::vector<int64_t>{100, 8, 102}));

  EXPECT_TRUE(Attention(window, keys, config(R"({"1": {"reach": 0}})"))
                  .failsWith({"per_layer.1.reach", "below the minimum"},
                             code::valueOutOfRange));
  EXPECT_TRUE(Attention(window, keys, config(R"({"2": {"reach": "far"}})"))
                  .failsWith({"per_layer.2.reach must be an integer"},
                             code::illTypedKey));
  EXPECT_TRUE(Attention(window, keys, config(R"({"1": {"width": 8}})"))
                  .import()
                  .failsWith(code::unsupportedKey, 3, {"per_layer.1.width"}));
  EXPECT_TRUE(
      Attention(window, keys, config(R"({"one": {"reach": 8}})"))
          .import()
          .failsWith(code::unsupportedKey, 3, {"per_layer", "\"one\""}));
  // A default that depends on such a key is one of each layer, too.
  keys["other"] = {{"type", "int"}, {"default", "reach + 1"}};
  Imported other = Attention(Json{{"window", "other"}}, keys).import();
  ASSERT_TRUE(other.module) << other.messages();
  EXPECT_EQ(other.summary.layers[0].window, 101);
  EXPECT_EQ(other.summary.layers[2].window, 103);
}
