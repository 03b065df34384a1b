//===- Operations.cpp - The functions of family programs ------------------===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
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

#include <cmath>

using namespace mlir;
using namespace moec;
using namespace moec::importer;

const std::map<std::string, ModuleBuilder::Builtin, std::less<>> &
ModuleBuilder::builtins() {
  static const std::map<std::string, Builtin, std::less<>> table = {
      {"embedding", &ModuleBuilder::embedding},
      {"layers", &ModuleBuilder::layers},
      {"last_rows", &ModuleBuilder::lastRows},
      {"linear", &ModuleBuilder::linear},
      {"rms_norm", &ModuleBuilder::rmsNorm},
      {"rope_table", &ModuleBuilder::ropeTable},
      {"rotate", &ModuleBuilder::rotate},
      {"attention", &ModuleBuilder::attention},
      {"route", &ModuleBuilder::route},
      {"experts", &ModuleBuilder::experts},
      {"shared", &ModuleBuilder::shared},
      {"tap", &ModuleBuilder::tap},
  };
  return table;
}

bool ModuleBuilder::hasFunction(std::string_view name) const {
  auto op = elementwiseOp(name);
  return builtins().count(name) || (op && name.size() > 1);
}

std::optional<Datum> ModuleBuilder::call(const std::string &name,
                                         Arguments arguments) {
  auto builtin = builtins().find(name);
  if (builtin != builtins().end())
    return frames.empty()
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

std::optional<Datum> ModuleBuilder::embedding(Arguments arguments) {
  CallArguments a("embedding", {"name", "vocabulary", "width"},
                  std::move(arguments), evaluator);
  std::string name = a.text("name");
  int64_t vocabulary = a.integer("vocabulary"), width = a.integer("width");
  if (frame().kind != Frame::Kind::Entry)
    a.fail("belongs into the model, not into a layer");
  if (a.failed())
    return std::nullopt;
  auto table =
      weight(name + ".weight", {vocabulary, width}, weightElement, "embedding");
  if (!table)
    return std::nullopt;
  summary.vocabulary = vocabulary;
  summary.hidden = width;
  mlir::Value empty = emptyRows(width);
  auto gather = nn::GatherRowsOp::create(
      builder, loc(), TypeRange{empty.getType()}, *table, frame().ids, empty);
  return leaf(gather->getResult(0));
}

std::optional<Datum> ModuleBuilder::layers(Arguments arguments) {
  CallArguments a("layers", {"x", "count"}, std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  int64_t count = a.integer("count");
  if (frame().kind != Frame::Kind::Entry)
    a.fail("belongs into the model, not into a layer");
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  int64_t first = summary.layers.size();
  for (int64_t i = first; rows && i < first + count; ++i)
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
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  // From here on, rows are those whose logits are wanted.
  frame().count =
      tensor::DimOp::create(builder, loc(), frame().wantedRows, frame().zero);
  mlir::Value empty = emptyRows(x->width);
  auto gather =
      nn::GatherRowsOp::create(builder, loc(), TypeRange{empty.getType()},
                               *rows, frame().wantedRows, empty);
  return leaf(gather->getResult(0));
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
  std::string name = a.text("name");
  int64_t width = a.integer("width");
  bool hasBias = a.boolean("bias", false);
  const char *byFrame[] = {"head", "mlp", "experts", "shared"};
  std::string role = a.text("role", byFrame[static_cast<int>(frame().kind)]);
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  // A router decides between close numbers; rounding would decide for it.
  Type element = role == "router" ? f32 : weightElement;
  auto matrix = weight(name + ".weight", {width, x->width}, element, role);
  if (!matrix)
    return std::nullopt;
  Datum product =
      leaf(matmul(builder, loc(), *rows, *matrix, emptyRows(width)));
  if (!hasBias)
    return product;
  auto bias = weight(name + ".bias", {width}, f32, role);
  if (!bias)
    return std::nullopt;
  return arithmetic("+", product, ObjectRef(makeColumn(*bias)));
}

std::optional<Datum> ModuleBuilder::rmsNorm(Arguments arguments) {
  CallArguments a("rms_norm", {"x", "name", "eps", "size", "offset"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  auto name = a.maybeText("name");
  double eps = a.number("eps"), offset = a.maybeNumber("offset").value_or(0);
  int64_t size = a.integer("size", x ? x->width : 1);
  if (!a.failed() && (size < 1 || x->width % size))
    a.fail("needs a size that divides the width " + std::to_string(x->width) +
           ", got " + std::to_string(size));
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  mlir::Value scale;
  if (name) {
    auto weightValue = weight(*name + ".weight", {size}, f32, "norm");
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

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

std::optional<Datum> ModuleBuilder::ropeTable(Arguments arguments) {
  CallArguments a("rope_table",
                  {"type", "dims", "theta", "factor", "original_context",
                   "low_freq_factor", "high_freq_factor", "attention_factor",
                   "mscale", "mscale_all_dim", "beta_fast", "beta_slow",
                   "truncate"},
                  std::move(arguments), evaluator);
  RopeParameters p;
  p.type = a.text("type", "default");
  p.dims = a.integer("dims");
  p.theta = a.number("theta");
  p.factor = a.maybeNumber("factor").value_or(p.factor);
  p.originalContext = a.maybeNumber("original_context").value_or(0);
  p.lowFrequencyFactor =
      a.maybeNumber("low_freq_factor").value_or(p.lowFrequencyFactor);
  p.highFrequencyFactor =
      a.maybeNumber("high_freq_factor").value_or(p.highFrequencyFactor);
  p.attentionFactor = a.maybeNumber("attention_factor");
  p.mscale = a.maybeNumber("mscale");
  p.mscaleAllDims = a.maybeNumber("mscale_all_dim");
  p.betaFast = a.maybeNumber("beta_fast").value_or(p.betaFast);
  p.betaSlow = a.maybeNumber("beta_slow").value_or(p.betaSlow);
  p.truncate = a.boolean("truncate", true);
  if (a.failed())
    return std::nullopt;
  std::string error;
  auto frequencies = ropeFrequencies(p, error);
  if (!frequencies)
    return evaluator.fail(config.fileName() + ": " + error,
                          code::valueOutOfRange);
  auto table = std::make_shared<RopeTable>();
  table->weight = recipes->ropeTable(*frequencies, summary.maxContext);
  return ObjectRef(table);
}

std::optional<Datum> ModuleBuilder::rotate(Arguments arguments) {
  CallArguments a("rotate", {"x", "table", "size"}, std::move(arguments),
                  evaluator);
  RowsRef x = a.rows("x");
  const auto *table = static_cast<const RopeTable *>(
      a.object("table", Object::Kind::RopeTable, "a rotary table"));
  int64_t size = a.integer("size");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (!a.failed() && (size < 1 || x->width % size))
    a.fail("needs a size of heads that divides the width " +
           std::to_string(x->width) + ", got " + std::to_string(size));
  if (a.failed())
    return std::nullopt;
  int64_t turned = 2 * cast<RankedTensorType>(table->weight.type).getDimSize(2);
  if (turned > size)
    return a.fail("turns " + std::to_string(turned) +
                  " elements of heads of only " + std::to_string(size));
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  mlir::Value tableValue =
      use(table->weight, frames.size() - 1, ArgumentKind::Table);
  mlir::Value empty = emptyRows(x->width);
  auto rope =
      nn::RopeOp::create(builder, loc(), TypeRange{empty.getType()}, *rows,
                         tableValue, frame().positions, empty, size);
  return leaf(rope->getResult(0));
}

/// A state of its own for every attention of every layer.
std::optional<mlir::Value> ModuleBuilder::state(int64_t heads, int64_t key,
                                                int64_t value) {
  auto type = nn::StateType::get(&context, heads, key, value, weightElement,
                                 summary.maxSequences, summary.maxContext);
  summary.stateBytes += type.getBlocks() * nn::StateType::blockPositions *
                        heads * (key + value) *
                        weightElement.getIntOrFloatBitWidth() / 8;
  return layerArgument(frame(), {ArgumentKind::State, "", numStates++, type});
}

std::optional<Datum> ModuleBuilder::attention(Arguments arguments) {
  CallArguments a("attention",
                  {"q", "k", "v", "heads", "kv_heads", "scale", "window"},
                  std::move(arguments), evaluator);
  RowsRef q = a.rows("q"), k = a.rows("k"), v = a.rows("v");
  int64_t heads = a.integer("heads"), kvHeads = a.integer("kv_heads");
  auto scale = a.maybeNumber("scale");
  int64_t window = a.integer("window", 0);
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (!a.failed() && (heads < 1 || kvHeads < 1 || heads % kvHeads ||
                      q->width % heads || v->width % kvHeads ||
                      k->width != q->width / heads * kvHeads || window < 0))
    a.fail("does not fit: " + std::to_string(heads) + " heads of queries in " +
           std::to_string(q->width) + " elements, " + std::to_string(kvHeads) +
           " of keys in " + std::to_string(k->width) + " and of values in " +
           std::to_string(v->width) + ", window " + std::to_string(window));
  if (a.failed())
    return std::nullopt;
  auto qRows = emit(q), kRows = emit(k), vRows = emit(v);
  if (!qRows || !kRows || !vRows)
    return std::nullopt;
  int64_t key = q->width / heads, value = v->width / kvHeads;
  auto keysAndValues = state(kvHeads, key, value);
  if (!keysAndValues)
    return std::nullopt;
  if (frame().summary)
    frame().summary->window = window;
  Frame &f = frame();
  nn::AppendOp::create(builder, loc(), *kRows, *vRows, f.positions,
                       f.tokenSlots, ValueRange{*keysAndValues});
  mlir::Value empty = emptyRows(heads * value);
  double byDefault = 1.0 / std::sqrt(static_cast<double>(key));
  auto attention = nn::AttentionOp::create(
      builder, loc(), TypeRange{empty.getType()}, *qRows, f.positions,
      f.tokenSlots, ValueRange{*keysAndValues}, ValueRange{empty}, heads,
      kvHeads, APFloat(scale.value_or(byDefault)), window);
  return leaf(attention->getResult(0));
}
