//===- MoeDialect.cpp - Types and attributes of the moe dialect -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace moec::moe;

#include "dialects/Moe/MoeDialect.cpp.inc"
#include "dialects/Moe/MoeEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Moe/MoeTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Moe/MoeAttrs.cpp.inc"

void MoeDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Moe/MoeTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Moe/MoeAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Moe/MoeOps.cpp.inc"
      >();
}

LogicalResult BankType::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t experts, RankedTensorType member) {
  if (experts < 1)
    return emitError() << "a bank needs at least 1 expert, got " << experts;
  if (!member.hasStaticShape())
    return emitError() << "the members of a bank need a static shape, got "
                       << member;
  return success();
}

LogicalResult RoutingAttr::verify(
    function_ref<InFlightDiagnostic()> emitError, int64_t k, Policy policy,
    Score score, Scope scope, Source selectOn, Source weightFrom, Renorm renorm,
    EpsMode epsMode, FloatAttr eps, FloatAttr lp, FloatAttr scale,
    FloatAttr softcap, FloatAttr window, FloatAttr threshold, int64_t groups,
    GroupReduce groupReduce, int64_t groupKeep, GroupFill groupFill,
    int64_t groupQuota, int64_t nullExperts, bool nullBeforeNorm) {
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
  if (scope == Scope::Selected && weightFrom != Source::Logit)
    return emitError() << "scope = selected needs weight_from = logit: the "
                          "scores exist only for the selected experts";
  if (renorm != Renorm::Lp && lp)
    return emitError() << "lp is given, but renorm is not lp";
  if ((scope == Scope::Window) != bool(window))
    return emitError() << "scope = window and the parameter window need each "
                          "other";
  if ((policy == Policy::TopP || policy == Policy::Threshold) !=
      bool(threshold))
    return emitError() << "the policies topp and threshold, and no others, "
                          "need the parameter threshold";
  if (nullExperts < 0)
    return emitError() << "null_experts must not be negative, got "
                       << nullExperts;
  if (nullBeforeNorm && !nullExperts)
    return emitError() << "null_before_norm needs null_experts";
  if (eps && !(eps.getValueAsDouble() >= 0))
    return emitError() << "eps must not be negative, got "
                       << eps.getValueAsDouble();
  return success();
}

std::string RoutingAttr::inWords(bool hasBias) const {
  std::string out;
  llvm::raw_string_ostream os(out);
  os << stringifyScore(getScore());
  if (getScope() == Scope::Selected)
    os << " over the selected";
  if (hasBias)
    os << ", bias on selection";
  if (getGroups() > 1 && getGroupQuota())
    os << ", " << getGroupQuota() << " of each of " << getGroups() << " groups";
  else if (getGroups() > 1)
    os << ", " << getGroupKeep() << " of " << getGroups() << " groups by "
       << (getGroupReduce() == GroupReduce::Max ? "maximum" : "top-2 sum");
  if (getPolicy() == Policy::TopK)
    os << ", top-" << getK();
  else
    os << ", " << stringifyPolicy(getPolicy()) << " " << getK();
  if (getRenorm() == Renorm::Sum)
    os << ", renormalised";
  else if (getRenorm() != Renorm::None)
    os << ", renormalised by " << stringifyRenorm(getRenorm());
  if (scaleValue() != 1.0)
    os << llvm::formatv(", times {0}", scaleValue());
  return out;
}

LogicalResult VariantAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t maxRows, int64_t tileRows,
                                  int64_t tileVectors, int64_t prefetch) {
  if (maxRows < 0 || tileRows < 1 || tileVectors < 1 || prefetch < 0)
    return emitError() << "a variant needs tile_rows and tile_vectors of at "
                          "least 1 and no negative numbers";
  return success();
}

LogicalResult VariantsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   ArrayRef<VariantAttr> list) {
  if (list.empty())
    return emitError() << "expected at least one variant";
  for (auto [i, variant] : llvm::enumerate(list)) {
    bool last = i + 1 == list.size();
    if (last != (variant.getMaxRows() == 0))
      return emitError() << "the last variant, and no other, must be for any "
                            "number of rows (max_rows = 0)";
    if (i && !last && variant.getMaxRows() <= list[i - 1].getMaxRows())
      return emitError() << "variants must come by ascending max_rows";
  }
  return success();
}

TargetAttr TargetAttr::of(Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    module = op->getParentOfType<ModuleOp>();
  return module ? module->getAttrOfType<TargetAttr>("moe.target") : nullptr;
}
