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

/// Why `op` cannot add its other input to the combine at input `i`; empty if it
/// can.
static std::string whyNot(linalg::GenericOp op, unsigned i) {
  StringRef form = whyNotElementwise(op);
  if (!form.empty())
    return form.str();
  if (!isSum(op))
    return "the reader does more than add one other value";
  Value sum = op.getInputs()[i], other = op.getInputs()[1 - i];
  if (!readsWhole(op, 1 - i) || other == sum)
    return "the other value is not a matrix of its own";
  if (llvm::is_contained(op.getOutputs(), sum))
    return "the value before the sum is its output too";
  if (!getElementTypeOrSelf(sum).isF32() ||
      !getElementTypeOrSelf(other).isF32())
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
      why = whyNot(op, i);
      if (!why.empty())
        continue;
      auto fused = addAddend(rewriter, combine, op, op.getInputs()[1 - i]);
      explain.passed(fused, "sum made an addend of its combine");
      return;
    }
    if (!why.empty())
      explain.missed(op, "not added while experts are combined", why);
  }

  /// The combine moves to the sum, where all addends exist.
  static CombineOp addAddend(IRRewriter &rewriter, CombineOp combine,
                             linalg::GenericOp sum, Value addend) {
    rewriter.setInsertionPoint(sum);
    SmallVector<Value> addends(combine.getAddends());
    addends.push_back(addend);
    auto fused = CombineOp::create(
        rewriter, combine.getLoc(), sum->getResultTypes(), combine.getRows(),
        combine.getTokenRow(), combine.getTokenSlot(), combine.getWeights(),
        addends, sum.getOutputs());
    rewriter.replaceOp(sum, fused);
    rewriter.eraseOp(combine);
    return fused;
  }
};
} // namespace
