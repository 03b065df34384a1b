//===- Experts.cpp - The sparse part of family programs -------------------===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// route(), experts() and shared(). What one expert computes is a function of
// the program, run once into the region that stands for all of them.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

/// The value of an enumeration that an argument names; without one, the first.
template <typename Enum>
static Enum choice(CallArguments &arguments, const char *name,
                   std::optional<Enum> (*symbolize)(StringRef)) {
  auto text = arguments.maybeText(name);
  if (!text)
    return static_cast<Enum>(0);
  if (auto value = symbolize(*text))
    return *value;
  arguments.fail("knows no '" + *text + "' as '" + name + "'");
  return static_cast<Enum>(0);
}

std::optional<moe::RoutingAttr> ModuleBuilder::routing(CallArguments &a) {
  auto number = [&](const char *name) {
    auto value = a.maybeNumber(name);
    return value ? builder.getF64FloatAttr(*value) : FloatAttr();
  };
  std::string complaint;
  ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    complaint = diagnostic.str();
    return success();
  });
  auto attr = moe::RoutingAttr::getChecked(
      [&] { return emitError(loc()); }, &context, a.integer("k"),
      choice(a, "policy", moe::symbolizePolicy),
      choice(a, "score", moe::symbolizeScore),
      choice(a, "scope", moe::symbolizeScope),
      choice(a, "select_on", moe::symbolizeSource),
      choice(a, "weight_from", moe::symbolizeSource),
      choice(a, "renorm", moe::symbolizeRenorm),
      choice(a, "eps_mode", moe::symbolizeEpsMode), number("eps"), number("lp"),
      number("scale"), number("softcap"), number("window"), number("threshold"),
      a.integer("groups", 1),
      choice(a, "group_reduce", moe::symbolizeGroupReduce),
      a.integer("group_keep", 0),
      choice(a, "group_fill", moe::symbolizeGroupFill),
      a.integer("group_quota", 0), a.integer("null_experts", 0),
      a.boolean("null_before_norm", false),
      choice(a, "window_by", moe::symbolizeWindowBy),
      a.integer("shared_experts", 0), number("capacity"),
      choice(a, "capacity_unit", moe::symbolizeCapacityUnit),
      a.integer("capacity_min", 0),
      choice(a, "capacity_scope", moe::symbolizeCapacityScope),
      choice(a, "priority", moe::symbolizePriority),
      choice(a, "drop_order", moe::symbolizeDropOrder),
      a.integer("light_experts", 0), number("light_share"),
      a.boolean("renorm_after_drop", false),
      choice(a, "dedupe", moe::symbolizeDedupe));
  if (!attr)
    a.fail("is not possible so: " + complaint);
  if (a.failed())
    return std::nullopt;
  return attr;
}

std::optional<Datum> ModuleBuilder::route(Arguments arguments) {
  CallArguments a("route",
                  {"logits",
                   "k",
                   "bias",
                   "policy",
                   "score",
                   "scope",
                   "select_on",
                   "weight_from",
                   "renorm",
                   "eps_mode",
                   "eps",
                   "lp",
                   "scale",
                   "softcap",
                   "window",
                   "threshold",
                   "groups",
                   "group_reduce",
                   "group_keep",
                   "group_fill",
                   "group_quota",
                   "null_experts",
                   "null_before_norm",
                   "window_by",
                   "shared_experts",
                   "capacity",
                   "capacity_unit",
                   "capacity_min",
                   "capacity_scope",
                   "priority",
                   "drop_order",
                   "light_experts",
                   "light_share",
                   "renorm_after_drop",
                   "dedupe",
                   "expert_scale",
                   "alias"},
                  std::move(arguments), evaluator);
  RowsRef logits = a.rows("logits");
  auto biasName = a.maybeText("bias"), scaleName = a.maybeText("expert_scale");
  std::vector<double> alias = a.numbers("alias");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (!a.failed() && frame().summary->experts)
    a.fail("is called a second time in one layer");
  auto attr = routing(a);
  if (!attr || a.failed())
    return std::nullopt;
  int64_t k = attr->getK(), experts = logits->width;
  if (attr->is(moe::Policy::Table) || attr->getSharedExperts())
    return a.fail(
        "has no way yet to say the table of policy 'table', or to use "
        "the weights of shared_experts");
  bool takesAll =
      attr->is(moe::Policy::Dense) || attr->is(moe::Policy::ExpertChoice);
  if (takesAll && k != experts)
    return a.fail("lets a token have any of the " + std::to_string(experts) +
                  " experts, so k must be their number, got " +
                  std::to_string(k));
  if (k > experts)
    return a.fail("chooses k = " + std::to_string(k) + " of only " +
                  std::to_string(experts) + " experts");
  if (experts % attr->getGroups())
    return a.fail("cannot choose: " + std::to_string(experts) +
                  " experts do not divide into " +
                  std::to_string(attr->getGroups()) + " groups");
  if (attr->getNullExperts() >= experts)
    return a.fail("has " + std::to_string(attr->getNullExperts()) +
                  " null experts of only " + std::to_string(experts));
  int64_t most = experts;
  moe::RoutingInputs inputs;
  if (!alias.empty()) {
    SmallVector<int32_t> names(alias.begin(), alias.end());
    bool fits = int64_t(names.size()) == experts;
    for (int32_t name : names)
      fits &= name >= 0 && name < experts;
    if (!fits)
      return a.fail("needs an alias from 0 to " + std::to_string(experts - 1) +
                    " for each of " + std::to_string(experts) + " experts");
    inputs.alias = builder.getDenseI32ArrayAttr(names);
    most = *llvm::max_element(names) + 1;
  } else if (attr->getDedupe() != moe::Dedupe::None) {
    return a.fail("has nothing to dedupe without an alias");
  }
  if (attr->needsSequence())
    inputs.sequence = frame().tokenSlots;
  auto rows = emit(logits);
  if (!rows)
    return std::nullopt;
  if (biasName) {
    auto value = weight(*biasName, {experts}, f32, "router");
    if (!value)
      return std::nullopt;
    inputs.bias = *value;
  }
  if (scaleName) {
    auto value = weight(*scaleName, {experts}, f32, "router");
    if (!value)
      return std::nullopt;
    inputs.expertScale = *value;
  }
  moe::TapOp::create(builder, loc(), *rows, "layers.{layer}.router_logits",
                     /*always=*/false);
  auto create = [&](Type element) -> mlir::Value {
    return tensor::EmptyOp::create(builder, loc(),
                                   ArrayRef<int64_t>{ShapedType::kDynamic, k},
                                   element, ValueRange{frame().count});
  };
  mlir::Value ids = create(i32), weights = create(f32);
  auto op = moe::RouteOp::create(
      builder, loc(), TypeRange{ids.getType(), weights.getType()}, *rows,
      inputs, ValueRange{ids, weights}, *attr);
  auto result = std::make_shared<Routing>();
  result->ids = op->getResult(0);
  result->weights = op->getResult(1);
  result->experts = most;
  result->k = k;
  moe::TapOp::create(builder, loc(), result->ids, "layers.{layer}.experts",
                     /*always=*/true);
  frame().summary->router = attr->inWords(inputs);
  frame().summary->experts = experts;
  frame().summary->expertsPerToken = k;
  return ObjectRef(result);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// Splits the arguments of experts(x, routing, f, a, b, n=c) in front of those
/// that f gets behind its rows.
static Arguments takeOwn(Arguments &arguments, size_t number) {
  Arguments own;
  auto &all = arguments.positional;
  size_t count = std::min(number, all.size());
  own.positional.assign(std::make_move_iterator(all.begin()),
                        std::make_move_iterator(all.begin() + count));
  all.erase(all.begin(), all.begin() + count);
  return own;
}

std::optional<mlir::Value> ModuleBuilder::runRegion(Frame &region,
                                                    const RowsRef &x,
                                                    const std::string &function,
                                                    Arguments arguments) {
  OpBuilder::InsertionGuard guard(builder);
  auto type = RankedTensorType::get({ShapedType::kDynamic, x->width}, f32);
  mlir::Value rows = region.block->addArgument(type, loc());
  builder.setInsertionPointToEnd(region.block);
  region.zero = arith::ConstantIndexOp::create(builder, loc(), 0);
  region.count = tensor::DimOp::create(builder, loc(), rows, region.zero);
  frames.push_back(&region);
  arguments.positional.insert(arguments.positional.begin(), leaf(rows));
  auto value = evaluator.call(function, std::move(arguments));
  const ObjectRef *object = value ? value->as<ObjectRef>() : nullptr;
  std::optional<mlir::Value> result;
  if (object && (*object)->kind() == Object::Kind::Rows)
    result = emit(std::static_pointer_cast<const Rows>(*object));
  else if (value)
    evaluator.fail("an expert must give rows, not " +
                   std::string(importer::describe(*value)));
  if (result)
    moe::YieldOp::create(builder, loc(), *result);
  frames.pop_back();
  return result;
}

std::optional<Datum> ModuleBuilder::experts(Arguments arguments) {
  CallArguments a("experts", {"x", "routing", "function"},
                  takeOwn(arguments, 3), evaluator);
  RowsRef x = a.rows("x");
  const auto *routing = static_cast<const Routing *>(
      a.object("routing", Object::Kind::Routing, "a routing"));
  std::string function = a.function("function");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  auto block = std::make_unique<Block>();
  Frame region{};
  region.kind = Frame::Kind::Experts;
  region.block = block.get();
  region.experts = routing->experts;
  region.expertsPerToken = routing->k;
  auto result = runRegion(region, x, function, std::move(arguments));
  if (!result)
    return std::nullopt;
  if (region.outer.empty())
    return a.fail("needs a function with weights, and " + function +
                  "() has none");
  mlir::Value empty =
      emptyRows(cast<RankedTensorType>(result->getType()).getDimSize(1));
  auto op = moe::ExpertsOp::create(builder, loc(), TypeRange{empty.getType()},
                                   *rows, routing->ids, routing->weights,
                                   region.outer, ValueRange{empty}, nullptr,
                                   /*weight_on_input=*/false, 1);
  op.getBodies().front().push_back(block.release());
  return leaf(op->getResult(0));
}

std::optional<Datum> ModuleBuilder::shared(Arguments arguments) {
  CallArguments a("shared", {"x", "function"}, takeOwn(arguments, 2),
                  evaluator);
  RowsRef x = a.rows("x");
  std::string function = a.function("function");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  auto block = std::make_unique<Block>();
  Frame region{};
  region.kind = Frame::Kind::Shared;
  region.block = block.get();
  auto result = runRegion(region, x, function, std::move(arguments));
  if (!result)
    return std::nullopt;
  mlir::Value empty =
      emptyRows(cast<RankedTensorType>(result->getType()).getDimSize(1));
  auto op = moe::SharedOp::create(builder, loc(), TypeRange{empty.getType()},
                                  *rows, region.outer, ValueRange{empty});
  op.getBody().push_back(block.release());
  return leaf(op->getResult(0));
}
