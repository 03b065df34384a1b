//===- Frames.cpp - The bodies that ops are put into ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How rows, weights and tables come into the body that is being built. A weight
// passes through all bodies around the one that uses it.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

Location ModuleBuilder::loc() {
  std::string place = evaluator.place();
  if (place.empty())
    return builder.getUnknownLoc();
  return NameLoc::get(builder.getStringAttr(place));
}

Datum ModuleBuilder::leaf(mlir::Value tensor) {
  return ObjectRef(makeLeaf(tensor, frame().count));
}

mlir::Value ModuleBuilder::emptyRows(int64_t width, Type element) {
  return tensor::EmptyOp::create(
      builder, loc(), ArrayRef<int64_t>{ShapedType::kDynamic, width},
      element ? element : f32, ValueRange{frame().count});
}

mlir::Value ModuleBuilder::emptyIntegers() {
  return tensor::EmptyOp::create(builder, loc(),
                                 ArrayRef<int64_t>{ShapedType::kDynamic}, i32,
                                 ValueRange{frame().count});
}

/// Whether every tensor of the tree lives in this block.
static bool livesIn(const Rows &rows, Block *block) {
  if (rows.tensor && mlir::Value(rows.tensor).getParentBlock() != block)
    return false;
  return llvm::all_of(rows.operands, [&](const RowsRef &operand) {
    return livesIn(*operand, block);
  });
}

std::optional<mlir::Value> ModuleBuilder::emit(const RowsRef &rows) {
  if (!rows->count)
    return evaluator.fail("rows of activations are needed here, not a value "
                          "that is the same for all rows");
  if (!livesIn(*rows, frame().block))
    return evaluator.fail("an expert can only use the rows that it is given");
  return emitRows(builder, loc(), *rows);
}

/// The name as the checkpoint has it, which may begin in another way than the
/// program says.
std::string ModuleBuilder::storedName(std::string name) const {
  const auto &beginnings = config.family().tensorNames;
  auto longest = beginnings.end();
  for (auto it = beginnings.begin(); it != beginnings.end(); ++it)
    if (name.starts_with(it->first) &&
        (longest == beginnings.end() ||
         it->first.size() > longest->first.size()))
      longest = it;
  if (longest == beginnings.end())
    return name;
  auto isThere = [&](const std::string &beginning) {
    auto tensors = checkpoint.tensors(); // In the order of their names.
    auto it = llvm::partition_point(tensors, [&](const weights::Tensor &each) {
      return each.name() < beginning;
    });
    return it != tensors.end() && it->name().starts_with(beginning);
  };
  auto found = llvm::find_if(longest->second, isThere);
  return (found == longest->second.end() ? longest->second.front() : *found) +
         name.substr(longest->first.size());
}

/// How the tensor names of the present layer begin.
std::optional<std::string> ModuleBuilder::layerPrefix() {
  auto known = layerPrefixes.find(*currentLayer);
  if (known != layerPrefixes.end())
    return known->second;
  const std::string &pattern = config.family().layerPrefix;
  std::string place = config.family().file + ", layer_prefix";
  if (pattern.find('{') == std::string::npos)
    return evaluator.fail(place + ": '" + pattern +
                          "' of a layer lacks {layer}");
  if (std::exchange(findsPrefix, true))
    return evaluator.fail(place + ": '" + pattern + "' depends on itself");
  auto prefix = fillIn(pattern, place, evaluator);
  findsPrefix = false;
  if (!prefix)
    return std::nullopt;
  if (prefix->empty())
    return evaluator.fail(place + ": a part of '" + pattern +
                          "' in braces is null");
  for (const auto &[layer, other] : layerPrefixes)
    if (other == *prefix)
      return evaluator.fail(
          place + ": the tensor names of layers " + std::to_string(layer) +
          " and " + std::to_string(*currentLayer) + " both begin with '" +
          *prefix + "'; '" + pattern + "' must tell layers apart");
  return layerPrefixes[*currentLayer] = *prefix;
}

std::optional<std::string> ModuleBuilder::tensorName(const std::string &name) {
  // With a slash in front, a name in a layer is whole.
  if (name.starts_with('/'))
    return storedName(name.substr(1));
  if (!currentLayer)
    return storedName(name);
  auto prefix = layerPrefix();
  if (!prefix)
    return std::nullopt;
  return storedName(*prefix + name);
}

std::optional<WeightRequest> ModuleBuilder::request(const StoredTensor &tensor,
                                                    ArrayRef<int64_t> shape,
                                                    Type element,
                                                    const std::string &role) {
  constexpr int64_t maxSize = int64_t(1) << 31;
  for (int64_t size : shape)
    if (size < 1 || size > maxSize)
      return evaluator.fail("a tensor of size " + std::to_string(size));
  WeightRequest request{tensor, llvm::to_vector(shape), element, role};
  auto name = tensorName(tensor.name);
  auto scales = tensorName(tensor.scales);
  if (!name || !scales)
    return std::nullopt;
  request.tensor.name = *name;
  if (!tensor.scales.empty())
    request.tensor.scales = *scales;
  bool isStacked = tensor.stacked != StoredTensor::Stacked::No;
  bool isPattern = name->find("{expert}") != std::string::npos;
  bool inExpert = frame().kind == Frame::Kind::Experts;
  if (isStacked && isPattern)
    return evaluator.fail("the tensor name '" + *name +
                          "' of stacked experts has {expert}");
  if ((isStacked || isPattern) != inExpert)
    return evaluator.fail("the tensor name '" + *name + "' " +
                          (isStacked   ? "is of stacked experts, outside of "
                                         "experts()"
                           : isPattern ? "has {expert} outside of experts()"
                                       : "of an expert lacks {expert}"));
  if (inExpert) {
    request.experts = frame().experts;
    request.firstExpert = isStacked ? 0 : frame().firstExpert;
  }
  std::string why = request.whyNotShape();
  if (!why.empty())
    return evaluator.fail("the tensor '" + *name + "': " + why);
  return request;
}

std::optional<mlir::Value> ModuleBuilder::weight(const StoredTensor &tensor,
                                                 ArrayRef<int64_t> shape,
                                                 Type element,
                                                 const std::string &role) {
  auto wanted = request(tensor, shape, element, role);
  if (!wanted)
    return std::nullopt;
  auto ref = recipes->define(*wanted);
  if (!ref)
    return std::nullopt;
  Frame &top = frame();
  if (top.kind == Frame::Kind::Experts && !top.weights.count(ref->name))
    inactiveParameters +=
        numElements(ref->type) / top.experts *
        std::max<int64_t>(top.experts - top.expertsPerToken, 0);
  return use(*ref, frames.size() - 1, ArgumentKind::Weight);
}

std::optional<mlir::Value> ModuleBuilder::weight(const std::string &tensor,
                                                 ArrayRef<int64_t> shape,
                                                 Type element,
                                                 const std::string &role) {
  return weight(StoredTensor(tensor), shape, element, role);
}

std::optional<mlir::Value> ModuleBuilder::joined(ArrayRef<StoredTensor> tensors,
                                                 ArrayRef<int64_t> widths,
                                                 int64_t columns, Type element,
                                                 const std::string &role) {
  if (frame().kind == Frame::Kind::Experts)
    return evaluator.fail("several matrices as one are not possible in "
                          "experts()");
  std::vector<WeightRequest> requests;
  for (auto [tensor, width] : llvm::zip_equal(tensors, widths)) {
    auto wanted = request(tensor, {width, columns}, element, role);
    if (!wanted)
      return std::nullopt;
    requests.push_back(*wanted);
  }
  auto ref = recipes->join(requests);
  if (!ref)
    return std::nullopt;
  return use(*ref, frames.size() - 1, ArgumentKind::Weight);
}

/// The value of a weight in the frame of this level. It comes through all
/// frames around it.
mlir::Value ModuleBuilder::use(const WeightRef &weight, size_t level,
                               ArgumentKind kind) {
  Frame &body = *frames[level];
  auto known = body.weights.find(weight.name);
  if (known != body.weights.end())
    return known->second;
  mlir::Value value;
  switch (body.kind) {
  case Frame::Kind::Entry:
  case Frame::Kind::Recursion: {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(body.block);
    value = moe::WeightOp::create(builder, loc(), weight.type, weight.name);
    break;
  }
  case Frame::Kind::Layer:
    value = layerArgument(body, {kind, weight.name, 0, weight.type});
    break;
  case Frame::Kind::Experts:
  case Frame::Kind::Shared: {
    body.outer.push_back(use(weight, level - 1, kind));
    auto bank = dyn_cast<moe::BankType>(weight.type);
    value =
        body.block->addArgument(bank ? bank.getMember() : weight.type, loc());
    break;
  }
  }
  body.weights[weight.name] = value;
  return value;
}

mlir::Value ModuleBuilder::layerArgument(Frame &layer, LayerArgument argument) {
  auto behind = llvm::find_if(layer.arguments, [&](const LayerArgument &each) {
    return each.kind > argument.kind;
  });
  unsigned index = behind - layer.arguments.begin();
  mlir::Value value = layer.block->insertArgument(kFixedArguments + index,
                                                  argument.type, loc());
  layer.arguments.insert(behind, std::move(argument));
  return value;
}
