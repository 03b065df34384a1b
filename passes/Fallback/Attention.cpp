//===- Attention.cpp - Generic lowering of append and attention -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A task is a token. For each of its heads the blocks of 32 stored positions
// are reduced in ascending order: scores, their maximum, and the weighted sum
// of the values, which is scaled down whenever the maximum rises.
//
//===----------------------------------------------------------------------===//

#include "dialects/Nn/Nn.h"
#include "passes/Cpu/Visible.h"
#include "passes/Fallback/Fallback.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;

static constexpr int64_t kBlock = nn::StateType::blockPositions;

namespace {
/// The buffers of a resolved state.
struct State {
  State(ValueRange operands)
      : keys(operands.front()), values(operands.drop_back().back()),
        table(operands.back()), prefix(operands.size() == 2) {}

  int64_t heads() const { return type(keys).getDimSize(1); }
  int64_t key() const { return type(keys).getDimSize(prefix ? 3 : 2); }
  /// Where the positions of a block of a slot are stored.
  Value block(VectorBuilder &b, Value slot, Value number) const {
    return b.loadIndex(table, {slot, number});
  }
  /// The elements `first` to `first + size` of the keys at `positions`; of one
  /// position a vector, of several a matrix.
  Value keysAt(VectorBuilder &b, Slice block, Value head, Slice positions,
               int64_t first, int64_t size) const {
    Slice elements = range(b, first, size);
    return prefix
               ? view(b, keys, {block, Slice::at(head), positions, elements})
               : view(b, keys, {block, Slice::at(head), elements, positions});
  }
  Value valuesAt(VectorBuilder &b, Slice block, Value head, Slice positions,
                 int64_t size) const {
    return view(b, values,
                {block, Slice::at(head), positions, range(b, 0, size)});
  }

  static Slice range(VectorBuilder &b, int64_t first, int64_t size) {
    return Slice::from(b.getIndexAttr(first), b.getIndexAttr(size));
  }
  static MemRefType type(Value value) {
    return cast<MemRefType>(value.getType());
  }

  Value keys, values, table;
  bool prefix; ///< Values are a prefix of keys: both are one pool.
};

/// Whether the operands are a resolved state of static sizes.
bool isResolved(ValueRange state) {
  return (state.size() == 2 || state.size() == 3) &&
         llvm::all_of(state.drop_back(), [](Value pool) {
           auto type = dyn_cast<MemRefType>(pool.getType());
           return type && type.getRank() == 4 &&
                  llvm::none_of(type.getShape().drop_front(),
                                ShapedType::isDynamic);
         });
}

struct AppendToLinalg : OpRewritePattern<nn::AppendOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::AppendOp op,
                                PatternRewriter &rewriter) const override {
    if (!isResolved(op.getState()))
      return rewriter.notifyMatchFailure(
          op, "expected a resolved state of static sizes");
    State state(op.getState());
    int64_t value = State::type(op.getValues()).getDimSize(1) / state.heads();
    int64_t first = state.prefix ? value : 0;
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getKeys(), 0), [&](Value token) {
      Value slot = b.loadIndex(op.getTokenSlots(), token);
      Value position = b.loadIndex(op.getPositions(), token);
      Slice block = Slice::at(state.block(b, slot, b.div(position, kBlock)));
      Slice place = Slice::at(b.rem(position, kBlock));
      b.forLoop(b.index(0), b.index(state.heads()), 1, [&](Value head) {
        int64_t size = state.key() - first;
        store(b, op.getKeys(), token, head, size,
              state.keysAt(b, block, head, place, first, size));
        store(b, op.getValues(), token, head, value,
              state.valuesAt(b, block, head, place, value));
      });
    });
    rewriter.eraseOp(op);
    return success();
  }

  static void store(VectorBuilder &b, Value rows, Value token, Value head,
                    int64_t size, Value to) {
    Type element = State::type(to).getElementType();
    elementwise(b, partOfRow(b, rows, token, b.mul(head, size), size), to,
                [&](VectorBuilder &in, ValueRange args) {
                  return Values{narrow(in, widen(in, args[0]), element)};
                });
  }
};

/// The attention of one token.
class TokenAttention {
public:
  TokenAttention(VectorBuilder &b, nn::AttentionOp op, Value token)
      : b(b), op(op), state(op.getState()), token(token),
        slot(b.loadIndex(op.getTokenSlots(), token)),
        position(b.loadIndex(op.getPositions(), token)),
        scores(buffer(b, {kBlock}, b.getF32Type())),
        value(State::type(op.getOuts()[0]).getDimSize(1) / op.getHeads()),
        sum(buffer(b, {value}, b.getF32Type())),
        cell(buffer(b, {}, b.getF32Type())) {
    // Positions before this one are outside the window or the chunk.
    begin = op.getFirst()
                ? b.loadIndex(op.getFirst(), token)
                : firstVisible(b, position, op.getWindow(), op.getChunk());
  }

  void emitHead(Value head) {
    int64_t group = op.getHeads() / op.getKvHeads();
    stateHead = b.div(head, group);
    query =
        partOfRow(b, op.getQ(), token, b.mul(head, state.key()), state.key());
    fill(b, sum, b.f32(0.0));
    // A sink is a score that comes first and whose value is 0.
    Value least = b.f32(-std::numeric_limits<double>::infinity());
    if (op.getSinks())
      least = memref::LoadOp::create(b, op.getSinks(), head);
    Value before = b.f32(op.getSinks() ? 1.0 : 0.0);
    Values carried =
        b.forLoop(b.div(begin, kBlock), b.add(b.div(position, kBlock), 1), 1,
                  {least, before}, [&](Value block, ValueRange carried) {
                    return emitBlock(block, carried[0], carried[1]);
                  });
    Value out = partOfRow(b, op.getOuts()[0], token, b.mul(head, value), value);
    Type element = State::type(out).getElementType();
    elementwise(b, sum, out, [&](VectorBuilder &in, ValueRange args) {
      Value mean = arith::DivFOp::create(in, args[0], carried[1]);
      return Values{narrow(in, mean, element)};
    });
  }

private:
  /// Adds a block; the new maximum and the new sum of the exponentials.
  Values emitBlock(Value block, Value maximum, Value total) {
    Value first = b.mul(block, kBlock);
    Value from = b.max(b.sub(begin, first), b.index(0));
    Value to = b.min(b.add(b.sub(position, first), 1), b.index(kBlock));
    Value count = b.sub(to, from);
    Slice visible = Slice::from(from, count);
    Slice place = Slice::at(state.block(b, slot, block));
    Value weights = view(b, scores, Slice::from(b.getIndexAttr(0), count));
    computeScores(state.keysAt(b, place, stateHead, visible, 0, state.key()),
                  weights);
    Value largest =
        reduced(weights, maximum, [](VectorBuilder &in, Value lhs, Value rhs) {
          return in.larger(rhs, lhs);
        });
    exponentiate(weights, largest);
    Value shrink =
        math::ExpOp::create(b, arith::SubFOp::create(b, maximum, largest));
    Value added = reduced(weights, b.f32(0.0), plus);
    addValues(weights, state.valuesAt(b, place, stateHead, visible, value),
              shrink);
    return {largest, plus(b, times(b, total, shrink), added)};
  }

  Value reduced(Value vector, Value init,
                function_ref<Value(VectorBuilder &, Value, Value)> combine) {
    set(b, cell, init);
    reduce(b, vector, cell, combine);
    return get(b, cell);
  }

  /// `to[j] = scale * q . key j`, with a softcap where there is one.
  void computeScores(Value keys, Value to) {
    fill(b, to, b.f32(0.0));
    AffineExpr d = b.getAffineDimExpr(0), j = b.getAffineDimExpr(1);
    generic(b, {query, keys}, to,
            {AffineMap::get(2, 0, d),
             AffineMap::get(2, 0,
                            state.prefix ? ArrayRef<AffineExpr>{j, d}
                                         : ArrayRef<AffineExpr>{d, j},
                            b.getContext()),
             AffineMap::get(2, 0, j)},
            1, [](VectorBuilder &in, ValueRange args) {
              Value product = times(in, widen(in, args[0]), widen(in, args[1]));
              return Values{plus(in, args[2], product)};
            });
    elementwise(b, {}, to, [&](VectorBuilder &in, ValueRange args) {
      Value scale = in.f32(op.getScale().convertToDouble());
      Value score = times(in, args[0], scale);
      if (double cap = op.getSoftcap().convertToDouble(); cap != 0) {
        score = arith::DivFOp::create(in, score, in.f32(cap));
        score = times(in, math::TanhOp::create(in, score), in.f32(cap));
      }
      return Values{score};
    });
  }

  void exponentiate(Value values, Value largest) {
    elementwise(b, {}, values, [&](VectorBuilder &in, ValueRange args) {
      Value less = arith::SubFOp::create(in, args[0], largest);
      return Values{math::ExpOp::create(in, less)};
    });
  }

  /// `sum = shrink * sum + weights * values`.
  void addValues(Value weights, Value values, Value shrink) {
    elementwise(b, {}, sum, [&](VectorBuilder &in, ValueRange args) {
      return Values{times(in, args[0], shrink)};
    });
    AffineExpr j = b.getAffineDimExpr(0), v = b.getAffineDimExpr(1);
    generic(b, {weights, values}, sum,
            {AffineMap::get(2, 0, j),
             AffineMap::get(2, 0, {j, v}, b.getContext()),
             AffineMap::get(2, 0, v)},
            1, [](VectorBuilder &in, ValueRange args) {
              Value product = times(in, args[0], widen(in, args[1]));
              return Values{plus(in, args[2], product)};
            });
  }

  VectorBuilder &b;
  nn::AttentionOp op;
  State state;
  Value token, slot, position, scores;
  int64_t value; ///< Elements of a value.
  Value sum, cell, begin, stateHead, query;
};

struct AttentionToLinalg : OpRewritePattern<nn::AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::AttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (!isResolved(op.getState()))
      return rewriter.notifyMatchFailure(
          op, "expected a resolved state of static sizes");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getQ(), 0), [&](Value token) {
      TokenAttention attention(b, op, token);
      b.forLoop(b.index(0), b.index(op.getHeads()), 1,
                [&](Value head) { attention.emitHead(head); });
    });
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void fallback::populateAttention(RewritePatternSet &patterns) {
  patterns.add<AppendToLinalg, AttentionToLinalg>(patterns.getContext());
}
