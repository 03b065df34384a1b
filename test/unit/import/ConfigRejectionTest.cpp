//===- ConfigRejectionTest.cpp - Configurations that are refused ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every refusal: its code, the exit code that a tool makes of it, and that the
// message names the key, what was found and what is allowed.
//
//===----------------------------------------------------------------------===//

#include "test/unit/import/Testing.h"

using namespace moec::importer;
using namespace moec::importer::test;

namespace {

struct BadConfig {
  const char *fixture;
  const char *path;  ///< A JSON pointer.
  const char *value; ///< JSON; empty: the key is removed.
  std::string_view code;
  int exitCode;
  std::vector<std::string> facts;
};

void refuse(const std::vector<BadConfig> &cases) {
  for (const BadConfig &bad : cases) {
    EditedFixture edited(bad.fixture);
    Json::json_pointer path(bad.path);
    if (*bad.value)
      edited.config[path] = Json::parse(bad.value);
    else
      edited.config.erase(std::string(bad.path).substr(1));
    std::vector<std::string> facts = bad.facts;
    facts.push_back("config.json");
    EXPECT_TRUE(
        Imported(edited.write()).failsWith(bad.code, bad.exitCode, facts))
        << bad.fixture << " " << bad.path << " " << bad.value;
  }
}

} // namespace

//===----------------------------------------------------------------------===//
// config.json
//===----------------------------------------------------------------------===//

TEST(ConfigRejectionTest, MissingKeys) {
  for (const char *path :
       {"/vocab_size", "/hidden_size", "/num_hidden_layers",
        "/num_attention_heads", "/num_experts_per_tok",
        "/max_position_embeddings", "/num_experts", "/moe_intermediate_size"})
    for (const char *value : {"", "null"})
      refuse({{"qwen3_moe-a",
               path,
               value,
               code::missingKey,
               1,
               {path + 1, "is missing"}}});
  refuse({
      {"olmoe-a",
       "/model_type",
       "",
       code::missingKey,
       1,
       {"model_type is missing"}},
      {"qwen3_moe-a",
       "/num_experts",
       "",
       code::missingKey,
       1,
       {"num_experts", "num_local_experts"}},
      {"qwen2_moe-a",
       "/shared_expert_intermediate_size",
       "",
       code::missingKey,
       1,
       {"shared_expert_intermediate_size"}},
  });
}

TEST(ConfigRejectionTest, IllTypedKeys) {
  refuse({
      {"olmoe-a",
       "/hidden_size",
       "\"64\"",
       code::illTypedKey,
       1,
       {"hidden_size must be an integer", "\"64\""}},
      {"olmoe-a",
       "/hidden_size",
       "64.0",
       code::illTypedKey,
       1,
       {"hidden_size must be an integer", "64.0"}},
      {"olmoe-a",
       "/hidden_size",
       "18446744073709551615",
       code::illTypedKey,
       1,
       {"hidden_size"}},
      {"olmoe-a",
       "/norm_topk_prob",
       "1",
       code::illTypedKey,
       1,
       {"norm_topk_prob must be true or false"}},
      {"olmoe-a",
       "/rms_norm_eps",
       "\"1e-5\"",
       code::illTypedKey,
       1,
       {"rms_norm_eps must be a number"}},
      {"olmoe-a",
       "/clip_qkv",
       "true",
       code::illTypedKey,
       1,
       {"clip_qkv must be a number"}},
      {"olmoe-a",
       "/hidden_act",
       "7",
       code::illTypedKey,
       1,
       {"hidden_act must be a string"}},
      {"olmoe-a", "/model_type", "7", code::illTypedKey, 1, {"model_type"}},
      {"olmoe-a",
       "/eos_token_id",
       "[1, \"2\"]",
       code::illTypedKey,
       1,
       {"eos_token_id must be an integer or a list of integers"}},
      {"qwen2_moe-a",
       "/layer_types",
       "[1, 2, 3]",
       code::illTypedKey,
       1,
       {"layer_types must be a list of strings"}},
      {"qwen2_moe-a",
       "/mlp_only_layers",
       "{\"0\": 1}",
       code::illTypedKey,
       1,
       {"mlp_only_layers must be a list of integers"}},
      {"qwen3_moe-c",
       "/rope_scaling/factor",
       "\"4\"",
       code::illTypedKey,
       1,
       {"rope_scaling.factor must be a number"}},
  });
}

TEST(ConfigRejectionTest, ValuesOutOfRange) {
  refuse({
      {"olmoe-a",
       "/hidden_size",
       "0",
       code::valueOutOfRange,
       1,
       {"hidden_size = 0", "minimum of 1"}},
      {"olmoe-a",
       "/num_hidden_layers",
       "-3",
       code::valueOutOfRange,
       1,
       {"num_hidden_layers = -3"}},
      {"olmoe-a",
       "/num_hidden_layers",
       "1000000000000",
       code::valueOutOfRange,
       1,
       {"num_hidden_layers", "maximum of 65536"}},
      {"olmoe-a",
       "/num_experts_per_tok",
       "0",
       code::valueOutOfRange,
       1,
       {"num_experts_per_tok = 0"}},
      {"olmoe-a",
       "/rms_norm_eps",
       "-1.0",
       code::valueOutOfRange,
       1,
       {"rms_norm_eps = -1.0"}},
      {"mixtral-b",
       "/sliding_window",
       "0",
       code::valueOutOfRange,
       1,
       {"sliding_window = 0"}},
      {"qwen2_moe-a",
       "/decoder_sparse_step",
       "0",
       code::valueOutOfRange,
       1,
       {"decoder_sparse_step = 0"}},
      {"olmoe-a",
       "/rope_theta",
       "0.0",
       code::valueOutOfRange,
       1,
       {"rope_theta", "positive"}},
      {"qwen3_moe-c",
       "/rope_scaling/factor",
       "-4.0",
       code::valueOutOfRange,
       1,
       {"factor", "positive"}},
      {"qwen3_moe-c",
       "/head_dim",
       "31",
       code::valueOutOfRange,
       1,
       {"even number of elements, got 31"}},
  });
}

TEST(ConfigRejectionTest, Contradictions) {
  refuse({
      {"olmoe-a",
       "/num_experts_per_tok",
       "17",
       code::contradiction,
       1,
       {"more experts per token", "num_experts = 16",
        "num_experts_per_tok = 17"}},
      {"mixtral-a",
       "/num_experts_per_tok",
       "9",
       code::contradiction,
       1,
       {"num_experts = 8"}},
      {"qwen3_moe-a",
       "/num_experts_per_tok",
       "17",
       code::contradiction,
       1,
       {"num_experts_per_tok = 17"}},
      {"olmoe-a",
       "/num_key_value_heads",
       "3",
       code::contradiction,
       1,
       {"multiple", "num_attention_heads = 4", "num_key_value_heads = 3"}},
      {"olmoe-a",
       "/num_local_experts",
       "8",
       code::contradiction,
       1,
       {"num_experts = 16", "num_local_experts = 8"}},
      {"olmoe-a",
       "/dtype",
       "\"float32\"",
       code::contradiction,
       1,
       {"torch_dtype", "dtype = \"float32\""}},
      {"olmoe-a",
       "/rope_parameters",
       "{\"rope_theta\": 5.0}",
       code::contradiction,
       1,
       {"rope_theta"}},
      {"qwen2_moe-a",
       "/layer_types",
       "[\"full_attention\"]",
       code::contradiction,
       1,
       {"layer_types", "num_hidden_layers = 3"}},
      {"qwen2_moe-a",
       "/layer_types/0",
       "\"sliding_attention\"",
       code::contradiction,
       1,
       {"no sliding window is used"}},
      {"qwen2_moe-a",
       "/use_sliding_window",
       "true",
       code::contradiction,
       1,
       {"sliding window", "sliding_window = 0"}},
      {"qwen3_moe-b",
       "/mlp_only_layers",
       "[3]",
       code::contradiction,
       1,
       {"mlp_only_layers = [3]", "num_hidden_layers = 3"}},
      {"qwen3_moe-b",
       "/mlp_only_layers",
       "[-1]",
       code::contradiction,
       1,
       {"mlp_only_layers = [-1]"}},
      {"olmoe-a",
       "/rope_scaling",
       "{\"type\": \"linear\"}",
       code::contradiction,
       1,
       {"needs a factor", "rope_type = 'linear'"}},
      {"olmoe-a",
       "/rope_scaling",
       "{\"type\": \"llama3\", \"factor\": 8.0}",
       code::contradiction,
       1,
       {"low_freq_factor"}},
  });
}

TEST(ConfigRejectionTest, UnsupportedValues) {
  refuse({
      {"olmoe-a",
       "/model_type",
       "\"gpt2\"",
       code::unknownModelType,
       3,
       {"\"gpt2\"", "mixtral, ", "olmoe, ", "--arch-spec"}},
      {"olmoe-a",
       "/hidden_act",
       "\"mish\"",
       code::unsupportedValue,
       3,
       {"hidden_act = \"mish\"", "\"silu\""}},
      {"qwen2_moe-a",
       "/layer_types/0",
       "\"chunked_attention\"",
       code::unsupportedValue,
       3,
       {"layer_types", "chunked_attention"}},
      {"olmoe-a",
       "/rope_scaling",
       "{\"rope_type\": \"ntk\"}",
       code::unsupportedValue,
       3,
       {"rope_scaling.rope_type", "ntk"}},
      {"olmoe-a",
       "/rope_scaling",
       "{\"type\": \"dynamic\", \"factor\": 2.0}",
       code::unsupportedValue,
       3,
       {"rope_scaling.type", "dynamic"}},
      {"olmoe-a",
       "/torch_dtype",
       "\"float8_e4m3fn\"",
       code::unsupportedValue,
       3,
       {"torch_dtype", "float8_e4m3fn"}},
      {"olmoe-a",
       "/quantization_config",
       "{\"quant_method\": \"gptq\"}",
       code::unsupportedValue,
       3,
       {"quantization_config.quant_method", "gptq", "mxfp4"}},
  });
}

TEST(ConfigRejectionTest, KeysThatMayChangeTheModel) {
  refuse({
      {"olmoe-a",
       "/attn_logit_softcapping",
       "50.0",
       code::unsupportedKey,
       3,
       {"attn_logit_softcapping = 50.0", "olmoe"}},
      {"mixtral-a",
       "/attention_bias",
       "true",
       code::unsupportedKey,
       3,
       {"attention_bias = true", "mixtral"}},
      {"mixtral-a",
       "/norm_topk_prob",
       "true",
       code::unsupportedKey,
       3,
       {"norm_topk_prob = true"}},
      {"olmoe-a",
       "/partial_rotary_factor",
       "0.5",
       code::unsupportedKey,
       3,
       {"partial_rotary_factor = 0.5"}},
      {"olmoe-a",
       "/anything",
       "{\"a\": 1}",
       code::unsupportedKey,
       3,
       {"anything = {\"a\":1}"}},
      {"olmoe-a",
       "/rope_scaling",
       "{\"type\": \"linear\", \"factor\": 2.0, \"novelty\": 1}",
       code::unsupportedKey,
       3,
       {"rope_scaling.novelty = 1"}},
      {"olmoe-a",
       "/rope_scaling",
       "[1]",
       code::unsupportedKey,
       3,
       {"rope_scaling = [1]"}},
  });
}

// Nothing of this changes what the model computes.
TEST(ConfigRejectionTest, HarmlessKeysAreAccepted) {
  EditedFixture edited("mixtral-a");
  std::string plain = Imported(edited.write()).text();
  edited.config.update(Json::parse(R"({
    "attention_dropout": 0.3, "id2label": {"0": "a"}, "attention_bias": false,
    "quantization_config": null, "attn_logit_softcapping": null,
    "partial_rotary_factor": 0, "norm_groups": [], "colour": "red"})"));
  Imported imported(edited.write());
  EXPECT_EQ(imported.text(), plain) << imported.messages();
  EXPECT_EQ(imported.messages(),
            "remark: [MOE0201] config.json: colour = \"red\" is ignored\n");
}

TEST(ConfigRejectionTest, FilesThatCannotBeRead) {
  EXPECT_TRUE(
      Imported("/nowhere")
          .failsWith(code::unreadable, 1, {"/nowhere", "not a directory"}));
  moec::weights::test::TemporaryDirectory empty;
  EXPECT_TRUE(
      Imported(empty.path())
          .failsWith(code::unreadable, 1, {"config.json", "No such file"}));
  EditedFixture edited("olmoe-a");
  const std::pair<std::string, const char *> texts[] = {
      {"", "config.json"},
      {"{", "config.json"},
      {"[]", "expected one JSON object"},
      {"{} {}", "config.json"},
      {R"({"a": 1, "a": 2})", "config.json"},
      {"{\"a\": \"\xff\"}", "config.json"},
      {std::string(100000, '['), "config.json"},
      {std::string("{}\0", 3), "config.json"}};
  for (const auto &[text, fact] : texts)
    EXPECT_TRUE(
        Imported(edited.write(text)).failsWith(code::notJson, 1, {fact}))
        << text.substr(0, 20);
  EXPECT_TRUE(Imported(edited.write(std::string(17 << 20, ' ')))
                  .failsWith(code::unreadable, 1, {"limit is 16777216"}));
  edited.write();
  edited.writeFile("generation_config.json", "{");
  EXPECT_TRUE(Imported(edited.write())
                  .failsWith(code::notJson, 1, {"generation_config.json"}));
  edited.writeFile("generation_config.json", R"({"eos_token_id": "end"})");
  EXPECT_TRUE(
      Imported(edited.write())
          .failsWith(code::illTypedKey, 1,
                     {"generation_config.json", "eos_token_id", "\"end\""}));
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

TEST(ConfigRejectionTest, Options) {
  auto refuse = [](auto edit, std::vector<std::string> facts) {
    ImportOptions options;
    edit(options);
    EXPECT_TRUE(Imported(fixture("olmoe-a"), options)
                    .failsWith(code::badOption, 1, facts));
  };
  refuse([](auto &o) { o.dtype = "int8"; }, {"--dtype int8", "f32 or bf16"});
  refuse([](auto &o) { o.maxContext = 0; }, {"--max-context 0"});
  refuse([](auto &o) { o.maxContext = 1 << 25; },
         {"--max-context", "1 to 16777216"});
  refuse([](auto &o) { o.maxSequences = 0; }, {"--max-sequences 0"});
  refuse([](auto &o) { o.maxStepTokens = -1; }, {"--max-step-tokens -1"});
}
