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

#include "lib/Import/Import.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/RecipeWeights.h"

#include "nlohmann/json.hpp"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <set>

namespace moec::reference::testing {

namespace fs = std::filesystem;

/// The names of all recorded models: a directory that is put there is tested,
/// without a list to keep.
inline std::vector<std::string> fixtures() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto &entry : fs::directory_iterator(MOEC_FIXTURES_DIR, error))
    if (fs::exists(entry.path() / "expected.safetensors", error))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline nlohmann::json readJson(const fs::path &path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

/// The relative error that is allowed in f32.
inline double toleranceOf(const std::string &fixture) {
  static const nlohmann::json exceptions =
      readJson(fs::path(MOEC_FIXTURES_DIR) / "../tolerances.json");
  return exceptions.value(fixture.substr(0, fixture.find('-')), 2e-5);
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

  bool has(const std::string &name) const { return file->find(name); }

  /// The experts that the original chose in a layer for each token, ascending.
  /// Most routers return them; of the others the scores were recorded, the k
  /// largest of which are the choice.
  std::vector<int64_t> choiceOf(int64_t layer, int64_t k) const {
    const weights::Tensor *scores = nullptr;
    for (const weights::Tensor &tensor : file->tensors()) {
      if (!isOfRouter(tensor.name(), layer) ||
          tensor.shape().back() < uint64_t(k))
        continue;
      if (tensor.dtype() == weights::DType::I64)
        return sortedRows(ints(std::string(tensor.name())), k);
      if (tensor.shape().back() > uint64_t(k))
        scores = &tensor;
    }
    EXPECT_NE(scores, nullptr) << "layer " << layer;
    return scores ? largest(*scores, k) : std::vector<int64_t>();
  }

  /// The layers whose router was recorded.
  std::set<int64_t> routedLayers() const {
    std::set<int64_t> layers;
    for (const weights::Tensor &tensor : file->tensors())
      for (int64_t layer = 0; layer < 64; ++layer)
        if (isOfRouter(tensor.name(), layer))
          layers.insert(layer);
    return layers;
  }

  static std::vector<int64_t> sortedRows(std::vector<int64_t> ids, int64_t k) {
    for (auto row = ids.begin(); row != ids.end(); row += k)
      std::sort(row, row + k);
    return ids;
  }

  std::vector<uint64_t> shape(const std::string &name) const {
    const weights::Tensor *tensor = find(name);
    return tensor ? std::vector<uint64_t>(tensor->shape().begin(),
                                          tensor->shape().end())
                  : std::vector<uint64_t>();
  }

private:
  static bool isOfRouter(std::string_view name, int64_t layer) {
    std::string number = std::to_string(layer);
    return name.starts_with("router.") &&
           (name.find(".layers." + number + ".") != name.npos ||
            name.find(".blocks." + number + ".") != name.npos);
  }

  std::vector<int64_t> largest(const weights::Tensor &scores, int64_t k) const {
    std::vector<float> values = floats(std::string(scores.name()));
    int64_t experts = scores.shape().back();
    std::vector<int64_t> ids;
    for (auto row = values.begin(); row != values.end(); row += experts) {
      std::vector<int64_t> order(experts);
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return std::pair(-row[a], a) < std::pair(-row[b], b);
      });
      ids.insert(ids.end(), order.begin(), order.begin() + k);
    }
    return sortedRows(std::move(ids), k);
  }

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
  std::map<std::string, Tensor<Real>> taps;
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
  Model(const std::string &fixture, const std::string &dtype)
      : expected(std::string(MOEC_FIXTURES_DIR) + "/" + fixture +
                 "/expected.safetensors"),
        tolerance(toleranceOf(fixture)) {
    std::string directory = std::string(MOEC_FIXTURES_DIR) + "/" + fixture;
    importer::ImportOptions options;
    options.dtype = dtype;
    importer::Diagnostics diagnostics;
    module =
        importer::importCheckpoint(context, directory, options, diagnostics);
    EXPECT_TRUE(module) << textOf(diagnostics);
    auto opened = weights::Checkpoint::open(directory);
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
      outcome.taps[name] = value;
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
  double tolerance;

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

  std::optional<weights::Checkpoint> checkpoint;
};

/// The logits are the recorded ones and so are all choices.
template <typename Real>
void expectRecorded(const Model &model, const Outcome<Real> &outcome) {
  EXPECT_LE(
      relativeError(outcome.logits.reals, model.expected.floats("logits")),
      model.tolerance);
  std::set<int64_t> sparse;
  for (const auto &[layer, ids] : outcome.choices) {
    sparse.insert(layer);
    EXPECT_EQ(Expected::sortedRows(ids.ints, ids.width()),
              model.expected.choiceOf(layer, ids.width()))
        << "layer " << layer;
  }
  EXPECT_EQ(sparse, model.expected.routedLayers());
}

inline std::string nameOf(const ::testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

} // namespace moec::reference::testing

#endif // MOEC_TEST_UNIT_REFERENCE_FIXTURES_H
