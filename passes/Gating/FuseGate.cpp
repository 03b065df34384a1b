//===- FuseGate.cpp - Router product and choice in one op -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace moec {
#define GEN_PASS_DEF_FUSEGATEPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

namespace {
/// The router in front of a choice: a product, and perhaps a bias.
struct Router {
  linalg::MatmulOp product;
  Value logitBias;
  /// What makes the logits: the product, or the sum with the bias.
  Operation *last = nullptr;
};
} // namespace

/// `product + bias` with a bias [E], as the router of its result.
static Router biasedRouter(linalg::GenericOp sum) {
  if (!whyNotElementwise(sum).empty() || !isSum(sum))
    return {};
  for (unsigned i : {0u, 1u}) {
    Value bias = sum.getInputs()[1 - i];
    auto product = sum.getInputs()[i].getDefiningOp<linalg::MatmulOp>();
    if (product && readsWhole(sum, i) &&
        cast<RankedTensorType>(bias.getType()).getRank() == 1)
      return {product, bias, sum};
  }
  return {};
}

static Router routerOf(Value logits) {
  if (auto product = logits.getDefiningOp<linalg::MatmulOp>())
    return {product, Value(), product};
  if (auto sum = logits.getDefiningOp<linalg::GenericOp>())
    return biasedRouter(sum);
  return {};
}

namespace {
class FuseGate : public moec::impl::FuseGatePassBase<FuseGate> {
  void runOnOperation() override {
    SmallVector<RouteOp> routes;
    getOperation().walk([&](RouteOp op) { routes.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (RouteOp route : routes) {
      Router router = routerOf(route.getLogits());
      std::string why = whyNot(route, router);
      if (why.empty() && failed(moveInputs(route, router)))
        why = "what it reads besides its logits is made of these";
      if (!why.empty()) {
        explain.missed(route, "router not fused with its choice of experts",
                       why);
        continue;
      }
      fuse(rewriter, route, router);
    }
  }

  const Explain explain{"moe-fuse-gate", "gate"};

  /// Why a route and its router cannot become one gate; empty if they can.
  static std::string whyNot(RouteOp route, const Router &router) {
    if (!router.product)
      return "its logits are no product, nor the sum of one and a bias";
    StringRef why = whyNotProduct(router.product);
    if (!why.empty())
      return ("its logits come from a product, but " + why).str();
    auto weight =
        cast<RankedTensorType>(productWeight(router.product).getType());
    if (!weight.getElementType().isF32())
      return "its weight is not f32";
    if (router.last->getBlock() != route->getBlock())
      return "its logits are made in another block";
    std::string users =
        otherUsers(router.product->getResult(0),
                   router.logitBias ? router.last : route.getOperation());
    if (router.logitBias && !users.empty())
      return "the product without its bias is read by " + users + " too";
    return "";
  }

  /// Makes what the choice reads besides its logits in front of these, unless
  /// it is made of them.
  static LogicalResult moveInputs(RouteOp route, const Router &router) {
    Block *block = route->getBlock();
    BackwardSliceOptions options;
    options.inclusive = true;
    options.omitUsesFromAbove = false; // Bodies capture constants.
    options.filter = [&](Operation *op) {
      return op->getBlock() == block && !op->isBeforeInBlock(router.last);
    };
    SetVector<Operation *> later;
    for (Value input : route.getInputs().values())
      if (failed(getBackwardSlice(input, &later, options)))
        return failure();
    for (Operation *op : later)
      if (op == router.last || !isMemoryEffectFree(op))
        return failure();
    // A slice is in the order in which its ops can stand.
    for (Operation *op : later)
      op->moveBefore(router.last);
    return success();
  }

  /// The gate stands where the logits were made, in front of all their users.
  void fuse(IRRewriter &rewriter, RouteOp route, const Router &router) const {
    Location loc = route.getLoc();
    rewriter.setInsertionPoint(router.last);
    Value x = productX(router.product), weight = productWeight(router.product);
    SmallVector<Type> types(route->getResultTypes());
    types.insert(types.begin() + 2, route.getLogits().getType());
    SmallVector<Value> outs;
    for (Type type : types)
      outs.push_back(emptyRows(rewriter, loc, type, x));
    auto gate =
        GateOp::create(rewriter, loc, types, x, weight, router.logitBias,
                       route.getInputs(), outs, route.getRouting());
    explain.passed(gate, "router product and choice of experts fused");
    Value logits = route.getLogits();
    SmallVector<Value> results(gate->getResults());
    results.erase(results.begin() + 2);
    rewriter.replaceOp(route, results);
    rewriter.replaceAllUsesWith(logits, gate->getResult(2));
    rewriter.eraseOp(router.last);
    if (router.logitBias)
      rewriter.eraseOp(router.product);
  }
};
} // namespace
