//===- DispatchExperts.cpp - Experts as plan, products and combine --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: `moe.experts` says what one expert makes of a row. Run token by
// token, it would read a whole expert's weights for every token.
//
// Idea: sort the T * k pairs (token, expert) by expert (`moe.plan`). The rows
// of one expert then lie together, and each product of the region becomes one
// product of groups of rows, each group with its expert's matrix. Products of
// the region's own rows read x through the plan, so that no row is copied;
// later products read sorted rows. What is elementwise stays so, on T * k rows.
// `moe.combine` brings the rows of a token back together.
//
// Cost: every active expert's weights are read once, whatever the tokens.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_DISPATCHEXPERTSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static bool isBankMember(Value value, ExpertsOp experts) {
  Block &body = experts.getBody().front();
  return llvm::is_contained(body.getArguments().drop_front(), value);
}

//===----------------------------------------------------------------------===//
// What a region may hold
//===----------------------------------------------------------------------===//

static StringRef whyNotProductOfBank(linalg::MatmulOp op, ExpertsOp experts) {
  if (!isBankMember(productWeight(op), experts))
    return "its weight is not a member of a bank";
  return whyNotProduct(op);
}

/// Why an op of the region cannot be done for the rows of all experts at once;
/// empty if it can.
static StringRef whyNotForAll(Operation &op, ExpertsOp experts) {
  if (auto product = dyn_cast<linalg::MatmulOp>(op))
    return whyNotProductOfBank(product, experts);
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return whyNotElementwise(generic);
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    return dim.getConstantIndex() == 0 &&
                   !isBankMember(dim.getSource(), experts)
               ? ""
               : "only the number of rows may be asked for";
  if (isa<tensor::EmptyOp, linalg::FillOp, arith::ConstantOp, YieldOp>(op))
    return "";
  return "expected linalg.matmul with a bank's member, elementwise "
         "linalg.generic, linalg.fill, tensor.empty, tensor.dim, "
         "arith.constant";
}

/// Whether this use of rows or of a member, which exist only inside, goes away.
static bool mayReadArgument(OpOperand &use, ExpertsOp experts) {
  bool isWeight = isBankMember(use.get(), experts);
  if (isa<tensor::DimOp>(use.getOwner()))
    return !isWeight;
  return isa<linalg::MatmulOp>(use.getOwner()) &&
         use.getOperandNumber() == (isWeight ? 1u : 0u);
}

/// Emits what keeps `experts` from being dispatched; true if there is nothing.
static bool checkRegion(ExpertsOp experts) {
  bool ok = true;
  auto refuse = [&](Operation *op, const Twine &why) {
    op->emitError() << "[MOE0330] '" << op->getName()
                    << "' in an expert is not supported: " << why;
    ok = false;
  };
  Block &body = experts.getBody().front();
  if (!cast<RankedTensorType>(body.getArgument(0).getType()).isDynamicDim(0))
    refuse(experts, "the region must take any number of rows");
  for (Operation &op : body) {
    StringRef why = whyNotForAll(op, experts);
    if (!why.empty())
      refuse(&op, why);
  }
  for (BlockArgument argument : body.getArguments())
    for (OpOperand &use : argument.getUses())
      if (!mayReadArgument(use, experts) &&
          whyNotForAll(*use.getOwner(), experts).empty())
        refuse(use.getOwner(),
               "only products read an expert's rows and weights themselves");
  return ok;
}

//===----------------------------------------------------------------------===//
// Rewriting
//===----------------------------------------------------------------------===//

namespace {
/// One `moe.experts` while it is taken apart.
class Dispatch {
public:
  Dispatch(IRRewriter &rewriter, ExpertsOp experts)
      : rewriter(rewriter), experts(experts), loc(experts.getLoc()) {}

  void run() {
    rewriter.setInsertionPoint(experts);
    k = cast<RankedTensorType>(experts.getIds().getType()).getDimSize(1);
    createPlan();
    Block &body = experts.getBody().front();
    for (Operation &op : body.without_terminator())
      rewrite(op);
    Value sorted = map.lookup(body.getTerminator()->getOperand(0));
    auto combine = CombineOp::create(rewriter, loc, experts->getResultTypes(),
                                     sorted, plan->getResult(3),
                                     plan->getResult(4), experts.getWeights(),
                                     ValueRange(), experts.getOuts());
    Explain("moe-dispatch-experts", "dispatch")
        .passed(combine, "experts dispatched: " + Twine(products) +
                             " products of sorted rows, " + Twine(gathered) +
                             " of which gather their rows");
    rewriter.replaceOp(experts, combine);
  }

private:
  Value empty(ArrayRef<int64_t> shape, ValueRange sizes, Type element) {
    return tensor::EmptyOp::create(rewriter, loc, shape, element, sizes);
  }

  void createPlan() {
    Type i32 = rewriter.getI32Type();
    int64_t end =
        cast<BankType>(experts.getBanks()[0].getType()).getExperts() + 1;
    Value tokens = tensor::DimOp::create(rewriter, loc, experts.getIds(), 0);
    Value perToken = arith::ConstantIndexOp::create(rewriter, loc, k);
    rows = arith::MulIOp::create(rewriter, loc, tokens, perToken);
    constexpr int64_t any = ShapedType::kDynamic;
    SmallVector<Value> outs = {
        empty({end}, {}, i32), empty({end}, {}, i32), empty({any}, rows, i32),
        empty({any, k}, tokens, i32), empty({any, k}, tokens, i32)};
    plan = PlanOp::create(rewriter, loc, ValueRange(outs).getTypes(),
                          experts.getIds(), outs);
  }

  void rewrite(Operation &op) {
    if (auto product = dyn_cast<linalg::MatmulOp>(op))
      return rewriteProduct(product);
    if (auto dim = dyn_cast<tensor::DimOp>(op))
      return map.map(dim.getResult(), rows);
    rewriter.clone(op, map);
  }

  void rewriteProduct(linalg::MatmulOp op) {
    Block &body = experts.getBody().front();
    bool gathers = productX(op) == body.getArgument(0);
    auto member = cast<BlockArgument>(productWeight(op));
    Value x = gathers ? experts.getX() : map.lookup(productX(op));
    Value init = map.lookup(
        op.getOutputs()[0].getDefiningOp<linalg::FillOp>().getOutputs()[0]);
    Value bank = experts.getBanks()[member.getArgNumber() - 1];
    Value gather = gathers ? plan->getResult(2) : Value();
    auto product =
        createProduct(rewriter, op.getLoc(), x, bank, init,
                      {plan->getResult(0), plan->getResult(1), gather});
    map.map(op->getResult(0), product->getResult(0));
    ++products;
    gathered += gathers;
  }

  IRRewriter &rewriter;
  ExpertsOp experts;
  Location loc;
  int64_t k = 0;
  Value rows;
  PlanOp plan;
  IRMapping map;
  unsigned products = 0, gathered = 0;
};
} // namespace

namespace {
struct DispatchExperts : moec::impl::DispatchExpertsPassBase<DispatchExperts> {
  void runOnOperation() override {
    SmallVector<ExpertsOp> ops;
    bool ok = true;
    getOperation().walk([&](ExpertsOp op) {
      ops.push_back(op);
      ok &= checkRegion(op);
    });
    if (!ok)
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    for (ExpertsOp op : ops)
      Dispatch(rewriter, op).run();
  }
};
} // namespace
