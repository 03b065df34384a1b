//===- CheckSupport.cpp - Refuse by name what cannot be compiled yet ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dialect says more than the later phases can do. Everything that they
// cannot is refused here, under a code that stays the same across releases, so
// that no later pass meets it.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_CHECKSUPPORTPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// The element type of a weight, a bank of weights or an activation; null for
/// what is none of these.
static Type elementType(Type type) {
  if (auto bank = dyn_cast<BankType>(type))
    return bank.getMember().getElementType();
  auto shaped = dyn_cast<ShapedType>(type);
  return shaped ? shaped.getElementType() : Type();
}

static bool isSupported(Type element) {
  return !isa_and_nonnull<FloatType>(element) || element.isF32() ||
         element.isBF16();
}

namespace {
struct CheckSupport : moec::impl::CheckSupportPassBase<CheckSupport> {
  void runOnOperation() override {
    refusals = 0;
    getOperation().walk([&](Operation *op) {
      if (auto route = dyn_cast<RouteOp>(op))
        checkRouting(op, route.getRouting(), route.getInputs());
      else if (auto gate = dyn_cast<GateOp>(op))
        checkRouting(op, gate.getRouting(), gate.getInputs());
      else if (auto weight = dyn_cast<WeightOp>(op))
        checkElement(op, "weight '" + weight.getName() + "'", weight.getType());
      else if (auto func = dyn_cast<func::FuncOp>(op))
        for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
          checkElement(op, "argument " + Twine(i), type);
    });
    if (refusals)
      return signalPassFailure();
    markAllAnalysesPreserved();
  }

private:
  unsigned refusals = 0;

  /// Refuses something by its code, its name and what could be used instead.
  void refuse(Operation *op, StringRef code, const Twine &what,
              const Twine &supported) {
    op->emitError() << "[" << code << "] " << what
                    << " is not supported; supported: " << supported;
    ++refusals;
  }

  void checkRouting(Operation *op, RoutingAttr routing,
                    const RoutingInputs &inputs) {
    unsigned before = refusals;
    checkScores(op, routing);
    checkSelection(op, routing);
    checkWeights(op, routing);
    if (inputs.values().size() != bool(inputs.bias) || inputs.alias ||
        routing.getCapacity() || routing.getSharedExperts())
      refuse(op, "MOE0321", "'" + routing.inWords(inputs) + "'",
             "a router without eligibility, table, scale for each expert, "
             "capacity, alias and shared experts");
    if (refusals == before)
      Explain("moe-check-support", "router").found(op, routing.inWords(inputs));
  }

  void checkScores(Operation *op, RoutingAttr routing) {
    Score score = routing.getScore();
    if (score != Score::Softmax && score != Score::Sigmoid)
      refuse(op, "MOE0322", "routing score '" + stringifyScore(score) + "'",
             "softmax, sigmoid");
    if (routing.getScope() == Scope::Window)
      refuse(op, "MOE0323", "routing scope 'window'", "all, selected");
    if (RoutingAttr::valueOr(routing.getSoftcap(), 0.0) != 0.0)
      refuse(op, "MOE0324", "a softcap of the router logits",
             "logits as they are");
  }

  void checkSelection(Operation *op, RoutingAttr routing) {
    Policy policy = routing.getPolicy();
    if (policy != Policy::TopK)
      refuse(op, "MOE0321", "routing policy '" + stringifyPolicy(policy) + "'",
             "topk");
    if (routing.restrictsGroups())
      refuse(op, "MOE0325",
             "a choice among " + Twine(routing.getGroups()) +
                 " groups of experts",
             "one group of all experts");
  }

  void checkWeights(Operation *op, RoutingAttr routing) {
    bool isSoftmax = routing.getScore() == Score::Softmax &&
                     routing.getScope() == Scope::Selected;
    if (routing.getWeightFrom() == Source::Logit && !isSoftmax)
      refuse(op, "MOE0326", "weighing experts by their logits",
             "weight_from = score, or a softmax with scope = selected");
    if (routing.getNullExperts())
      refuse(op, "MOE0327",
             "a router with " + Twine(routing.getNullExperts()) +
                 " null experts",
             "0");
    Renorm renorm = routing.getRenorm();
    if (renorm != Renorm::None && renorm != Renorm::Sum)
      refuse(op, "MOE0328", "renormalisation '" + stringifyRenorm(renorm) + "'",
             "none, sum");
  }

  void checkElement(Operation *op, const Twine &what, Type type) {
    Type element = elementType(type);
    if (isSupported(element))
      return;
    std::string spelled;
    llvm::raw_string_ostream(spelled) << element;
    refuse(op, "MOE0329", what + " of element type " + spelled, "f32, bf16");
  }
};
} // namespace
