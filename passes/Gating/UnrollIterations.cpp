//===- UnrollIterations.cpp - Iterations one behind the other -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The number of iterations is known, and each has weights of its own. Once they
// stand one behind the other, an iteration is an ordinary layer: its router
// fuses with the choice of experts, its residual with the combine. Code does
// not grow with their number, since equal computations become one kernel.
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
#define GEN_PASS_DEF_UNROLLITERATIONSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static Value sum(OpBuilder &builder, Location loc, Value a, Value b) {
  AffineMap each = builder.getMultiDimIdentityMap(2);
  SmallVector<utils::IteratorType> loops(2, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, loc, a.getType(), ValueRange{a, b},
             emptyRows(builder, loc, a.getType(), b), {each, each, each}, loops,
             [](OpBuilder &inner, Location at, ValueRange args) {
               Value added = arith::AddFOp::create(inner, at, args[0], args[1]);
               linalg::YieldOp::create(inner, at, added);
             })
      .getResult(0);
}

namespace {
struct UnrollIterations
    : moec::impl::UnrollIterationsPassBase<UnrollIterations> {
  void runOnOperation() override {
    // Inner ones first: outer ones copy what these became.
    SmallVector<IterateOp> ops;
    getOperation().walk([&](IterateOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (IterateOp op : ops)
      unroll(rewriter, op);
  }

  static void unroll(IRRewriter &rewriter, IterateOp op) {
    rewriter.setInsertionPoint(op);
    Value x = op.getX();
    int64_t count = op.getCount();
    for (int64_t i = 0; i < count; ++i) {
      Value y = iteration(rewriter, op, i, x);
      if (op.getResidual() == Residual::Inner)
        y = sum(rewriter, op.getLoc(), y, x);
      bool adds = op.getResidual() == Residual::Initial ||
                  (op.getResidual() == Residual::Outer && i + 1 == count);
      if (adds)
        y = sum(rewriter, op.getLoc(), y, op.getX());
      x = y;
    }
    Explain("moe-unroll-iterations", "iterate")
        .passed(op, Twine(count) + " iterations unrolled");
    rewriter.replaceOp(op, x);
  }

  static Value iteration(IRRewriter &rewriter, IterateOp op, int64_t i,
                         Value x) {
    Block &body = op.bodyOf(i);
    SmallVector<Value> values{x};
    llvm::append_range(values, op.eachOf(i));
    llvm::append_range(values, op.getAll());
    return cloneBody(rewriter, op.getLoc(), body, values);
  }
};
} // namespace
