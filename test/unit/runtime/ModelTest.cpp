//===- ModelTest.cpp - Opening artifacts ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every check between a directory and running code, each with an artifact that
// is good but for one thing.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include "lib/Runtime/Files.h"
#include "lib/Runtime/Model.h"
#include "moec/Artifact.h"

using namespace moec::runtime;
using namespace moec::runtime::testing;
namespace fs = std::filesystem;

namespace {

::testing::AssertionResult openFails(const FakeArtifact &artifact,
                                     moec_code code, std::string_view text,
                                     moec_model_options options = {}) {
  options.struct_size = sizeof(options);
  moec_model *model = nullptr;
  moec_error *error =
      moec_model_open(artifact.path().c_str(), &options, &model);
  Handle<moec_model> owner(model);
  EXPECT_EQ(model, nullptr);
  return fails(error, code, text);
}

void flipByte(const fs::path &path, size_t at) {
  std::string bytes = readFile(path);
  ASSERT_LT(at, bytes.size());
  bytes[at] ^= 0x10;
  writeFile(path, bytes);
}

TEST(ModelTest, Opens) {
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  moec_model_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_TRUE(succeeds(moec_model_get_info(model.get(), &info)));
  EXPECT_STREQ(info.family, "qwen3_moe");
  EXPECT_STREQ(info.dtype, "bf16");
  EXPECT_STREQ(info.target, "baseline");
  EXPECT_EQ(info.vocabulary, 50);
  EXPECT_EQ(info.layers, 2);
  EXPECT_EQ(info.context, 96);
  EXPECT_EQ(info.step_tokens, 40);
  EXPECT_EQ(info.sequences, 4);
  EXPECT_EQ(info.bos, 0);
  ASSERT_EQ(info.eos_count, 2);
  EXPECT_EQ(info.eos[1], 49);
  ASSERT_EQ(info.moe_layer_count, 2);
  EXPECT_EQ(info.moe_layers[1], 1);
  EXPECT_EQ(info.experts[0], 4);
  EXPECT_EQ(info.experts[1], 6);
  EXPECT_EQ(info.experts_per_token[0], 2);
  EXPECT_EQ(info.experts_per_token[1], 3);
  EXPECT_EQ(info.weights_bytes, 5000u);
  EXPECT_EQ(info.state_bytes, 3072u);
  ASSERT_EQ(info.tap_count, 2);
  EXPECT_STREQ(moec_model_tap_name(model.get(), 1), "control");
  EXPECT_EQ(moec_model_tap_name(model.get(), 2), nullptr);
  EXPECT_EQ(moec_model_tap_name(model.get(), -1), nullptr);
  size_t size = 0;
  const char *manifest = moec_model_manifest(model.get(), &size);
  EXPECT_EQ(std::string(manifest, size), artifact.manifest.dump());
  EXPECT_TRUE(succeeds(moec_model_check_weights(model.get())));
}

TEST(ModelTest, WhatIsNotAnArtifact) {
  moec_model *model = nullptr;
  EXPECT_TRUE(fails(moec_model_open("/nonexistent/x.moec", nullptr, &model),
                    MOEC_E_NOT_FOUND, "/nonexistent/x.moec"));
  TemporaryDirectory empty;
  EXPECT_TRUE(fails(moec_model_open(empty.path().c_str(), nullptr, &model),
                    MOEC_E_NOT_FOUND, "is this an artifact?"));
  EXPECT_EQ(model, nullptr);
}

TEST(ModelTest, DamagedManifest) {
  FakeArtifact artifact;
  for (size_t at :
       {size_t(0), size_t(100), artifact.manifest.dump().size() - 1}) {
    artifact.write();
    flipByte(artifact.file("manifest.json"), at);
    EXPECT_TRUE(openFails(artifact, MOEC_E_CHECKSUM, "manifest.json"));
  }
  artifact.write();
  fs::resize_file(artifact.file("manifest.json"), 50);
  EXPECT_TRUE(openFails(artifact, MOEC_E_CHECKSUM, "manifest.json"));
}

TEST(ModelTest, DamagedOrMissingManifestChecksum) {
  FakeArtifact artifact;
  flipByte(artifact.file("manifest.json.xxh3"), 3);
  EXPECT_TRUE(openFails(artifact, MOEC_E_CHECKSUM, "manifest.json.xxh3 says"));
  writeFile(artifact.file("manifest.json.xxh3"), std::string(10000, '0'));
  EXPECT_TRUE(openFails(artifact, MOEC_E_FILE, "more than 64 bytes"));
  fs::remove(artifact.file("manifest.json.xxh3"));
  EXPECT_TRUE(openFails(artifact, MOEC_E_FILE, "manifest.json.xxh3"));
}

TEST(ModelTest, MalformedManifestNamesTheFile) {
  FakeArtifact artifact;
  artifact.manifest["limits"].erase("context");
  artifact.write();
  EXPECT_TRUE(
      openFails(artifact, MOEC_E_MANIFEST,
                artifact.path() + "/manifest.json: limits.context: missing"));
}

TEST(ModelTest, OtherSchemaOrAbi) {
  FakeArtifact artifact;
  artifact.manifest["schema"] = 7;
  artifact.write();
  EXPECT_TRUE(openFails(artifact, MOEC_E_VERSION, "schema"));
  artifact.manifest["schema"] = MOEC_SCHEMA_VERSION;
  artifact.manifest["abi"] = 99;
  artifact.write();
  EXPECT_TRUE(openFails(artifact, MOEC_E_VERSION, "abi"));
}

TEST(ModelTest, DamagedCode) {
  FakeArtifact artifact;
  flipByte(artifact.file("code/baseline.so"), 1000);
  EXPECT_TRUE(openFails(artifact, MOEC_E_CHECKSUM, "baseline.so"));
}

TEST(ModelTest, FilesOfOtherSizes) {
  for (const char *name :
       {"code/baseline.so", "weights/weights.bin", "extra"}) {
    FakeArtifact artifact;
    artifact.addFile("extra", "extra");
    artifact.write();
    fs::resize_file(artifact.file(name),
                    fs::file_size(artifact.file(name)) + 1);
    EXPECT_TRUE(openFails(artifact, MOEC_E_FILE, "the manifest says")) << name;
    fs::remove(artifact.file(name));
    EXPECT_TRUE(openFails(artifact, MOEC_E_FILE, name)) << name;
  }
}

TEST(ModelTest, LinkedWeights) {
  FakeArtifact artifact;
  TemporaryDirectory elsewhere;
  fs::rename(artifact.file("weights/weights.bin"),
             elsewhere.path() / "weights.bin");
  fs::create_symlink(elsewhere.path() / "weights.bin",
                     artifact.file("weights/weights.bin"));
  EXPECT_TRUE(openFails(artifact, MOEC_E_PATH, "symbolic link"));
}

TEST(ModelTest, DamagedWeightsAreFoundWhenAskedFor) {
  FakeArtifact artifact;
  flipByte(artifact.file("weights/weights.bin"), 4999);
  Handle<moec_model> model = openModel(artifact);
  EXPECT_TRUE(fails(moec_model_check_weights(model.get()), MOEC_E_CHECKSUM,
                    "weights.bin"));
}

TEST(ModelTest, OtherDamagedFilesAreFoundWhenAskedFor) {
  FakeArtifact artifact;
  artifact.addFile("extra", "extra");
  artifact.write();
  flipByte(artifact.file("extra"), 0);
  Handle<moec_model> model = openModel(artifact);
  EXPECT_TRUE(
      fails(moec_model_check_weights(model.get()), MOEC_E_CHECKSUM, "extra"));
}

TEST(ModelTest, CodeThatIsNoCode) {
  FakeArtifact artifact;
  std::string text = "not an object";
  writeFile(artifact.file("code/baseline.so"), text);
  artifact.target()["bytes"] = text.size();
  artifact.target()["checksum"] = checksumOf(text);
  artifact.write();
  EXPECT_TRUE(openFails(artifact, MOEC_E_CODE, "cannot load"));
}

TEST(ModelTest, CodeWithoutTheSymbol) {
  FakeArtifact artifact;
  artifact.step()["symbol"] = "moec_entry_other";
  artifact.write();
  EXPECT_TRUE(openFails(artifact, MOEC_E_CODE, "no symbol moec_entry_other"));
}

TEST(ModelTest, EntriesThatCannotBeCalled) {
  FakeArtifact artifact;
  artifact.step()["outputs"][0]["shape"][1] = 51;
  artifact.write();
  EXPECT_TRUE(openFails(artifact, MOEC_E_ENTRY, "logits f32 [R, 51]"));
  artifact.step()["outputs"][0]["shape"][1] = 50;
  artifact.step()["inputs"].push_back(
      nlohmann::json{{"name", "kind"}, {"dtype", "i32"}, {"shape", {"T"}}});
  artifact.write();
  EXPECT_TRUE(openFails(artifact, MOEC_E_ENTRY, "kind i32 [T]"));
  artifact.target()["entries"] = nlohmann::json::object();
  artifact.write();
  EXPECT_TRUE(openFails(artifact, MOEC_E_MANIFEST, "expected at least one"));
}

TEST(ModelTest, MissingFeaturesAreListed) {
  FakeArtifact artifact;
  artifact.target()["requires"] = {"fma9", "teleport"};
  nlohmann::json second = artifact.target();
  second["name"] = "second";
  second["requires"] = {"teleport"};
  artifact.manifest["targets"].push_back(second);
  artifact.write();
  EXPECT_TRUE(
      openFails(artifact, MOEC_E_CPU,
                "baseline needs fma9, teleport; second needs teleport"));
}

TEST(ModelTest, TargetsByName) {
  FakeArtifact artifact;
  nlohmann::json second = artifact.target();
  second["name"] = "second";
  second["rank"] = 0;
  artifact.manifest["targets"].push_back(second);
  artifact.write();
  moec_model_options options = {sizeof(options), 0, "second"};
  moec_model *model = nullptr;
  ASSERT_TRUE(
      succeeds(moec_model_open(artifact.path().c_str(), &options, &model)));
  Handle<moec_model> owner(model);
  moec_model_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_TRUE(succeeds(moec_model_get_info(model, &info)));
  EXPECT_STREQ(info.target, "second");
  options.target = "third";
  EXPECT_TRUE(openFails(artifact, MOEC_E_ENTRY,
                        "no target \"third\", it has baseline, second",
                        options));
}

TEST(ModelTest, InspectingNeedsNoCpu) {
  FakeArtifact artifact;
  artifact.target()["requires"] = {"teleport"};
  artifact.write();
  moec_model_options options = {sizeof(options), MOEC_MODEL_INSPECT, nullptr};
  moec_model *model = nullptr;
  ASSERT_TRUE(
      succeeds(moec_model_open(artifact.path().c_str(), &options, &model)));
  Handle<moec_model> owner(model);
  moec_model_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_TRUE(succeeds(moec_model_get_info(model, &info)));
  EXPECT_EQ(info.target, nullptr);
  EXPECT_EQ(info.vocabulary, 50);
  EXPECT_TRUE(succeeds(moec_model_check_weights(model)));
  moec_session *session = nullptr;
  EXPECT_TRUE(fails(moec_session_create(model, nullptr, &session),
                    MOEC_E_ARGUMENT, "MOEC_MODEL_INSPECT"));
}

TEST(ModelTest, UnknownFlags) {
  FakeArtifact artifact;
  EXPECT_TRUE(
      openFails(artifact, MOEC_E_ARGUMENT, "unknown flags 2", {0, 2, nullptr}));
}

/// dlopen would hand out the old code for the same path while it is in use.
TEST(ModelTest, AnArtifactWrittenAgainRunsItsNewCode) {
  FakeArtifact artifact(1);
  Handle<moec_model> first = openModel(artifact);
  artifact.setCode(2);
  artifact.write();
  Handle<moec_model> second = openModel(artifact);
  std::vector<int32_t> tokens = {3, 1, 4};
  int version = 1;
  for (const moec_model *model : {first.get(), second.get()}) {
    Handle<moec_session> session = createSession(model);
    const float *logits = nullptr;
    ASSERT_TRUE(succeeds(moec_session_prefill(session.get(), 0, tokens.data(),
                                              tokens.size(), &logits)));
    EXPECT_EQ(std::vector<float>(logits, logits + 50),
              fakeLogits(tokens, version++));
  }
}

class ChooseTarget : public ::testing::Test {
protected:
  ChooseTarget() {
    for (auto [name, rank, features] :
         {std::tuple{"low", 1, std::vector<std::string>{"avx2"}},
          {"high", 3, {"avx2", "avx512bf16"}},
          {"middle", 2, {"avx2", "avx512f"}}}) {
      Target target;
      target.name = name;
      target.rank = rank;
      target.features = features;
      manifest.targets.push_back(target);
    }
  }
  std::string choose(std::set<std::string, std::less<>> features) {
    Result<const Target *> target =
        chooseTarget(manifest, CpuFeatures(std::move(features)), "");
    return target ? (*target)->name : target.status().message();
  }
  Manifest manifest;
};

TEST_F(ChooseTarget, TakesTheHighestRankThatRuns) {
  EXPECT_EQ(choose({"avx2"}), "low");
  EXPECT_EQ(choose({"avx2", "avx512f"}), "middle");
  EXPECT_EQ(choose({"avx2", "avx512f", "avx512bf16"}), "high");
  EXPECT_EQ(choose({"avx2", "avx512bf16"}), "high");
  EXPECT_NE(choose({"avx512f"})
                .find("low needs avx2; high needs avx2, "
                      "avx512bf16; middle needs avx2"),
            std::string::npos);
}

} // namespace
