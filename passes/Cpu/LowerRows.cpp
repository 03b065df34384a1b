//===- LowerRows.cpp - Copies of rows and token slots as vector code ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Cpu/VectorBuilder.h"
#include "passes/Passes.h"

#include "mlir/IR/Remarks.h"

namespace moec {
#define GEN_PASS_DEF_LOWERROWSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// Vectors of a row that are copied in one round of its loop.
static constexpr int64_t kUnroll = 4;

/// y[row] = table[index] of a plain table.
static void copyRow(VectorBuilder &b, Value table, Value index, Value y,
                    Value row, int64_t width) {
  b.forChunks(width, kUnroll, [&](Value at, int64_t size) {
    b.store(b.load(table, {index, at}, size), y, {row, at});
  });
}

/// The same of a packed table: a row is a lane of a panel, `depth` consecutive
/// elements at a time.
static void copyLane(VectorBuilder &b, Value table, Value index, Value y,
                     Value row, int64_t width) {
  auto type = cast<MemRefType>(table.getType());
  int64_t depth = type.getRank() == 4 ? type.getDimSize(3) : 1;
  Value panel = b.div(index, kPanelColumns);
  Value lane = b.rem(index, kPanelColumns);
  auto copy = [&](Value group, Value at, int64_t size) {
    SmallVector<Value> source{panel, group, lane};
    if (depth > 1)
      source.push_back(b.index(0));
    b.store(b.load(table, source, size), y, {row, at});
  };
  b.forLoop(b.index(0), b.index(width / depth), 1,
            [&](Value group) { copy(group, b.mul(group, depth), depth); });
  // The last group of a packed row may be filled up with zeros.
  int64_t whole = width / depth * depth;
  if (whole < width)
    copy(b.index(width / depth), b.index(whole), width - whole);
}

/// Whether the type is that of a packed matrix of rows of `width` elements.
static bool isPackedTable(MemRefType type, int64_t width) {
  if (type.getElementType().isF32())
    return type.getRank() == 3 && type.getDimSize(1) == width &&
           type.getDimSize(2) == kPanelColumns;
  return type.getRank() == 4 && type.getDimSize(1) == (width + 1) / 2 &&
         type.getDimSize(2) == kPanelColumns && type.getDimSize(3) == 2;
}

namespace {
struct GatherMembersToLoops : OpRewritePattern<nn::GatherRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::GatherRowsOp op,
                                PatternRewriter &rewriter) const override {
    Value table = op.getTable(), y = op.getOuts()[0];
    auto type = dyn_cast<MemRefType>(table.getType());
    if (!type || type.getRank() != 1)
      return rewriter.notifyMatchFailure(op, "expected a vector on memrefs");

    // No tasks: a load and a store for each index take less than their start.
    VectorBuilder b(op.getLoc(), rewriter, /*lanes=*/1);
    b.forLoop(b.index(0), b.dim(y, 0), 1, [&](Value i) {
      Value index = b.loadIndex(op.getIndices(), i);
      memref::StoreOp::create(b, memref::LoadOp::create(b, table, index), y, i);
    });
    remark::passed(op.getLoc(), remark::RemarkOpts::name("gather").category(
                                    "moe-cpu-lower-rows"))
        << remark::reason("members of a vector, in a loop");
    rewriter.eraseOp(op);
    return success();
  }
};

struct GatherRowsToVectors : OpRewritePattern<nn::GatherRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::GatherRowsOp op,
                                PatternRewriter &rewriter) const override {
    Value table = op.getTable(), y = op.getOuts()[0];
    int64_t lanes = lanesFor(op);
    if (cast<ShapedType>(table.getType()).getRank() == 1)
      return rewriter.notifyMatchFailure(op, "expected a matrix");
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    if (!isRowMajor(table) || !isRowMajor(y))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs of static width whose rows have no gaps");
    auto type = cast<MemRefType>(table.getType());
    auto out = cast<MemRefType>(y.getType());
    int64_t width = out.getDimSize(1);
    bool packed = type.getRank() > 2;
    if (packed && !isPackedTable(type, width))
      return rewriter.notifyMatchFailure(
          op, "expected a table packed in panels of 16 columns, with rows as "
              "wide as the output's");
    if (!out.getElementType().isF32() &&
        out.getElementType() != type.getElementType())
      return rewriter.notifyMatchFailure(
          op, "expected an output that holds the table's elements exactly");

    // A row of a packed table takes a cache line for each element or two.
    int64_t rows = rowsPerTask(packed ? width * kPanelColumns : width);
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    b.rowTasks(b.dim(y, 0), rows, [&](Value from, Value to) {
      b.forLoop(from, to, 1, [&](Value row) {
        Value index = b.loadIndex(op.getIndices(), row);
        (packed ? copyLane : copyRow)(b, table, index, y, row, width);
      });
    });
    remark::passed(op.getLoc(), remark::RemarkOpts::name("gather").category(
                                    "moe-cpu-lower-rows"))
        << remark::reason("rows of {0} elements of a {1} table, {2} in a task",
                          width, packed ? "packed" : "plain", rows);
    rewriter.eraseOp(op);
    return success();
  }
};

struct JoinHeadsToVectors : OpRewritePattern<nn::JoinHeadsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::JoinHeadsOp op,
                                PatternRewriter &rewriter) const override {
    Value y = op.getOuts()[0];
    int64_t lanes = lanesFor(op), heads = op.getHeads();
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    if (!isRowMajor(y) ||
        !llvm::all_of(op.getIns(), [](Value in) { return isRowMajor(in); }))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs of static width whose rows have no gaps");

    int64_t width = cast<MemRefType>(y.getType()).getDimSize(1);
    VectorBuilder b(op.getLoc(), rewriter, lanes);
    b.rowTasks(b.dim(y, 0), rowsPerTask(width), [&](Value from, Value to) {
      b.forLoop(from, to, 1, [&](Value row) {
        b.forLoop(b.index(0), b.index(heads), 1, [&](Value head) {
          join(b, op, row, head, b.mul(head, width / heads));
        });
      });
    });
    remark::passed(
        op.getLoc(),
        remark::RemarkOpts::name("join-heads").category("moe-cpu-lower-rows"))
        << remark::reason("{0} heads of {1} elements from {2} parts, {3} rows "
                          "in a task",
                          heads, width / heads, op.getIns().size(),
                          rowsPerTask(width));
    rewriter.eraseOp(op);
    return success();
  }

  /// The head of a row that begins at column `to`.
  static void join(VectorBuilder &b, nn::JoinHeadsOp op, Value row, Value head,
                   Value to) {
    for (auto [i, in] : llvm::enumerate(op.getIns())) {
      int64_t count = op.getCounts()[i];
      Value from = op.isLent(i) ? b.index(0) : b.mul(head, op.getSizes()[i]);
      from = b.add(from, op.getOffsets()[i]);
      bool repeats = op.getSizes()[i] == 1;
      b.forChunks(count, kUnroll, [&](Value at, int64_t size) {
        Value value =
            repeats ? Value(vector::BroadcastOp::create(
                          b, b.f32Vector(size), b.load(in, {row, from}, 1)))
                    : b.load(in, {row, b.add(from, at)}, size);
        b.store(value, op.getOuts()[0], {row, b.add(to, at)});
      });
      to = b.add(to, count);
    }
  }
};

struct TokenSlotsToLoops : OpRewritePattern<nn::TokenSlotsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::TokenSlotsOp op,
                                PatternRewriter &rewriter) const override {
    Value offsets = op.getSeqOffsets(), slots = op.getSlots();
    Value y = op.getOuts()[0];
    if (!isa<MemRefType>(y.getType()))
      return rewriter.notifyMatchFailure(op, "expected memrefs");

    // No tasks: a store for each token takes less than their start.
    VectorBuilder b(op.getLoc(), rewriter, /*lanes=*/1);
    b.forLoop(b.index(0), b.dim(slots, 0), 1, [&](Value sequence) {
      Value slot = memref::LoadOp::create(b, slots, sequence);
      Value from = b.loadIndex(offsets, sequence);
      Value to = b.loadIndex(offsets, b.add(sequence, 1));
      b.forLoop(from, to, 1, [&](Value token) {
        memref::StoreOp::create(b, slot, y, token);
      });
    });
    remark::passed(
        op.getLoc(),
        remark::RemarkOpts::name("token-slots").category("moe-cpu-lower-rows"))
        << remark::reason("a loop over the sequences");
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerRows : moec::impl::LowerRowsPassBase<LowerRows> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<GatherMembersToLoops, GatherRowsToVectors, JoinHeadsToVectors,
                 TokenSlotsToLoops>(&getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        {nn::GatherRowsOp::getOperationName(),
                         nn::JoinHeadsOp::getOperationName(),
                         nn::TokenSlotsOp::getOperationName()})))
      signalPassFailure();
  }
};
} // namespace
