//===- InlineShared.cpp - Shared experts as part of their layer -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_INLINESHAREDPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

namespace {
struct InlineShared : moec::impl::InlineSharedPassBase<InlineShared> {
  void runOnOperation() override {
    SmallVector<SharedOp> ops;
    getOperation().walk([&](SharedOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (SharedOp op : ops)
      inlineOne(rewriter, op);
  }

  static void inlineOne(IRRewriter &rewriter, SharedOp op) {
    Block &body = op.getBody().front();
    rewriter.setInsertionPoint(op);
    SmallVector<Value> arguments = {castTo(
        rewriter, op.getLoc(), body.getArgument(0).getType(), op.getX())};
    llvm::append_range(arguments, op.getParams());
    auto yield = cast<YieldOp>(body.getTerminator());
    rewriter.inlineBlockBefore(&body, op, arguments);
    Value result = castTo(rewriter, op.getLoc(), op->getResult(0).getType(),
                          yield.getValues().front());
    rewriter.eraseOp(yield);
    Explain("moe-inline-shared", "shared").passed(op, "shared expert inlined");
    rewriter.replaceOp(op, result);
  }
};
} // namespace
