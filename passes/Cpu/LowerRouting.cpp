//===- LowerRouting.cpp - The choice of experts as tasks ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A task takes some tokens. For a gate it first computes their logits, side by
// side in a buffer, and then, while these are in the nearest cache, writes them
// out and chooses the experts of one token after another. Where choices are
// counted, a task is a block of tokens, and counts as it chooses; behind a
// stage that looks at many tokens, blocks are counted by tasks of their own.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/ChoiceCounts.h"
#include "passes/Combined.h"
#include "passes/Cpu/CombineRows.h"
#include "passes/Cpu/Epilogue.h"
#include "passes/Cpu/ExpertSelection.h"
#include "passes/Cpu/GateTile.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_LOWERROUTINGPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// Elements of a row of logits that cost a token of a route about as much as
/// one row of another op.
static constexpr int64_t kCostOfChoice = 32;

static int64_t scoredBy(Value logits) {
  return cast<MemRefType>(logits.getType()).getDimSize(1);
}

/// What both ops need, or an empty string.
static StringRef refusal(Operation *op, const RoutingStages &stages,
                         ValueRange outs, ValueRange others) {
  int64_t lanes = lanesFor(op);
  if (!lanes)
    return "moe.target on the module";
  if (lanes > kPanelColumns)
    return "vectors of at most 16 lanes";
  SmallVector<Value> values(outs);
  values.append(others.begin(), others.end());
  llvm::append_range(values, stages.inputs.values());
  for (Value value : values)
    if (value && !isRowMajor(value))
      return "memrefs of static width whose rows have no gaps";
  return routingWithoutLowering(stages);
}

/// What a gate lacks for this code, or an empty string.
template <typename OpTy>
static StringRef gateRefusal(OpTy op, Value x, Value matrix, ValueRange outs) {
  StringRef expected = GateTile::refusal(x, matrix, outs[2]);
  if (!expected.empty())
    return expected;
  RoutingStages stages(op.getRouting(), op.getInputs(), scoredBy(outs[2]));
  return refusal(op, stages, outs, op.getExtras());
}

/// Builds the tasks of a choice; `body` emits one, of the tokens `from` to
/// `to`, and calls what it is given behind every token.
template <typename OpTy>
static void
choiceTasks(VectorBuilder &b, OpTy op, Value tokens, int64_t rows,
            llvm::function_ref<void(Value, Value, VectorBuilder::Body)> body) {
  if (!op.getCounts() || op.getRouting().dependsOnBatch())
    return b.rowTasks(tokens, rows, [&](Value from, Value to) {
      body(from, to, [](Value) {});
    });
  ChoiceCounts counts(b, op.getCounts(), *op.getCountRows(), tokens);
  counts.blockTasks([&](Value block, Value from, Value to) {
    counts.clear(block);
    body(from, to,
         [&](Value token) { counts.add(block, op.getOuts()[0], token); });
  });
}

/// What a task takes, in words.
template <typename OpTy> static std::string tasksOf(OpTy op, int64_t rows) {
  std::string task = std::to_string(rows) + " tokens in a task";
  if (!op.getCounts())
    return task;
  std::string block = std::to_string(*op.getCountRows());
  if (op.getRouting().dependsOnBatch())
    return task + ", counted afterwards in blocks of " + block;
  return "a block of " + block + " tokens in a task, which counts them";
}

template <typename OpTy>
static void emitBatch(VectorBuilder &b, OpTy op, const RoutingStages &stages,
                      RoutingRows outs) {
  emitStagesOfBatch(b, stages, outs);
  if (op.getCounts() && op.getRouting().dependsOnBatch())
    emitCounts(b, op.getCounts(), *op.getCountRows(), outs.ids);
}

namespace {
struct LowerRoute : OpRewritePattern<moe::RouteOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::RouteOp op,
                                PatternRewriter &rewriter) const override {
    Value logits = op.getLogits();
    if (!isRowMajor(logits))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs of static width whose rows have no gaps");
    int64_t scored = scoredBy(logits), lanes = lanesFor(op);
    RoutingStages stages(op.getRouting(), op.getInputs(), scored);
    StringRef expected = refusal(op, stages, op.getOuts(), logits);
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    RoutingRows outs{op.getOuts()[0], op.getOuts()[1], op.getShared()};
    int64_t rows = rowsPerTask(scored * kCostOfChoice);
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    choiceTasks(
        b, op, b.dim(logits, 0), rows,
        [&](Value from, Value to, VectorBuilder::Body chosen) {
          ExpertSelection selection(b, stages, outs);
          Value first = b.index(0);
          Value row =
              b.stackBuffer({1, ExpertSelection::rowWidth(scored, lanes)});
          ExpertSelection::padRow(b, row, first, scored);
          b.forLoop(from, to, 1, [&](Value token) {
            b.forChunks(scored, 4, [&](Value at, int64_t size) {
              b.store(b.load(logits, {token, at}, size), row, {first, at});
            });
            selection.emit(row, first, token);
            chosen(token);
          });
        });
    emitBatch(b, op, stages, outs);
    Explain("moe-cpu-lower-routing", "routing")
        .passed(op, Twine(op.getRouting().inWords(op.getInputs())) + " of " +
                        Twine(stages.experts) + " experts, " +
                        tasksOf(op, rows));
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerGate : OpRewritePattern<moe::GateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::GateOp op,
                                PatternRewriter &rewriter) const override {
    StringRef expected =
        gateRefusal(op, op.getX(), op.getWeight(), op.getOuts());
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    emit(op, rewriter, [](VectorBuilder &, Value, Value) {});
    rewriter.eraseOp(op);
    return success();
  }

  /// Emits the tasks of a gate; `before` emits what a task does first for its
  /// tokens, from the one to the other.
  static void emit(moe::GateOp op, PatternRewriter &rewriter,
                   function_ref<void(VectorBuilder &, Value, Value)> before) {
    int64_t scored = scoredBy(op.getOuts()[2]), lanes = lanesFor(op);
    RoutingStages stages(op.getRouting(), op.getInputs(), scored);
    RoutingRows outs{op.getOuts()[0], op.getOuts()[1], op.getShared()};
    int64_t width = ExpertSelection::rowWidth(scored, lanes);
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    moe::TargetAttr target = moe::TargetAttr::of(op);
    GateTile product(b, op, target);
    int64_t rows = GateTile::rowsOfTask(scored, target);
    auto emitSome = [&](ExpertSelection &selection, Value sums, Value from,
                        Value to, VectorBuilder::Body chosen) {
      before(b, from, to);
      clear(b, sums, rows, width);
      product.emit(sums, from, to);
      b.forLoop(from, to, 1, [&](Value token) {
        Value row = b.sub(token, from);
        finishRow(b, op, sums, row, token);
        selection.emit(sums, row, token);
        chosen(token);
      });
    };
    choiceTasks(b, op, b.dim(op.getX(), 0), rows,
                [&](Value begin, Value end, VectorBuilder::Body chosen) {
                  ExpertSelection selection(b, stages, outs);
                  Value sums = b.stackBuffer({rows, width});
                  b.forLoop(begin, end, rows, [&](Value from) {
                    emitSome(selection, sums, from,
                             b.min(b.add(from, rows), end), chosen);
                  });
                });
    emitBatch(b, op, stages, outs);
    Explain("moe-cpu-lower-routing", "routing")
        .passed(op, Twine(op.getRouting().inWords(op.getInputs())) + " of " +
                        Twine(stages.experts) +
                        " experts, fused with the product, " +
                        tasksOf(op, rows));
  }

  static void clear(VectorBuilder &b, Value sums, int64_t rows, int64_t width) {
    b.forLoop(b.index(0), b.index(rows), 1, [&](Value row) {
      b.forChunks(width, 4, [&](Value at, int64_t size) {
        b.store(b.f32Splat(0.0, size), sums, {row, at});
      });
    });
  }

  /// Makes logits of the sums of a token, and writes them out.
  static void finishRow(VectorBuilder &b, moe::GateOp op, Value sums, Value row,
                        Value token) {
    int64_t scored = scoredBy(op.getOuts()[2]);
    Epilogue epilogue(b, op.getLoc(), op.getProduct());
    b.forChunks(scored, 4, [&](Value at, int64_t size) {
      Value logits = b.load(sums, {row, at}, size);
      if (!op.getEpilogue().empty()) {
        logits =
            epilogue.emit(logits, /*group=*/Value(), token, at, size, size);
        b.store(logits, sums, {row, at});
      }
      b.store(logits, op.getOuts()[2], {token, at});
    });
    ExpertSelection::padRow(b, sums, row, scored);
  }
};

/// A gate whose tasks make the rows that they read.
struct LowerCombineGate : OpRewritePattern<moe::CombineGateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::CombineGateOp op,
                                PatternRewriter &rewriter) const override {
    StringRef expected = CombineRows::refusal(op, op.getCombined());
    if (expected.empty())
      expected = gateRefusal(op, op.getOuts()[0], op.getMatrix(),
                             op.getOuts().drop_front());
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    auto [combine, gate] = splitCombined(rewriter, op);
    CombineRows rows(combine);
    LowerGate::emit(gate, rewriter,
                    [&](VectorBuilder &b, Value from, Value to) {
                      rows.emit(b, from, to);
                    });
    rewriter.eraseOp(gate);
    rewriter.eraseOp(combine);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerRouting : moec::impl::LowerRoutingPassBase<LowerRouting> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerRoute, LowerGate, LowerCombineGate>(&getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        {moe::RouteOp::getOperationName(),
                         moe::GateOp::getOperationName(),
                         moe::CombineGateOp::getOperationName()})))
      signalPassFailure();
  }
};
} // namespace
