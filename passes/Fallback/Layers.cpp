//===- Layers.cpp - Generic lowering of norms, rotation and rows ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Fallback/Fallback.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;

static MemRefType memrefOf(Value value) {
  return dyn_cast<MemRefType>(value.getType());
}

/// Whether a value is a memref whose rows have a static width.
static bool hasStaticRows(Value value) {
  MemRefType type = memrefOf(value);
  return type && !type.isDynamicDim(1);
}

/// The elements of a vector, in another element type.
static void convert(VectorBuilder &b, Value from, Value to) {
  Type element = memrefOf(to).getElementType();
  elementwise(b, from, to, [&](VectorBuilder &in, ValueRange args) {
    return Values{narrow(in, widen(in, args[0]), element)};
  });
}

/// Calls normalise(b, op, x, y, cell) for every chunk.
template <typename Norm>
static LogicalResult lowerNorm(
    Norm op, PatternRewriter &rewriter,
    function_ref<void(VectorBuilder &, Norm, Value, Value, Value)> normalise) {
  Value x = op.getX(), y = op.getOuts()[0];
  if (!hasStaticRows(x))
    return rewriter.notifyMatchFailure(op, "expected memrefs of static width");
  int64_t size = op.getSize(), width = memrefOf(x).getDimSize(1);
  VectorBuilder b(op.getLoc(), rewriter, 1);
  b.tasks(b.dim(x, 0), [&](Value row) {
    Value cell = buffer(b, {}, b.getF32Type());
    b.forLoop(b.index(0), b.index(width), size, [&](Value column) {
      normalise(b, op, partOfRow(b, x, row, column, size),
                partOfRow(b, y, row, column, size), cell);
    });
  });
  rewriter.eraseOp(op);
  return success();
}

namespace {
struct RmsNormToLinalg : OpRewritePattern<nn::RmsNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::RmsNormOp op,
                                PatternRewriter &rewriter) const override {
    return lowerNorm<nn::RmsNormOp>(op, rewriter, normalise);
  }

  static void normalise(VectorBuilder &b, nn::RmsNormOp op, Value x, Value y,
                        Value cell) {
    set(b, cell, b.f32(0.0));
    reduce(b, x, cell, [](VectorBuilder &in, Value sum, Value value) {
      return plus(in, sum, times(in, value, value));
    });
    Value inverse = b.inverseRoot(get(b, cell), op.getSize(), op.getEps());
    Values ins{x};
    if (op.getWeight())
      ins.push_back(op.getWeight());
    double offset = op.getOffset().convertToDouble();
    Type element = memrefOf(y).getElementType();
    elementwise(b, ins, y, [&](VectorBuilder &in, ValueRange args) {
      Value value = times(in, widen(in, args[0]), inverse);
      if (op.getWeight()) {
        Value weight = args[1];
        if (offset != 0.0)
          weight = plus(in, weight, in.f32(offset));
        value = times(in, value, weight);
      }
      return Values{narrow(in, value, element)};
    });
  }
};

struct LayerNormToLinalg : OpRewritePattern<nn::LayerNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::LayerNormOp op,
                                PatternRewriter &rewriter) const override {
    return lowerNorm<nn::LayerNormOp>(op, rewriter, normalise);
  }

  static void normalise(VectorBuilder &b, nn::LayerNormOp op, Value x, Value y,
                        Value cell) {
    set(b, cell, b.f32(0.0));
    reduce(b, x, cell, plus);
    Value mean = arith::DivFOp::create(b, get(b, cell), b.f32(op.getSize()));
    set(b, cell, b.f32(0.0));
    reduce(b, x, cell, [&](VectorBuilder &in, Value sum, Value value) {
      Value distance = arith::SubFOp::create(in, value, mean);
      return plus(in, sum, times(in, distance, distance));
    });
    Value inverse = b.inverseRoot(get(b, cell), op.getSize(), op.getEps());
    Values ins{x};
    for (Value operand : {op.getWeight(), op.getBias()})
      if (operand)
        ins.push_back(operand);
    Type element = memrefOf(y).getElementType();
    elementwise(b, ins, y, [&](VectorBuilder &in, ValueRange args) {
      Value value = arith::SubFOp::create(in, widen(in, args[0]), mean);
      value = times(in, value, inverse);
      if (op.getWeight())
        value = times(in, value, args[1]);
      if (op.getBias())
        value = plus(in, value, args[ins.size() - 1]);
      return Values{narrow(in, value, element)};
    });
  }
};

struct RopeToLinalg : OpRewritePattern<nn::RopeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::RopeOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getX();
    MemRefType table = memrefOf(op.getTable());
    if (!hasStaticRows(x) || table.isDynamicDim(2))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs and a table of static width");
    int64_t width = memrefOf(x).getDimSize(1);
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(x, 0), [&](Value row) {
      Value position = b.loadIndex(op.getPositions(), row);
      b.forLoop(b.index(0), b.index(width), op.getSize(), [&](Value column) {
        turn(b, op, position, row, column, table.getDimSize(2));
      });
    });
    rewriter.eraseOp(op);
    return success();
  }

  /// Turns the pairs of one head and copies the rest.
  static void turn(VectorBuilder &b, nn::RopeOp op, Value position, Value row,
                   Value column, int64_t pairs) {
    Value x = op.getX(), y = op.getOuts()[0];
    int64_t offset = op.getOffset(), end = offset + 2 * pairs;
    bool interleaved = op.getInterleaved();
    auto part = [&](Value of, int64_t from, int64_t size) {
      return partOfRow(b, of, row, b.add(column, from), size);
    };
    // Both are read before one is written: x and y may be the same memory.
    b.forLoop(b.index(0), b.index(pairs), 1, [&](Value pair) {
      auto angle = [&](int64_t of) -> Value {
        return memref::LoadOp::create(b, op.getTable(),
                                      ValueRange{position, b.index(of), pair});
      };
      Value first =
          b.add(column, b.add(b.mul(pair, interleaved ? 2 : 1), offset));
      Value second = b.add(first, interleaved ? 1 : pairs);
      auto load = [&](Value at) {
        return widen(b, memref::LoadOp::create(b, x, ValueRange{row, at}));
      };
      Value low = load(first), high = load(second);
      Value cosine = angle(0), sine = angle(1);
      Type element = memrefOf(y).getElementType();
      auto store = [&](Value value, Value at) {
        memref::StoreOp::create(b, narrow(b, value, element), y,
                                ValueRange{row, at});
      };
      store(
          arith::SubFOp::create(b, times(b, low, cosine), times(b, high, sine)),
          first);
      store(plus(b, times(b, high, cosine), times(b, low, sine)), second);
    });
    if (offset)
      convert(b, part(x, 0, offset), part(y, 0, offset));
    if (int64_t rest = op.getSize() - end)
      convert(b, part(x, end, rest), part(y, end, rest));
  }
};

struct JoinHeadsToLinalg : OpRewritePattern<nn::JoinHeadsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::JoinHeadsOp op,
                                PatternRewriter &rewriter) const override {
    Value y = op.getOuts()[0];
    if (!hasStaticRows(y) || !llvm::all_of(op.getIns(), hasStaticRows))
      return rewriter.notifyMatchFailure(op,
                                         "expected memrefs of static width");
    int64_t width = memrefOf(y).getDimSize(1) / op.getHeads();
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(y, 0), [&](Value row) {
      b.forLoop(b.index(0), b.index(op.getHeads()), 1, [&](Value head) {
        Value to = b.mul(head, width);
        for (auto [i, in] : llvm::enumerate(op.getIns())) {
          int64_t count = op.getCounts()[i];
          Value from =
              op.isLent(i) ? b.index(0) : b.mul(head, op.getSizes()[i]);
          from = b.add(from, op.getOffsets()[i]);
          if (op.getSizes()[i] == 1)
            b.forLoop(b.index(0), b.index(count), 1, [&](Value at) {
              convert(b, partOfRow(b, in, row, from, 1),
                      partOfRow(b, y, row, b.add(to, at), 1));
            });
          else
            convert(b, partOfRow(b, in, row, from, count),
                    partOfRow(b, y, row, to, count));
          to = b.add(to, count);
        }
      });
    });
    rewriter.eraseOp(op);
    return success();
  }
};

struct GatherRowsToLinalg : OpRewritePattern<nn::GatherRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::GatherRowsOp op,
                                PatternRewriter &rewriter) const override {
    Value y = op.getOuts()[0];
    MemRefType table = memrefOf(op.getTable());
    if (table && table.getRank() == 1)
      return gatherMembers(op, rewriter);
    if (!hasStaticRows(y))
      return rewriter.notifyMatchFailure(op,
                                         "expected memrefs of static width");
    int64_t width = memrefOf(y).getDimSize(1);
    int64_t rows =
        table.getRank() == 2 ? 1 : table.getDimSize(0) * kPanelColumns;
    if (table.getRank() > 2 && !isMatrix(table, rows, width))
      return rewriter.notifyMatchFailure(
          op, "expected a packed table with rows as wide as the output's");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(y, 0), [&](Value i) {
      Value row = b.loadIndex(op.getIndices(), i);
      if (table.getRank() == 2)
        convert(b, rowOf(b, op.getTable(), row), rowOf(b, y, i));
      else
        unpack(b, op.getTable(), row, rowOf(b, y, i));
    });
    rewriter.eraseOp(op);
    return success();
  }

  static LogicalResult gatherMembers(nn::GatherRowsOp op,
                                     PatternRewriter &rewriter) {
    Value y = op.getOuts()[0];
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(y, 0), [&](Value i) {
      Value index = b.loadIndex(op.getIndices(), i);
      memref::StoreOp::create(
          b, memref::LoadOp::create(b, op.getTable(), index), y, i);
    });
    rewriter.eraseOp(op);
    return success();
  }

  static void unpack(VectorBuilder &b, Value table, Value row, Value y) {
    SmallVector<Slice> slices{Slice::at(b.div(row, kPanelColumns)),
                              Slice::all(b, table, 1),
                              Slice::at(b.rem(row, kPanelColumns))};
    AffineExpr k = b.getAffineDimExpr(0);
    SmallVector<AffineExpr> place{k};
    if (memrefOf(table).getRank() == 4) {
      slices.push_back(Slice::all(b, table, 3));
      place = {k.floorDiv(2), k % 2};
    }
    Type element = memrefOf(y).getElementType();
    generic(
        b, view(b, table, slices), y,
        {AffineMap::get(1, 0, place, b.getContext()), b.getDimIdentityMap()}, 0,
        [&](VectorBuilder &in, ValueRange args) {
          return Values{narrow(in, widen(in, args[0]), element)};
        });
  }
};

struct TokenSlotsToLinalg : OpRewritePattern<nn::TokenSlotsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::TokenSlotsOp op,
                                PatternRewriter &rewriter) const override {
    if (!memrefOf(op.getSlots()))
      return rewriter.notifyMatchFailure(op, "expected memrefs");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getSlots(), 0), [&](Value sequence) {
      Value begin = b.loadIndex(op.getSeqOffsets(), sequence);
      Value end = b.loadIndex(op.getSeqOffsets(), b.add(sequence, 1));
      Value tokens =
          view(b, op.getOuts()[0], Slice::from(begin, b.sub(end, begin)));
      fill(b, tokens, memref::LoadOp::create(b, op.getSlots(), sequence));
    });
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void fallback::populateLayers(RewritePatternSet &patterns) {
  patterns.add<RmsNormToLinalg, LayerNormToLinalg, RopeToLinalg,
               JoinHeadsToLinalg, GatherRowsToLinalg, TokenSlotsToLinalg>(
      patterns.getContext());
}
