//===- ManifestTest.cpp - What artifacts say about themselves -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every field of the manifest, and attributes as JSON.
//
//===----------------------------------------------------------------------===//

#include "ArtifactTesting.h"
#include "lib/Artifact/Checksum.h"
#include "lib/Artifact/ModelFacts.h"
#include "moec/Artifact.h"

#include "mlir/AsmParser/AsmParser.h"

using namespace moec;
using namespace moec::artifact;
using namespace moec::artifact::test;

namespace {

TEST_F(ArtifactTest, ManifestSaysEverything) {
  ASSERT_TRUE(write().ok());
  Json manifest = Json::parse(read("manifest.json"));
  EXPECT_EQ(manifest["schema"], MOEC_SCHEMA_VERSION);
  EXPECT_EQ(manifest["abi"], MOEC_ABI_VERSION);
  EXPECT_EQ(manifest["compiler"]["name"], "moec");
  EXPECT_EQ(manifest["compiler"]["options"],
            (Json::array({"--dtype", "bf16"})));
  EXPECT_EQ(manifest["source"], (Json{{"config.json", "0123"}}));
  EXPECT_EQ(manifest["model"], contents.model);
  EXPECT_EQ(manifest["limits"],
            (Json{{"context", 1024}, {"step_tokens", 512}, {"sequences", 8}}));
  EXPECT_EQ(manifest["state"]["bytes"], 2102272);
  EXPECT_EQ(manifest["state"]["blocks"], 256);
  EXPECT_EQ(manifest["state"]["buffers"],
            (Json::array({{{"offset", 0}, {"block_bytes", 8192}}})));
  EXPECT_EQ(manifest["state"]["recurrent"],
            (Json::array({{{"offset", 2097152}, {"slot_bytes", 640}}})));
}

TEST_F(ArtifactTest, ManifestListsWeights) {
  ASSERT_TRUE(write().ok());
  Json weights = Json::parse(read("manifest.json"))["weights"];
  EXPECT_EQ(weights["file"], "weights/weights.bin");
  EXPECT_EQ(weights["bytes"], 1409024);
  EXPECT_EQ(weights["checksum"], checksumOf(read("weights/weights.bin")));
  auto segment = [](const char *name, int offset, int bytes, const char *role) {
    return Json{
        {"name", name}, {"offset", offset}, {"bytes", bytes}, {"role", role}};
  };
  EXPECT_EQ(weights["segments"],
            (Json::array({segment("norm", 0, 12, "norm"),
                          segment("experts", 64, 128, "experts"),
                          segment("big", 8192, 1400000, "embedding")})));
}

TEST_F(ArtifactTest, ManifestListsTargets) {
  ASSERT_TRUE(write().ok());
  Json manifest = Json::parse(read("manifest.json"));
  ASSERT_EQ(manifest["targets"].size(), 2u);
  Json target = manifest["targets"][0];
  EXPECT_EQ(target["name"], "x86-64-v3");
  EXPECT_EQ(target["file"], "code/x86-64-v3.so");
  EXPECT_EQ(target["bytes"], 15);
  EXPECT_EQ(target["checksum"], checksumOf("not really code"));
  EXPECT_EQ(target["requires"], (Json::array({"avx2", "fma"})));
  EXPECT_EQ(target["rank"], 1);
  Json step = target["entries"]["step"];
  EXPECT_EQ(step["symbol"], "moec_entry_step");
  EXPECT_EQ(step["inputs"],
            Json::parse(R"([{"name": "ids", "dtype": "i32", "shape": ["T"]},
                            {"name": "slots", "dtype": "i32", "shape": ["S"]}])"));
  EXPECT_EQ(
      step["outputs"],
      Json::parse(
          R"([{"name": "logits", "dtype": "f32", "shape": ["R", 1000]}])"));
  EXPECT_EQ(step["arena"],
            Json::parse(R"({"const": 4096, "T": 8192, "S": 64, "R": 128})"));
  EXPECT_EQ(
      step["taps"],
      Json::parse(
          R"([{"name": "layers.0.experts", "dtype": "i32", "shape": ["T", 4],
                     "offset": {"const": 64, "T": 128, "S": 0, "R": 0}}])"));
  EXPECT_EQ(manifest["targets"][1]["checksum"],
            checksumOf(std::string_view("\0\1\2", 3)));
}

TEST_F(ArtifactTest, ManifestListsFiles) {
  ASSERT_TRUE(write().ok());
  Json files = Json::parse(read("manifest.json"))["files"];
  EXPECT_EQ(files["tokenizer.json"],
            (Json{{"bytes", 8}, {"checksum", checksumOf("{\"a\": 1}")}}));
  EXPECT_EQ(files["empty.txt"],
            (Json{{"bytes", 0}, {"checksum", checksumOf("")}}));
}

TEST_F(ArtifactTest, ManifestSurvivesTextThatIsNotUtf8) {
  contents.model["family"] = "a\xff";
  ASSERT_TRUE(write().ok());
  EXPECT_EQ(Json::parse(read("manifest.json"))["model"]["family"], "a\uFFFD");
}

TEST(ModelFacts, Attributes) {
  mlir::MLIRContext context;
  auto attribute = mlir::parseAttribute(
      R"({a = "text", b = 3 : i64, c = true, d = 0.5 : f64, e = [1, "x"],
          f = array<i64: 0, 2>, g = {h = -1 : i32}, i = unit,
          j = array<f64: 0.25>})",
      &context);
  ASSERT_TRUE(attribute);
  EXPECT_EQ(toJson(attribute),
            Json::parse(R"({"a": "text", "b": 3, "c": true, "d": 0.5,
                            "e": [1, "x"], "f": [0, 2], "g": {"h": -1},
                            "i": null, "j": [0.25]})"));
}

} // namespace
