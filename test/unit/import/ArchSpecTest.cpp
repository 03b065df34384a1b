//===- ArchSpecTest.cpp - Families that users bring -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A family file from outside, and what programs can and cannot say.
//
//===----------------------------------------------------------------------===//

#include "test/unit/import/Testing.h"

using namespace moec::importer;
using namespace moec::importer::test;

namespace {

/// Imports a fixture through a family file that changes Mixtral's.
class Program {
public:
  explicit Program(Json define, Json more = Json::object(),
                   std::string checkpoint = fixture("mixtral-a"))
      : checkpoint(std::move(checkpoint)) {
    Json family = {
        {"family", "mixtral"},
        {"extends", "mixtral"},
        {"model_types", {"mixtral"}},
        // What a program that breaks off no longer reads.
        {"ignore_keys",
         {"head_dim", "hidden_act", "num_hidden_layers", "rope_theta"}},
        {"define", std::move(define)}};
    family.update(more);
    options.archSpec = directory.write("family.json", family.dump());
  }

  Imported import() const { return {checkpoint, options}; }

  testing::AssertionResult
  failsWith(std::vector<std::string> facts,
            std::string_view code = code::badProgram) const {
    return import().failsWith(code, 1, std::move(facts));
  }

private:
  moec::weights::test::TemporaryDirectory directory;
  std::string checkpoint;
  ImportOptions options;
};

size_t count(const std::string &text, const std::string &part) {
  size_t number = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1))
    ++number;
  return number;
}

} // namespace

TEST(ArchSpecTest, AFamilyFromOutside) {
  EditedFixture newcomer("glm4_moe-a");
  newcomer.config["model_type"] = "newcomer";
  std::string checkpoint = newcomer.write();
  EXPECT_TRUE(
      Imported(checkpoint).failsWith(code::unknownModelType, 3, {"newcomer"}));
  moec::weights::test::TemporaryDirectory directory;
  Json family = {{"family", "newcomer"},
                 {"extends", "glm4_moe"},
                 {"model_types", {"newcomer"}}};
  ImportOptions options;
  options.archSpec = directory.write("family.json", family.dump());
  Imported imported(checkpoint, options);
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_EQ(imported.summary.family, "newcomer");
  EXPECT_EQ(imported.summary.layers[0].router, "");
  EXPECT_EQ(imported.summary.layers[1].router,
            "sigmoid, bias on selection, top-4, renormalised, times 1.5");
  EXPECT_TRUE(Imported(fixture("olmoe-a"), options)
                  .failsWith(code::contradiction, 1,
                             {options.archSpec, "model_types", "\"olmoe\""}));
  options.archSpec = "/nowhere.json";
  EXPECT_TRUE(Imported(fixture("olmoe-a"), options)
                  .failsWith(code::unreadable, 1, {"/nowhere.json"}));
}

// What the language can put together without a line of C++.
TEST(ArchSpecTest, Combinations) {
  const std::tuple<const char *, const char *, const char *, size_t> cases[] = {
      // A norm behind attention too, of weight + 1.
      {"self_attention(x)",
       "rms_norm(project(x, 'self_attn.q_proj', 64, false), "
       "'input_layernorm', 1e-6, offset=1)",
       "offset = 1.000000e+00", 1},
      // A parallel block.
      {"sparse(x)", "experts(x, choose(x), expert) + 2 * x",
       "arith.constant 2.000000e+00 : f32", 1},
      // A norm without weights.
      {"prepare_v(v)", "rms_norm(v, null, 1e-6, head_dim)",
       "nn.rms_norm {eps = 9.9999999999999995E-7 : f64, size = 16", 1},
      // Rotary embedding of a quarter of each head.
      {"rope_dims", "head_dim // 4", "tensor<256x2x2xf32>", 1},
      // Experts without a gate.
      {"gated(x, gate, up, down, width)",
       "linear(gelu(linear(x, up, width)), down, hidden_size) + 0 * "
       "linear(x, gate, width) if false else "
       "linear(gelu_tanh(linear(x, gate, width)) + sigmoid(linear(x, up, "
       "width)), down, hidden_size)",
       "math.tanh", 1},
      // A softcap on router logits, and weights from logits.
      {"choose(x)",
       "route(tanh(linear(x, router, num_experts, role='router') / 30) * 30, "
       "2, score='sigmoid', select_on='logit', scale=2.5)",
       "select_on = logit", 1},
  };
  for (const auto &[head, body, expected, atLeast] : cases) {
    bool partial = std::string(head) == "self_attention(x)";
    Imported imported =
        Program({{head, body}},
                partial ? Json{{"ignore_tensors", {"*"}}} : Json::object())
            .import();
    ASSERT_TRUE(imported.module) << head << imported.messages();
    EXPECT_GE(count(imported.text(), expected), atLeast) << head;
  }
}

// One expression is one op, whatever the number of operators.
TEST(ArchSpecTest, ExpressionsBecomeOneOp) {
  auto generics = [](const char *body) {
    Imported imported = Program({{"prepare_v(v)", body}}).import();
    EXPECT_TRUE(imported.module) << imported.messages();
    return count(imported.text(), "linalg.generic {");
  };
  size_t without = generics("v");
  EXPECT_EQ(generics("min(max(2 * v + 1, -3), 3) / 4"), without + 1);
  EXPECT_EQ(generics("silu(silu(v))"), without + 1);
  EXPECT_EQ(generics("-v"), without + 1);
}

TEST(ArchSpecTest, ReportsWhereAProgramIsWrong) {
  EXPECT_TRUE(Program({{"prepare_q(q)", "unheard_of(q)"}})
                  .failsWith({"no function is called 'unheard_of'",
                              "prepare_q: unheard_of(q)"}));
  EXPECT_TRUE(Program({{"window", "'wide'"}})
                  .failsWith({"attention() needs an integer as 'window', got "
                              "'wide'"}));
  EXPECT_TRUE(Program({{"window", "-1"}}).failsWith({"window -1"}));
  EXPECT_TRUE(Program({{"prepare_q(q)", "q == null"}})
                  .failsWith({"rotate() needs rows of activations as 'x'"}));
  EXPECT_TRUE(
      Program({{"prepare_q(q)", "q % 2"}}).failsWith({"'%' is not possible"}));
  EXPECT_TRUE(Program({{"prepare_q(q)", "q + prepare_v(1)"}}).import().module);
  EXPECT_TRUE(Program({{"prepare_q(q)", "q + 'one'"}})
                  .failsWith({"'+' is not possible"}));
  EXPECT_TRUE(Program({{"prepare_q(q)", "exp(q, q)"}})
                  .failsWith({"exp() takes 1 arguments"}));
  EXPECT_TRUE(Program({{"self_attention(x)",
                        "x + project(x, 'self_attn.k_proj', 32, false)"}})
                  .failsWith({"rows of 64 and of 32 elements do not fit"}));
  EXPECT_TRUE(
      Program({{"prepare_q(q)", "layer_norm(q, tensor('a.weight'), 1e-6)"}})
          .failsWith({"has a bias, but tensor() does not name it"}));
  EXPECT_TRUE(Program({{"prepare_q(q)", "rms_norm(q, null, 1e-6, 7)"}})
                  .failsWith({"size that divides the width 64, got 7"}));
  EXPECT_TRUE(Program({{"self_attention(x)", "7"}})
                  .failsWith({"tap() needs rows of activations"}));
  EXPECT_TRUE(
      Program({{"expert(x)", "embedding('/model.embed_tokens', 256, 64)"}})
          .failsWith({"embedding() belongs into the model or a layer"}));
  EXPECT_TRUE(Program({{"rope_dims", "32"}})
                  .failsWith({"turns 32 elements of heads of only 16"}));
  EXPECT_TRUE(Program({{"rope_dims", "7"}})
                  .failsWith({"even number of elements, got 7"},
                             code::valueOutOfRange));
}

// What a layer passes on is an argument of later ones, also past a layer that
// has no part in it; the first has nothing to read.
TEST(ArchSpecTest, RowsReachLaterLayers) {
  Imported imported =
      Program({{"add(x, before)", "x if before == null else x + before"},
               {"prepare_v(v)", "pass_on(add(v, passed_on('v')), 'v') if layer "
                                "% 2 == 0 else v"}})
          .import();
  ASSERT_TRUE(imported.module) << imported.messages();
  // Layers 0 and 2; their calls too say what they give.
  std::string passes = "-> (tensor<?x64xf32>, tensor<?x32xf32>)";
  EXPECT_EQ(count(imported.text(), passes + " {"), 2u);
  EXPECT_EQ(count(imported.text(), passes), 4u);
  EXPECT_TRUE(Program({{"prepare_v(v)", "pass_on(v, 'v') + pass_on(v, 'v')"}})
                  .failsWith({"passes on 'v' a second time in one layer"}));
  EXPECT_TRUE(Program({{"prepare_v(v)", "pass_on(1, 'v')"}})
                  .failsWith({"pass_on() needs rows of activations as 'x'"}));
  EXPECT_TRUE(Program({{"expert(x)", "pass_on(x, 'v')"}})
                  .failsWith({"pass_on() belongs into the model or a layer"}));
  EXPECT_TRUE(Program({{"expert(x)", "passed_on('v')"}})
                  .failsWith({"passed_on() belongs into a layer"}));
}

// Layers get at the ids of the tokens and at what the model made of them, and
// at tensors that are nobody's or another layer's.
TEST(ArchSpecTest, LayersReadTokensAndOtherTensors) {
  std::string table = "embedding('/model.embed_tokens', 256, 64";
  auto prepared = [](const std::string &value) {
    return Program({{"prepare_q(q)", "q + " + value}});
  };
  Imported byToken = prepared(table + ")").import();
  ASSERT_TRUE(byToken.module) << byToken.messages();
  EXPECT_EQ(count(byToken.text(), "nn.gather_rows"), 3u)
      << "the embedding, the layers' one function, and the wanted rows";
  EXPECT_EQ(byToken.summary.hidden, 64);
  Imported byPosition = prepared(table + ", by='position')").import();
  ASSERT_TRUE(byPosition.module) << byPosition.messages();
  EXPECT_NE(byPosition.text(), byToken.text());
  EXPECT_TRUE(prepared(table + ", by='word')")
                  .failsWith({"knows no 'word' as 'by'", "position"}));
  EXPECT_TRUE(prepared("embedding(tensor('/model.embed_tokens.weight', "
                       "rows=256, size=100), 100, 64)")
                  .failsWith({"has 100 rows for 256 tokens"}));
  EXPECT_TRUE(
      prepared("embedding(tensor('/model.embed_tokens.weight', "
               "rows=256, size=100), 100, 64, by='position')")
          .failsWith({"has only 100 positions", "for 256", "--max-context"}));
  auto model = [](const std::string &line) {
    return Program({{"prepare_q(q)", "q + passed_on('e')"}},
                   {{"model",
                     {"x = embedding('model.embed_tokens', 256, 64)",
                      "e = pass_on(2 * x, 'e')", "x = last_rows(layers(x, 3))",
                      line, "linear(norm(x, 'model.norm'), 'lm_head', 256)"}}});
  };
  Imported passed = model("x").import();
  ASSERT_TRUE(passed.module) << passed.messages();
  EXPECT_EQ(passed.summary.layers.size(), 3u);
  std::string late = " cannot follow last_rows()";
  EXPECT_TRUE(model("x = layers(x, 1)").failsWith({"layers()" + late}));
  EXPECT_TRUE(model("x = last_rows(x)").failsWith({"last_rows()" + late}));
  EXPECT_TRUE(model("x = x + embedding('model.embed_tokens', 256, 64)")
                  .failsWith({"embedding()" + late}));
}

// Norms and parameters, like matrices, may be parts of a tensor.
TEST(ArchSpecTest, VectorsInTensors) {
  EditedFixture edited("mixtral-a");
  edited.editTensors([](Json &header) {
    for (int layer = 0; layer < 3; ++layer) {
      std::string prefix = "model.layers." + std::to_string(layer) + ".";
      header[prefix + "norms"] = {{"dtype", "F32"}, {"shape", {2, 16}}};
      header[prefix + "heads"] = {{"dtype", "F32"}, {"shape", {4, 16}}};
    }
  });
  std::string part = "tensor('norms', rows=32, begin=16)";
  Imported imported =
      Program({{"prepare_q(q)", "rms_norm(q, " + part +
                                    ", 1e-6, 16) * parameter('heads', 64) * "
                                    "parameter(tensor('norms', rows=32, "
                                    "begin=3, size=1), 1)"},
               {"prepare_k(k)",
                "layer_norm(k, " + part + ", 1e-6, 16, bias=false)"}},
              Json::object(), edited.write())
          .import();
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_EQ(count(imported.text(), "norms.rows16_16_32"), 6u)
      << "a definition and a use for each layer";
}

TEST(ArchSpecTest, MoreFunctionsOfRows) {
  for (const char *name : {"sqrt", "abs", "sin", "cos"}) {
    std::string op = std::string(name) == "abs" ? "absf" : name;
    Imported imported =
        Program({{"prepare_v(v)", std::string(name) + "(v)"}}).import();
    ASSERT_TRUE(imported.module) << imported.messages();
    EXPECT_EQ(count(imported.text(), "math." + op + " "), 1u) << name;
  }
}

// A configuration with its text model in an object, beside one for images.
TEST(ArchSpecTest, NestedConfigurations) {
  EditedFixture edited("mixtral-a");
  Json inner = edited.config;
  edited.config = {{"model_type", "mixtral"},
                   {"hidden_size", 7},
                   {"torch_dtype", "float32"},
                   {"text_config", inner},
                   {"vision_config", {{"depth", 2}}}};
  edited.config["text_config"]["model_type"] = "mixtral_text";
  std::string checkpoint = edited.write();
  Json nested = {{"nested", "text_config"}, {"ignore_keys", {"vision_config"}}};
  Imported imported = Program(Json::object(), nested, checkpoint).import();
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_EQ(imported.summary.hidden, 64) << "what is inside goes first";
  EXPECT_EQ(imported.text(), Program(Json::object()).import().text());
  nested.erase("ignore_keys");
  EXPECT_TRUE(Program(Json::object(), nested, checkpoint)
                  .import()
                  .failsWith(code::unsupportedKey, 3, {"vision_config"}));
}

TEST(ArchSpecTest, ListsHaveALength) {
  EditedFixture edited("mixtral-a");
  edited.config["windows"] = {4, 0, 4};
  std::string checkpoint = edited.write();
  auto with = [&](const char *length) {
    Json key = {{"type", "ints"}, {"length", length}};
    return Program({{"window", "windows[layer]"}},
                   {{"keys", {{"windows", key}}}}, checkpoint);
  };
  EXPECT_TRUE(with("num_hidden_layers").import().module);
  EXPECT_TRUE(with("num_hidden_layers + 1")
                  .failsWith({"windows has 3 entries; it must have "
                              "num_hidden_layers + 1 = 4"},
                             code::contradiction));
  EXPECT_TRUE(with("'3'").failsWith({"a length must be an integer"}));
}

TEST(ArchSpecTest, ReportsWrongExperts) {
  EXPECT_TRUE(Program({{"expert(x)", "linear(x, 'block_sparse_moe.one', 64)"}})
                  .failsWith({"'model.layers.0.block_sparse_moe.one.weight' of "
                              "an expert lacks {expert}"}));
  EXPECT_TRUE(Program({{"sparse(x)", "expert(x)"}})
                  .failsWith({"has {expert} outside of experts()"}));
  EXPECT_TRUE(Program({{"expert(x)", "2 * x"}})
                  .failsWith({"needs a function with weights"}));
  EXPECT_TRUE(Program({{"expert(x)", "7"}})
                  .failsWith({"an expert must give rows, not an integer"}));
  EXPECT_TRUE(
      Program({{"sparse(x)", "experts(x, choose(x), add, x)"},
               {"add(rows, outer)",
                "linear(rows + outer, 'block_sparse_moe.experts.{expert}.w2', "
                "64)"}})
          .failsWith({"can only use the rows that it is given"}));
  EXPECT_TRUE(Program({{"sparse(x)", "experts(x, x, expert)"}})
                  .failsWith({"needs a routing as 'routing'"}));
  EXPECT_TRUE(Program({{"sparse(x)", "experts(x, choose(x), 'expert')"}})
                  .failsWith({"needs a function as 'function'"}));
  EXPECT_TRUE(Program({{"expert(x)", "tap(x, 'inside')"}})
                  .failsWith({"cannot see into an expert"}));
}

// A misspelt definition is none of the base's, and a replaced function may have
// been the only reader of one that is.
TEST(ArchSpecTest, WarnsOfDefinitionsThatNothingUses) {
  auto messages = [](Json define) {
    Imported imported = Program(std::move(define)).import();
    EXPECT_TRUE(imported.module);
    return imported.messages();
  };
  EXPECT_NE(messages({{"residual_scal", 2}, {"embedding_scale", 3}})
                .find("family.json: nothing uses 'residual_scal', which it "
                      "defines"),
            std::string::npos);
  std::string unread =
      messages({{"residual(x, y)", "x + y"}, {"residual_scale", "0.5"}});
  EXPECT_NE(unread.find("warning: [MOE0212]"), std::string::npos);
  EXPECT_NE(unread.find("'residual_scale'"), std::string::npos);
  EXPECT_EQ(messages({{"residual_scale", "0.5"}}).find("MOE0212"),
            std::string::npos);
}

// Numbers of heads that stand in lists are compared layer by layer.
TEST(ArchSpecTest, HeadsByLayer) {
  Json more = {{"keys",
                {{"num_attention_heads", {{"type", "ints"}}},
                 {"num_key_value_heads", {{"type", "ints"}}},
                 {"head_dim", {{"type", "int"}}}}},
               {"ignore_keys", {"num_hidden_layers"}}};
  Json define = {{"heads", "each(num_attention_heads)"},
                 {"kv_heads", "each(num_key_value_heads)"}};
  auto import = [&](Json heads, Json kvHeads) {
    EditedFixture edited("mixtral-a");
    edited.config["num_attention_heads"] = std::move(heads);
    edited.config["num_key_value_heads"] = std::move(kvHeads);
    edited.config["head_dim"] = 16;
    return Program(define, more, edited.write()).import();
  };
  Imported imported = import({4, 4, 4}, {2, 2, 2});
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_TRUE(import({4, 4, 3}, {2, 2, 2})
                  .failsWith(code::contradiction, 1,
                             {"a multiple of the number of key-value heads",
                              "layer = 2"}));
  // In every layer as many as it says.
  EXPECT_TRUE(import({4, 2, 4}, {2, 1, 2})
                  .failsWith(code::wrongShape, 1,
                             {"model.layers.1.self_attn.k_proj.weight",
                              "expected shape [16, 64]"}));
}

TEST(ArchSpecTest, ReportsWrongRoutings) {
  auto choose = [](const std::string &arguments) {
    return Program({{"choose(x)", "route(linear(x, router, num_experts, "
                                  "role='router'), " +
                                      arguments + ")"}});
  };
  EXPECT_TRUE(choose("9").failsWith({"chooses k = 9 of only 8 experts"}));
  EXPECT_TRUE(choose("0").failsWith({"k must be at least 1, got 0"}));
  EXPECT_TRUE(choose("2, scoer='sigmoid'")
                  .failsWith({"route() has no parameter 'scoer'"}));
  EXPECT_TRUE(
      choose("2, score='relu'").failsWith({"knows no 'relu' as 'score'"}));
  EXPECT_TRUE(choose("2, scope='selected'")
                  .failsWith({"scope = selected needs weight_from = logit"}));
  EXPECT_TRUE(
      choose("2, groups=4, group_keep=5")
          .failsWith({"group_keep must be between 0 and the 4 groups"}));
  EXPECT_TRUE(choose("2, groups=3, group_keep=1")
                  .failsWith({"8 experts do not divide into 3 groups"}));
  EXPECT_TRUE(
      choose("4, groups=8, group_keep=2")
          .failsWith({"route() is not possible so: chooses k = 4 of only 2 "
                      "experts in the 2 groups that are kept"}));
  EXPECT_TRUE(choose("2, null_experts=8")
                  .failsWith({"null_experts = 8 leaves none of 8 experts"}));
  EXPECT_TRUE(
      choose("2, policy='dense'").failsWith({"k must be their number, got 2"}));
}

// Routing by a table of the checkpoint, and the weights that a routing gives to
// experts that every token has.
TEST(ArchSpecTest, TablesAndWeightsOfSharedExperts) {
  auto choose = [](const std::string &arguments, std::string checkpoint) {
    return Program({{"choose(x)", "route(linear(x, router, num_experts, "
                                  "role='router'), 2, " +
                                      arguments + ")"}},
                   Json::object(), std::move(checkpoint));
  };
  auto checkpoint = [](EditedFixture &edited, const char *type) {
    edited.editTensors([&](Json &header) {
      for (int layer = 0; layer < 3; ++layer)
        header["model.layers." + std::to_string(layer) + ".table"] = {
            {"dtype", type}, {"shape", {256, 2}}};
    });
    return edited.write();
  };
  std::string byTable = "policy='table', table='table'";
  for (const char *type : {"I64", "I32"}) {
    EditedFixture edited("mixtral-a");
    Imported imported = choose(byTable, checkpoint(edited, type)).import();
    ASSERT_TRUE(imported.module) << imported.messages();
    EXPECT_EQ(count(imported.text(), "moe.weight \"model.layers.0.table\""),
              1u);
    EXPECT_EQ(count(imported.text(), "moe.cast"),
              type == std::string("I64") ? 3u : 0u);
  }
  EditedFixture floats("mixtral-a");
  EXPECT_TRUE(choose(byTable, checkpoint(floats, "F32"))
                  .failsWith({"layers.0.table", "F32", "expected I32 or I64"},
                             code::wrongElements));
  std::string plain = fixture("mixtral-a");
  EXPECT_TRUE(
      choose("policy='table'", plain).failsWith({"needs a 'table' for"}));
  EXPECT_TRUE(
      choose("table='table'", plain).failsWith({"its policy is not 'table'"}));

  Json sparse = {
      {"choose(x)", "route(linear(x, router, 8, role='router'), 2, "
                    "renorm='sum', shared_experts=1)"},
      {"weighted(x, r)", "experts(x, r, expert) + shared_weights(r) * x"},
      {"sparse(x)", "weighted(x, choose(x))"}};
  Json more = {
      {"ignore_tensors", {"*.experts.7.*"}},
      {"keys",
       {{"num_experts", {{"type", "int"}, {"from", {"num_local_experts"}}}}}}};
  Imported imported = Program(sparse, more).import();
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_EQ(imported.summary.layers[0].experts, 7);
  sparse["sparse(x)"] = "shared_weights(7) * x";
  EXPECT_TRUE(Program(sparse, more).failsWith({"needs a routing"}));
  EXPECT_TRUE(Program({{"weighted(x, r)", "shared_weights(r) * x"},
                       {"sparse(x)", "weighted(x, choose(x))"}})
                  .failsWith({"needs a routing with shared_experts"}));
  EXPECT_TRUE(Program({{"choose(x)", "route(linear(x, router, 8, "
                                     "role='router'), 2, shared_experts=8)"}})
                  .failsWith({"8 experts, of which 8 are shared"}));
}

TEST(ArchSpecTest, ReportsWrongFiles) {
  EXPECT_TRUE(
      Program(Json::object(), {{"checks", {{{"if", "1"}, {"invalid", "no"}}}}})
          .failsWith({"a check must be a boolean: 1"}));
  EXPECT_TRUE(
      Program(Json::object(), {{"ignore_tensors", {"a.{nothing}"}}})
          .failsWith({"'a.{nothing}' names no key"}, code::badFamilyFile));
  EXPECT_TRUE(Program(Json::object(), {{"layer_prefix", "model.layers."}})
                  .failsWith({"of a layer lacks {layer}"}));
  const char *prefixes[][3] = {
      {"0", "model.layers.{stack}.", "layers 0 and 1 both begin"},
      {"1.5", "model.{stack}.", "must be a string"},
      {"text(has_tensor('b'))", "model.{stack}.", "depends on itself"}};
  for (auto [stack, prefix, message] : prefixes)
    EXPECT_TRUE(Program({{"stack", stack}}, {{"layer_prefix", prefix}})
                    .failsWith({"layer_prefix", message}));
  EXPECT_TRUE(Program(Json::object(), {{"model", "1"}})
                  .failsWith({"the model must give rows of logits"}));
  EXPECT_TRUE(Program(Json::object(), {{"layer", "1"}})
                  .failsWith({"a layer must give rows like those"}));
  Json keys = {{"keys",
                {{"a", {{"type", "int"}, {"default", "b"}}},
                 {"b", {{"type", "int"}, {"default", "a"}}}}}};
  EXPECT_TRUE(
      Program({{"window", "a"}}, keys).failsWith({"depends on itself"}));
}
