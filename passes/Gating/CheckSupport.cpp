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
#include "passes/Routing.h"

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
        checkRouting(op, route.getRouting(), route.getInputs(),
                     route.numExperts());
      else if (auto gate = dyn_cast<GateOp>(op))
        checkRouting(op, gate.getRouting(), gate.getInputs(),
                     gate.numExperts());
      else if (auto experts = dyn_cast<ExpertsOp>(op))
        checkIds(op, experts.getIds(), experts.numExperts(), "experts");
      else if (auto recurse = dyn_cast<RecurseOp>(op))
        checkIds(op, recurse.getIds(), recurse.getBodies().size(),
                 "recursions");
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
                    const RoutingInputs &inputs, int64_t experts) {
    if (routing.restrictsGroups() && !routing.getGroupQuota() &&
        routing.getGroupFill() == GroupFill::Zero && inputs.bias)
      op->emitWarning()
          << "[MOE0345] the keys of groups that are not kept become 0, and "
             "with a bias a key that is kept may be less: then an expert of "
             "another group is chosen";
    StringRef expected = routingWithoutLowering(
        RoutingStages(routing, inputs, experts + routing.getSharedExperts()));
    if (!expected.empty())
      return refuse(op, "MOE0321", "'" + routing.inWords(inputs) + "'",
                    expected);
    Explain("moe-check-support", "router").found(op, routing.inWords(inputs));
  }

  /// A router may know more experts than there are; they would compute nothing.
  void checkIds(Operation *op, Value ids, int64_t number, StringRef what) {
    auto route = ids.getDefiningOp<RouteOp>();
    if (!route)
      return;
    int64_t most = route.numExperts();
    if (auto alias = route.getAlias())
      most = *llvm::max_element(*alias) + 1;
    if (most <= number)
      return;
    op->emitError() << "[MOE0159] the router chooses among " << most << " "
                    << what << ", of which there are only " << number;
    ++refusals;
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
