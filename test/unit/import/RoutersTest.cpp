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
  Router(const std::string &choice, Json define = Json::object())
      : family({{"family", "mixtral"},
                {"extends", "mixtral"},
                {"model_types", {"mixtral"}},
                {"define", std::move(define)}}) {
    family["define"]["choose(x)"] =
        "route(linear(x, router, num_experts, role='router'), " + choice + ")";
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
