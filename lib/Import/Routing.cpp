//===- Routing.cpp - The routers of family programs -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// route(), in a layer or, in front of a recursion, in the model.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

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

/// What the verifier of an op has against it, without the name of the op.
static std::optional<std::string> complaintOf(Operation *op) {
  std::string complaint;
  ScopedDiagnosticHandler handler(op->getContext(),
                                  [&](mlir::Diagnostic &diagnostic) {
                                    if (complaint.empty())
                                      complaint = diagnostic.str();
                                    return success();
                                  });
  if (succeeded(mlir::verify(op)))
    return std::nullopt;
  StringRef text = complaint;
  text.consume_front("'" + op->getName().getStringRef().str() + "' op ");
  return text.str();
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
  warnWithoutEffect(a, attr);
  return attr;
}

/// Warns, once, of what is given and changes nothing.
void ModuleBuilder::warnWithoutEffect(const CallArguments &a,
                                      moe::RoutingAttr routing) {
  auto warn = [&](const char *name, const std::string &why) {
    std::string message =
        config.family().file + ": route(): " + name + " has no effect: " + why;
    if (warned.insert(message).second)
      diagnostics.warning(code::withoutEffect, message);
  };
  bool hasEps = routing.getEps() && !routing.getEps().getValue().isZero();
  bool divides = routing.getRenorm() != moe::Renorm::None;
  if (hasEps && !divides)
    warn("eps", "nothing is divided without renorm");
  if (!a.isNull("eps_mode") && (!hasEps || !divides))
    warn("eps_mode", "there is no eps in a division");
  if (!a.isNull("group_fill") && a.isNull("group_keep"))
    warn("group_fill", "all groups may be chosen without group_keep");
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
                   "alias",
                   "table",
                   "within",
                   "token_class",
                   "class_experts",
                   "eligible",
                   "token_k"},
                  std::move(arguments), evaluator);
  RowsRef logits = a.rows("logits");
  auto bias = a.maybeTensor("bias", "");
  auto scale = a.maybeTensor("expert_scale", "");
  auto table = a.maybeTensor("table", "");
  std::vector<double> alias = a.numbers("alias");
  const auto *within = a.isNull("within")
                           ? nullptr
                           : static_cast<const Routing *>(a.object(
                                 "within", Object::Kind::Routing, "a routing"));
  bool inLayer = frame().kind == Frame::Kind::Layer;
  if (!inLayer && frame().kind != Frame::Kind::Entry)
    a.fail("belongs into a layer, or into the model");
  needAllRows(a);
  if (!inLayer && table)
    a.fail("has a table in layers only");
  if (!a.failed() && inLayer && std::exchange(frame().routes, true))
    a.fail("is called a second time in one layer");
  if (!a.failed() && within && (within->k != 1 || within->experts != 1))
    a.fail("chooses within what a routing of one expert chose, got one of " +
           std::to_string(within->experts));
  if (within && !a.isNull("token_class"))
    a.fail("chooses within a routing, whose choice is the class of its tokens; "
           "'token_class' says another");
  auto attr = routing(a);
  if (!attr || a.failed())
    return std::nullopt;
  int64_t k = attr->getK(), shared = attr->getSharedExperts();
  int64_t experts = logits->width - shared;
  if (experts < 1)
    return a.fail("has logits of " + std::to_string(logits->width) +
                  " experts, of which " + std::to_string(shared) +
                  " are shared");
  if (attr->is(moe::Policy::Table) != table.has_value())
    return a.fail(table ? "has a table, but its policy is not 'table'"
                        : "needs a 'table' for the policy 'table'");
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
  if (!rows || !chooseByToken(a, experts, k, inputs))
    return std::nullopt;
  auto load = [&](const std::optional<StoredTensor> &stored,
                  ArrayRef<int64_t> shape, Type element, mlir::Value &value) {
    auto found =
        stored ? weight(*stored, shape, element, "router") : std::nullopt;
    value = found.value_or(mlir::Value());
    return !stored || found;
  };
  if (!load(bias, {experts}, f32, inputs.bias) ||
      !load(scale, {experts}, f32, inputs.expertScale) ||
      !load(table, {summary.vocabulary, k}, i32, inputs.table))
    return std::nullopt;
  if (table)
    inputs.tokenId = tokenIds();
  if (within) {
    // A token that was not chosen is of class -1, which may choose nothing.
    inputs.classId = tensor::CollapseShapeOp::create(
        builder, loc(), within->ids, ArrayRef<ReassociationIndices>{{0, 1}});
    inputs.classMask =
        builder.getDenseBoolArrayAttr(SmallVector<bool>(experts, true));
  }
  std::string tapped = inLayer
                           ? "layers.{layer}."
                           : "routing." + std::to_string(numRoutings++) + ".";
  moe::TapOp::create(builder, loc(), *rows, tapped + "router_logits",
                     /*always=*/false);
  SmallVector<mlir::Value> outs{emptyRows(k, i32), emptyRows(k)};
  if (shared)
    outs.push_back(emptyRows(shared));
  auto op = moe::RouteOp::create(builder, loc(), ValueRange(outs).getTypes(),
                                 *rows, inputs, outs, *attr);
  if (auto complaint = complaintOf(op))
    return a.fail("is not possible so: " + *complaint);
  auto result = std::make_shared<Routing>();
  result->ids = op->getResult(0);
  result->weights = op->getResult(1);
  if (shared)
    result->shared = op->getResult(2);
  result->experts = most;
  result->k = k;
  result->words = attr->inWords(inputs);
  moe::TapOp::create(builder, loc(), result->ids, tapped + "experts",
                     /*always=*/inLayer);
  if (!inLayer)
    return ObjectRef(result);
  frame().summary->router = result->words;
  frame().summary->experts = experts;
  frame().summary->expertsPerToken = k;
  return ObjectRef(result);
}

std::optional<Datum> ModuleBuilder::sharedWeights(Arguments arguments) {
  CallArguments a("shared_weights", {"routing"}, std::move(arguments),
                  evaluator);
  const auto *routing = static_cast<const Routing *>(
      a.object("routing", Object::Kind::Routing, "a routing"));
  if (!a.failed() && !routing->shared)
    a.fail("needs a routing with shared_experts");
  if (a.failed())
    return std::nullopt;
  return leaf(routing->shared);
}
