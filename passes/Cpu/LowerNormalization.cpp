//===- LowerNormalization.cpp - RMS norms as vector code ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A chunk of a row is read twice: for its sum of squares, and to scale it. The
// sum runs in a few vectors side by side, since one addition waits for the one
// before it; they are added up as a tree.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Cpu/VectorBuilder.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Remarks.h"

namespace moec {
#define GEN_PASS_DEF_LOWERNORMALIZATIONPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// Vectors in which the squares are summed.
static constexpr int64_t kSums = 4;

/// The sum of the squares of the `size` elements from `column` on.
static Value sumOfSquares(VectorBuilder &b, Value x, Value row, Value column,
                          int64_t size) {
  int64_t step = kSums * b.lanes, looped = size / step * step;
  auto square = [&](Value offset, int64_t width, Value sum) {
    Value v = b.load(x, {row, b.add(column, offset)}, width);
    return b.fma(v, v, sum);
  };
  SmallVector<Value> sums(std::min(kSums, size / b.lanes),
                          b.f32Splat(0.0, b.lanes));
  if (looped)
    sums = b.forLoop(b.index(0), b.index(looped), step, sums,
                     [&](Value from, ValueRange carried) {
                       SmallVector<Value> next;
                       for (auto [i, sum] : llvm::enumerate(carried))
                         next.push_back(
                             square(b.add(from, i * b.lanes), b.lanes, sum));
                       return next;
                     });
  auto plus = [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  };
  SmallVector<Value> parts;
  for (auto [i, chunk] : llvm::enumerate(chunksOf(size - looped, b.lanes))) {
    Value offset = b.index(looped + chunk.offset);
    if (chunk.size == b.lanes)
      sums[i] = square(offset, chunk.size, sums[i]);
    else
      parts.push_back(b.reduce(
          square(offset, chunk.size, b.f32Splat(0.0, chunk.size)), plus));
  }
  if (!sums.empty())
    parts.insert(parts.begin(), b.reduce(sums, plus));
  return b.tree(parts, plus);
}

/// Normalises the elements of `row` from `column` on.
static void normalise(VectorBuilder &b, nn::RmsNormOp op, Value row,
                      Value column) {
  Value x = op.getX(), weight = op.getWeight(), y = op.getOuts()[0];
  int64_t size = op.getSize();
  double offset = op.getOffset().convertToDouble();
  Value mean = arith::DivFOp::create(b, sumOfSquares(b, x, row, column, size),
                                     b.f32(size));
  Value root = math::SqrtOp::create(
      b, arith::AddFOp::create(b, mean, b.f32(op.getEps().convertToDouble())));
  Value inverse = arith::DivFOp::create(b, b.f32(1.0), root);
  b.forChunks(size, kSums, [&](Value at, int64_t width) {
    Value place = b.add(column, at);
    Value v = b.load(x, {row, place}, width);
    v = arith::MulFOp::create(b, v, b.broadcast(inverse, width));
    if (weight) {
      Value w = b.load(weight, {at}, width);
      if (offset != 0.0)
        w = arith::AddFOp::create(b, w, b.f32Splat(offset, width));
      v = arith::MulFOp::create(b, v, w);
    }
    b.store(v, y, {row, place});
  });
}

namespace {
struct LowerRmsNorm : OpRewritePattern<nn::RmsNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::RmsNormOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getX(), weight = op.getWeight(), y = op.getOuts()[0];
    int64_t lanes = lanesFor(op);
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    if (!isRowMajor(x) || !isRowMajor(y) || (weight && !isRowMajor(weight)))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs of static width whose rows have no gaps");

    int64_t width = cast<MemRefType>(x.getType()).getDimSize(1);
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    b.rowTasks(b.dim(x, 0), rowsPerTask(width), [&](Value from, Value to) {
      b.forLoop(from, to, 1, [&](Value row) {
        if (width == int64_t(op.getSize()))
          return normalise(b, op, row, b.index(0));
        b.forLoop(b.index(0), b.index(width), op.getSize(),
                  [&](Value column) { normalise(b, op, row, column); });
      });
    });
    remark::passed(op.getLoc(), remark::RemarkOpts::name("RmsNorm").category(
                                    "moe-cpu-lower-normalization"))
        << remark::reason("norm over {0} of {1} elements, {2} rows in a task",
                          op.getSize(), width, rowsPerTask(width));
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerNormalization
    : moec::impl::LowerNormalizationPassBase<LowerNormalization> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerRmsNorm>(&getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        nn::RmsNormOp::getOperationName())))
      signalPassFailure();
  }
};
} // namespace
