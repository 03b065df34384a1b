//===- FamilyTest.cpp - Family files --------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The built-in files are sound, files extend each other as documented, and bad
// files are refused with a reason.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Family.h"
#include "lib/Import/EmbeddedFamilies.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace moec::importer;

TEST(FamilyTest, BuiltinFamilies) {
  auto families = builtinFamilies();
  for (const char *name : {"mixtral", "olmoe", "qwen2_moe", "qwen3_moe"})
    EXPECT_NE(std::find(families.begin(), families.end(), name),
              families.end());
  for (const std::string &name : families) {
    Diagnostics diagnostics;
    auto family = parseFamily(*builtinFile(name + ".json"), name, diagnostics);
    ASSERT_TRUE(family) << diagnostics.list().front().text();
    EXPECT_EQ(family->name, name);
    for (const std::string &type : family->modelTypes) {
      auto found = findFamily(type, diagnostics);
      ASSERT_TRUE(found) << type;
      EXPECT_EQ(found->name, name) << "two families for " << type;
    }
  }
}

TEST(FamilyTest, BuiltinFilesAreSmall) {
  for (const EmbeddedFile &file : embeddedFamilies()) {
    Json json = Json::parse(file.text);
    if (json.contains("model_types"))
      EXPECT_LT(std::count(file.text.begin(), file.text.end(), '\n'), 80)
          << file.name;
  }
}

// A definition or key that nothing reaches is dead, or a misspelt one.
TEST(FamilyTest, BuiltinFilesHaveNothingUnused) {
  std::map<std::string, bool> reached;
  for (const std::string &builtin : builtinFamilies()) {
    Diagnostics diagnostics;
    auto family =
        parseFamily(*builtinFile(builtin + ".json"), builtin, diagnostics);
    ASSERT_TRUE(family) << builtin;
    auto names = reachableNames(*family);
    for (const auto &[name, unused] : family->definitions)
      reached[name] |= names.count(name) != 0;
    for (const auto &[name, unused] : family->keys)
      reached[name] |= names.count(name) != 0;
  }
  for (const char *name : {"torch_dtype", "eos_token_id", "bos_token_id"})
    reached[name] = true; // The importer reads these.
  for (const auto &[name, isReached] : reached)
    EXPECT_TRUE(isReached) << name;
}

namespace {

Json minimal() {
  return Json::parse(R"({
    "family": "tiny", "model_types": ["tiny"], "layer_prefix": "l.{layer}.",
    "model": "1", "layer": "x"})");
}

std::optional<Family> parse(const Json &json, std::string *message = nullptr) {
  Diagnostics diagnostics;
  auto family = parseFamily(json.dump(), "tiny.json", diagnostics);
  EXPECT_EQ(family.has_value(), !diagnostics.hasErrors());
  if (message && diagnostics.hasErrors()) {
    EXPECT_EQ(diagnostics.list().front().code, code::badFamilyFile);
    EXPECT_EQ(diagnostics.exitCode(), 1);
    *message = diagnostics.list().front().message;
  }
  return family;
}

} // namespace

TEST(FamilyTest, ExtendsAnother) {
  Json json = minimal();
  json["extends"] = "mixtral";
  json.erase("model");
  json.erase("layer");
  json["ignore_keys"] = {"speed"};
  json["keys"]["sliding_window"] = {{"type", "int"}, {"default", 3}};
  json["define"]["expert(x, extra=1)"] = "x";
  auto family = parse(json);
  ASSERT_TRUE(family);
  EXPECT_EQ(family->modelTypes, std::vector<std::string>{"tiny"});
  EXPECT_EQ(family->layerPrefix, "l.{layer}.");
  EXPECT_EQ(family->ignoredKeys,
            (std::vector<std::string>{
                "quantization_config.activation_scheme",
                "quantization_config.modules_to_not_convert", "speed"}));
  EXPECT_TRUE(family->keys.at("sliding_window").fallback);
  EXPECT_FALSE(family->keys.at("sliding_window").isOptional)
      << "a key is replaced as a whole";
  EXPECT_EQ(family->definitions.at("expert").signature.parameters.size(), 2u)
      << "whatever the parameters, the name decides";
  EXPECT_EQ(family->definitions.at("router").body.size(), 1u);
  EXPECT_GT(family->checks.size(), 1u) << "checks add up";
  EXPECT_GT(family->layer.size(), 2u);
}

TEST(FamilyTest, WrapsTheFamilyOfTheTextModel) {
  Json config = {{"model_type", "llama4"},
                 {"text_config", {{"model_type", "llama4_text"}}}};
  Diagnostics diagnostics;
  auto family = familyOf(config, "", diagnostics);
  ASSERT_TRUE(family) << diagnostics.list().front().text();
  EXPECT_EQ(family->name, "llama4");
  EXPECT_EQ(family->nested, "text_config");
  EXPECT_EQ(family->modelTypes.front(), "ernie4_5_vl_moe");
  EXPECT_TRUE(family->tensorNames.count("model."));
  EXPECT_FALSE(family->leftOut.empty());
  EXPECT_TRUE(family->keys.count("attention_chunk_size"));
  EXPECT_FALSE(findFamily("llama4", diagnostics)) << "no family by itself";
}

TEST(FamilyTest, RefusesBadFiles) {
  const std::tuple<const char *, const char *, const char *> cases[] = {
      {"/colour", "\"red\"", "no field 'colour'"},
      {"/family", "null", "needs a 'family'"},
      {"/model_types", "\"tiny\"", "must be a list of strings"},
      {"/layer_prefix", "1", "needs a 'layer_prefix'"},
      {"/model", "\"1 +\"", "'model': expected a value at column 4"},
      {"/layer", "[]", "at least one statement"},
      {"/layer", "{}", "'layer' must be"},
      {"/extends", "\"nobody\"", "'nobody', which is not built in"},
      {"/extends", "1", "'extends' must be a string"},
      {"/keys", "[]", "'keys' must be an object"},
      {"/keys/a", "{}", "key 'a' needs a 'type'"},
      {"/keys/a", "{\"type\": \"colour\"}", "key 'a' needs a 'type'"},
      {"/keys/a", "{\"type\": \"int\", \"form\": []}", "no field 'form'"},
      {"/keys/a", "{\"type\": \"int\", \"from\": 1}", "'from'"},
      {"/keys/a", "{\"type\": \"int\", \"default\": \"1 +\"}", "'default'"},
      {"/keys/a", "{\"type\": \"int\", \"default\": {}}", "'default'"},
      {"/keys/a", "{\"type\": \"int\", \"only\": []}", "'only'"},
      {"/keys/a", "{\"type\": \"int\", \"min\": \"0\"}", "'min'"},
      {"/keys/a", "{\"type\": \"int\", \"optional\": 1}", "'optional'"},
      {"/keys/a", "{\"type\": \"int\", \"nullable\": 1}", "'nullable'"},
      {"/keys/a", "{\"type\": \"ints\", \"length\": \"1 +\"}", "'length'"},
      {"/nested", "1", "'nested' must be the name of an object"},
      {"/define", "[]", "'define' must be an object"},
      {"/define/f(", "\"1\"", "'f('"},
      {"/define/f", "\"$\"", "expected a value"},
      {"/define/f", "[1]", "list of strings"},
      {"/define", "{\"f\": \"1\", \"f(x)\": \"2\"}", "defined twice"},
      {"/checks", "{}", "'checks' must be a list"},
      {"/checks", "[{\"if\": \"true\"}]", "a check needs"},
      {"/checks", "[{\"if\": \"1 +\", \"invalid\": \"a\"}]", "a check"},
      {"/checks",
       "[{\"if\": \"true\", \"invalid\": \"a\", \"unsupported\": \"b\"}]",
       "a check needs"},
      {"/ignore_keys", "[1]", "'ignore_keys'"},
      {"/ignore_tensors", "1", "'ignore_tensors' must be a list"},
      {"/ignore_tensors", "[{\"name\": \"a\"}]", "'ignore_tensors'"},
  };
  for (const auto &[path, value, expected] : cases) {
    Json json = minimal();
    json[Json::json_pointer(path)] = Json::parse(value);
    std::string message;
    EXPECT_FALSE(parse(json, &message)) << path << " " << value;
    EXPECT_NE(message.find(expected), std::string::npos)
        << path << " " << value << " said: " << message;
  }
}

TEST(FamilyTest, KeysAndDefinitionsShareNames) {
  Json json = minimal();
  json["keys"]["a"] = {{"type", "int"}};
  json["define"]["a"] = "1";
  std::string message;
  EXPECT_FALSE(parse(json, &message));
  EXPECT_NE(message.find("there is a key of this name"), std::string::npos);
}

// Of a base, either replaces the other.
TEST(FamilyTest, ANameReplacesThatOfTheBase) {
  Json json = minimal();
  json["extends"] = "mixtral";
  json["keys"]["window"] = {{"type", "int"}};
  json["keys"]["norm"] = {{"type", "float"}};
  json["define"]["sliding_window"] = "7";
  json["define"]["head_dim(x)"] = "x";
  auto family = parse(json);
  ASSERT_TRUE(family);
  EXPECT_TRUE(family->keys.count("window") && family->keys.count("norm"));
  EXPECT_FALSE(family->definitions.count("window") ||
               family->definitions.count("norm"));
  EXPECT_TRUE(family->definitions.count("sliding_window") &&
              family->definitions.count("head_dim"));
  EXPECT_FALSE(family->keys.count("sliding_window") ||
               family->keys.count("head_dim"));
}

TEST(FamilyTest, FindsReachableNames) {
  Json json = minimal();
  json["keys"]["a"] = {{"type", "int"}, {"default", "b"}};
  json["keys"]["b"] = {{"type", "int"}};
  json["keys"]["dead"] = {{"type", "int"}};
  json["define"]["f(x, y=a)"] = "x";
  json["define"]["g"] = "dead";
  json["layer"] = "f(x)";
  auto names = reachableNames(*parse(json));
  EXPECT_TRUE(names.count("f") && names.count("a") && names.count("b"));
  EXPECT_FALSE(names.count("g") || names.count("dead"));
}
