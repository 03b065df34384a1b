//===- EmulateIntrinsics.cpp - Target intrinsics as plain vectors ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace moec {
#define GEN_PASS_DEF_EMULATEINTRINSICSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

namespace {
/// vdpbf16ps: for each lane, acc + a[odd] * b[odd], then + a[even] * b[even],
/// as the instruction set reference orders them.
struct EmulateBf16Dot : OpRewritePattern<x86vector::DotBF16Op> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(x86vector::DotBF16Op op,
                                PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto floats = cast<VectorType>(op.getSrc().getType());
    auto ints = floats.clone(rewriter.getI32Type());
    auto splat = [&](uint32_t value) -> Value {
      return arith::ConstantOp::create(
          rewriter, loc, DenseElementsAttr::get(ints, APInt(32, value)));
    };
    auto lanes = [&](Value pairs) -> std::pair<Value, Value> {
      Value bits = vector::BitCastOp::create(rewriter, loc, ints, pairs);
      Value even = arith::ShLIOp::create(rewriter, loc, bits, splat(16));
      Value odd =
          arith::AndIOp::create(rewriter, loc, bits, splat(0xffff0000u));
      return {vector::BitCastOp::create(rewriter, loc, floats, even),
              vector::BitCastOp::create(rewriter, loc, floats, odd)};
    };
    auto [aEven, aOdd] = lanes(op.getA());
    auto [bEven, bOdd] = lanes(op.getB());
    Value acc = vector::FMAOp::create(rewriter, loc, aOdd, bOdd, op.getSrc());
    rewriter.replaceOpWithNewOp<vector::FMAOp>(op, aEven, bEven, acc);
    return success();
  }
};

struct EmulateIntrinsics
    : moec::impl::EmulateIntrinsicsPassBase<EmulateIntrinsics> {
  void runOnOperation() override {
    auto target = moe::TargetAttr::of(getOperation());
    if (!target || !target.getEmulate())
      return;
    RewritePatternSet patterns(&getContext());
    patterns.add<EmulateBf16Dot>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
