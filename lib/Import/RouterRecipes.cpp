//===- RouterRecipes.cpp - What routers have of a checkpoint --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Routers of several matrices, which are one, and masks, which are structure:
// passes look at them, so that they are in the IR.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Recipes.h"

#include "lib/Weights/Elements.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

std::optional<WeightRef> Recipes::join(ArrayRef<WeightRequest> requests) {
  int64_t rows = 0, columns = requests.front().shape.back();
  std::string name;
  for (const WeightRequest &request : requests) {
    name += (name.empty() ? "" : "+") + nameOf(request);
    rows += request.shape.front();
  }
  auto type = RankedTensorType::get({rows, columns}, requests.front().element);
  if (auto known = find(name, type))
    return known;
  SmallVector<Value> parts;
  for (const WeightRequest &request : requests) {
    auto source = checkTensors(request);
    if (source)
      parts.push_back(make(request, *source));
    else if (++tensorErrors == maxTensorErrors)
      return std::nullopt;
  }
  if (parts.size() < requests.size())
    return WeightRef{name, type};
  Value whole = moe::ConcatOp::create(builder, loc, type, parts,
                                      /*columns=*/false);
  moe::DefineOp::create(builder, loc, name, whole, requests.front().role);
  defined[name] = type;
  WeightRef weight{name, type};
  account(weight, requests.front().role);
  return weight;
}

std::optional<std::vector<bool>> Recipes::readMask(const std::string &name,
                                                   int64_t columns) {
  // As many rows as it has; a tensor of another rank has none that fit.
  constexpr uint64_t mostRows = 4096;
  const weights::Tensor *tensor = checkpoint.find(name);
  bool isMatrix = tensor && tensor->shape().size() == 2 &&
                  tensor->shape()[0] >= 1 && tensor->shape()[0] <= mostRows;
  int64_t rows = isMatrix ? int64_t(tensor->shape()[0]) : 1;
  if (!findTensor(name, {rows, columns}))
    return std::nullopt;
  unsigned size = weights::bitWidth(tensor->dtype()) / 8;
  switch (tensor->dtype()) {
  case weights::DType::BOOL:
  case weights::DType::U8:
  case weights::DType::I8:
  case weights::DType::I32:
  case weights::DType::I64:
    break;
  default:
    return diagnostics.error(
        code::wrongElements,
        checkpoint.path() + ": tensor " + weights::inQuotes(name) + " holds " +
            std::string(weights::name(tensor->dtype())) +
            "; a mask is expected to be of BOOL, U8, I8, I32 or I64");
  }
  std::span<const std::byte> bytes = tensor->bytes();
  std::vector<bool> mask(rows * columns);
  for (size_t i = 0; i < mask.size(); ++i) {
    auto element = bytes.subspan(i * size, size);
    mask[i] =
        llvm::any_of(element, [](std::byte b) { return b != std::byte(0); });
  }
  return mask;
}
