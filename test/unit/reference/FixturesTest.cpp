//===- FixturesTest.cpp - Import and reference against the originals ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Small models with random weights whose outputs were recorded from the
// original implementation: the imported module, evaluated by definition, gives
// the same logits and chooses the same experts, from both spellings of the
// configuration.
//
//===----------------------------------------------------------------------===//

#include "TestFiles.h"
#include "lib/Import/Import.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/RecipeWeights.h"
#include "lib/Weights/Elements.h"

#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

using namespace moec;
using namespace moec::reference;
namespace fs = std::filesystem;
using weights::test::TemporaryDirectory;

namespace {

struct FixtureCase {
  std::string name;
  std::string config;
};

std::vector<FixtureCase> fixtures() {
  std::vector<FixtureCase> cases;
  std::error_code error;
  for (const auto &entry : fs::directory_iterator(MOEC_FIXTURES_DIR, error))
    for (const char *family :
         {"olmoe-", "qwen2_moe-", "qwen3_moe-", "mixtral-"})
      if (entry.path().filename().string().rfind(family, 0) == 0)
        for (const char *config : {"config.json", "config.v5.json"})
          cases.push_back({entry.path().filename().string(), config});
  std::sort(cases.begin(), cases.end(), [](const auto &a, const auto &b) {
    return std::pair(a.name, a.config) < std::pair(b.name, b.config);
  });
  return cases;
}

/// The recorded outputs.
class Expected {
public:
  explicit Expected(const std::string &path) {
    auto opened = weights::Checkpoint::open(path);
    EXPECT_TRUE(opened) << opened.status().message();
    if (opened)
      file.emplace(std::move(*opened));
  }

  std::vector<float> floats(const std::string &name) const {
    const weights::Tensor *tensor = find(name);
    std::vector<float> values(tensor ? tensor->numElements() : 0);
    if (tensor)
      std::memcpy(values.data(), tensor->bytes().data(),
                  tensor->bytes().size());
    return values;
  }

  std::vector<int64_t> ints(const std::string &name) const {
    const weights::Tensor *tensor = find(name);
    std::vector<int64_t> values(tensor ? tensor->numElements() : 0);
    if (tensor)
      std::memcpy(values.data(), tensor->bytes().data(),
                  tensor->bytes().size());
    return values;
  }

  /// The name of the recorded choice of a layer, or "".
  std::string choiceOf(int64_t layer) const {
    std::string part = ".layers." + std::to_string(layer) + ".";
    for (const weights::Tensor &tensor : file->tensors())
      if (tensor.name().rfind("router.", 0) == 0 &&
          tensor.name().find(part) != std::string::npos &&
          tensor.name().ends_with(".2"))
        return tensor.name();
    return "";
  }

  std::vector<uint64_t> shape(const std::string &name) const {
    const weights::Tensor *tensor = find(name);
    return tensor ? std::vector<uint64_t>(tensor->shape().begin(),
                                          tensor->shape().end())
                  : std::vector<uint64_t>();
  }

private:
  const weights::Tensor *find(const std::string &name) const {
    const weights::Tensor *tensor = file ? file->find(name) : nullptr;
    EXPECT_NE(tensor, nullptr) << name;
    return tensor;
  }

  std::optional<weights::Checkpoint> file;
};

template <typename Real>
double relativeError(const std::vector<Real> &actual,
                     const std::vector<float> &expected) {
  EXPECT_EQ(actual.size(), expected.size());
  EXPECT_FALSE(expected.empty());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    difference += std::pow(double(actual[i]) - expected[i], 2);
    norm += std::pow(double(expected[i]), 2);
  }
  return std::sqrt(difference / norm);
}

/// A fixture as a directory with this spelling of its configuration.
void layOut(const TemporaryDirectory &directory, const FixtureCase &fixture) {
  fs::path from = fs::path(MOEC_FIXTURES_DIR) / fixture.name;
  fs::create_symlink(from / fixture.config, directory / "config.json");
  fs::create_symlink(from / "model.safetensors",
                     directory / "model.safetensors");
}

std::string textOf(const importer::Diagnostics &diagnostics) {
  std::string text;
  for (const importer::Diagnostic &diagnostic : diagnostics.list())
    text += diagnostic.text() + "\n";
  return text;
}

class FixturesTest : public ::testing::TestWithParam<FixtureCase> {
protected:
  void SetUp() override {
    layOut(directory, GetParam());
    importer::ImportOptions options;
    options.dtype = "f32";
    importer::Diagnostics diagnostics;
    module = importer::importCheckpoint(context, directory.path(), options,
                                        diagnostics);
    ASSERT_TRUE(module) << textOf(diagnostics);
    auto opened = weights::Checkpoint::open(directory.path());
    ASSERT_TRUE(opened) << opened.status().message();
    checkpoint.emplace(std::move(*opened));
    auto created = weights::RecipeExecutor::create(
        *module->getOps<moe::RecipesOp>().begin(), *checkpoint);
    ASSERT_TRUE(created) << created.status().message();
    executor.emplace(std::move(*created));
  }

  /// Evaluates all sequences in one step.
  template <typename Real> Tensor<Real> logits(const Expected &expected) {
    RecipeWeights source(*executor);
    Evaluator<Real> evaluator(*module, source);
    evaluator.onTap([this](const std::string &name, const Tensor<Real> &value) {
      choices[name] = value.ints;
    });
    std::vector<uint64_t> shape = expected.shape("input_ids");
    int64_t sequences = shape[0], length = shape[1];
    int64_t tokens = sequences * length;
    Tensor<Real> ids = intTensor<Real>({tokens}), positions = ids, rows = ids;
    Tensor<Real> offsets = intTensor<Real>({sequences + 1});
    Tensor<Real> slots = intTensor<Real>({sequences});
    ids.ints = expected.ints("input_ids");
    for (int64_t t = 0; t < tokens; ++t) {
      positions.ints[t] = t % length;
      rows.ints[t] = t;
    }
    for (int64_t s = 0; s < sequences; ++s) {
      offsets.ints[s + 1] = (s + 1) * length;
      slots.ints[s] = s;
    }
    auto outputs =
        evaluator.evaluate("step", {ids, positions, offsets, slots, rows});
    EXPECT_TRUE(mlir::succeeded(outputs));
    return mlir::succeeded(outputs) ? outputs->front() : Tensor<Real>();
  }

  void expectSameChoices(const Expected &expected) {
    int compared = 0;
    for (const auto &[name, ids] : choices) {
      if (!name.ends_with(".experts"))
        continue;
      int64_t layer = std::stoll(name.substr(std::string("layers.").size()));
      std::string recorded = expected.choiceOf(layer);
      ASSERT_NE(recorded, "") << name;
      EXPECT_EQ(ids, expected.ints(recorded)) << name;
      ++compared;
    }
    EXPECT_GT(compared, 0);
  }

  TemporaryDirectory directory;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<weights::Checkpoint> checkpoint;
  std::optional<weights::RecipeExecutor> executor;
  std::map<std::string, std::vector<int64_t>> choices;
};

TEST_P(FixturesTest, GiveTheRecordedLogitsAndExperts) {
  Expected expected(std::string(MOEC_FIXTURES_DIR) + "/" + GetParam().name +
                    "/expected.safetensors");
  Tensor<float> inFloat = logits<float>(expected);
  double error = relativeError(inFloat.reals, expected.floats("logits"));
  RecordProperty("relative_error_f32", llvm::formatv("{0:e}", error).str());
  EXPECT_LE(error, 2e-5);
  expectSameChoices(expected);

  // The recorded outputs are f32: in double, only their own error is left.
  Tensor<double> inDouble = logits<double>(expected);
  double rest = relativeError(inDouble.reals, expected.floats("logits"));
  RecordProperty("relative_error_f64", llvm::formatv("{0:e}", rest).str());
  EXPECT_LE(rest, 2e-5);
  expectSameChoices(expected);
}

TEST(Fixtures, AreThere) { EXPECT_GE(fixtures().size(), 18u); }

INSTANTIATE_TEST_SUITE_P(All, FixturesTest, ::testing::ValuesIn(fixtures()),
                         [](const auto &info) {
                           std::string name =
                               info.param.name + "_" + info.param.config;
                           for (char &c : name)
                             if (!isalnum(static_cast<unsigned char>(c)))
                               c = '_';
                           return name;
                         });

} // namespace
