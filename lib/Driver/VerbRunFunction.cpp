//===- VerbRunFunction.cpp - moec run --inputs ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/VerbRunFunction.h"
#include "lib/Driver/Handles.h"
#include "lib/Driver/Tensors.h"
#include "lib/Weights/SafetensorsFile.h"
#include "lib/Weights/SafetensorsWriter.h"
#include "moec/Function.h"

#include <cstring>
#include <memory>

using namespace moec;
using namespace moec::driver;
using weights::DType;
using weights::SafetensorsFile;
using weights::SafetensorsWriter;

static DType dtypeOf(moec_dtype dtype) {
  switch (dtype) {
  case MOEC_F32:
    return DType::F32;
  case MOEC_F16:
    return DType::F16;
  case MOEC_BF16:
    return DType::BF16;
  case MOEC_I32:
    return DType::I32;
  case MOEC_I64:
    return DType::I64;
  case MOEC_I8:
    return DType::I8;
  case MOEC_U8:
    return DType::U8;
  }
  return DType::U8;
}

namespace {
/// A tensor in memory of its own, aligned for any element.
struct Array {
  std::string name;
  moec_dtype dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> words;
  size_t bytes = 0;

  void allocate() {
    bytes = weights::bitWidth(dtypeOf(dtype)) / 8;
    for (int64_t size : shape)
      bytes *= size_t(size);
    words.resize((bytes + 7) / 8);
  }
  moec_array view() {
    return {words.data(), dtype, int32_t(shape.size()), shape.data()};
  }
};

class FunctionCall {
public:
  FunctionCall(const Model &model, const FunctionRun &options, int32_t threads)
      : options(options) {
    moec_session_options session{};
    session.struct_size = sizeof(session);
    session.threads = threads;
    moec_function *made = nullptr;
    check(moec_function_create(model.get(), nameIn(model).c_str(), &session,
                               &made));
    handle.reset(made);
    moec_function_counts(made, &inputCount, &outputCount);
  }

  void run() {
    auto file = SafetensorsFile::open(options.inputs);
    if (!file)
      require(file.status());
    for (int32_t i = 0; i < inputCount; ++i)
      readInput(*file, i);
    for (int32_t i = 0; i < outputCount; ++i)
      makeOutput(i);
    std::vector<moec_array> in, out;
    for (Array &array : inputs)
      in.push_back(array.view());
    for (Array &array : outputs)
      out.push_back(array.view());
    check(moec_function_call(handle.get(), in.data(), in.size(), out.data(),
                             out.size()));
    if (!options.outputs.empty())
      write();
  }

private:
  std::string nameIn(const Model &model) const {
    if (!options.name.empty())
      return options.name;
    const char *first = moec_model_function_name(model.get(), 0);
    if (moec_model_function_name(model.get(), 1))
      throw Failure{2, "MOE0206",
                    "the artifact has several functions; say which with "
                    "--function"};
    return first ? first : "";
  }

  void readInput(const SafetensorsFile &file, int32_t index) {
    moec_argument argument{};
    argument.struct_size = sizeof(argument);
    check(moec_function_input(handle.get(), index, &argument));
    const weights::TensorInfo *tensor = file.find(argument.name);
    if (!tensor)
      throw Failure{1, "MOE0156",
                    options.inputs + ": no tensor '" + argument.name +
                        "', which is an input of the function"};
    if (tensor->dtype != dtypeOf(argument.dtype))
      throw Failure{1, "MOE0156",
                    options.inputs + ": '" + argument.name + "' is of type " +
                        std::string(weights::name(tensor->dtype)) +
                        ", the function takes " +
                        std::string(weights::name(dtypeOf(argument.dtype)))};
    Array array{argument.name,
                argument.dtype,
                {tensor->shape.begin(), tensor->shape.end()},
                {}};
    array.allocate();
    std::memcpy(array.words.data(), file.bytes(*tensor).data(), array.bytes);
    for (int32_t i = 0; i < argument.rank; ++i)
      if (argument.shape[i] < 0 && size_t(i) < array.shape.size())
        tokens = array.shape[size_t(i)];
    inputs.push_back(std::move(array));
  }

  void makeOutput(int32_t index) {
    moec_argument argument{};
    argument.struct_size = sizeof(argument);
    check(moec_function_output(handle.get(), index, &argument));
    Array array{argument.name, argument.dtype, {}, {}};
    for (int32_t i = 0; i < argument.rank; ++i)
      array.shape.push_back(argument.shape[i] < 0 ? tokens : argument.shape[i]);
    array.allocate();
    outputs.push_back(std::move(array));
  }

  void write() {
    std::vector<SafetensorsWriter::Declaration> declarations;
    for (const Array &array : outputs)
      declarations.push_back({array.name,
                              dtypeOf(array.dtype),
                              {array.shape.begin(), array.shape.end()}});
    auto writer = SafetensorsWriter::create(options.outputs, declarations);
    if (!writer)
      require(writer.status());
    for (size_t i = 0; i < outputs.size(); ++i)
      require(writer->append(
          i,
          std::as_bytes(std::span(outputs[i].words)).first(outputs[i].bytes)));
    require(writer->finish());
  }

  struct Destroy {
    void operator()(moec_function *f) const { moec_function_destroy(f); }
  };

  const FunctionRun &options;
  std::unique_ptr<moec_function, Destroy> handle;
  int32_t inputCount = 0, outputCount = 0;
  std::vector<Array> inputs, outputs;
  int64_t tokens = 0;
};
} // namespace

int driver::runFunction(const std::string &artifact, const FunctionRun &options,
                        int32_t threads) {
  Model model(artifact);
  FunctionCall(model, options, threads).run();
  return 0;
}
