//===- FormMatmuls.cpp - Dense products as products of one group ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One op stands for all matrix products, so that dense layers get the fused
// epilogues, the weight layouts and the kernels of experts.
//
//===----------------------------------------------------------------------===//

#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_FORMMATMULSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

namespace {
struct FormMatmuls : moec::impl::FormMatmulsPassBase<FormMatmuls> {
  void runOnOperation() override {
    SmallVector<linalg::MatmulOp> ops;
    getOperation().walk([&](linalg::MatmulOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (linalg::MatmulOp op : ops)
      form(rewriter, op);
    SmallVector<linalg::FillOp> fills;
    getOperation().walk([&](linalg::FillOp op) { fills.push_back(op); });
    for (linalg::FillOp op : fills)
      if (op.hasPureTensorSemantics() && op.value().getDefiningOp() &&
          llvm::none_of(op->getUsers(), llvm::IsaPred<linalg::MatmulOp>))
        formRows(rewriter, op);
  }

  /// A fill that is no product's zeros is elements like others.
  static void formRows(IRRewriter &rewriter, linalg::FillOp op) {
    auto type = cast<RankedTensorType>(op.getResult(0).getType());
    SmallVector<AffineMap> maps{
        rewriter.getMultiDimIdentityMap(type.getRank())};
    SmallVector<utils::IteratorType> loops(type.getRank(),
                                           utils::IteratorType::parallel);
    rewriter.setInsertionPoint(op);
    auto body = [&](OpBuilder &b, Location loc, ValueRange) {
      Operation *constant = b.clone(*op.value().getDefiningOp());
      linalg::YieldOp::create(b, loc, constant->getResults());
    };
    rewriter.replaceOpWithNewOp<linalg::GenericOp>(
        op, TypeRange{type}, ValueRange(), op.getOutputs(), maps, loops, body);
  }

  static void form(IRRewriter &rewriter, linalg::MatmulOp op) {
    const Explain explain("moe-form-matmuls", "product");
    StringRef why = whyNotProduct(op);
    if (!why.empty()) {
      explain.missed(op, "product left as it is", why);
      return;
    }
    auto fill = op.getOutputs()[0].getDefiningOp<linalg::FillOp>();
    rewriter.setInsertionPoint(op);
    auto product = createProduct(rewriter, op.getLoc(), productX(op),
                                 productWeight(op), fill.getOutputs()[0]);
    explain.passed(product, "product with a weight [" + Twine(product.getN()) +
                                ", " + Twine(product.getK()) + "] formed");
    rewriter.replaceOp(op, product);
    if (fill->use_empty())
      rewriter.eraseOp(fill);
  }
};
} // namespace
