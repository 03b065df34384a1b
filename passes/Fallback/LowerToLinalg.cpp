//===- LowerToLinalg.cpp - Every op through linalg ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The lowering that is always there: simple enough to be read against the
// definitions of the ops, and the judge of the fast ones.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Combined.h"
#include "passes/Explain.h"
#include "passes/Fallback/Fallback.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace moec {
#define GEN_PASS_DEF_LOWERTOLINALGPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

namespace {
struct LowerToLinalg : moec::impl::LowerToLinalgPassBase<LowerToLinalg> {
  void runOnOperation() override {
    Explain explain("moe-lower-to-linalg", "generic");
    SmallVector<StringRef> names = computations();
    OpBuilder builder(&getContext());
    auto split = [&](auto op) {
      splitCombined(builder, op);
      op.erase();
    };
    getOperation().walk([&](moe::CombineGateOp op) { split(op); });
    getOperation().walk([&](moe::CombineMatmulOp op) { split(op); });
    getOperation().walk([&](Operation *op) {
      if (llvm::is_contained(names, op->getName().getStringRef()))
        explain.passed(op, op->getName().getStringRef() +
                               " through linalg: scalar, for any layout");
    });
    RewritePatternSet patterns(&getContext());
    fallback::populateRouting(patterns);
    fallback::populateDispatch(patterns);
    fallback::populateMatmul(patterns);
    fallback::populateLayers(patterns);
    fallback::populateAttention(patterns);
    fallback::populateMixers(patterns);
    if (failed(lowerAll(getOperation(), std::move(patterns), names)))
      signalPassFailure();
  }

  /// The ops that compute on memrefs.
  static SmallVector<StringRef> computations() {
    return {moe::RouteOp::getOperationName(),
            moe::GateOp::getOperationName(),
            moe::PlanOp::getOperationName(),
            moe::SpreadOp::getOperationName(),
            moe::RowWeightsOp::getOperationName(),
            moe::CombineOp::getOperationName(),
            moe::CombineGateOp::getOperationName(),
            moe::CombineMatmulOp::getOperationName(),
            moe::GroupedMatmulOp::getOperationName(),
            nn::RmsNormOp::getOperationName(),
            nn::LayerNormOp::getOperationName(),
            nn::RopeOp::getOperationName(),
            nn::JoinHeadsOp::getOperationName(),
            nn::GatherRowsOp::getOperationName(),
            nn::TokenSlotsOp::getOperationName(),
            nn::AppendOp::getOperationName(),
            nn::AttentionOp::getOperationName(),
            nn::ShortConvOp::getOperationName(),
            nn::PlacesOp::getOperationName(),
            nn::FirstPlacesOp::getOperationName(),
            nn::SeqRowsOp::getOperationName(),
            nn::GatedDeltaOp::getOperationName()};
  }
};
} // namespace
