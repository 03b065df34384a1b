//===- Operations.cpp - The functions of family programs ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each function checks its arguments and creates the ops that it stands for.
// docs/families.md describes them for authors of family files.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <numeric>

using namespace mlir;
using namespace moec;
using namespace moec::importer;

const std::map<std::string, ModuleBuilder::Builtin, std::less<>> &
ModuleBuilder::builtins() {
  static const std::map<std::string, Builtin, std::less<>> table = {
      {"embedding", &ModuleBuilder::embedding},
      {"layers", &ModuleBuilder::layers},
      {"last_rows", &ModuleBuilder::lastRows},
      {"recurse", &ModuleBuilder::recurse},
      {"pass_on", &ModuleBuilder::passOn},
      {"passed_on", &ModuleBuilder::passedOn},
      {"linear", &ModuleBuilder::linear},
      {"rms_norm", &ModuleBuilder::rmsNorm},
      {"layer_norm", &ModuleBuilder::layerNorm},
      {"parameter", &ModuleBuilder::parameter},
      {"positions", &ModuleBuilder::positions},
      {"token_ids", &ModuleBuilder::idsOfTokens},
      {"token_table", &ModuleBuilder::tokenTable},
      {"head_part", &ModuleBuilder::headPart},
      {"join_heads", &ModuleBuilder::joinHeads},
      {"repeat", &ModuleBuilder::repeat},
      {"rope_table", &ModuleBuilder::ropeTable},
      {"rotate", &ModuleBuilder::rotate},
      {"attention", &ModuleBuilder::attention},
      {"latent_attention", &ModuleBuilder::latentAttention},
      {"short_conv", &ModuleBuilder::shortConv},
      {"gated_delta", &ModuleBuilder::gatedDelta},
      {"route", &ModuleBuilder::route},
      {"shared_weights", &ModuleBuilder::sharedWeights},
      {"experts", &ModuleBuilder::experts},
      {"ffn_experts", &ModuleBuilder::ffnExperts},
      {"local_experts", &ModuleBuilder::localExperts},
      {"identity_experts", &ModuleBuilder::identityExperts},
      {"zero_experts", &ModuleBuilder::zeroExperts},
      {"tensor", &ModuleBuilder::tensor},
      {"has_tensor", &ModuleBuilder::hasTensor},
      {"shared", &ModuleBuilder::shared},
      {"tap", &ModuleBuilder::tap},
  };
  return table;
}

bool ModuleBuilder::hasFunction(std::string_view name) const {
  auto op = elementwiseOp(name);
  return builtins().count(name) || (op && llvm::isAlpha(name.front()));
}

std::optional<Datum> ModuleBuilder::call(const std::string &name,
                                         Arguments arguments) {
  auto builtin = builtins().find(name);
  if (builtin != builtins().end())
    return frames.empty() && name != "has_tensor"
               ? evaluator.fail(name + "() is for programs, not for keys")
               : (this->*builtin->second)(std::move(arguments));
  auto op = *elementwiseOp(name);
  std::vector<RowsRef> operands;
  for (const Datum &value : arguments.positional) {
    const ObjectRef *object = value.as<ObjectRef>();
    if (object && (*object)->kind() == Object::Kind::Rows)
      operands.push_back(std::static_pointer_cast<const Rows>(*object));
    else if (value.isNumber())
      operands.push_back(makeConstant(value.number()));
    else
      return evaluator.fail(name + "() is not possible with " + toText(value));
  }
  if (operands.size() != numOperands(op) || !arguments.named.empty())
    return evaluator.fail(name + "() takes " + std::to_string(numOperands(op)) +
                          " arguments");
  std::string error;
  auto rows = makeElementwise(op, std::move(operands), error);
  if (!rows)
    return evaluator.fail(error);
  return ObjectRef(*rows);
}

//===----------------------------------------------------------------------===//
// The entry
//===----------------------------------------------------------------------===//

/// Refuses what needs a row for each token, where only wanted rows are left.
void ModuleBuilder::needAllRows(CallArguments &a) {
  if (frame().afterLastRows)
    a.fail("cannot follow last_rows(): only the rows whose logits are wanted "
           "are left");
}

/// A recursion goes on with some of the tokens.
void ModuleBuilder::refuseInRecursion(CallArguments &a, const char *why) {
  if (recursions)
    a.fail(std::string("is not possible in a layer of a recursion") + why);
}

/// The ids of the tokens, in a layer as well.
mlir::Value ModuleBuilder::tokenIds() {
  Frame &f = frame();
  if (!f.ids) {
    Type type = frames.front()->block->getArgument(0).getType();
    f.ids = layerArgument(f, {ArgumentKind::Sequences, "", 0, type});
  }
  return f.ids;
}

std::optional<Datum> ModuleBuilder::embedding(Arguments arguments) {
  CallArguments a("embedding", {"name", "vocabulary", "width", "by"},
                  std::move(arguments), evaluator);
  StoredTensor stored = a.tensor("name", ".weight");
  int64_t vocabulary = a.integer("vocabulary"), width = a.integer("width");
  std::string by = a.text("by", "token");
  bool isEntry = frame().kind == Frame::Kind::Entry;
  if (!isEntry && frame().kind != Frame::Kind::Layer)
    a.fail("belongs into the model or a layer, not into an expert");
  needAllRows(a);
  if (by != "token" && by != "position")
    a.fail("knows no '" + by + "' as 'by'; it knows token and position");
  if (by == "position" && summary.maxContext > vocabulary)
    a.fail("has only " + std::to_string(vocabulary) +
           " positions, and the model is compiled for " +
           std::to_string(summary.maxContext) + "; give --max-context");
  // Of several, the one of the vocabulary comes first.
  bool isFirst = isEntry && by == "token" && !summary.vocabulary;
  if (!a.failed() && by == "token" && !isFirst &&
      vocabulary < summary.vocabulary)
    a.fail("has " + std::to_string(vocabulary) + " rows for " +
           std::to_string(summary.vocabulary) + " tokens");
  if (a.failed())
    return std::nullopt;
  auto table = weight(stored, {vocabulary, width}, weightElement, "embedding");
  if (!table)
    return std::nullopt;
  if (isFirst) {
    summary.vocabulary = vocabulary;
    summary.hidden = width;
  }
  mlir::Value rows = by == "token" ? tokenIds() : frame().positions;
  mlir::Value empty = emptyRows(width);
  auto gather = nn::GatherRowsOp::create(
      builder, loc(), TypeRange{empty.getType()}, *table, rows, empty);
  return leaf(gather->getResult(0));
}

std::optional<Datum> ModuleBuilder::layers(Arguments arguments) {
  CallArguments a("layers", {"x", "count"}, std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  int64_t count = a.integer("count");
  if (frame().kind != Frame::Kind::Entry)
    a.fail("belongs into the model, not into a layer");
  needAllRows(a);
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  int64_t first = summary.layers.size();
  numLayers = first + count;
  for (int64_t i = first; rows && i < numLayers; ++i)
    rows = buildLayer(i, *rows);
  if (!rows)
    return std::nullopt;
  return leaf(*rows);
}

std::optional<Datum> ModuleBuilder::lastRows(Arguments arguments) {
  CallArguments a("last_rows", {"x"}, std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  if (frame().kind != Frame::Kind::Entry)
    a.fail("belongs into the model, not into a layer");
  needAllRows(a);
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  // From here on, rows are those whose logits are wanted.
  frame().afterLastRows = true;
  frame().count =
      tensor::DimOp::create(builder, loc(), frame().wantedRows, frame().zero);
  mlir::Value empty = emptyRows(x->width);
  auto gather =
      nn::GatherRowsOp::create(builder, loc(), TypeRange{empty.getType()},
                               *rows, frame().wantedRows, empty);
  return leaf(gather->getResult(0));
}

//===----------------------------------------------------------------------===//
// From layer to layer
//===----------------------------------------------------------------------===//

std::optional<Datum> ModuleBuilder::passOn(Arguments arguments) {
  CallArguments a("pass_on", {"x", "name"}, std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  std::string name = a.text("name");
  bool isEntry = frame().kind == Frame::Kind::Entry;
  if (!isEntry && frame().kind != Frame::Kind::Layer)
    a.fail("belongs into the model or a layer, not into an expert");
  refuseInRecursion(a, kOfSomeTokens);
  if (!a.failed() && frame().passed.count(name))
    a.fail("passes on '" + name + "' a second time in one " +
           (isEntry ? "model" : "layer"));
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  frame().passed[name] = *rows;
  if (isEntry)
    passed[name] = *rows;
  return leaf(*rows);
}

std::optional<Datum> ModuleBuilder::passedOn(Arguments arguments) {
  CallArguments a("passed_on", {"name"}, std::move(arguments), evaluator);
  std::string name = a.text("name");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  refuseInRecursion(a, kOfSomeTokens);
  if (a.failed())
    return std::nullopt;
  auto known = passed.find(name);
  if (known == passed.end())
    return Null();
  mlir::Value &value = frame().received[name];
  if (!value)
    value = layerArgument(
        frame(), {ArgumentKind::Passed, name, 0, known->second.getType()});
  return leaf(value);
}

std::optional<Datum> ModuleBuilder::tap(Arguments arguments) {
  CallArguments a("tap", {"x", "name"}, std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  std::string name = a.text("name");
  bool isLayer = frame().kind == Frame::Kind::Layer;
  if (!isLayer && frame().kind != Frame::Kind::Entry)
    a.fail("cannot see into an expert");
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  moe::TapOp::create(builder, loc(), *rows,
                     (isLayer ? "layers.{layer}." : "") + name,
                     /*always=*/false);
  return leaf(*rows);
}

//===----------------------------------------------------------------------===//
// Products and norms
//===----------------------------------------------------------------------===//

/// x * w^T in f32, from zero.
static mlir::Value matmul(OpBuilder &builder, Location loc, mlir::Value x,
                          mlir::Value w, mlir::Value empty) {
  mlir::Value zero =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0));
  mlir::Value init =
      linalg::FillOp::create(builder, loc, ValueRange{zero}, ValueRange{empty})
          .getResult(0);
  return linalg::MatmulTransposeBOp::create(builder, loc,
                                            TypeRange{empty.getType()},
                                            ValueRange{x, w}, ValueRange{init})
      .getResult(0);
}

std::optional<Datum> ModuleBuilder::linear(Arguments arguments) {
  CallArguments a("linear", {"x", "name", "width", "bias", "role"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  std::vector<StoredTensor> below = a.tensors("name", ".weight");
  std::vector<int64_t> widths = a.integers("width");
  StoredTensor stored = below.empty() ? StoredTensor() : below.front();
  int64_t width = std::accumulate(widths.begin(), widths.end(), int64_t(0));
  bool hasBias = a.boolean("bias", false);
  if (!a.failed() && below.size() != widths.size())
    a.fail("has " + std::to_string(below.size()) + " matrices and " +
           std::to_string(widths.size()) + " widths");
  if (hasBias && below.size() > 1)
    a.fail("has no bias for several matrices");
  if (hasBias && stored.bias.empty())
    a.fail("has a bias, but tensor() does not name it");
  const char *byFrame[] = {"head", "mlp", "experts", "shared"};
  std::string role = a.text("role", byFrame[static_cast<int>(frame().kind)]);
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  // A router decides between close numbers; rounding would decide for it.
  Type element = role == "router" ? f32 : weightElement;
  auto matrix = below.size() == 1
                    ? weight(stored, {width, x->width}, element, role)
                    : joined(below, widths, x->width, element, role);
  if (!matrix)
    return std::nullopt;
  Datum product =
      leaf(matmul(builder, loc(), *rows, *matrix, emptyRows(width)));
  if (!hasBias)
    return product;
  auto bias = weight(stored.ofBias(), {width}, f32, role);
  if (!bias)
    return std::nullopt;
  return arithmetic("+", product, ObjectRef(makeColumn(*bias)));
}

/// The elements of a row that are normalised together; all by default.
static int64_t sizeOfParts(CallArguments &a, const RowsRef &x) {
  int64_t size = a.integer("size", x ? x->width : 1);
  if (!a.failed() && (size < 1 || x->width % size))
    a.fail("needs a size that divides the width " + std::to_string(x->width) +
           ", got " + std::to_string(size));
  return size;
}

/// Norms are computed for the rows of all experts at once.
void ModuleBuilder::refuseOwnNorm(CallArguments &a, bool hasWeight) {
  if (hasWeight && frame().kind == Frame::Kind::Experts)
    a.fail("has weights of each expert, which is not supported: a norm that "
           "experts have in common stands in front of experts(), and inside of "
           "one it has no weights (name null)");
}

std::optional<Datum> ModuleBuilder::rmsNorm(Arguments arguments) {
  CallArguments a("rms_norm", {"x", "name", "eps", "size", "offset"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  auto stored = a.maybeTensor("name", ".weight");
  double eps = a.number("eps"), offset = a.maybeNumber("offset").value_or(0);
  int64_t size = sizeOfParts(a, x);
  refuseOwnNorm(a, stored.has_value());
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  mlir::Value scale;
  if (stored) {
    auto weightValue = weight(*stored, {size}, f32, "norm");
    if (!weightValue)
      return std::nullopt;
    scale = *weightValue;
  }
  mlir::Value empty = emptyRows(x->width);
  auto norm =
      nn::RmsNormOp::create(builder, loc(), TypeRange{empty.getType()}, *rows,
                            scale, empty, size, APFloat(eps), APFloat(offset));
  return leaf(norm->getResult(0));
}

std::optional<Datum> ModuleBuilder::layerNorm(Arguments arguments) {
  CallArguments a("layer_norm", {"x", "name", "eps", "size", "bias"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  auto stored = a.maybeTensor("name", ".weight");
  double eps = a.number("eps");
  bool hasBias = a.boolean("bias", true);
  if (hasBias && stored && stored->bias.empty())
    a.fail("has a bias, but tensor() does not name it");
  int64_t size = sizeOfParts(a, x);
  refuseOwnNorm(a, stored.has_value());
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  mlir::Value scale, shift;
  auto load = [&](const StoredTensor &tensor, mlir::Value &value) {
    auto found = weight(tensor, {size}, f32, "norm");
    value = found.value_or(mlir::Value());
    return found.has_value();
  };
  if (stored &&
      (!load(*stored, scale) || (hasBias && !load(stored->ofBias(), shift))))
    return std::nullopt;
  mlir::Value empty = emptyRows(x->width);
  auto norm =
      nn::LayerNormOp::create(builder, loc(), TypeRange{empty.getType()}, *rows,
                              scale, shift, empty, size, APFloat(eps));
  return leaf(norm->getResult(0));
}

std::optional<Datum> ModuleBuilder::parameter(Arguments arguments) {
  CallArguments a("parameter", {"name", "width", "role"}, std::move(arguments),
                  evaluator);
  StoredTensor stored = a.tensor("name", "");
  std::string role = a.text("role", "norm");
  int64_t width = a.integer("width");
  if (a.failed())
    return std::nullopt;
  auto value = weight(stored, {width}, f32, role);
  if (!value)
    return std::nullopt;
  return ObjectRef(makeColumn(*value));
}
