//===- Testing.h - What the tests of the reference share --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors written down, modules from text, weights from memory.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_REFERENCE_TESTING_H
#define MOEC_TEST_UNIT_REFERENCE_TESTING_H

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Weights/Elements.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cstring>
#include <map>

namespace moec::reference::testing {

template <typename Real = double>
Tensor<Real> reals(Shape shape, std::vector<Real> values) {
  return {std::move(shape), std::move(values), {}};
}

template <typename Real = double>
Tensor<Real> ints(Shape shape, std::vector<int64_t> values) {
  return {std::move(shape), {}, std::move(values)};
}

/// Numbers between -1 and 1 that look random and are the same everywhere.
template <typename Real = double>
std::vector<Real> noise(int64_t count, uint32_t seed) {
  std::vector<Real> values;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<Real>(int32_t(seed) >> 8) / (1 << 23));
  }
  return values;
}

/// A weight of f32 or bf16 with these values.
inline Weight weight(weights::DType type, Shape shape,
                     const std::vector<float> &values) {
  Weight result{type, std::move(shape), {}};
  result.bytes.resize(values.size() * weights::bitWidth(type) / 8);
  EXPECT_TRUE(weights::writeFloats(type, values, result.bytes).ok());
  return result;
}

class MapWeights : public WeightSource {
public:
  void add(const std::string &name, Weight value, int64_t expert = 0) {
    held[{name, expert}] = std::make_shared<const Weight>(std::move(value));
  }
  weights::Result<std::shared_ptr<const Weight>> load(const std::string &name,
                                                      int64_t expert) override {
    auto found = held.find({name, expert});
    if (found == held.end())
      return weights::Status::failure(weights::ErrorCode::NotFound,
                                      "no weight " + name);
    ++loads;
    return found->second;
  }
  int loads = 0;

private:
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<const Weight>> held;
};

/// Evaluates modules given as text, and keeps what they complain about.
class EvaluatorTest : public ::testing::Test {
protected:
  EvaluatorTest()
      : handler(&context, [this](mlir::Diagnostic &diagnostic) {
          complaint += diagnostic.str() + "\n";
          return mlir::success();
        }) {
    context
        .loadDialect<moe::MoeDialect, nn::NnDialect, mlir::arith::ArithDialect,
                     mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                     mlir::math::MathDialect, mlir::tensor::TensorDialect>();
  }

  void parse(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << complaint;
    evaluator = std::make_unique<Evaluator<double>>(*module, weights);
    evaluator->onTap(
        [this](const std::string &name, const Tensor<double> &value) {
          taps[name] = value;
        });
  }

  mlir::FailureOr<std::vector<Tensor<double>>>
  tryRun(const std::vector<Tensor<double>> &inputs) {
    return evaluator->evaluate("main", inputs);
  }

  std::vector<Tensor<double>> run(const std::vector<Tensor<double>> &inputs) {
    auto outputs = tryRun(inputs);
    EXPECT_TRUE(mlir::succeeded(outputs)) << complaint;
    return mlir::succeeded(outputs) ? *outputs : std::vector<Tensor<double>>();
  }

  mlir::MLIRContext context;
  std::string complaint;
  mlir::ScopedDiagnosticHandler handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  MapWeights weights;
  std::unique_ptr<Evaluator<double>> evaluator;
  std::map<std::string, Tensor<double>> taps;
};

/// The elements are these, within a bound.
template <typename Real>
void expectNear(const Tensor<Real> &tensor, const Shape &shape,
                const std::vector<double> &values, double bound = 1e-12) {
  ASSERT_EQ(tensor.shape, shape);
  ASSERT_EQ(tensor.reals.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(tensor.reals[i], values[i], bound) << "at " << i;
}

} // namespace moec::reference::testing

#endif // MOEC_TEST_UNIT_REFERENCE_TESTING_H
