//===- Evaluate.cpp - The reference as a program for tests ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   reference-evaluate [--f64] MODULE.mlir IN.safetensors OUT.safetensors
//
// Evaluates functions of a module by definition, in f32 or f64. A call CALL
// gives argument i as the tensor "CALL:i" and gets result i under that name;
// CALL is the name of a function, or "FUNCTION@anything" to call one more than
// once. A weight is the tensor of its name, the member of a bank "NAME[e]".
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Weights/SafetensorsFile.h"
#include "lib/Weights/SafetensorsWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

#include <cstring>
#include <iostream>

using namespace mlir;
using namespace moec;
using namespace moec::reference;
using weights::DType;

namespace {

Weight stored(const weights::SafetensorsFile &file,
              const weights::TensorInfo &info) {
  auto bytes = file.bytes(info);
  return {info.dtype,
          Shape(info.shape.begin(), info.shape.end()),
          {bytes.begin(), bytes.end()}};
}

class FileWeights : public WeightSource {
public:
  explicit FileWeights(const weights::SafetensorsFile &file) : file(file) {}

  weights::Result<std::shared_ptr<const Weight>> load(const std::string &name,
                                                      int64_t expert) override {
    const weights::TensorInfo *info = file.find(name);
    std::string member = name + "[" + std::to_string(expert) + "]";
    if (!info)
      info = file.find(member);
    if (!info)
      return weights::Status::failure(weights::ErrorCode::NotFound,
                                      "no tensor " + name + " or " + member);
    return std::make_shared<const Weight>(stored(file, *info));
  }

private:
  const weights::SafetensorsFile &file;
};

template <typename Element>
std::vector<int64_t> integers(const Weight &weight) {
  std::vector<int64_t> values;
  for (size_t i = 0; i < weight.bytes.size(); i += sizeof(Element)) {
    Element value;
    std::memcpy(&value, weight.bytes.data() + i, sizeof value);
    values.push_back(value);
  }
  return values;
}

template <typename Real> Tensor<Real> tensorOf(const Weight &weight) {
  switch (weight.type) {
  case DType::BOOL:
  case DType::U8:
    return {weight.shape, {}, integers<uint8_t>(weight)};
  case DType::I8:
    return {weight.shape, {}, integers<int8_t>(weight)};
  case DType::I32:
    return {weight.shape, {}, integers<int32_t>(weight)};
  case DType::I64:
    return {weight.shape, {}, integers<int64_t>(weight)};
  default:
    return widened<Real>(weight);
  }
}

/// The results of all calls, written together at the end.
class Results {
public:
  template <typename Real>
  void add(const std::string &name, const Tensor<Real> &tensor) {
    bool isInt = tensor.reals.empty() && !tensor.ints.empty();
    std::vector<uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
    declarations.push_back(
        {name, isInt ? DType::I64 : DType::F64, std::move(shape)});
    std::vector<std::byte> &bytes = contents.emplace_back();
    auto put = [&](const auto *values, size_t count) {
      bytes.resize(count * sizeof *values);
      std::memcpy(bytes.data(), values, bytes.size());
    };
    std::vector<double> reals(tensor.reals.begin(), tensor.reals.end());
    if (isInt)
      put(tensor.ints.data(), tensor.ints.size());
    else
      put(reals.data(), reals.size());
  }

  weights::Status write(const std::string &path) const {
    auto writer = weights::SafetensorsWriter::create(path, declarations);
    if (!writer)
      return std::move(writer).status();
    for (size_t i = 0; i < contents.size(); ++i)
      if (auto status = writer->append(i, contents[i]); !status.ok())
        return status;
    return writer->finish();
  }

private:
  std::vector<weights::SafetensorsWriter::Declaration> declarations;
  std::vector<std::vector<std::byte>> contents;
};

template <typename Real>
LogicalResult evaluateCalls(ModuleOp module,
                            const weights::SafetensorsFile &file,
                            Results &results) {
  // The arguments of each call, in order; names that are no call are weights.
  std::map<std::string, std::map<int, Tensor<Real>>> calls;
  for (const weights::TensorInfo &info : file.tensors()) {
    size_t colon = info.name.rfind(':');
    if (colon != std::string::npos)
      calls[info.name.substr(0, colon)]
           [std::atoi(info.name.c_str() + colon + 1)] =
               tensorOf<Real>(stored(file, info));
  }
  FileWeights weights(file);
  for (auto &[call, given] : calls) {
    std::vector<Tensor<Real>> inputs;
    for (auto &[index, input] : given)
      inputs.push_back(std::move(input));
    Evaluator<Real> evaluator(module, weights);
    auto outputs = evaluator.evaluate(call.substr(0, call.find('@')), inputs);
    if (failed(outputs))
      return failure();
    for (auto [i, output] : llvm::enumerate(*outputs))
      results.add(call + ":" + std::to_string(i), output);
  }
  return success();
}

int fail(const std::string &message) {
  std::cerr << "reference-evaluate: " << message << "\n";
  return 1;
}

} // namespace

int main(int argc, char **argv) {
  std::vector<std::string> paths(argv + 1, argv + argc);
  bool isDouble = !paths.empty() && paths.front() == "--f64";
  if (isDouble)
    paths.erase(paths.begin());
  if (paths.size() != 3)
    return fail("expected [--f64] MODULE.mlir IN.safetensors OUT.safetensors");
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<moe::MoeDialect, nn::NnDialect, arith::ArithDialect,
                      func::FuncDialect, linalg::LinalgDialect,
                      math::MathDialect, tensor::TensorDialect>();
  context.getDiagEngine().registerHandler([](Diagnostic &diagnostic) {
    std::cerr << diagnostic.str() << "\n";
    return success();
  });
  auto module = parseSourceFile<ModuleOp>(paths[0], &context);
  if (!module)
    return fail("cannot read " + paths[0]);
  auto file = weights::SafetensorsFile::open(paths[1]);
  if (!file)
    return fail(file.status().message());
  Results results;
  LogicalResult done = isDouble ? evaluateCalls<double>(*module, *file, results)
                                : evaluateCalls<float>(*module, *file, results);
  if (failed(done))
    return 1;
  weights::Status status = results.write(paths[2]);
  return status.ok() ? 0 : fail(status.message());
}
