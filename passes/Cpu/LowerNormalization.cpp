//===- LowerNormalization.cpp - Norms as vector code ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A chunk of a row is read once for each of its sums, and once to scale it. A
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

/// Vectors in which a sum is taken.
static constexpr int64_t kSums = 4;

/// The sum over the `size` elements from `column` on; `add` adds a vector of
/// them to a part of the sum.
static Value sumOver(VectorBuilder &b, Value x, Value row, Value column,
                     int64_t size,
                     function_ref<Value(Value v, Value sum)> add) {
  int64_t step = kSums * b.lanes, looped = size / step * step;
  auto part = [&](Value offset, int64_t width, Value sum) {
    return add(b.load(x, {row, b.add(column, offset)}, width), sum);
  };
  SmallVector<Value> sums(std::min(kSums, size / b.lanes),
                          b.f32Splat(0.0, b.lanes));
  if (looped)
    sums = b.forLoop(b.index(0), b.index(looped), step, sums,
                     [&](Value from, ValueRange carried) {
                       SmallVector<Value> next;
                       for (auto [i, sum] : llvm::enumerate(carried))
                         next.push_back(
                             part(b.add(from, i * b.lanes), b.lanes, sum));
                       return next;
                     });
  auto plus = [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  };
  SmallVector<Value> parts;
  for (auto [i, chunk] : llvm::enumerate(chunksOf(size - looped, b.lanes))) {
    Value offset = b.index(looped + chunk.offset);
    if (chunk.size == b.lanes)
      sums[i] = part(offset, chunk.size, sums[i]);
    else
      parts.push_back(b.reduce(
          part(offset, chunk.size, b.f32Splat(0.0, chunk.size)), plus));
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
  Value squares = sumOver(b, x, row, column, size,
                          [&](Value v, Value sum) { return b.fma(v, v, sum); });
  Value inverse = b.inverseRoot(squares, size, op.getEps());
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

static void normalise(VectorBuilder &b, nn::LayerNormOp op, Value row,
                      Value column) {
  Value x = op.getX(), weight = op.getWeight(), bias = op.getBias();
  int64_t size = op.getSize();
  Value sum =
      sumOver(b, x, row, column, size, [&](Value v, Value sum) -> Value {
        return arith::AddFOp::create(b, sum, v);
      });
  Value mean = arith::DivFOp::create(b, sum, b.f32(size));
  auto distance = [&](Value v) -> Value {
    int64_t width = cast<VectorType>(v.getType()).getDimSize(0);
    return arith::SubFOp::create(b, v, b.broadcast(mean, width));
  };
  Value squares = sumOver(b, x, row, column, size, [&](Value v, Value sum) {
    Value d = distance(v);
    return b.fma(d, d, sum);
  });
  Value inverse = b.inverseRoot(squares, size, op.getEps());
  b.forChunks(size, kSums, [&](Value at, int64_t width) {
    Value place = b.add(column, at);
    Value v = distance(b.load(x, {row, place}, width));
    v = arith::MulFOp::create(b, v, b.broadcast(inverse, width));
    if (weight)
      v = arith::MulFOp::create(b, v, b.load(weight, {at}, width));
    if (bias)
      v = arith::AddFOp::create(b, v, b.load(bias, {at}, width));
    b.store(v, op.getOuts()[0], {row, place});
  });
}

namespace {
template <typename Norm> struct LowerNorm : OpRewritePattern<Norm> {
  using OpRewritePattern<Norm>::OpRewritePattern;

  LogicalResult matchAndRewrite(Norm op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getX(), y = op.getOuts()[0];
    int64_t lanes = lanesFor(op);
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    // Between x and the outputs there are what scales and shifts.
    auto between = op->getOperands().drop_front().drop_back();
    if (!isRowMajor(x) || !isRowMajor(y) ||
        !llvm::all_of(between, [](Value v) { return isRowMajor(v); }))
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
    remark::passed(op.getLoc(),
                   remark::RemarkOpts::name(Norm::getOperationName())
                       .category("moe-cpu-lower-normalization"))
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
    patterns.add<LowerNorm<nn::RmsNormOp>, LowerNorm<nn::LayerNormOp>>(
        &getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        {nn::RmsNormOp::getOperationName(),
                         nn::LayerNormOp::getOperationName()})))
      signalPassFailure();
  }
};
} // namespace
