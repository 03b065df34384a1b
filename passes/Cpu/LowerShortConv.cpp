//===- LowerShortConv.cpp - Short convolutions as vector code -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A task has some channels of one sequence. It goes over the tokens with the
// last inputs in registers, which come from the state and return to it.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Cpu/VectorBuilder.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace moec {
#define GEN_PASS_DEF_LOWERSHORTCONVPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

using Values = VectorBuilder::Values;

/// Channels of a task: so many that starting it costs little beside a prompt,
/// so few that there are tasks for all threads.
static constexpr int64_t kTaskChannels = 256;
/// Inputs that are kept in registers.
static constexpr int64_t kMostPast = 8;

/// The largest part of the channels that all tasks can have.
static int64_t channelsOfTask(int64_t channels, int64_t lanes) {
  for (int64_t part = std::min(channels, kTaskChannels); part >= lanes; --part)
    if (channels % part == 0)
      return part;
  return channels;
}

namespace {
class ConvBuilder {
public:
  ConvBuilder(VectorBuilder &b, nn::ShortConvOp op, int64_t past)
      : b(b), op(op), past(past) {}

  /// `size` channels from `channel` on, of the sequence of this number, whose
  /// rows are `from` to `to`, at least one.
  void build(Value number, Value from, Value to, Value channel, int64_t size) {
    Value slot = b.loadIndex(op.getSlots(), number);
    Value begins =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                              b.loadIndex(op.getPositions(), from), b.index(0));
    Values window, weights;
    for (int64_t j = 0; j < past; ++j)
      window.push_back(arith::SelectOp::create(
          b, begins, b.f32Splat(0.0, size),
          b.load(op.getState(), {slot, b.index(j), channel}, size)));
    for (int64_t j = 0; j <= past; ++j)
      weights.push_back(weight(channel, j, size));
    Value bias = op.getBias() ? b.load(op.getBias(), channel, size)
                              : b.f32Splat(0.0, size);
    Values last = b.forLoop(
        from, to, 1, window, [&](Value token, ValueRange inputs) -> Values {
          Values next(inputs);
          next.push_back(b.load(op.getX(), {token, channel}, size));
          Value sum = bias;
          for (auto [weight, input] : llvm::zip_equal(weights, next))
            sum = b.fma(weight, input, sum);
          b.store(sum, op.getOuts()[0], {token, channel});
          next.erase(next.begin());
          return next;
        });
    for (auto [j, input] : llvm::enumerate(last))
      b.store(input, op.getState(), {slot, b.index(j), channel});
  }

private:
  /// The weights of the channels for the j-th input, which lie apart.
  Value weight(Value channel, int64_t j, int64_t size) {
    Values elements;
    for (int64_t i = 0; i < size; ++i)
      elements.push_back(memref::LoadOp::create(
          b, op.getWeight(),
          ValueRange{b.add(channel, i), b.index(0), b.index(j)}));
    return vector::FromElementsOp::create(b, b.f32Vector(size), elements);
  }

  VectorBuilder &b;
  nn::ShortConvOp op;
  int64_t past;
};

struct ShortConvToVectors : OpRewritePattern<nn::ShortConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::ShortConvOp op,
                                PatternRewriter &rewriter) const override {
    int64_t lanes = lanesFor(op);
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    if (!isRowMajor(op.getState()))
      return rewriter.notifyMatchFailure(op, "expected a resolved state");
    auto pool = cast<MemRefType>(op.getState().getType());
    int64_t past = pool.getDimSize(1), channels = pool.getDimSize(2);
    if (past > kMostPast)
      return rewriter.notifyMatchFailure(
          op, "expected a length of at most 9, whose inputs fit the registers");
    if (!isRowMajor(op.getX(), channels) ||
        !isRowMajor(op.getOuts()[0], channels))
      return rewriter.notifyMatchFailure(
          op, "expected input and output in rows without gaps");
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    int64_t part = channelsOfTask(channels, lanes), parts = channels / part;
    b.tasks(b.mul(b.dim(op.getSlots(), 0), parts), [&](Value task) {
      Value number = b.div(task, parts);
      Value first = b.mul(b.rem(task, parts), part);
      Value from = b.loadIndex(op.getSeqOffsets(), number);
      Value to = b.loadIndex(op.getSeqOffsets(), b.add(number, 1));
      // Of a sequence without rows, no position says where it is.
      Value hasRows =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ne, from, to);
      b.ifThen(hasRows, [&] {
        b.forChunks(part, 1, [&](Value at, int64_t size) {
          ConvBuilder(b, op, past)
              .build(number, from, to, b.add(first, at), size);
        });
      });
    });
    Explain("moe-cpu-lower-short-conv", "short-conv")
        .passed(op, Twine(channels) + " channels over " + Twine(past + 1) +
                        " positions, tasks of a sequence and " + Twine(part) +
                        " channels");
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerShortConv : moec::impl::LowerShortConvPassBase<LowerShortConv> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ShortConvToVectors>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
