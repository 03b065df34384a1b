//===- RecipeTesting.h - A checkpoint and its recipes -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recipes as text, run on a checkpoint that a test writes.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_RECIPES_RECIPETESTING_H
#define MOEC_TEST_UNIT_RECIPES_RECIPETESTING_H

#include "TestFiles.h"
#include "lib/Weights/Elements.h"
#include "lib/Weights/Recipes.h"
#include "lib/Weights/SafetensorsWriter.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <cstring>

namespace moec::weights::test {

struct StoredTensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
  std::vector<float> values;
};

/// Numbers between -1 and 1 that look random and are the same everywhere.
inline std::vector<float> noise(size_t count, uint32_t seed) {
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<float>(int32_t(seed) >> 8) / (1 << 23));
  }
  return values;
}

/// The values as an element type stores them.
inline std::vector<float> asStored(DType dtype, std::vector<float> values) {
  std::vector<std::byte> bytes(values.size() * bitWidth(dtype) / 8);
  EXPECT_TRUE(writeFloats(dtype, values, bytes).ok());
  EXPECT_TRUE(readFloats(dtype, bytes, values).ok());
  return values;
}

class RecipeTest : public ::testing::Test {
protected:
  RecipeTest() { context.loadDialect<moe::MoeDialect>(); }

  void store(const std::vector<StoredTensor> &tensors) {
    std::vector<SafetensorsWriter::Declaration> declarations;
    for (const StoredTensor &tensor : tensors)
      declarations.push_back({tensor.name, tensor.dtype, tensor.shape});
    auto writer = SafetensorsWriter::create(directory / "model.safetensors",
                                            declarations);
    ASSERT_TRUE(writer) << writer.status().message();
    for (size_t i = 0; i < tensors.size(); ++i)
      ASSERT_TRUE(writer->append(i, tensors[i].values).ok());
    ASSERT_TRUE(writer->finish().ok());
    open();
  }

  void open() {
    auto opened = Checkpoint::open(directory.path());
    ASSERT_TRUE(opened) << opened.status().message();
    checkpoint.emplace(std::move(*opened));
  }

  Status tryRecipes(const std::string &text) {
    std::string complaint;
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
      complaint += d.str();
      return mlir::success();
    });
    module = mlir::parseSourceString<mlir::ModuleOp>(
        "moe.recipes {\n" + text + "\n}", &context);
    EXPECT_TRUE(module) << complaint;
    if (!module)
      return Status::failure(ErrorCode::InvalidArgument, complaint);
    auto created = RecipeExecutor::create(
        *module->getOps<moe::RecipesOp>().begin(), *checkpoint);
    if (!created)
      return created.status();
    executor.emplace(std::move(*created));
    return {};
  }

  void recipes(const std::string &text) {
    Status status = tryRecipes(text);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  /// A member of a weight, widened.
  std::vector<float> made(const std::string &name, int64_t expert = 0) {
    const DefinedWeight *weight = executor->find(name);
    EXPECT_NE(weight, nullptr) << name;
    if (!weight)
      return {};
    std::vector<std::byte> bytes(weight->memberBytes);
    Status status =
        RecipeExecutor::read(*weight, expert, 0, weight->numRows(), bytes);
    EXPECT_TRUE(status.ok()) << status.message();
    std::vector<float> values(bytes.size() * 8 / bitWidth(weight->dtype));
    EXPECT_TRUE(readFloats(weight->dtype, bytes, values).ok());
    return values;
  }

  mlir::MLIRContext context;
  TemporaryDirectory directory;
  std::optional<Checkpoint> checkpoint;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<RecipeExecutor> executor;
};

} // namespace moec::weights::test

#endif // MOEC_TEST_UNIT_RECIPES_RECIPETESTING_H
