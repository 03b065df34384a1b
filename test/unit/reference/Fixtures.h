//===- Fixtures.h - Recorded models -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Small models with random weights whose outputs were recorded from the
// original implementation: their imports, their evaluation, and what it should
// give.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_REFERENCE_FIXTURES_H
#define MOEC_TEST_UNIT_REFERENCE_FIXTURES_H

#include "TestFiles.h"
#include "lib/Import/Import.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/RecipeWeights.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

namespace moec::reference::testing {

namespace fs = std::filesystem;

struct FixtureCase {
  std::string name;
  std::string config;
};

inline void PrintTo(const FixtureCase &fixture, std::ostream *os) {
  *os << fixture.name << "/" << fixture.config;
}

/// Both spellings of every fixture.
inline std::vector<FixtureCase> fixtures() {
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

/// What an evaluation of all recorded sequences in one step gave.
template <typename Real> struct Outcome {
  Tensor<Real> logits;
  /// For each sparse layer, the chosen experts [tokens, k].
  std::map<int64_t, Tensor<Real>> choices;
};

inline std::string textOf(const importer::Diagnostics &diagnostics) {
  std::string text;
  for (const importer::Diagnostic &diagnostic : diagnostics.list())
    text += diagnostic.text() + "\n";
  return text;
}

/// An imported fixture.
class Model {
public:
  Model(const FixtureCase &fixture, const std::string &dtype)
      : expected(std::string(MOEC_FIXTURES_DIR) + "/" + fixture.name +
                 "/expected.safetensors") {
    fs::path from = fs::path(MOEC_FIXTURES_DIR) / fixture.name;
    fs::create_symlink(from / fixture.config, directory / "config.json");
    fs::create_symlink(from / "model.safetensors",
                       directory / "model.safetensors");
    importer::ImportOptions options;
    options.dtype = dtype;
    importer::Diagnostics diagnostics;
    module = importer::importCheckpoint(context, directory.path(), options,
                                        diagnostics);
    EXPECT_TRUE(module) << textOf(diagnostics);
    auto opened = weights::Checkpoint::open(directory.path());
    EXPECT_TRUE(opened) << opened.status().message();
    if (opened)
      checkpoint.emplace(std::move(*opened));
  }

  bool isLoaded() const { return module && checkpoint; }

  /// Evaluates the module as it is now.
  template <typename Real> Outcome<Real> evaluate() {
    auto executor = weights::RecipeExecutor::create(
        *module->getOps<moe::RecipesOp>().begin(), *checkpoint);
    EXPECT_TRUE(executor) << executor.status().message();
    if (!executor)
      return {};
    RecipeWeights source(*executor);
    Evaluator<Real> evaluator(*module, source);
    Outcome<Real> outcome;
    evaluator.onTap([&](const std::string &name, const Tensor<Real> &value) {
      if (name.ends_with(".experts"))
        outcome.choices[std::stoll(name.substr(name.find('.') + 1))] = value;
    });
    auto outputs = evaluator.evaluate("step", inputs<Real>());
    EXPECT_TRUE(mlir::succeeded(outputs));
    if (mlir::succeeded(outputs))
      outcome.logits = outputs->front();
    return outcome;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  Expected expected;

private:
  template <typename Real> std::vector<Tensor<Real>> inputs() const {
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
    return {ids, positions, offsets, slots, rows};
  }

  weights::test::TemporaryDirectory directory;
  std::optional<weights::Checkpoint> checkpoint;
};

/// The logits are the recorded ones and so are all choices.
template <typename Real>
double expectRecorded(const Model &model, const Outcome<Real> &outcome) {
  double error =
      relativeError(outcome.logits.reals, model.expected.floats("logits"));
  EXPECT_LE(error, 2e-5);
  EXPECT_FALSE(outcome.choices.empty());
  for (const auto &[layer, ids] : outcome.choices) {
    std::string recorded = model.expected.choiceOf(layer);
    EXPECT_NE(recorded, "") << "layer " << layer;
    EXPECT_EQ(ids.ints, model.expected.ints(recorded)) << "layer " << layer;
  }
  return error;
}

inline std::string nameOf(const ::testing::TestParamInfo<FixtureCase> &info) {
  std::string name = info.param.name + "_" + info.param.config;
  for (char &c : name)
    if (!isalnum(static_cast<unsigned char>(c)))
      c = '_';
  return name;
}

} // namespace moec::reference::testing

#endif // MOEC_TEST_UNIT_REFERENCE_FIXTURES_H
