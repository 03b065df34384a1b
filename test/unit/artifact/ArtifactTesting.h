//===- ArtifactTesting.h - A small artifact to write ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Contents with something in every field, and weights with gaps between them.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_ARTIFACT_ARTIFACTTESTING_H
#define MOEC_TEST_UNIT_ARTIFACT_ARTIFACTTESTING_H

#include "RecipeTesting.h"
#include "lib/Artifact/Writer.h"

namespace moec::artifact::test {

using weights::DType;
using weights::ErrorCode;
using weights::Status;
using weights::test::failsWith;

class ArtifactTest : public weights::test::RecipeTest {
protected:
  ArtifactTest() {
    store({{"norm", DType::F32, {3}, {1, 2, 3}},
           {"e.0", DType::F32, {2, 2}, {4, 5, 6, 7}},
           {"e.1", DType::F32, {2, 2}, {8, 9, 10, 11}},
           {"big", DType::BF16, {700, 1000}, weights::test::noise(700000, 1)}});
    placed(8192, 64, 64);
    contents = small();
  }

  /// Weights in another order than that of their offsets.
  void placed(int64_t big, int64_t experts, int64_t stride) {
    recipes("%0 = moe.load \"big\" : tensor<700x1000xbf16>\n"
            "moe.define \"big\" role \"embedding\", %0 {offset = " +
            std::to_string(big) +
            " : i64} : tensor<700x1000xbf16>\n"
            "%1 = moe.load_bank \"e.{expert}\" : !moe.bank<2 x "
            "tensor<2x2xf32>>\n"
            "moe.define \"experts\" role \"experts\", %1 {offset = " +
            std::to_string(experts) +
            " : i64, stride = " + std::to_string(stride) +
            " : i64} : !moe.bank<2 x tensor<2x2xf32>>\n"
            "%2 = moe.load \"norm\" : tensor<3xf32>\n"
            "moe.define \"norm\" role \"norm\", %2 {offset = 0 : i64} : "
            "tensor<3xf32>\n");
  }

  Contents small() {
    Contents c;
    c.options = {"--dtype", "bf16"};
    c.source = {{"config.json", "0123"}};
    c.model = {{"family", "qwen3_moe"},
               {"dtype", "bf16"},
               {"vocabulary", 1000},
               {"layers", 2},
               {"hidden", 192},
               {"moe_layers", {0, 1}},
               {"experts", {2, 4}},
               {"experts_per_token", {1, 2}},
               {"eos", {0}},
               {"bos", 0}};
    c.limits = {1024, 512, 8};
    c.state = {256 * 8192 + 8 * 640, 256, {{0, 8192}}, {{256 * 8192, 640}}};
    c.weightsBytes = 1409024; // 8192 + 700 * 1000 * 2, to whole pages
    Entry entry{
        .name = "step",
        .symbol = "moec_entry_step",
        .inputs = {{"ids", "i32", {"T"}}, {"slots", "i32", {"S"}}},
        .outputs = {{"logits", "f32", {"R", 1000}}},
        .arena = {4096, 8192, 64, 128},
        .taps = {{{"layers.0.experts", "i32", {"T", 4}}, {64, 128, 0, 0}}}};
    c.targets = {{.name = "x86-64-v3",
                  .code = "not really code",
                  .features = {"avx2", "fma"},
                  .rank = 1,
                  .entries = {entry}},
                 {.name = "znver4",
                  .code = std::string("\0\1\2", 3),
                  .features = {"avx512bf16"},
                  .rank = 2,
                  .entries = {entry}}};
    c.files = {{"tokenizer.json", inputs.write("tok.json", "{\"a\": 1}")},
               {"empty.txt", inputs.write("empty", "")}};
    return c;
  }

  Status write(const WriteOptions &options = {}) {
    return artifact::write(place(), contents, *executor, options);
  }

  std::string place() const { return output / "m.moec"; }
  std::string read(const std::string &name) const {
    return weights::test::readFile(place() + "/" + name);
  }

  /// Contents of all files of the artifact, by name.
  std::map<std::string, std::string> everything() const {
    std::map<std::string, std::string> files;
    for (const auto &entry :
         std::filesystem::recursive_directory_iterator(place()))
      if (entry.is_regular_file())
        files[entry.path().string().substr(place().size() + 1)] =
            weights::test::readFile(entry.path().string());
    return files;
  }

  weights::test::TemporaryDirectory inputs, output;
  Contents contents;
};

} // namespace moec::artifact::test

#endif // MOEC_TEST_UNIT_ARTIFACT_ARTIFACTTESTING_H
