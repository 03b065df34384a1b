//===- FuseGate.cpp - Router product and choice in one op -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Idea: whatever lies between the router's product and the choice, and is
// computed for each logit by itself, becomes the gate's epilogue: a bias, a
// factor, a softcap, a sum with other rows. Where several products are summed,
// such as a token's row and its logits in the layer before, the longest one is
// the router's, and the others are ordinary products whose rows are read.
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
/// What makes the logits of a choice: a product, and the elementwise ops behind
/// it that depend on it, each after those that it reads.
struct Router {
  linalg::MatmulOp product;
  SetVector<Operation *> behind;

  Operation *last() const {
    linalg::MatmulOp own = product;
    return behind.empty() ? own.getOperation() : behind.back();
  }
};

/// Finds the router of logits, or says why there is none.
class RouterSearch {
public:
  explicit RouterSearch(Value logits) : logits(logits) {}

  FailureOr<Router> find(std::string &why) {
    visit(logits);
    linalg::MatmulOp best = longest();
    if (!best) {
      why = reason.empty() ? "its logits are made elsewhere" : reason;
      return failure();
    }
    Router router{best, {}};
    for (Operation *op : order)
      if (dependsOn(op, router))
        router.behind.insert(op);
    why = whyNot(router);
    return router;
  }

private:
  /// Collects products, and elementwise ops, each after those that it reads.
  void visit(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != logits.getParentBlock() ||
        !seen.insert(op).second)
      return;
    if (auto product = dyn_cast<linalg::MatmulOp>(op)) {
      StringRef why = whyNotProduct(product);
      auto weight = cast<RankedTensorType>(productWeight(product).getType());
      if (!why.empty())
        reason = ("its logits come from a product, but " + why).str();
      else if (!weight.getElementType().isF32())
        reason = "its weight is not f32";
      else if (product->getResult(0).getType() != logits.getType())
        reason = "the product is one value for each row or column of its "
                 "logits";
      else
        products.push_back(product);
      return;
    }
    auto generic = dyn_cast<linalg::GenericOp>(op);
    StringRef form = generic ? whyNotEpilogue(generic) : "";
    if (!generic || !form.empty()) {
      reason = "its logits come from '" + op->getName().getStringRef().str() +
               "', which is not computed for each by itself";
      if (!form.empty())
        reason += (": " + form).str();
      return;
    }
    for (Value input : generic.getInputs())
      visit(input);
    order.push_back(op);
  }

  /// The product that does most; of equal ones, the last.
  linalg::MatmulOp longest() {
    auto length = [](linalg::MatmulOp op) {
      return cast<RankedTensorType>(productX(op).getType()).getDimSize(1);
    };
    linalg::MatmulOp best;
    for (linalg::MatmulOp product : products)
      if (!best || length(product) > length(best) ||
          (length(product) == length(best) && best->isBeforeInBlock(product)))
        best = product;
    return best;
  }

  static bool isMadeBy(Value value, const Router &router) {
    Operation *op = value.getDefiningOp();
    return op && (op == router.product || router.behind.contains(op));
  }

  static bool dependsOn(Operation *op, const Router &router) {
    return llvm::any_of(op->getOperands(), [&](Value operand) {
      return isMadeBy(operand, router);
    });
  }

  /// Why what is behind a product cannot be its epilogue.
  std::string whyNot(const Router &router) const {
    if (router.behind.empty())
      return "";
    if (std::string users = usersOutside(router.product, router);
        !users.empty())
      return "the product in front of its logits is read by " + users + " too";
    for (Operation *op : router.behind)
      if (std::string users = usersOutside(op, router);
          op != router.last() && !users.empty())
        return "what its logits are made of is read by " + users + " too";
    return "";
  }

  /// Users that would not be part of the gate.
  static std::string usersOutside(Operation *op, const Router &router) {
    for (Operation *user : op->getUsers())
      if (!router.behind.contains(user))
        return describe(user);
    return "";
  }

  static std::string describe(Operation *user) {
    if (auto tap = dyn_cast<TapOp>(user))
      return "moe.tap '" + tap.getName().str() + "'";
    return user->getName().getStringRef().str();
  }

  Value logits;
  DenseSet<Operation *> seen;
  SmallVector<linalg::MatmulOp> products;
  SmallVector<Operation *> order;
  std::string reason;
};

class FuseGate : public moec::impl::FuseGatePassBase<FuseGate> {
  void runOnOperation() override {
    SmallVector<RouteOp> routes;
    getOperation().walk([&](RouteOp op) { routes.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (RouteOp route : routes) {
      std::string why;
      FailureOr<Router> router = RouterSearch(route.getLogits()).find(why);
      if (why.empty() && router->last()->getBlock() != route->getBlock())
        why = "its logits are made in another block";
      if (why.empty() && failed(moveInputs(route, *router)))
        why = "what it reads besides its logits is made of these";
      if (why.empty())
        fuse(rewriter, route, *router);
      else
        explain.missed(route, "router not fused with its choice of experts",
                       why);
    }
  }

  const Explain explain{"moe-fuse-gate", "gate"};

  /// Makes what the choice reads besides its logits in front of these, unless
  /// it is made of them.
  static LogicalResult moveInputs(RouteOp route, const Router &router) {
    Block *block = route->getBlock();
    BackwardSliceOptions options;
    options.inclusive = true;
    options.omitUsesFromAbove = false; // Bodies capture constants.
    options.filter = [&](Operation *op) {
      return op->getBlock() == block && !op->isBeforeInBlock(router.last());
    };
    SetVector<Operation *> later;
    for (Value input : route.getInputs().values())
      if (failed(getBackwardSlice(input, &later, options)))
        return failure();
    for (Operation *op : later)
      if (op == router.last() || !isMemoryEffectFree(op))
        return failure();
    // A slice is in the order in which its ops can stand.
    for (Operation *op : later)
      op->moveBefore(router.last());
    return success();
  }

  /// What the ops behind the product read besides it.
  static SetVector<Value> extrasOf(const Router &router) {
    SetVector<Value> extras;
    for (Operation *op : router.behind)
      for (Value input : cast<linalg::GenericOp>(op).getInputs())
        if (input != router.product->getResult(0) &&
            !router.behind.contains(input.getDefiningOp()))
          extras.insert(input);
    return extras;
  }

  /// Fills the epilogue of a gate with the bodies of the ops.
  static void makeEpilogue(OpBuilder &builder, GateOp gate,
                           const Router &router) {
    OpBuilder::InsertionGuard guard(builder);
    Block *body = builder.createBlock(&gate.getEpilogue());
    IRMapping scalars;
    scalars.map(router.product->getResult(0),
                body->addArgument(builder.getF32Type(), gate.getLoc()));
    for (Value extra : gate.getExtras())
      scalars.map(extra, body->addArgument(getElementTypeOrSelf(extra),
                                           extra.getLoc()));
    for (Operation *op : router.behind) {
      auto generic = cast<linalg::GenericOp>(op);
      IRMapping map;
      for (auto [argument, input] :
           llvm::zip(generic.getBody()->getArguments(), generic.getInputs()))
        map.map(argument, scalars.lookup(input));
      scalars.map(op->getResult(0),
                  inlineScalars(builder, *generic.getBody(), map));
    }
    YieldOp::create(builder, gate.getLoc(),
                    scalars.lookup(router.last()->getResult(0)));
  }

  /// What the gate does besides the product and the choice, in words.
  static std::string wordsFor(const Router &router, size_t extras) {
    if (router.behind.empty())
      return "router product and choice of experts fused";
    return "router product, what is computed of each logit (" +
           std::to_string(router.behind.size()) + " elementwise op" +
           (router.behind.size() == 1 ? "" : "s") + ", " +
           std::to_string(extras) + " further input" +
           (extras == 1 ? "" : "s") + ") and choice of experts fused";
  }

  /// The gate stands where the logits were made, in front of all their users.
  void fuse(IRRewriter &rewriter, RouteOp route, const Router &router) const {
    Location loc = route.getLoc();
    rewriter.setInsertionPoint(router.last());
    Value x = productX(router.product), weight = productWeight(router.product);
    SmallVector<Type> types(route->getResultTypes());
    types.insert(types.begin() + 2, route.getLogits().getType());
    SmallVector<Value> outs;
    for (Type type : types)
      outs.push_back(emptyRows(rewriter, loc, type, x));
    SetVector<Value> extras = extrasOf(router);
    auto gate =
        GateOp::create(rewriter, loc, types, x, weight, extras.getArrayRef(),
                       route.getInputs(), outs, route.getRouting());
    if (!router.behind.empty())
      makeEpilogue(rewriter, gate, router);
    explain.passed(gate, wordsFor(router, extras.size()));
    Value logits = route.getLogits();
    SmallVector<Value> results(gate->getResults());
    results.erase(results.begin() + 2);
    rewriter.replaceOp(route, results);
    rewriter.replaceAllUsesWith(logits, gate->getResult(2));
    for (Operation *op : llvm::reverse(router.behind.getArrayRef()))
      rewriter.eraseOp(op);
    rewriter.eraseOp(router.product);
  }
};
} // namespace
