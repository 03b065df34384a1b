//===- NumericTest.cpp - Imported models compute what they should ---------===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs every imported fixture by definition and compares it with what the
// original implementation recorded: hidden states, logits, chosen experts.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/RecipeWeights.h"
#include "test/unit/import/Testing.h"

#include "mlir/IR/Diagnostics.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace moec;
using namespace moec::importer;
using namespace moec::importer::test;

namespace {

using Floats = reference::Tensor<float>;

class Expected {
public:
  explicit Expected(const std::string &name) {
    auto opened =
        weights::Checkpoint::open(fixture(name) + "/expected.safetensors");
    EXPECT_TRUE(opened) << opened.status().message();
    checkpoint.emplace(std::move(*opened));
  }

  std::vector<float> floats(const std::string &name) const {
    return read<float>(name);
  }
  std::vector<int64_t> integers(const std::string &name) const {
    return read<int64_t>(name);
  }
  /// The chosen experts of a layer, token by token; empty for a dense one.
  /// They are the integers that the router's module returned, or where the
  /// scores that it returned are not 0.
  std::vector<int64_t> chosen(int layer) const {
    const weights::Tensor *scores = nullptr;
    for (const weights::Tensor &tensor : checkpoint->tensors()) {
      std::string_view name = tensor.info->name;
      if (!name.starts_with("router.model.layers." + std::to_string(layer) +
                            "."))
        continue;
      if (name.ends_with(".2"))
        return integers(tensor.info->name);
      if (name.ends_with(".0"))
        scores = &tensor;
    }
    std::vector<int64_t> ids;
    if (!scores)
      return ids;
    std::vector<float> values = floats(scores->info->name);
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] > 0)
        ids.push_back(i % scores->info->shape.back());
    return ids;
  }

private:
  template <typename T> std::vector<T> read(const std::string &name) const {
    const weights::Tensor *tensor = checkpoint->find(name);
    EXPECT_TRUE(tensor) << name;
    std::vector<T> values(tensor ? tensor->numElements() : 0);
    if (tensor)
      std::memcpy(values.data(), tensor->bytes().data(),
                  values.size() * sizeof(T));
    return values;
  }

  std::optional<weights::Checkpoint> checkpoint;
};

/// |a - b| / |b|, both as vectors.
double relativeError(const std::vector<float> &a, const std::vector<float> &b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    norm += double(b[i]) * b[i];
  }
  return std::sqrt(difference / norm);
}

/// Rows of `width` numbers, each in ascending order: an original may choose
/// experts in any order.
std::vector<int64_t> sortedRows(std::vector<int64_t> values, int64_t width) {
  for (auto row = values.begin(); row < values.end(); row += width)
    std::sort(row, row + width);
  return values;
}

/// One step over both recorded sequences.
struct Step {
  Step(const std::string &name, const Expected &expected,
       const std::string &dtype) {
    std::string directory = fixture(name);
    ImportOptions options;
    options.dtype = dtype;
    if (name == "glm4_moe-a")
      options.archSpec = MOEC_TEST_DATA "/families/glm4_moe.json";
    Imported imported(directory, options);
    if (!imported.module) {
      ADD_FAILURE() << imported.messages();
      return;
    }
    auto checkpoint = weights::Checkpoint::open(directory);
    auto recipes = weights::RecipeExecutor::create(
        *(*imported.module).getOps<moe::RecipesOp>().begin(), *checkpoint);
    EXPECT_TRUE(recipes) << recipes.status().message();
    reference::RecipeWeights weights(*recipes);
    reference::Evaluator<float> evaluator(*imported.module, weights);
    evaluator.onTap([&](const std::string &name, const Floats &value) {
      taps[name] = value;
    });
    mlir::ScopedDiagnosticHandler handler(&imported.context,
                                          [](mlir::Diagnostic &diagnostic) {
                                            ADD_FAILURE() << diagnostic.str();
                                          });
    auto results = evaluator.evaluate("step", inputs(expected));
    EXPECT_TRUE(mlir::succeeded(results));
    if (mlir::succeeded(results))
      logits = std::move(results->front());
  }

  static std::vector<Floats> inputs(const Expected &expected) {
    constexpr int64_t sequences = 2, length = 40, tokens = sequences * length;
    Floats ids = reference::intTensor<float>({tokens});
    ids.ints = expected.integers("input_ids");
    Floats positions = reference::intTensor<float>({tokens});
    Floats rows = positions;
    for (int64_t i = 0; i < tokens; ++i) {
      positions.ints[i] = i % length;
      rows.ints[i] = i;
    }
    Floats offsets = reference::intTensor<float>({sequences + 1});
    offsets.ints = {0, length, tokens};
    Floats slots = reference::intTensor<float>({sequences});
    slots.ints = {3, 1};
    return {ids, positions, offsets, slots, rows};
  }

  std::map<std::string, Floats> taps;
  Floats logits;
};

class NumericTest : public testing::TestWithParam<std::string> {};

} // namespace

// The recorded hidden.N is after the final norm; the others are what layers
// give to the next.
TEST_P(NumericTest, EqualsTheOriginal) {
  Expected expected(GetParam());
  Step run(GetParam(), expected, "f32");
  EXPECT_LE(relativeError(run.logits.reals, expected.floats("logits")), 2e-5);
  EXPECT_LE(relativeError(run.taps["embed"].reals, expected.floats("hidden.0")),
            0);
  for (int layer = 0; layer < 3; ++layer) {
    std::string number = std::to_string(layer);
    std::string tap = layer == 2 ? "final_norm" : "layers." + number + ".out";
    EXPECT_LE(
        relativeError(run.taps[tap].reals,
                      expected.floats("hidden." + std::to_string(layer + 1))),
        2e-5)
        << tap;
    const Floats &ids = run.taps["layers." + number + ".experts"];
    std::vector<int64_t> chosen = expected.chosen(layer);
    EXPECT_EQ(ids.ints.empty(), chosen.empty()) << "layer " << layer;
    if (ids.ints.empty())
      continue;
    EXPECT_EQ(sortedRows(ids.ints, ids.width()),
              sortedRows(chosen, ids.width()))
        << "layer " << layer;
  }
}

// bf16 weights of a bf16 checkpoint are the same values, and those of the
// others are rounded: both stay near.
TEST_P(NumericTest, StaysNearInBf16) {
  Expected expected(GetParam());
  Step run(GetParam(), expected, "bf16");
  EXPECT_LE(relativeError(run.logits.reals, expected.floats("logits")), 5e-2);
}

static std::vector<std::string> fixtures() {
  std::vector<std::string> names = allFixtures();
  names.push_back("glm4_moe-a");
  return names;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, NumericTest, testing::ValuesIn(fixtures()),
                         [](const auto &info) {
                           std::string name = info.param;
                           name[name.find('-')] = '_';
                           return name;
                         });
