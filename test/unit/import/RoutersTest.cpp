//===- RoutersTest.cpp - Routers and ranges that programs say -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What no family of the box says, and a user's may: a scale for each expert, an
// alias, and ranges of experts behind an alias.
//
//===----------------------------------------------------------------------===//

#include "test/unit/import/Testing.h"

using namespace moec::importer;
using namespace moec::importer::test;

namespace {

/// Mixtral with another choice, and a checkpoint that is edited to fit.
class Router {
public:
  Router(const std::string &choice, Json define = Json::object(),
         const std::string &logits =
             "linear(x, router, num_experts, role='router')")
      : family({{"family", "mixtral"},
                {"extends", "mixtral"},
                {"model_types", {"mixtral"}},
                {"define", std::move(define)}}) {
    family["define"]["choose(x)"] = "route(" + logits + ", " + choice + ")";
  }

  Router &with(const std::function<void(Json &)> &edit) {
    checkpoint.editTensors(edit);
    return *this;
  }

  Imported import() {
    ImportOptions options;
    options.archSpec = directory.write("family.json", family.dump());
    return {checkpoint.write(), options};
  }

  testing::AssertionResult failsWith(std::vector<std::string> facts,
                                     std::string_view code = code::badProgram) {
    return import().failsWith(code, 1, std::move(facts));
  }

private:
  Json family;
  EditedFixture checkpoint{"mixtral-a"};
  moec::weights::test::TemporaryDirectory directory;
};

/// The tensors of experts from `first` on go.
void dropExperts(Json &header, int first) {
  for (int layer = 0; layer < 8; ++layer)
    for (int expert = first; expert < 8; ++expert)
      for (const char *part : {"w1", "w2", "w3"})
        header.erase("model.layers." + std::to_string(layer) +
                     ".block_sparse_moe.experts." + std::to_string(expert) +
                     "." + part + ".weight");
}

/// A tensor of each layer that has a router.
void addToLayers(Json &header, const std::string &name, Json shape) {
  for (int layer = 0; layer < 8; ++layer) {
    std::string prefix =
        "model.layers." + std::to_string(layer) + ".block_sparse_moe.";
    if (header.contains(prefix + "gate.weight"))
      header[prefix + name] = {{"dtype", "F32"}, {"shape", shape}};
  }
}

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST(RoutersTest, AScaleForEachExpert) {
  const std::string choice = "2, expert_scale='block_sparse_moe.by_expert'";
  Router router(choice);
  Imported imported =
      router.with([](Json &header) { addToLayers(header, "by_expert", {8}); })
          .import();
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_TRUE(has(imported.text(), "expert_scale("));
  EXPECT_TRUE(has(imported.text(), "layers.0.block_sparse_moe.by_expert"));
  EXPECT_EQ(imported.summary.layers.front().router,
            "softmax, top-2, times a scale for each expert");

  EXPECT_TRUE(Router(choice).failsWith(
      {"model.layers.0.block_sparse_moe.by_expert", "[8]"},
      code::missingTensor));
  EXPECT_TRUE(
      Router(choice)
          .with([](Json &header) { addToLayers(header, "by_expert", {7}); })
          .failsWith({"by_expert", "[8]", "[7]"}, code::wrongShape));
}

TEST(RoutersTest, AnAlias) {
  const std::string choice = "2, alias=[0, 1, 2, 3, 3, 2, 1, 0], dedupe='sum'";
  Router router(choice);
  Imported imported =
      router.with([](Json &header) { dropExperts(header, 4); }).import();
  ASSERT_TRUE(imported.module) << imported.messages();
  // The router keeps its eight outputs, four experts are left.
  EXPECT_TRUE(
      has(imported.text(), "alias = array<i32: 0, 1, 2, 3, 3, 2, 1, 0>"));
  EXPECT_TRUE(has(imported.text(), "dedupe = sum"));
  EXPECT_TRUE(has(imported.text(), "!moe.bank<4 x tensor<96x64xf32>>"));
  EXPECT_FALSE(has(imported.text(), "!moe.bank<8 x"));
  EXPECT_EQ(imported.summary.layers.front().router,
            "softmax, top-2, aliases of 4 experts, summed");

  // Experts that no alias names have no use for their tensors.
  EXPECT_TRUE(Router(choice).failsWith(
      {"model.layers.0.block_sparse_moe.experts.4.w1.weight"},
      code::unexpectedTensor));
  EXPECT_TRUE(Router("2, alias=[0, 1, 2, 3, 3, 2, 1]")
                  .failsWith({"an alias from 0 to 7 for each of 8 experts"}));
  EXPECT_TRUE(Router("2, alias=[0, 1, 2, 3, 3, 2, 1, 8]")
                  .failsWith({"an alias from 0 to 7 for each of 8 experts"}));
  EXPECT_TRUE(Router("2, alias=[0, 1, 2, 3, 3, 2, 1, -1]")
                  .failsWith({"an alias from 0 to 7 for each of 8 experts"}));
  EXPECT_TRUE(Router("2, dedupe='sum'")
                  .failsWith({"nothing to dedupe without an alias"}));
}

TEST(RoutersTest, RangesBehindAnAlias) {
  const std::string choice = "2, alias=[0, 1, 2, 3, 4, 4, 3, 0], dedupe='sum'";
  auto ranges = [](const std::string &list) {
    return Json{{"sparse(x)", "experts(x, choose(x), [" + list + "])"}};
  };
  Router router(choice, ranges("ffn_experts(3, expert), identity_experts(1), "
                               "zero_experts(1)"));
  Imported imported =
      router.with([](Json &header) { dropExperts(header, 3); }).import();
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_TRUE(
      has(imported.text(),
          "ranges = #moe.ranges<[<ffn, 3>, <identity, 1>, <zero, 1>]>"));
  EXPECT_TRUE(has(imported.text(), "!moe.bank<3 x tensor<96x64xf32>>"));

  // Ranges count what the alias leaves, not what the router has.
  EXPECT_TRUE(Router(choice, ranges("ffn_experts(8, expert)"))
                  .failsWith({"has 8 experts for a routing of 5"}));
  EXPECT_TRUE(Router(choice, ranges("ffn_experts(3, expert), "
                                    "identity_experts(1)"))
                  .failsWith({"has 4 experts for a routing of 5"}));
}

TEST(RoutersTest, ClassesOfTokens) {
  // Ranges of the vocabulary, in words of the language.
  Imported imported =
      Router("2, token_class=(token_ids() >= 10) + (token_ids() >= 20), "
             "class_experts=[range(0, 4), [5], range(2, 8)], "
             "token_k=[2, 1, 2][positions()]")
          .import();
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_TRUE(has(imported.text(), "class_id("));
  EXPECT_TRUE(has(imported.text(), "token_k("));
  EXPECT_EQ(imported.summary.layers.front().router,
            "softmax, among the experts of a class, top-2, number by token");

  const std::string classes = "2, class_experts=[[0], [1]], ";
  const std::pair<std::string, const char *> wrong[] = {
      {"2, token_class=0", "needs 'token_class' and 'class_experts' together"},
      {"2, class_experts=[[0]]",
       "needs 'token_class' and 'class_experts' together"},
      {"2, token_class=0, class_experts=[[0], []]",
       "has no experts for class 1 in 'class_experts'"},
      {"2, token_class=0, class_experts=[[0, 8]]",
       "has experts 0 to 7, but class 0 expert 8"},
      {"2, token_class=0, class_experts=[[0.5]]",
       "has experts 0 to 7, but class 0 expert 0.5"},
      {"2, token_class=0, class_experts=[]",
       "needs at least one class in 'class_experts'"},
      {"2, token_class=0, class_experts=[1]",
       "needs a list of lists of numbers as 'class_experts', got 1 in it"},
      {classes + "token_class=2",
       "needs an integer from 0 to 1 as 'token_class', got 2"},
      {classes + "token_class=-1",
       "needs an integer from 0 to 1 as 'token_class', got -1"},
      {classes + "token_class='text'", "as 'token_class', got 'text'"},
      {classes + "token_class=x",
       "needs rows of 1 element as 'token_class', got rows of 64"},
      {"2, token_k=3", "needs an integer from 0 to 2 as 'token_k', got 3"},
      {"8, policy='dense', token_k=3",
       "token_k needs a policy that ranks experts, without group_quota"},
      {"2, eligible=positions()",
       "needs rows of a number for each of 8 experts as 'eligible', got rows "
       "of 1"},
      {"2, token_k=[][positions()]",
       "rows choose from a list of 1 to 64 numbers, got 0"},
      {"2, token_k=['a'][positions()]",
       "rows choose from a list of numbers, got 'a'"},
  };
  for (const auto &[choice, message] : wrong)
    EXPECT_TRUE(Router(choice).failsWith({message})) << choice;
}

TEST(RoutersTest, MasksOfTheCheckpoint) {
  auto says = [&](Json mask, const char *code, const char *message) {
    Router router("2, token_class=token_table('/classes'), "
                  "class_experts='block_sparse_moe.mask'");
    router.with([&](Json &header) {
      addToLayers(header, "mask", {2, 8});
      for (auto &[name, tensor] : header.items())
        if (name.ends_with(".mask"))
          tensor.update(mask);
      header["classes"] = {{"dtype", "I32"}, {"shape", {256}}};
    });
    Imported imported = router.import();
    EXPECT_FALSE(imported.module);
    EXPECT_TRUE(has(imported.messages(), code) &&
                has(imported.messages(), message))
        << imported.messages();
  };
  // Tensors of edited checkpoints hold zeros: no class has an expert.
  says({{"dtype", "BOOL"}}, "MOE0121", "has no experts for class 0");
  says({{"dtype", "F32"}}, "MOE0114",
       "a mask is expected to be of BOOL, U8, I8, I32 or I64");
  says({{"dtype", "U8"}, {"shape", {2, 7}}}, "MOE0113",
       "expected shape [2, 8]");
  says({{"dtype", "U8"}, {"shape", {16}}}, "MOE0113", "expected shape [1, 8]");
}

TEST(RoutersTest, SeveralGates) {
  auto logits = [](const std::string &names, const std::string &widths) {
    return "linear(x, " + names + ", " + widths + ", role='router')";
  };
  const std::string choice = "2, alias=range(0, 8) + range(0, 4)";
  const std::string names = "['block_sparse_moe.gate', "
                            "'block_sparse_moe.more']";
  Router router(choice, Json::object(), logits(names, "[8, 4]"));
  Imported imported = router
                          .with([](Json &header) {
                            addToLayers(header, "more.weight", {4, 64});
                          })
                          .import();
  ASSERT_TRUE(imported.module) << imported.messages();
  EXPECT_TRUE(has(imported.text(), "moe.concat"));
  EXPECT_TRUE(has(imported.text(), "tensor<12x64xf32>"));
  const std::tuple<std::string, std::string, const char *> wrong[] = {
      {names, "[8]", "has 2 matrices and 1 widths"},
      {names, "12", "has 2 matrices and 1 widths"},
      {names, "[]", "needs an integer as 'width', got an empty list"},
      {names, "[8, 'a']", "needs an integer as 'width', got 'a'"},
      {"[1]", "8", "needs a string as 'name', got 1"},
      {names, "[8, 4], true", "has no bias for several matrices"}};
  for (const auto &[tensors, widths, message] : wrong)
    EXPECT_TRUE(Router(choice, Json::object(), logits(tensors, widths))
                    .failsWith({message}));
  // A tensor that is missing is named.
  Router lacking(choice, Json::object(), logits(names, "[8, 4]"));
  EXPECT_TRUE(has(lacking.import().messages(),
                  "no tensor 'model.layers.0.block_sparse_moe.more.weight'"))
      << lacking.import().messages();
}

// What a router is told and has no use for is said once, and why; where it has
// a use for it, nothing is said.
TEST(RoutersTest, WarnsOfWhatHasNoEffect) {
  auto warnings = [](const std::string &choice) {
    Imported imported = Router("2, " + choice).import();
    EXPECT_TRUE(imported.module);
    std::string text = imported.messages();
    size_t first = text.find("warning: [MOE0214]");
    if (first == std::string::npos)
      return std::string();
    EXPECT_EQ(text.find("[MOE0214]", first + 12), std::string::npos);
    return text.substr(first);
  };
  EXPECT_NE(warnings("eps=1e-6")
                .find("eps has no effect: nothing is divided without renorm"),
            std::string::npos);
  EXPECT_EQ(warnings("renorm='sum', eps=1e-6"), "");
  EXPECT_NE(warnings("renorm='sum', eps_mode='clamp'").find("eps_mode has no"),
            std::string::npos);
  EXPECT_EQ(warnings("renorm='sum', eps=1e-6, eps_mode='clamp'"), "");
  EXPECT_NE(warnings("group_fill='zero'").find("group_fill has no effect"),
            std::string::npos);
  EXPECT_EQ(warnings("groups=2, group_keep=1, group_fill='zero'"), "");
}
