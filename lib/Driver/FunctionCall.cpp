//===- FunctionCall.cpp - Calling a function of an artifact ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/FunctionCall.h"
#include "lib/Driver/Console.h"
#include "lib/Driver/Tensors.h"
#include "lib/Weights/SafetensorsWriter.h"

#include <cstring>
#include <random>

using namespace moec;
using namespace moec::driver;
using weights::DType;
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

void Array::allocate() {
  bytes = weights::bitWidth(dtypeOf(dtype)) / 8;
  for (int64_t size : shape)
    bytes *= size_t(size);
  words.resize((bytes + 7) / 8);
}

moec_array Array::view() {
  return {words.data(), dtype, int32_t(shape.size()), shape.data()};
}

static std::string nameIn(const Model &model, const std::string &name) {
  if (!name.empty())
    return name;
  const char *first = moec_model_function_name(model.get(), 0);
  if (moec_model_function_name(model.get(), 1))
    throw Failure{2, "MOE0206",
                  "the artifact has several functions; say which with "
                  "--function"};
  return first ? first : "";
}

FunctionCall::FunctionCall(const Model &model, const std::string &name,
                           int32_t threads)
    : function(nameIn(model, name)) {
  moec_session_options session{};
  session.struct_size = sizeof(session);
  session.threads = threads;
  moec_function *created = nullptr;
  check(
      moec_function_create(model.get(), function.c_str(), &session, &created));
  handle.reset(created);
  moec_function_counts(created, &inputCount, &outputCount);
}

moec_argument FunctionCall::input(int32_t index) const {
  moec_argument argument{};
  argument.struct_size = sizeof(argument);
  check(moec_function_input(handle.get(), index, &argument));
  return argument;
}

moec_argument FunctionCall::output(int32_t index) const {
  moec_argument argument{};
  argument.struct_size = sizeof(argument);
  check(moec_function_output(handle.get(), index, &argument));
  return argument;
}

Array FunctionCall::arrayFor(const moec_argument &argument) const {
  Array array{argument.name, argument.dtype, {}, {}};
  for (int32_t i = 0; i < argument.rank; ++i)
    array.shape.push_back(argument.shape[i] < 0 ? tokens : argument.shape[i]);
  array.allocate();
  return array;
}

void FunctionCall::readInputs(const std::string &path) {
  weights::SafetensorsFile file = openTensors(path);
  for (int32_t index = 0; index < inputCount; ++index) {
    moec_argument argument = input(index);
    const weights::TensorInfo *tensor = file.find(argument.name);
    if (!tensor)
      throw Failure{1, "MOE0156",
                    path + ": no tensor '" + argument.name +
                        "', which is an input of the function"};
    if (tensor->dtype != dtypeOf(argument.dtype))
      throw Failure{1, "MOE0156",
                    path + ": '" + argument.name + "' is of type " +
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
    given.push_back(std::move(array));
  }
}

/// Elements of one type: of reals about 1 in size, of integers below a bound.
static void draw(Array &array, int64_t below, std::mt19937 &random) {
  auto *bytes = reinterpret_cast<std::byte *>(array.words.data());
  size_t size = array.dtype == MOEC_BF16 ? 2 : 4;
  std::normal_distribution<float> normal;
  for (size_t at = 0; at < array.bytes; at += size) {
    if (array.dtype == MOEC_I32) {
      int32_t number = below > 0 ? int32_t(random() % uint64_t(below)) : 0;
      std::memcpy(bytes + at, &number, size);
      continue;
    }
    float real = normal(random);
    uint32_t bits;
    std::memcpy(&bits, &real, sizeof(bits));
    // The upper half of an f32 is a bf16.
    bits >>= size == 2 ? 16 : 0;
    std::memcpy(bytes + at, &bits, size);
  }
}

void FunctionCall::drawInputs(int64_t count) {
  std::mt19937 random(1);
  tokens = count;
  for (int32_t index = 0; index < inputCount; ++index) {
    moec_argument argument = input(index);
    draw(given.emplace_back(arrayFor(argument)), argument.below, random);
  }
}

void FunctionCall::makeOutputs() {
  for (int32_t index = 0; index < outputCount; ++index)
    made.push_back(arrayFor(output(index)));
}

void FunctionCall::run() {
  makeOutputs();
  std::vector<moec_array> in, out;
  for (Array &array : given)
    in.push_back(array.view());
  for (Array &array : made)
    out.push_back(array.view());
  check(moec_function_call(handle.get(), in.data(), in.size(), out.data(),
                           out.size()));
}

void FunctionCall::writeOutputs(const std::string &path) {
  std::vector<SafetensorsWriter::Declaration> declarations;
  for (const Array &array : made)
    declarations.push_back({array.name,
                            dtypeOf(array.dtype),
                            {array.shape.begin(), array.shape.end()}});
  auto writer = SafetensorsWriter::create(path, declarations);
  if (!writer)
    require(writer.status());
  for (size_t i = 0; i < made.size(); ++i)
    require(writer->append(
        i, std::as_bytes(std::span(made[i].words)).first(made[i].bytes)));
  require(writer->finish());
}

std::vector<std::pair<std::string, moec_view>> FunctionCall::taps() const {
  std::vector<std::pair<std::string, moec_view>> values;
  for (int32_t i = 0;
       const char *name = moec_function_tap_name(handle.get(), i); ++i) {
    moec_view view{};
    view.struct_size = sizeof(view);
    check(moec_function_tap(handle.get(), name, &view));
    values.emplace_back(name, view);
  }
  return values;
}
