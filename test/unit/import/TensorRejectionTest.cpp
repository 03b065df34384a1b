//===- TensorRejectionTest.cpp - Tensors that are refused -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every refusal: its code, the exit code that a tool makes of it, and that the
// message names the tensor, what was found and what was expected.
//
//===----------------------------------------------------------------------===//

#include "test/unit/import/Testing.h"

using namespace moec::importer;
using namespace moec::importer::test;

static testing::AssertionResult
badTensors(const char *name, const std::function<void(Json &)> &edit,
           std::string_view code, int exitCode,
           std::vector<std::string> facts) {
  EditedFixture edited(name);
  edited.editTensors(edit);
  return Imported(edited.write()).failsWith(code, exitCode, facts);
}

TEST(TensorRejectionTest, MissingTensors) {
  const std::pair<const char *, const char *> cases[] = {
      {"model.embed_tokens.weight", "[256, 64]"},
      {"lm_head.weight", "[256, 64]"},
      {"model.norm.weight", "[64]"},
      {"model.layers.2.self_attn.q_proj.bias", "[64]"},
      {"model.layers.1.mlp.gate.weight", "[12, 64]"},
      {"model.layers.0.mlp.experts.11.down_proj.weight", "[64, 40]"},
      {"model.layers.0.mlp.shared_expert_gate.weight", "[1, 64]"}};
  for (const auto &[tensor, shape] : cases)
    EXPECT_TRUE(badTensors("qwen2_moe-a",
                           [&](Json &header) { header.erase(tensor); },
                           code::missingTensor, 1, {tensor, shape}));
}

// A matrix whose parts are several weights is missed once.
TEST(TensorRejectionTest, MatrixOfHeads) {
  const std::string tensor = "model.layers.1.self_attn.kv_b_proj.weight";
  EditedFixture edited("deepseek_v3-a");
  edited.editTensors([&](Json &header) { header.erase(tensor); });
  Imported imported(edited.write());
  EXPECT_TRUE(
      imported.failsWith(code::missingTensor, 1, {tensor, "[128, 32]"}));
  EXPECT_EQ(imported.diagnostics.list().size(), 1u) << imported.messages();
}

TEST(TensorRejectionTest, UnexpectedTensors) {
  const char *tensors[] = {"model.layers.3.input_layernorm.weight",
                           "model.layers.0.mlp.experts.16.up_proj.weight",
                           "model.layers.0.self_attn.q_proj.bias", "extra"};
  for (const char *tensor : tensors)
    EXPECT_TRUE(badTensors("olmoe-a",
                           [&](Json &header) {
                             header[tensor] = {{"dtype", "BF16"},
                                               {"shape", {3, 5}}};
                           },
                           code::unexpectedTensor, 1, {tensor, "[3, 5]"}));
}

TEST(TensorRejectionTest, MisshapenTensors) {
  const std::tuple<const char *, Json, const char *, const char *> cases[] = {
      {"model.embed_tokens.weight", {255, 64}, "[256, 64]", "[255, 64]"},
      {"model.layers.1.self_attn.q_proj.weight", {64}, "[64, 64]", "[64]"},
      {"model.layers.1.self_attn.k_norm.weight", {16}, "[64]", "[16]"},
      {"model.layers.0.mlp.experts.7.up_proj.weight",
       {64, 48},
       "[48, 64]",
       "[64, 48]"}};
  for (const auto &[tensor, shape, expected, found] : cases)
    EXPECT_TRUE(badTensors("olmoe-a",
                           [&, &tensor = tensor, &shape = shape](Json &header) {
                             header[tensor]["shape"] = shape;
                           },
                           code::wrongShape, 1, {tensor, expected, found}));
}

TEST(TensorRejectionTest, TensorsOfOtherTypes) {
  const char *tensor = "model.layers.0.mlp.experts.7.up_proj.weight";
  auto setType = [&](const char *type) {
    return [&, type](Json &header) { header[tensor]["dtype"] = type; };
  };
  EXPECT_TRUE(badTensors("olmoe-a", setType("F8_E4M3"),
                         code::unsupportedElements, 3, {tensor, "F8_E4M3"}));
  EXPECT_TRUE(badTensors("olmoe-a", setType("I32"), code::wrongElements, 1,
                         {tensor, "I32"}));
  EXPECT_TRUE(badTensors("olmoe-a", setType("F32"), code::wrongElements, 1,
                         {tensor, "expert 0"}));
}

TEST(TensorRejectionTest, ScalesOfFp8) {
  const std::string weight = "model.layers.1.mlp.experts.3.gate_proj.weight";
  const std::string scales = weight + "_scale_inv";
  auto bad = [&](const std::function<void(Json &)> &edit, std::string_view code,
                 std::vector<std::string> facts) {
    return badTensors("deepseek_v3-fp8", edit, code, 1, std::move(facts));
  };
  // A block for each 128 of 48 rows and of 192 columns.
  for (Json shape : {Json{2, 2}, Json{1, 1}, Json{2}, Json{1, 2, 1}})
    EXPECT_TRUE(bad([&](Json &header) { header[scales]["shape"] = shape; },
                    code::wrongShape, {scales, "[1, 2]"}));
  EXPECT_TRUE(bad([&](Json &header) { header.erase(scales); },
                  code::missingTensor, {scales, "[1, 2]"}));
  const std::string alone = "model.layers.1.self_attn.q_a_proj.weight";
  for (const char *type : {"U8", "I32", "F8_E8M0"})
    EXPECT_TRUE(
        bad([&](Json &header) { header[alone + "_scale_inv"]["dtype"] = type; },
            code::wrongElements, {type, "expected F32, F16 or BF16", alone}));
  // Scales of what is not quantized.
  EXPECT_TRUE(bad(
      [&](Json &header) {
        header["model.norm.weight_scale_inv"] = {{"dtype", "F32"},
                                                 {"shape", {1, 2}}};
      },
      code::unexpectedTensor, {"model.norm.weight_scale_inv"}));
  // Without the size of a block, fp8 has no meaning.
  EditedFixture noBlocks("deepseek_v3-fp8");
  noBlocks.config.erase("quantization_config");
  EXPECT_TRUE(Imported(noBlocks.write())
                  .failsWith(code::unsupportedElements, 3, {"F8_E4M3"}));
  for (Json block : {Json{128}, Json{0, 128}, Json{128, 128, 1}, Json("128")}) {
    EditedFixture odd("deepseek_v3-fp8");
    odd.config["quantization_config"]["weight_block_size"] = block;
    Imported imported(odd.write());
    EXPECT_FALSE(imported.module) << block.dump();
    EXPECT_NE(imported.messages().find("weight_block_size"), std::string::npos)
        << imported.messages();
  }
}

TEST(TensorRejectionTest, BlocksOfMxfp4) {
  const std::string experts = "model.layers.0.mlp.experts.";
  const std::string blocks = experts + "down_proj_blocks";
  const std::string scales = experts + "down_proj_scales";
  auto bad = [&](const std::function<void(Json &)> &edit, std::string_view code,
                 int exitCode, std::vector<std::string> facts) {
    return badTensors("gpt_oss-mxfp4", edit, code, exitCode, std::move(facts));
  };
  // 64 columns are two blocks of 16 bytes.
  for (Json shape : {Json{8, 96, 1, 16}, Json{8, 96, 2, 32}, Json{8, 96, 32},
                     Json{7, 96, 2, 16}})
    EXPECT_TRUE(bad([&](Json &header) { header[blocks]["shape"] = shape; },
                    code::wrongShape, 1, {blocks, "[8, 96, 2, 16]"}));
  for (Json shape : {Json{8, 96, 1}, Json{8, 96}, Json{8, 96, 2, 16}})
    EXPECT_TRUE(bad([&](Json &header) { header[scales]["shape"] = shape; },
                    code::wrongShape, 1, {scales, "[8, 96, 2]"}));
  EXPECT_TRUE(bad([&](Json &header) { header.erase(scales); },
                  code::missingTensor, 1, {scales, "[8, 96, 2]"}));
  EXPECT_TRUE(bad([&](Json &header) { header[scales]["dtype"] = "F32"; },
                  code::wrongElements, 1, {scales, "F32", "expected U8"}));
  EXPECT_TRUE(bad([&](Json &header) { header[blocks]["dtype"] = "F16"; },
                  code::wrongElements, 1, {blocks, "F16", "expected U8"}));
  // Columns that no block divides.
  EditedFixture narrow("gpt_oss-mxfp4");
  narrow.config["intermediate_size"] = 72;
  EXPECT_TRUE(
      Imported(narrow.write())
          .failsWith(code::wrongShape, 1, {"72 columns", "a multiple of 32"}));
}

TEST(TensorRejectionTest, ListsAtMostSixteenTensors) {
  EditedFixture edited("olmoe-a");
  edited.editTensors([](Json &header) {
    Json renamed = Json::object();
    for (const auto &[name, tensor] : header.items())
      renamed["transformer." + name] = tensor;
    header = renamed;
  });
  Imported imported(edited.write());
  EXPECT_TRUE(imported.failsWith(code::missingTensor, 1,
                                 {"model.embed_tokens.weight"}));
  EXPECT_LE(imported.diagnostics.numErrors(), 16u);
}

TEST(TensorRejectionTest, UnreadableCheckpoints) {
  EditedFixture edited("olmoe-a");
  edited.write();
  moec::weights::test::TemporaryDirectory noTensors;
  noTensors.write("config.json", edited.config.dump());
  EXPECT_TRUE(Imported(noTensors.path()).failsWith(code::badCheckpoint, 1, {}));
  noTensors.write("model.safetensors", "not a header");
  EXPECT_TRUE(Imported(noTensors.path()).failsWith(code::badCheckpoint, 1, {}));
}

// The head of a tied model may be there, buffers of rotary embeddings too.
TEST(TensorRejectionTest, KnownTensorsAreIgnored) {
  for (const char *tensor :
       {"lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"}) {
    EditedFixture edited("qwen3_moe-c");
    std::string plain = Imported(edited.write()).text();
    edited.editTensors([&](Json &header) {
      header[tensor] = {{"dtype", "F32"}, {"shape", {16}}};
    });
    Imported imported(edited.write());
    EXPECT_EQ(imported.text(), plain) << imported.messages();
  }
}
