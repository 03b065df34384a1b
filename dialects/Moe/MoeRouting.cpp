//===- MoeRouting.cpp - What a routing requires ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static constexpr int64_t kAny = ShapedType::kDynamic;

//===----------------------------------------------------------------------===//
// The attribute
//===----------------------------------------------------------------------===//

namespace {
/// Checks one after another of a routing's parameters; the first that is wrong
/// is reported.
struct RoutingCheck {
  function_ref<InFlightDiagnostic()> emitError;

  LogicalResult number(FloatAttr attr, StringRef name, double least) const {
    if (!attr)
      return success();
    double value = attr.getValueAsDouble();
    if (std::isfinite(value) && value >= least)
      return success();
    if (!std::isfinite(value))
      return emitError() << name << " must be a finite number, got " << value;
    return emitError() << name << " must not be negative, got " << value;
  }
  LogicalResult positive(FloatAttr attr, StringRef name) const {
    if (!attr ||
        (std::isfinite(attr.getValueAsDouble()) && attr.getValueAsDouble() > 0))
      return success();
    return emitError() << name << " must be above 0, got "
                       << attr.getValueAsDouble();
  }
  LogicalResult count(int64_t value, StringRef name) const {
    if (value >= 0)
      return success();
    return emitError() << name << " must not be negative, got " << value;
  }
};
} // namespace

static constexpr double kAnyNumber = -std::numeric_limits<double>::max();

LogicalResult RoutingAttr::verify(
    function_ref<InFlightDiagnostic()> emitError, int64_t k, Policy policy,
    Score score, Scope scope, Source selectOn, Source weightFrom, Renorm renorm,
    EpsMode epsMode, FloatAttr eps, FloatAttr lp, FloatAttr scale,
    FloatAttr softcap, FloatAttr window, FloatAttr threshold, int64_t groups,
    GroupReduce groupReduce, int64_t groupKeep, GroupFill groupFill,
    int64_t groupQuota, int64_t nullExperts, bool nullBeforeNorm,
    WindowBy windowBy, int64_t sharedExperts, FloatAttr capacity,
    CapacityUnit capacityUnit, int64_t capacityMin, CapacityScope capacityScope,
    Priority priority, DropOrder dropOrder, int64_t lightExperts,
    FloatAttr lightShare, bool renormAfterDrop, Dedupe) {
  RoutingCheck check{emitError};
  bool isSequential = policy == Policy::SequentialMasked;
  bool isChoice = policy == Policy::ExpertChoice;
  bool ranks = policy == Policy::TopK || policy == Policy::TopP ||
               policy == Policy::Threshold;
  bool grouped =
      groups > 1 && (groupQuota || (groupKeep && groupKeep < groups));
  bool mayHaveThreshold =
      policy == Policy::TopP || policy == Policy::Threshold || isSequential;
  bool needsThreshold = mayHaveThreshold && !isSequential;
  bool capacityDetails = capacityUnit != CapacityUnit::Tokens || capacityMin ||
                         capacityScope != CapacityScope::Global ||
                         priority != Priority::Position ||
                         dropOrder != DropOrder::KMajor || lightExperts ||
                         lightShare || renormAfterDrop;
  bool otherDrops = priority != Priority::Position ||
                    dropOrder != DropOrder::KMajor || lightExperts ||
                    renormAfterDrop;
  if (k < 1)
    return emitError() << "k must be at least 1, got " << k;
  if (groups < 1)
    return emitError() << "groups must be at least 1, got " << groups;
  if (groupKeep < 0 || groupKeep > groups)
    return emitError() << "group_keep must be between 0 and the " << groups
                       << " groups, got " << groupKeep;
  if (groupQuota && groupKeep)
    return emitError() << "group_quota (experts out of each group) and "
                          "group_keep (groups that may be chosen) exclude each "
                          "other";
  if (groupQuota && k != groups * groupQuota)
    return emitError() << "with group_quota, k must be groups * group_quota = "
                       << groups * groupQuota << ", got " << k;
  if (groupQuota && policy != Policy::TopK)
    return emitError() << "group_quota needs policy = topk";
  if (grouped && !ranks)
    return emitError() << "groups need a policy that ranks keys (topk, topp, "
                          "threshold), got "
                       << stringifyPolicy(policy);
  if (scope == Scope::Selected && weightFrom != Source::Logit)
    return emitError() << "scope = selected needs weight_from = logit: the "
                          "scores exist only for the selected experts";
  if (scope == Scope::Selected && (policy == Policy::TopP || isChoice))
    return emitError() << "policy " << stringifyPolicy(policy)
                       << " needs scores before the selection, which scope = "
                          "selected does not have";
  if (isSequential && (score != Score::Softmax || scope == Scope::Selected ||
                       weightFrom != Source::Score))
    return emitError() << "policy sequential_masked weighs by a softmax over "
                          "what is left: score = softmax, scope = all or "
                          "window, weight_from = score";
  if (renorm != Renorm::Lp && lp)
    return emitError() << "lp is given, but renorm is not lp";
  if ((scope == Scope::Window) != bool(window))
    return emitError() << "scope = window and the parameter window need each "
                          "other";
  if (scope == Scope::Window && score != Score::Softmax)
    return emitError() << "scope = window needs score = softmax";
  if (windowBy != WindowBy::Signed && !window)
    return emitError() << "window_by needs scope = window";
  if ((threshold && !mayHaveThreshold) || (!threshold && needsThreshold))
    return emitError() << "the policies topp and threshold, and no others but "
                          "sequential_masked, need the parameter threshold";
  if (nullBeforeNorm && !nullExperts)
    return emitError() << "null_before_norm needs null_experts";
  if (sharedExperts &&
      (isSequential || isChoice || scope == Scope::Window || renormAfterDrop))
    return emitError() << "shared_experts exclude the policies "
                          "sequential_masked and expert_choice, scope = window "
                          "and renorm_after_drop";
  if (isChoice && !capacity)
    return emitError() << "policy expert_choice needs the parameter capacity";
  if (isChoice && otherDrops)
    return emitError() << "policy expert_choice drops nothing: priority, "
                          "drop_order, light_experts and renorm_after_drop do "
                          "not go with it";
  if (capacityDetails && !capacity)
    return emitError() << "capacity_unit, capacity_min, capacity_scope, "
                          "priority, drop_order, light_experts, light_share "
                          "and renorm_after_drop need the parameter capacity";
  if (bool(lightExperts) != bool(lightShare) ||
      (lightExperts && capacityUnit != CapacityUnit::Factor))
    return emitError() << "light_experts, light_share and capacity_unit = "
                          "factor need each other";
  return success(succeeded(check.count(nullExperts, "null_experts")) &&
                 succeeded(check.count(groupQuota, "group_quota")) &&
                 succeeded(check.count(sharedExperts, "shared_experts")) &&
                 succeeded(check.count(capacityMin, "capacity_min")) &&
                 succeeded(check.count(lightExperts, "light_experts")) &&
                 succeeded(check.number(eps, "eps", 0)) &&
                 succeeded(check.number(softcap, "softcap", 0)) &&
                 succeeded(check.number(window, "window", 0)) &&
                 succeeded(check.number(scale, "scale", kAnyNumber)) &&
                 succeeded(check.number(threshold, "threshold", kAnyNumber)) &&
                 succeeded(check.positive(lp, "lp")) &&
                 succeeded(check.positive(capacity, "capacity")) &&
                 succeeded(check.positive(lightShare, "light_share")));
}

RoutingAttr RoutingAttr::withScale(double scale) const {
  auto attr = FloatAttr::get(Float64Type::get(getContext()), scale);
  return get(
      getContext(), getK(), getPolicy(), getScore(), getScope(), getSelectOn(),
      getWeightFrom(), getRenorm(), getEpsMode(), getEps(), getLp(),
      scale == 1.0 ? FloatAttr() : attr, getSoftcap(), getWindow(),
      getThreshold(), getGroups(), getGroupReduce(), getGroupKeep(),
      getGroupFill(), getGroupQuota(), getNullExperts(), getNullBeforeNorm(),
      getWindowBy(), getSharedExperts(), getCapacity(), getCapacityUnit(),
      getCapacityMin(), getCapacityScope(), getPriority(), getDropOrder(),
      getLightExperts(), getLightShare(), getRenormAfterDrop(), getDedupe());
}

//===----------------------------------------------------------------------===//
// The ops
//===----------------------------------------------------------------------===//

/// `first` outputs are those of every choice.
template <typename OpTy> static Value sharedOf(OpTy op, unsigned first) {
  return op.getRouting().getSharedExperts() ? op.getOuts()[first] : Value();
}
template <typename OpTy> static Value countsOf(OpTy op) {
  return op.getCountRows() ? op.getOuts().back() : Value();
}

static int64_t expertsOf(Value logits, RoutingAttr routing) {
  return cast<ShapedType>(logits.getType()).getDimSize(1) -
         routing.getSharedExperts();
}
int64_t RouteOp::numExperts() { return expertsOf(getLogits(), getRouting()); }
int64_t GateOp::numExperts() { return expertsOf(getOuts()[2], getRouting()); }

Value RouteOp::getShared() { return sharedOf(*this, 2); }
Value GateOp::getShared() { return sharedOf(*this, 3); }
Value RouteOp::getCounts() { return countsOf(*this); }
Value GateOp::getCounts() { return countsOf(*this); }
Value CombineGateOp::getShared() { return sharedOf(*this, 4); }
Value CombineGateOp::getCounts() { return countsOf(*this); }

void RouteOp::build(OpBuilder &builder, OperationState &state,
                    TypeRange results, Value logits, const RoutingInputs &in,
                    ValueRange outs, RoutingAttr routing) {
  build(builder, state, results, logits, in.bias, in.eligible, in.classId,
        in.tokenK, in.table, in.tokenId, in.expertScale, in.sequence, outs,
        routing, in.classMask, in.alias, /*count_rows=*/IntegerAttr());
}

void GateOp::build(OpBuilder &builder, OperationState &state, TypeRange results,
                   Value x, Value weight, ValueRange extras,
                   const RoutingInputs &in, ValueRange outs,
                   RoutingAttr routing) {
  build(builder, state, results, x, weight, extras, in.bias, in.eligible,
        in.classId, in.tokenK, in.table, in.tokenId, in.expertScale,
        in.sequence, outs, routing, in.classMask, in.alias,
        /*count_rows=*/IntegerAttr());
}

namespace {
/// Checks what a choice among `experts` experts reads and writes, whatever
/// computes the logits.
struct InputsCheck {
  Operation *op;
  RoutingAttr routing;
  RoutingInputs in;
  int64_t experts;

  LogicalResult run(Value ids, Value weights) const {
    return success(
        succeeded(numbers()) && succeeded(eligibility()) &&
        succeeded(selection()) && succeeded(alias()) &&
        succeeded(shape(in.bias, "bias", {experts}, f32())) &&
        succeeded(shape(in.expertScale, "expert_scale", {experts}, f32())) &&
        succeeded(shape(in.sequence, "sequence", {kAny}, i32())) &&
        succeeded(shape(ids, "ids", {kAny, routing.getK()}, i32())) &&
        succeeded(shape(weights, "weights", {kAny, routing.getK()}, f32())));
  }

private:
  Type i32() const { return IntegerType::get(op->getContext(), 32); }
  Type f32() const { return Float32Type::get(op->getContext()); }

  LogicalResult shape(Value value, StringRef what, ArrayRef<int64_t> shape,
                      Type element) const {
    return value ? verifyShape(op, value, what, shape, element) : success();
  }

  LogicalResult numbers() const {
    int64_t k = routing.getK();
    if (k > experts)
      return op->emitOpError("chooses k = ")
             << k << " of only " << experts << " experts";
    bool takesAll =
        routing.is(Policy::Dense) || routing.is(Policy::ExpertChoice);
    if (takesAll && k != experts)
      return op->emitOpError("with policy ")
             << stringifyPolicy(routing.getPolicy())
             << " a token may get any of the " << experts
             << " experts: k must be their number, got " << k;
    if (experts % routing.getGroups())
      return op->emitOpError() << experts << " experts do not divide into "
                               << routing.getGroups() << " groups";
    int64_t inKept = experts / routing.getGroups() *
                     std::max<int64_t>(routing.getGroupKeep(), 1);
    if (routing.restrictsGroups() && routing.getGroupKeep() &&
        routing.getGroupFill() == GroupFill::NegInf && k > inKept)
      return op->emitOpError("chooses k = ")
             << k << " of only " << inKept << " experts in the "
             << routing.getGroupKeep() << " groups that are kept";
    if (routing.getNullExperts() >= experts)
      return op->emitOpError("null_experts = ")
             << routing.getNullExperts() << " leaves none of " << experts
             << " experts";
    if (routing.getLightExperts() > experts)
      return op->emitOpError("light_experts = ")
             << routing.getLightExperts() << " of only " << experts
             << " experts";
    return success();
  }

  LogicalResult eligibility() const {
    if (bool(in.classId) != bool(in.classMask))
      return op->emitOpError("class_id and class_mask need each other");
    if (in.classMask && (in.classMask.empty() || in.classMask.size() % experts))
      return op->emitOpError("class_mask must hold rows of ")
             << experts << " experts, got " << in.classMask.size()
             << " entries";
    if (in.eligible) {
      Type element = cast<ShapedType>(in.eligible.getType()).getElementType();
      if (!element.isInteger(1) && !element.isInteger(8))
        return op->emitOpError("eligible must have elements of type i1 or i8, "
                               "got ")
               << in.eligible.getType();
    }
    return success(
        succeeded(shape(in.eligible, "eligible", {kAny, experts}, Type())) &&
        succeeded(shape(in.classId, "class_id", {kAny}, i32())));
  }

  LogicalResult selection() const {
    bool isTable = routing.is(Policy::Table);
    if (isTable && in.bias)
      return op->emitOpError("a table of experts has no selection bias");
    if (isTable != bool(in.table) || isTable != bool(in.tokenId))
      return op->emitOpError("policy table and the operands table and token_id "
                             "need each other");
    bool fixed = isTable || routing.is(Policy::Dense) ||
                 routing.is(Policy::ExpertChoice) || routing.getGroupQuota();
    if (in.tokenK && fixed)
      return op->emitOpError("token_k needs a policy that ranks experts, "
                             "without group_quota");
    if (routing.needsSequence() != bool(in.sequence))
      return op->emitOpError("capacity_scope = sequence and the operand "
                             "sequence need each other");
    if (in.table && cast<ShapedType>(in.table.getType()).getRank() == 2 &&
        ShapedType::isDynamic(
            cast<ShapedType>(in.table.getType()).getDimSize(0)))
      return op->emitOpError("table must have a static number of rows");
    return success(
        succeeded(shape(in.tokenK, "token_k", {kAny}, i32())) &&
        succeeded(shape(in.table, "table", {kAny, routing.getK()}, i32())) &&
        succeeded(shape(in.tokenId, "token_id", {kAny}, i32())));
  }

  LogicalResult alias() const {
    if (routing.getDedupe() == Dedupe::Sum && !in.alias)
      return op->emitOpError("dedupe = sum needs the attribute alias");
    if (!in.alias)
      return success();
    if (in.alias.size() != experts)
      return op->emitOpError("alias must name an expert for each of ")
             << experts << ", got " << in.alias.size();
    // Experts may be more than a router's rows, of those that others choose.
    constexpr int32_t most = 65535;
    for (int32_t expert : in.alias.asArrayRef())
      if (expert < 0 || expert > most)
        return op->emitOpError("alias must name experts from 0 to ")
               << most << ", got " << expert;
    return success();
  }
};
} // namespace

static int64_t dim(Value value, unsigned i) {
  return cast<ShapedType>(value.getType()).getDimSize(i);
}

/// How many outputs a choice has besides those of every one.
static size_t numFurther(RoutingAttr routing,
                         std::optional<int64_t> countRows) {
  return bool(routing.getSharedExperts()) + bool(countRows);
}

/// Checks what every choice has, whatever computes the logits. `further` are
/// the weights of shared experts and the counts, where there are any.
static LogicalResult verifyRouting(Operation *op, RoutingAttr routing,
                                   const RoutingInputs &inputs, Value logits,
                                   ValueRange outs, ValueRange further,
                                   std::optional<int64_t> countRows) {
  int64_t scored = dim(logits, 1), n = routing.getSharedExperts();
  if (ShapedType::isDynamic(scored))
    return op->emitOpError("logits must have a static number of experts");
  if (n >= scored)
    return op->emitOpError("shared_experts = ")
           << n << " leaves none of " << scored << " logits";
  if (n && failed(verifyShape(op, further[0], "shared weights", {kAny, n},
                              Float32Type::get(op->getContext()))))
    return failure();
  if (failed(
          InputsCheck{op, routing, inputs, scored - n}.run(outs[0], outs[1])))
    return failure();
  return countRows ? verifyCounts(op, further.back(), *countRows,
                                  inputs.numIds(scored - n))
                   : success();
}

LogicalResult RouteOp::verify() {
  if (failed(verifyDps(*this)) ||
      failed(verifyOuts(*this, getOuts(),
                        2 + numFurther(getRouting(), getCountRows()))))
    return failure();
  if (failed(verifyShape(*this, getLogits(), "logits", {kAny, kAny},
                         Float32Type::get(getContext()))))
    return failure();
  return verifyRouting(*this, getRouting(), getInputs(), getLogits(), getOuts(),
                       getOuts().drop_front(2), getCountRows());
}

size_t moec::numGateOuts(RoutingAttr routing,
                         std::optional<int64_t> countRows) {
  return 3 + numFurther(routing, countRows);
}

LogicalResult moec::verifyGate(Operation *op, const ProductParts &product,
                               RoutingAttr routing, const RoutingInputs &inputs,
                               ValueRange outs,
                               std::optional<int64_t> countRows) {
  Type f32 = Float32Type::get(op->getContext());
  if (failed(verifyShape(op, product.x, "x", {kAny, kAny})) ||
      failed(verifyShape(op, product.out, "logits", {kAny, kAny}, f32)))
    return failure();
  Value weight = product.banks.front();
  auto type = cast<ShapedType>(weight.getType());
  if (failed(verifyMatrix(op, "weight", weight, type.getShape(), product.n(),
                          product.k())) ||
      failed(verifyEpilogue(op, product)))
    return failure();
  return verifyRouting(op, routing, inputs, product.out, outs,
                       outs.drop_front(3), countRows);
}

LogicalResult GateOp::verify() {
  if (failed(verifyDps(*this)) ||
      failed(verifyOuts(*this, getOuts(),
                        numGateOuts(getRouting(), getCountRows()))))
    return failure();
  return verifyGate(*this, getProduct(), getRouting(), getInputs(), getOuts(),
                    getCountRows());
}
