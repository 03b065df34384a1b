//===- CountChoices.cpp - Who counts the rows of experts ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: a plan sorts choices by expert, for which it needs to know how often
// each was chosen; to count is one of its three passes over the ids, and one
// that a single task makes.
//
// Idea: whoever chooses has the ids at hand, and counts them by blocks of
// tokens. Where each token chooses a fixed number of experts out of every
// group, or all experts, the plan needs no counts: what a group's rows are is
// known beforehand.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/MapVector.h"

namespace moec {
#define GEN_PASS_DEF_COUNTCHOICESPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// Tokens of a block: whole register tiles of any gate.
static constexpr int64_t kRows = 48;
/// Blocks for which there is room; more tokens make longer ones.
static constexpr int64_t kBlocks = 64;
/// Counts for which there is room, where ids are many.
static constexpr int64_t kCounts = 1 << 17;

static const Explain explain("moe-count-choices", "histogram");

/// Why a token may not choose as many experts of each group; empty if it does.
static StringRef whyNotEqual(RoutingAttr routing, const RoutingInputs &inputs) {
  bool isQuota = routing.getGroups() > 1 && routing.getGroupQuota();
  if (!isQuota && !routing.is(Policy::Dense))
    return "groups, if any, are chosen from as they come";
  if (inputs.restrictsEligibility())
    return "a token may be kept from experts";
  if (routing.drops())
    return "a capacity drops choices";
  if (inputs.alias)
    return "an alias moves choices to other groups";
  return "";
}

/// The ids that a plan has to do with: those before, of and behind its experts.
static int64_t idsOf(PlanOp plan) {
  auto offsets = cast<RankedTensorType>(plan.getOuts()[0].getType());
  return int64_t(plan.getFirst() + plan.getOthers()) + offsets.getDimSize(0) -
         1;
}

namespace {
struct CountChoices : moec::impl::CountChoicesPassBase<CountChoices> {
  void runOnOperation() override {
    // In order, and each choice once, whatever reads it.
    llvm::MapVector<Value, SmallVector<PlanOp>> plans;
    getOperation().walk([&](PlanOp op) {
      if (isa<TensorType>(op.getIds().getType()) && !op.getCounts() &&
          op.getGroups() == 1 && !op.getOpen())
        plans[op.getIds()].push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (auto &[ids, readers] : plans) {
      if (auto gate = ids.getDefiningOp<GateOp>())
        decide(rewriter, gate, readers);
      else if (auto route = ids.getDefiningOp<RouteOp>())
        decide(rewriter, route, readers);
      else
        for (PlanOp plan : readers)
          explain.missed(plan, "choices counted by the plan",
                         "they are made elsewhere");
    }
  }

  template <typename OpTy>
  static void decide(IRRewriter &rewriter, OpTy choice,
                     ArrayRef<PlanOp> plans) {
    RoutingAttr routing = choice.getRouting();
    // Experts that this router does not know have no choices to be counted.
    int64_t known = choice.getInputs().numIds(choice.numExperts());
    if (llvm::any_of(plans, [&](PlanOp plan) { return idsOf(plan) > known; })) {
      for (PlanOp plan : plans)
        explain.missed(plan, "choices counted by the plan",
                       "the router chooses among fewer experts");
      return;
    }
    StringRef why = whyNotEqual(routing, choice.getInputs());
    bool isWhole = llvm::all_of(plans, [](PlanOp plan) {
      return plan.getFirst() == 0 && plan.getOthers() == 0;
    });
    if (why.empty() && isWhole)
      return planByGroups(routing, plans);
    count(rewriter, choice, plans);
  }

  static void planByGroups(RoutingAttr routing, ArrayRef<PlanOp> plans) {
    bool isDense = routing.is(Policy::Dense);
    int64_t groups = isDense ? routing.getK() : routing.getGroups();
    for (PlanOp plan : plans) {
      plan.setGroups(groups);
      explain.passed(plan,
                     "no choices counted beforehand: each token chooses " +
                         Twine(routing.getK() / groups) + " of each of " +
                         Twine(groups) + (isDense ? " experts" : " groups"));
    }
  }

  /// Gives the choice one more output, which the plans read.
  template <typename OpTy>
  static void count(IRRewriter &rewriter, OpTy choice, ArrayRef<PlanOp> plans) {
    int64_t ids = choice.getInputs().numIds(choice.numExperts());
    int64_t blocks = std::clamp<int64_t>(kCounts / ids, 1, kBlocks);
    rewriter.setInsertionPoint(choice);
    auto type = RankedTensorType::get({blocks, ids}, rewriter.getI32Type());
    Value out = tensor::EmptyOp::create(rewriter, choice.getLoc(),
                                        type.getShape(), type.getElementType());
    choice.getOutsMutable().append(out);
    choice.setCountRows(kRows);
    SmallVector<Type> types(choice->getResultTypes());
    types.push_back(type);
    OperationState state(choice.getLoc(), choice->getName(),
                         choice->getOperands(), types);
    state.propertiesAttr = choice->getPropertiesAsAttribute();
    state.addAttributes(choice->getDiscardableAttrDictionary().getValue());
    for (Region &region : choice->getRegions())
      state.addRegion()->takeBody(region);
    auto counting = cast<OpTy>(rewriter.create(state));
    explain.passed(counting, "choices counted where they are made, in blocks "
                             "of " +
                                 Twine(kRows) + " tokens");
    rewriter.replaceOp(choice, counting->getResults().drop_back());
    for (PlanOp plan : plans) {
      plan.getCountsMutable().assign(counting->getResults().back());
      plan.setCountRows(kRows);
    }
  }
};
} // namespace
