//===- NormalizeRouting.cpp - One canonical form for each routing ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Many families write the same routing in different ways. The rules below
// bring a routing to the one form that costs least; each holds only under its
// condition.
//
// 1. Groups of which all are kept: no groups.
// 2. Softmax is monotone, so without a bias on the key and without groups the
//    largest scores are the largest logits: select on the logits, and k
//    exponentials are enough where the sum over all is not wanted.
// 3. exp(l_i) / sum over all, divided by the sum of the selected, is
//    exp(l_i) / sum over the selected: a softmax over all that is renormalised
//    (without epsilon) is a softmax over the selected.
// 4. Scores of a softmax over the selected sum to 1: no renormalisation.
// 5. Scores over the selected exist only after the selection, which therefore
//    reads the logits.
// 6. In a group of one expert the sum of the two largest keys is the largest.
// 7. As many choices as experts: all experts, which need no selection. Slots
//    then have another order, which a capacity by rank would see.
// 8. A mask of classes that lets every class choose every expert: no classes.
//    A token of no class chooses nothing, so the ids must be known to be those
//    of classes. Equal rows that keep experts out still keep them out.
//
// Rule 3 holds only where the renormalisation sees all that was selected, not
// what a capacity leaves of it. A scale stays: it costs nothing where it is.
//
// Rule 2 does not hold for a sigmoid: it rounds different large logits to the
// same score, and ties go to the lowest index.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Analysis/DataFlow/DeadCodeAnalysis.h"
#include "mlir/Analysis/DataFlow/IntegerRangeAnalysis.h"
#include "mlir/Analysis/DataFlow/SparseAnalysis.h"
#include "mlir/Analysis/DataFlow/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"

namespace moec {
#define GEN_PASS_DEF_NORMALIZEROUTINGPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// The scalar whose values are the elements of a tensor; null where nothing is
/// known of them.
static Value elementOf(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  if (auto fill = dyn_cast_or_null<linalg::FillOp>(op))
    return fill.value();
  auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
  if (!generic || generic->getNumResults() != 1)
    return Value();
  return generic.getBody()->getTerminator()->getOperand(0);
}

/// Whether all elements of a tensor of i32 are known to be 0 to `count` - 1.
static bool areBelow(Value tensor, int64_t count) {
  auto isBelow = [&](const APInt &low, const APInt &high) {
    return low.isNonNegative() && high.slt(count);
  };
  DenseIntElementsAttr constant;
  if (matchPattern(tensor, m_Constant(&constant)))
    return llvm::all_of(constant.getValues<APInt>(),
                        [&](const APInt &id) { return isBelow(id, id); });
  Value element = elementOf(tensor);
  if (!element)
    return false;
  DataFlowSolver solver;
  dataflow::loadBaselineAnalyses(solver);
  solver.load<dataflow::IntegerRangeAnalysis>();
  Operation *function =
      tensor.getDefiningOp()
          ->getParentWithTrait<OpTrait::IsIsolatedFromAbove>();
  if (failed(solver.initializeAndRun(function)))
    return false;
  const auto *range =
      solver.lookupState<dataflow::IntegerValueRangeLattice>(element);
  if (!range || range->getValue().isUninitialized())
    return false;
  ConstantIntRanges of = range->getValue().getValue();
  return isBelow(of.smin(), of.smax());
}

/// Why a mask of classes may keep experts from tokens; empty if it does not.
static StringRef whyNotAllClasses(const RoutingInputs &in, int64_t experts) {
  ArrayRef<bool> mask = in.classMask.asArrayRef();
  for (size_t i = experts; i < mask.size(); ++i)
    if (mask[i] != mask[i - experts])
      return "classes differ";
  if (llvm::is_contained(mask, false))
    return "all classes are kept from the same experts";
  if (!areBelow(in.classId, mask.size() / experts))
    return "a token may be of no class, which chooses nothing";
  return "";
}

namespace {
/// The parameters of a routing that the rules read or change.
struct Form {
  Form(RoutingAttr routing, const RoutingInputs &inputs, int64_t experts)
      : routing(routing), hasBias(inputs.bias), hasTokenK(inputs.tokenK),
        experts(experts), policy(routing.getPolicy()),
        groupReduce(routing.getGroupReduce()), scope(routing.getScope()),
        selectOn(routing.getSelectOn()), weightFrom(routing.getWeightFrom()),
        renorm(routing.getRenorm()), groups(routing.getGroups()) {}

  RoutingAttr routing;
  bool hasBias, hasTokenK;
  int64_t experts;
  Policy policy;
  GroupReduce groupReduce;
  Scope scope;
  Source selectOn, weightFrom;
  Renorm renorm;
  int64_t groups;

  bool isScore(Score score) const { return routing.getScore() == score; }

  /// Why the scores that are largest may not be those of the largest logits;
  /// empty if they are.
  StringRef whyNotByLogit() const {
    if (scope == Scope::Selected)
      return "";
    if (!isScore(Score::Softmax))
      return "its rounding can make ties that the logits do not have";
    if (routing.getPolicy() != Policy::TopK)
      return "its selection needs the scores";
    if (scope == Scope::Window)
      return "a window excludes experts";
    if (hasBias)
      return "a bias is added to the scores that select";
    if (groups > 1)
      return "groups compare scores";
    return "";
  }

  /// Why a renormalised softmax over all is not one over the selected; empty if
  /// it is.
  StringRef whyNotOverSelected() const {
    StringRef why = whyNotByLogit();
    if (!why.empty())
      return why;
    if (weightFrom != Source::Score)
      return "its weights are logits";
    if (routing.epsValue() != 0.0)
      return "an epsilon enters the sum";
    if (routing.getNullExperts())
      return "null experts take part in the sum";
    if (routing.getRenormAfterDrop())
      return "the sum is over what a capacity leaves";
    return "";
  }

  /// Why k choices may not be all experts; empty if they are.
  StringRef whyNotAll() const {
    if (routing.getK() != experts)
      return "it chooses fewer than there are";
    if (hasTokenK)
      return "a token may have fewer";
    if (routing.drops())
      return "a capacity asks for the rank of a choice";
    return "";
  }

  RoutingAttr build() const {
    RoutingAttr r = routing;
    bool grouped = groups > 1, normed = renorm != Renorm::None;
    bool hasEps = normed && r.epsValue() != 0.0;
    return RoutingAttr::get(
        r.getContext(), r.getK(), policy, r.getScore(), scope, selectOn,
        weightFrom, renorm, hasEps ? r.getEpsMode() : EpsMode::Add,
        hasEps ? r.getEps() : FloatAttr(), r.getLp(),
        r.scaleValue() == 1.0 ? FloatAttr() : r.getScale(), r.getSoftcap(),
        r.getWindow(), r.getThreshold(), groups,
        grouped ? groupReduce : GroupReduce::Max,
        grouped ? r.getGroupKeep() : 0,
        grouped ? r.getGroupFill() : GroupFill::NegInf,
        grouped ? r.getGroupQuota() : 0, r.getNullExperts(),
        r.getNullBeforeNorm(), r.getWindowBy(), r.getSharedExperts(),
        r.getCapacity(), r.getCapacityUnit(), r.getCapacityMin(),
        r.getCapacityScope(), r.getPriority(), r.getDropOrder(),
        r.getLightExperts(), r.getLightShare(), r.getRenormAfterDrop(),
        r.getDedupe());
  }
};

struct NormalizeRouting
    : moec::impl::NormalizeRoutingPassBase<NormalizeRouting> {
  void runOnOperation() override {
    getOperation().walk([&](RouteOp op) { normalize(op); });
    getOperation().walk([&](GateOp op) { normalize(op); });
  }

private:
  const Explain classes{"moe-normalize-routing", "classes"};
  const Explain groups{"moe-normalize-routing", "groups"};
  const Explain scope{"moe-normalize-routing", "scope"};
  const Explain selection{"moe-normalize-routing", "selection"};

  template <typename OpTy> void normalize(OpTy op) const {
    if (op.getClassId())
      dropClasses(op);
    Form form(op.getRouting(), op.getInputs(), op.numExperts());
    if (form.groups > 1 && !form.routing.restrictsGroups()) {
      form.groups = 1;
      groups.passed(op, "all groups are kept: none");
    }
    if (form.groups == form.experts && form.groups > 1 &&
        form.groupReduce == GroupReduce::Top2Sum) {
      form.groupReduce = GroupReduce::Max;
      groups.passed(op, "groups of one expert: their key is its own");
    }
    renormalize(form, op);
    selectAll(form, op);
    select(form, op);
    op.setRoutingAttr(form.build());
  }

  template <typename OpTy> void dropClasses(OpTy op) const {
    StringRef why = whyNotAllClasses(op.getInputs(), op.numExperts());
    if (!why.empty())
      return classes.missed(op, "experts chosen by class", why);
    op.getClassIdMutable().clear();
    op.removeClassMaskAttr();
    classes.passed(op, "every class may choose every expert: none");
  }

  void renormalize(Form &form, Operation *op) const {
    if (form.renorm != Renorm::Sum || !form.isScore(Score::Softmax))
      return;
    if (form.scope == Scope::Selected) {
      if (form.routing.epsValue() != 0.0)
        return;
      form.renorm = Renorm::None;
      scope.passed(op, "a softmax over the selected sums to 1 already");
      return;
    }
    StringRef why = form.whyNotOverSelected();
    if (!why.empty()) {
      scope.missed(op, "renormalised softmax not taken over the selected", why);
      return;
    }
    form.scope = Scope::Selected;
    form.weightFrom = Source::Logit;
    form.renorm = Renorm::None;
    scope.passed(op, "renormalised softmax taken over the selected");
  }

  void selectAll(Form &form, Operation *op) const {
    if (form.policy != Policy::TopK || !form.whyNotAll().empty())
      return;
    form.policy = Policy::Dense;
    form.groups = 1;
    form.selectOn = Source::Score;
    selection.passed(op, "as many choices as experts: all of them");
  }

  void select(Form &form, Operation *op) const {
    if (form.selectOn == Source::Logit || form.policy == Policy::Dense)
      return;
    StringRef why = form.whyNotByLogit();
    if (!why.empty()) {
      selection.missed(op, "experts selected by score, not by logit", why);
      return;
    }
    form.selectOn = Source::Logit;
    selection.passed(op, "experts selected by logit");
  }
};
} // namespace
