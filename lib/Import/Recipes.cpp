//===- Recipes.cpp - Weights from tensors of a checkpoint -----------------===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A recipe loads what the checkpoint holds and casts it to what the model
// computes with. A weight is called like its tensor.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Recipes.h"
#include "lib/Weights/Recipes.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

/// So many bad tensors are listed; after them the name pattern is clear.
static constexpr unsigned maxTensorErrors = 16;

static constexpr llvm::StringLiteral kExpert = "{expert}";

Recipes::Recipes(moe::RecipesOp op, const weights::Checkpoint &checkpoint,
                 Diagnostics &diagnostics)
    : builder(op.getContext()), loc(op.getLoc()), checkpoint(checkpoint),
      diagnostics(diagnostics), used(checkpoint.tensors().size()) {
  builder.setInsertionPointToEnd(&op.getBody().front());
}

static std::string replaceExpert(const std::string &pattern,
                                 const std::string &by) {
  std::string name = pattern;
  size_t at = name.find(kExpert);
  if (at != std::string::npos)
    name.replace(at, kExpert.size(), by);
  return name;
}

/// The name of a weight: its tensor's, without the number of the expert.
static std::string weightName(const std::string &tensor) {
  std::string name = tensor;
  size_t at = name.find(kExpert);
  if (at == std::string::npos)
    return name;
  size_t length = kExpert.size();
  if (at + length < name.size() && name[at + length] == '.')
    ++length;
  return name.erase(at, length);
}

template <typename Range> static std::string shapeText(const Range &shape) {
  std::string text = "[";
  for (auto size : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

static Type elementType(weights::DType type, Builder &builder) {
  switch (type) {
  case weights::DType::F32:
    return builder.getF32Type();
  case weights::DType::F16:
    return builder.getF16Type();
  case weights::DType::BF16:
    return builder.getBF16Type();
  default:
    return {};
  }
}

std::optional<Type> Recipes::checkTensor(const std::string &name,
                                         const WeightRequest &request) {
  const weights::Tensor *tensor = checkpoint.find(name);
  std::string expected = "expected shape " + shapeText(request.shape);
  if (!tensor)
    return diagnostics.error(code::missingTensor,
                             checkpoint.path() + ": no tensor " +
                                 weights::inQuotes(name) + "; " + expected);
  used[tensor - checkpoint.tensors().data()] = true;
  std::string what = checkpoint.path() + ": tensor " + weights::inQuotes(name);
  if (!weights::hasShape(*tensor, request.shape))
    return diagnostics.error(code::wrongShape, what + ": " + expected +
                                                   ", found " +
                                                   shapeText(tensor->shape()));
  if (Type element = elementType(tensor->dtype(), builder))
    return element;
  // Integers are nobody's weights; everything else is a quantized format.
  std::string type(weights::name(tensor->dtype()));
  bool quantized = type.starts_with("F") && type != "F64";
  return diagnostics.error(quantized ? code::unsupportedElements
                                     : code::wrongElements,
                           what + " has elements of type " + type +
                               (quantized ? ", which is not supported" : "") +
                               "; expected F32, F16 or BF16");
}

std::optional<Type> Recipes::checkTensors(const WeightRequest &request) {
  if (!request.experts)
    return checkTensor(request.tensor, request);
  std::optional<Type> common;
  for (int64_t expert = 0; expert < request.experts; ++expert) {
    std::string name = replaceExpert(request.tensor, std::to_string(expert));
    auto element = checkTensor(name, request);
    if (!element)
      return std::nullopt;
    if (common && *common != *element)
      return diagnostics.error(
          code::wrongElements,
          checkpoint.path() + ": tensor " + weights::inQuotes(name) +
              " has other elements than the same tensor of expert 0");
    common = element;
  }
  return common;
}

void Recipes::checkUnused(const std::vector<std::string> &ignored) {
  auto matches = [](llvm::StringRef pattern, llvm::StringRef name) {
    llvm::SmallVector<llvm::StringRef> parts;
    pattern.split(parts, '*');
    if (parts.size() == 1)
      return pattern == name;
    if (!name.consume_front(parts.front()))
      return false;
    for (llvm::StringRef part :
         llvm::ArrayRef(parts).drop_front().drop_back()) {
      size_t at = name.find(part);
      if (at == llvm::StringRef::npos)
        return false;
      name = name.drop_front(at + part.size());
    }
    return name.ends_with(parts.back());
  };
  unsigned unexpected = 0;
  for (const auto &[index, tensor] : llvm::enumerate(checkpoint.tensors())) {
    if (used[index] || llvm::any_of(ignored, [&](const std::string &pattern) {
          return matches(pattern, tensor.name());
        }))
      continue;
    if (++unexpected > maxTensorErrors)
      continue;
    diagnostics.error(code::unexpectedTensor,
                      checkpoint.path() + ": tensor " +
                          weights::inQuotes(tensor.name()) + " of shape " +
                          shapeText(tensor.shape()) +
                          " is no part of the model that the configuration "
                          "describes");
  }
  if (unexpected > maxTensorErrors)
    diagnostics.error(code::unexpectedTensor,
                      checkpoint.path() + ": " +
                          std::to_string(unexpected - maxTensorErrors) +
                          " more unexpected tensors");
}

//===----------------------------------------------------------------------===//
// Recipes
//===----------------------------------------------------------------------===//

int64_t moec::importer::numElements(Type type) {
  if (auto bank = dyn_cast<moe::BankType>(type))
    return bank.getExperts() * bank.getMember().getNumElements();
  return cast<RankedTensorType>(type).getNumElements();
}

static Type weightType(const WeightRequest &request, Type element) {
  auto tensor = RankedTensorType::get(request.shape, element);
  if (!request.experts)
    return tensor;
  return moe::BankType::get(element.getContext(), request.experts, tensor);
}

Value Recipes::load(const WeightRequest &request, Type element) {
  Type type = weightType(request, element);
  if (request.experts)
    return moe::LoadBankOp::create(builder, loc, type, request.tensor, 0,
                                   false);
  return moe::LoadOp::create(builder, loc, type, request.tensor);
}

void Recipes::account(const WeightRef &weight, const std::string &role) {
  int64_t elements = numElements(weight.type);
  auto bank = dyn_cast<moe::BankType>(weight.type);
  Type element = bank ? bank.getMember().getElementType()
                      : cast<RankedTensorType>(weight.type).getElementType();
  roles[role].bytes += elements * element.getIntOrFloatBitWidth() / 8;
  roles[role].parameters += elements;
}

std::optional<WeightRef> Recipes::find(const std::string &name,
                                       Type type) const {
  auto it = defined.find(name);
  if (it == defined.end() || it->second != type)
    return std::nullopt;
  return WeightRef{name, type};
}

std::optional<WeightRef> Recipes::define(const WeightRequest &request) {
  auto element = checkTensors(request);
  if (!element && ++tensorErrors == maxTensorErrors)
    return std::nullopt;
  Type type = weightType(request, request.element);
  WeightRef weight{weightName(request.tensor), type};
  if (request.size) {
    auto all = cast<RankedTensorType>(type);
    SmallVector<int64_t> shape(all.getShape());
    shape[0] = request.size;
    weight.type = type = all.clone(shape);
    weight.name += "." + std::to_string(request.first) + "-" +
                   std::to_string(request.first + request.size);
  }
  if (!element)
    return weight;
  if (find(weight.name, type))
    return weight;
  // One tensor may serve with two element types.
  if (defined.count(weight.name)) {
    llvm::raw_string_ostream(weight.name) << '.' << request.element;
    if (find(weight.name, type))
      return weight;
  }
  Value value = load(request, *element);
  if (request.size)
    value = moe::SliceOp::create(
        builder, loc, cast<RankedTensorType>(type).clone(*element), value,
        /*group=*/request.shape[0], request.first, request.size);
  if (*element != request.element)
    value = moe::CastOp::create(builder, loc, type, value);
  moe::DefineOp::create(builder, loc, weight.name, value, request.role);
  defined[weight.name] = type;
  account(weight, request.role);
  return weight;
}

WeightRef Recipes::ropeTable(const RopeFrequencies &frequencies,
                             int64_t positions) {
  for (const auto &[known, weight] : tables)
    if (known.frequencies == frequencies.frequencies &&
        known.attentionFactor == frequencies.attentionFactor)
      return weight;
  auto half = static_cast<int64_t>(frequencies.frequencies.size());
  auto type = RankedTensorType::get({positions, 2, half}, builder.getF32Type());
  WeightRef weight{"rope", type};
  if (!tables.empty())
    weight.name += "." + std::to_string(tables.size());
  Value table = moe::RopeTableOp::create(
      builder, loc, type, builder.getDenseF64ArrayAttr(frequencies.frequencies),
      builder.getF64FloatAttr(frequencies.attentionFactor));
  moe::DefineOp::create(builder, loc, weight.name, table, "rope");
  tables.emplace_back(frequencies, weight);
  roles["rope"].bytes += numElements(type) * 4;
  return weight;
}
