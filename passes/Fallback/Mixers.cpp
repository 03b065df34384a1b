//===- Mixers.cpp - Generic lowering of recurrent layers ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Token by token, as the ops are defined, and what tells mixers in recursions
// which tokens these are. The delta rule keeps its matrix up to
// date and needs nothing else of the state.
//
//===----------------------------------------------------------------------===//

#include "dialects/Nn/Nn.h"
#include "passes/Cpu/Visible.h"
#include "passes/Fallback/Fallback.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;

namespace {
/// The tokens of one sequence of the step.
template <typename OpTy> struct Sequence {
  Sequence(VectorBuilder &b, OpTy op, Value number)
      : from(b.loadIndex(op.getSeqOffsets(), number)),
        to(b.loadIndex(op.getSeqOffsets(), b.add(number, 1))),
        slot(b.loadIndex(op.getSlots(), number)) {}

  /// Calls `begin` when the sequence begins with this step, then `body` with
  /// every token.
  void forTokens(VectorBuilder &b, OpTy op, function_ref<void()> begin,
                 function_ref<void(Value)> body) const {
    b.forLoop(from, to, 1, [&](Value token) {
      Value position = b.loadIndex(op.getPositions(), token);
      Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                            position, b.index(0));
      b.ifThen(isFirst, begin);
      body(token);
    });
  }

  Value from, to, slot;
};

bool isStatic(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return type &&
         llvm::none_of(type.getShape().drop_front(), ShapedType::isDynamic);
}

Value load(VectorBuilder &b, Value memref, ValueRange indices) {
  return widen(b, memref::LoadOp::create(b, memref, indices));
}

void store(VectorBuilder &b, Value value, Value memref, ValueRange indices) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  memref::StoreOp::create(b, narrow(b, value, element), memref, indices);
}

struct ShortConvToLinalg : OpRewritePattern<nn::ShortConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::ShortConvOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getX(), y = op.getOuts()[0], state = op.getState();
    if (!isStatic(x) || !isStatic(y) || !isStatic(state))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs of static width and a resolved state");
    auto pool = cast<MemRefType>(state.getType());
    int64_t past = pool.getDimSize(1), channels = pool.getDimSize(2);
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getSlots(), 0), [&](Value number) {
      Sequence<nn::ShortConvOp> sequence(b, op, number);
      auto clear = [&] {
        fill(b,
             view(b, state,
                  {Slice::at(sequence.slot), Slice::all(b, state, 1),
                   Slice::all(b, state, 2)}),
             b.f32(0.0));
      };
      sequence.forTokens(b, op, clear, [&](Value token) {
        b.forLoop(b.index(0), b.index(channels), 1, [&](Value channel) {
          auto held = [&](int64_t j) {
            return Values{sequence.slot, b.index(j), channel};
          };
          auto weight = [&](int64_t j) {
            return load(b, op.getWeight(), {channel, b.index(0), b.index(j)});
          };
          Value sum =
              op.getBias() ? load(b, op.getBias(), channel) : b.f32(0.0);
          Value now = load(b, x, {token, channel});
          for (int64_t j = 0; j < past; ++j) {
            Value earlier = load(b, state, held(j));
            sum = plus(b, sum, times(b, weight(j), earlier));
            if (j > 0)
              store(b, earlier, state, held(j - 1));
          }
          store(b, now, state, held(past - 1));
          store(b, plus(b, sum, times(b, weight(past), now)), y,
                {token, channel});
        });
      });
    });
    rewriter.eraseOp(op);
    return success();
  }
};

struct PlacesToLoops : OpRewritePattern<nn::PlacesOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::PlacesOp op,
                                PatternRewriter &rewriter) const override {
    Value ids = op.getIds(), state = op.getState();
    if (!isStatic(ids) || !isStatic(state))
      return rewriter.notifyMatchFailure(op, "expected memrefs and a resolved "
                                             "state");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.dim(op.getSlots(), 0), [&](Value number) {
      Sequence<nn::PlacesOp> sequence(b, op, number);
      auto held = [&](Value position) {
        return Values{sequence.slot, b.index(0), position};
      };
      auto clear = [&] { store(b, b.f32(0.0), state, held(b.index(0))); };
      sequence.forTokens(b, op, clear, [&](Value token) {
        Value position = b.loadIndex(op.getPositions(), token);
        Value count = load(b, state, held(position));
        Value place = arith::FPToSIOp::create(b, b.getI32Type(), count);
        memref::StoreOp::create(b, place, op.getOuts()[0], token);
        Value id = memref::LoadOp::create(b, ids, Values{token, b.index(0)});
        Value counts = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, id,
                                             b.i32(op.getFrom()));
        Value more = arith::SelectOp::create(b, counts,
                                             plus(b, count, b.f32(1.0)), count);
        store(b, more, state, held(b.add(position, 1)));
      });
    });
    rewriter.eraseOp(op);
    return success();
  }
};

struct FirstPlacesToLoops : OpRewritePattern<nn::FirstPlacesOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::FirstPlacesOp op,
                                PatternRewriter &rewriter) const override {
    if (!isStatic(op.getState()))
      return rewriter.notifyMatchFailure(op, "expected a resolved state");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    b.tasks(b.index(1), [&](Value) {
      b.forLoop(b.index(0), b.dim(op.getPositions(), 0), 1, [&](Value token) {
        Value position = b.loadIndex(op.getPositions(), token);
        Value first = firstVisible(b, position, op.getWindow(), op.getChunk());
        Value slot = b.loadIndex(op.getTokenSlots(), token);
        Value count = load(b, op.getState(), {slot, b.index(0), first});
        Value place = arith::FPToSIOp::create(b, b.getI32Type(), count);
        memref::StoreOp::create(b, place, op.getOuts()[0], token);
      });
    });
    rewriter.eraseOp(op);
    return success();
  }
};

struct SeqRowsToLoops : OpRewritePattern<nn::SeqRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::SeqRowsOp op,
                                PatternRewriter &rewriter) const override {
    Value out = op.getOuts()[0];
    if (!isa<MemRefType>(out.getType()))
      return rewriter.notifyMatchFailure(op, "expected memrefs");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    // Rows of a sequence lie together, behind those of earlier ones.
    b.tasks(b.index(1), [&](Value) {
      Value rows = b.dim(op.getTokenSlots(), 0);
      memref::StoreOp::create(b, b.i32(0), out, b.index(0));
      b.forLoop(b.index(0), b.dim(op.getSlots(), 0), 1, [&](Value number) {
        Value slot = b.loadIndex(op.getSlots(), number);
        Value begin = b.loadIndex(out, number);
        Values end =
            b.forLoop(begin, rows, 1, begin,
                      [&](Value row, ValueRange carried) -> Values {
                        Value other = b.loadIndex(op.getTokenSlots(), row);
                        Value isOwn = arith::CmpIOp::create(
                            b, arith::CmpIPredicate::eq, other, slot);
                        return {arith::SelectOp::create(b, isOwn, b.add(row, 1),
                                                        carried[0])};
                      });
        Value number32 = arith::IndexCastOp::create(b, b.getI32Type(), end[0]);
        memref::StoreOp::create(b, number32, out, b.add(number, 1));
      });
    });
    rewriter.eraseOp(op);
    return success();
  }
};

/// One token of one head.
class DeltaStep {
public:
  DeltaStep(VectorBuilder &b, nn::GatedDeltaOp op, Value slot, Value head)
      : b(b), op(op), slot(slot), head(head),
        keyHead(b.div(head, op.getHeads() / op.getKeyHeads())),
        cell(buffer(b, {}, b.getF32Type())) {}

  void clear() {
    forKey([&](Value i) {
      forValue([&](Value j) { setMatrix(i, j, b.f32(0.0)); });
    });
  }

  void emit(Value token) {
    Value decay = math::ExpOp::create(b, load(b, op.getDecay(), {token, head}));
    Value beta = load(b, op.getBeta(), {token, head});
    forKey([&](Value i) {
      forValue(
          [&](Value j) { setMatrix(i, j, times(b, decay, matrix(i, j))); });
    });
    forValue([&](Value j) {
      Values at{token, b.add(b.mul(head, op.getValue()), j)};
      Value known = product(op.getK(), token, j);
      Value change = times(
          b, beta, arith::SubFOp::create(b, load(b, op.getV(), at), known));
      forKey([&](Value i) {
        Value added = times(b, ofKey(op.getK(), token, i), change);
        setMatrix(i, j, plus(b, matrix(i, j), added));
      });
      store(b, product(op.getQ(), token, j), op.getOuts()[0], at);
    });
  }

private:
  void forKey(function_ref<void(Value)> body) {
    b.forLoop(b.index(0), b.index(op.getKey()), 1, body);
  }
  void forValue(function_ref<void(Value)> body) {
    b.forLoop(b.index(0), b.index(op.getValue()), 1, body);
  }
  Values place(Value i, Value j) {
    return {slot, head, b.add(b.mul(i, op.getValue()), j)};
  }
  Value matrix(Value i, Value j) { return load(b, op.getState(), place(i, j)); }
  void setMatrix(Value i, Value j, Value value) {
    store(b, value, op.getState(), place(i, j));
  }
  Value ofKey(Value rows, Value token, Value i) {
    return load(b, rows, {token, b.add(b.mul(keyHead, op.getKey()), i)});
  }
  /// A row times column j of the matrix.
  Value product(Value rows, Value token, Value j) {
    set(b, cell, b.f32(0.0));
    forKey([&](Value i) {
      set(b, cell,
          plus(b, get(b, cell), times(b, ofKey(rows, token, i), matrix(i, j))));
    });
    return get(b, cell);
  }

  VectorBuilder &b;
  nn::GatedDeltaOp op;
  Value slot, head, keyHead, cell;
};

struct GatedDeltaToLinalg : OpRewritePattern<nn::GatedDeltaOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::GatedDeltaOp op,
                                PatternRewriter &rewriter) const override {
    if (!llvm::all_of(op->getOperands(), isStatic))
      return rewriter.notifyMatchFailure(
          op, "expected memrefs of static width and a resolved state");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    int64_t heads = op.getHeads();
    b.tasks(b.mul(b.dim(op.getSlots(), 0), heads), [&](Value task) {
      Sequence<nn::GatedDeltaOp> sequence(b, op, b.div(task, heads));
      DeltaStep step(b, op, sequence.slot, b.rem(task, heads));
      sequence.forTokens(
          b, op, [&] { step.clear(); }, [&](Value token) { step.emit(token); });
    });
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void fallback::populateMixers(RewritePatternSet &patterns) {
  patterns.add<ShortConvToLinalg, PlacesToLoops, FirstPlacesToLoops,
               SeqRowsToLoops, GatedDeltaToLinalg>(patterns.getContext());
}
