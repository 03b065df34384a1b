//===- FuseCombine.cpp - Sums behind a combine as its addends -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The residual and the shared expert are added while a token's row is in
// registers. Addends are summed in their order after the experts, so that the
// result is that of the sums.
//
//===----------------------------------------------------------------------===//

#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_FUSECOMBINEPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// The combine that input `i` of an elementwise op is the result of, or null.
static CombineOp combineAt(linalg::GenericOp op, unsigned i) {
  return op.getInputs()[i].getDefiningOp<CombineOp>();
}

/// The inputs that `op` adds to input `i` one after the other, as numbers of
/// inputs; empty if it does anything else.
static SmallVector<unsigned> addedTo(linalg::GenericOp op, unsigned i) {
  Block *body = op.getBody();
  SmallVector<unsigned> added;
  Value sum = body->getArgument(i);
  while (sum.hasOneUse()) {
    Operation *user = *sum.user_begin();
    if (isa<linalg::YieldOp>(user))
      // Every op of the body must be one of the additions.
      return body->getOperations().size() == added.size() + 1
                 ? added
                 : SmallVector<unsigned>();
    auto add = dyn_cast<arith::AddFOp>(user);
    if (!add)
      return {};
    Value other = add.getLhs() == sum ? add.getRhs() : add.getLhs();
    auto argument = dyn_cast<BlockArgument>(other);
    if (!argument || argument.getOwner() != body)
      return {};
    added.push_back(argument.getArgNumber());
    sum = add;
  }
  return {};
}

static bool isF32(Value value) { return getElementTypeOrSelf(value).isF32(); }

/// Why the inputs `added` of `op` cannot be added by the combine at input `i`;
/// empty if they can.
static std::string whyNot(linalg::GenericOp op, unsigned i,
                          ArrayRef<unsigned> added) {
  StringRef form = whyNotElementwise(op);
  if (!form.empty())
    return form.str();
  if (added.empty())
    return "the reader does more than add other values";
  Value sum = op.getInputs()[i];
  for (unsigned other : added)
    if (!readsWhole(op, other) || op.getInputs()[other] == sum)
      return "another value of the sum is not a matrix of its own";
  if (llvm::is_contained(op.getOutputs(), sum))
    return "the value before the sum is its output too";
  if (!llvm::all_of(op->getOperands(), isF32))
    return "the sum is not one of f32";
  std::string users = otherUsers(sum, op);
  if (!users.empty())
    return "the value before the sum is read by " + users + " too";
  if (sum.getDefiningOp()->getBlock() != op->getBlock())
    return "the sum is in another block";
  return "";
}

namespace {
struct FuseCombine : moec::impl::FuseCombinePassBase<FuseCombine> {
  void runOnOperation() override {
    // In order, so that each sum sees the combine that the one before it made.
    SmallVector<linalg::GenericOp> ops;
    getOperation().walk([&](linalg::GenericOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (linalg::GenericOp op : ops)
      fuse(rewriter, op);
  }

  static void fuse(IRRewriter &rewriter, linalg::GenericOp op) {
    const Explain explain("moe-fuse-combine", "addend");
    std::string why;
    for (unsigned i = 0; i < op.getNumDpsInputs(); ++i) {
      CombineOp combine = combineAt(op, i);
      if (!combine)
        continue;
      SmallVector<unsigned> added = addedTo(op, i);
      why = whyNot(op, i, added);
      if (!why.empty())
        continue;
      CombineOp fused = addAddends(rewriter, combine, op, added);
      explain.passed(fused, "sum made an addend of its combine");
      return;
    }
    if (!why.empty())
      explain.missed(op, "not added while experts are combined", why);
  }

  /// The combine moves to the sum, where all addends exist.
  static CombineOp addAddends(IRRewriter &rewriter, CombineOp combine,
                              linalg::GenericOp sum, ArrayRef<unsigned> added) {
    rewriter.setInsertionPoint(sum);
    SmallVector<Value> addends(combine.getAddends());
    for (unsigned i : added)
      addends.push_back(sum.getInputs()[i]);
    auto fused = CombineOp::create(
        rewriter, combine.getLoc(), sum->getResultTypes(), combine.getRows(),
        combine.getTokenRow(), combine.getTokenSlot(), combine.getWeights(),
        combine.getIds(), combine.getLocals(), addends, sum.getOutputs(),
        combine.getRanges(), combine.getUnweighted());
    rewriter.replaceOp(sum, fused);
    rewriter.eraseOp(combine);
    return fused;
  }
};
} // namespace
