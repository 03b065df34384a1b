//===- LowerGatedDelta.cpp - The gated delta rule as vector code ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: every token decays a matrix S [key, value], compares it with its
// value, changes it and reads it. Token by token, S goes through the processor
// for each of them; a prompt should go at the speed of a matrix product, and
// give the same bytes.
//
// Idea: between the chunks of 32 absolute positions S stays as it is, and what
// a chunk's tokens add to it is kept beside it: their k and their additions u.
// With D(i, t) the sum of the decays of the tokens from i to t, and 0 the
// chunk's first one, for a token t of the chunk
//   u_t = beta_t (v_t - exp(D(0, t)) k_t S - sum over i < t of
//                 exp(D(i + 1, t)) (k_t . k_i) u_i),
//   y_t = exp(D(0, t)) q_t S + sum over i <= t of
//         exp(D(i + 1, t)) (q_t . k_i) u_i.
// Only the sums over i go from token to token; the products with S and with the
// k of the chunk are register tiles over the tokens of a step. The sums of
// decays are kept one by one: as differences of sums from the beginning they
// would lose what a strong decay before them takes.
//
// Steps of a task, which has one head of one sequence, for each chunk that the
// step touches:
// 1. put k beside S and, for the tiles, rows k_t and q_t side by side;
// 2. rows times S, rows times the chunk's k;
// 3. token by token, the sums of decays, u_t and y_t;
// 4. at the chunk's end, S becomes exp(D(0, 31)) S + sum over i of
//    exp(D(i + 1, 31)) k_i u_i.
// Each number is one chain in ascending order, whatever the tile, and all that
// it depends on is the sequence up to its token.
//
// Cost: a prompt reads S from the second-level cache once for the rows of a
// tile and writes it once for a chunk; one token reads S once.
//
// Source: S. Yang, J. Kautz, A. Hatamizadeh, "Gated Delta Networks",
// arXiv:2412.06464; S. Yang et al., "Parallelizing Linear Transformers with the
// Delta Rule over Sequence Length", arXiv:2406.06484.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Cpu/VectorBuilder.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace moec {
#define GEN_PASS_DEF_LOWERGATEDDELTAPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

using Values = VectorBuilder::Values;

static constexpr int64_t kChunk = nn::GatedDeltaOp::chunk;
/// Bytes that the buffers of a task may take of its thread's stack.
static constexpr int64_t kTaskBytes = 192 * 1024;

static int64_t bytesOfTask(int64_t key, int64_t value) {
  return 4 * (2 * kChunk * (key + value + kChunk) + kChunk + 1);
}

namespace {
/// Consecutive tokens of one chunk: those at the positions `from` to `to` of
/// it, the first of which is `token`.
struct Piece {
  Value token, from, to;
};

class DeltaBuilder {
public:
  DeltaBuilder(VectorBuilder &b, nn::GatedDeltaOp op, int64_t registers,
               Value slot, Value head)
      : b(b), op(op), key(op.getKey()), value(op.getValue()), slot(slot),
        head(head), keyHead(b.div(head, op.getHeads() / op.getKeyHeads())),
        tileRows(registers >= 32 ? 8 : 4),
        rows(b.stackBuffer({2 * kChunk, key})),
        products(b.stackBuffer({2 * kChunk, value})),
        scores(b.stackBuffer({2 * kChunk, kChunk})),
        factors(b.stackBuffer({kChunk + 1})) {}

  void clear();
  void build(Piece piece);

private:
  /// Vectors of a row, from the column `at` on.
  struct Columns {
    Value at;
    SmallVector<Chunk> vectors;
  };
  using Element = llvm::function_ref<Value(int64_t row, Value step)>;
  using Vector = llvm::function_ref<Value(Value step, Value column, int64_t)>;

  // The parts of the state.
  Values inState(int64_t part, Value at) {
    return {slot, head, b.add(at, part)};
  }
  Values matrix(Value row, Value column) {
    return inState(0, b.add(b.mul(row, value), column));
  }
  Values keys(Value row, Value token) {
    return inState(key * value, b.add(b.mul(row, kChunk), token));
  }
  Values additions(Value token, Value column) {
    return inState(key * value + kChunk * key,
                   b.add(b.mul(token, value), column));
  }
  /// D(i, t) for the token t that came last.
  Values decays(Value token) {
    return inState(key * value + kChunk * (key + value), token);
  }
  Value loadState(ValueRange at) {
    return memref::LoadOp::create(b, op.getState(), at);
  }

  void forColumns(int64_t width, int64_t vectors,
                  llvm::function_ref<void(const Columns &)> body);
  Values chains(int64_t rowCount, const Columns &columns, int64_t steps,
                Values sums, Element element, Vector vector);
  void multiply(Value count, int64_t steps, Value to, Vector vector);
  void append(Piece piece);
  void decay(Value token, Value place);
  void finishToken(Value index, Value token, Value place);
  void finishChunk();

  Value exponential(Value vector) { return math::ExpOp::create(b, vector); }
  Value scaled(Value vector, Value factor) {
    int64_t size = cast<VectorType>(vector.getType()).getDimSize(0);
    return arith::MulFOp::create(b, vector, b.broadcast(factor, size));
  }

  VectorBuilder &b;
  nn::GatedDeltaOp op;
  int64_t key, value;
  Value slot, head, keyHead;
  int64_t tileRows;
  Value rows;     // [2 i] is k of the i-th token of the piece, [2 i + 1] its q
  Value products; // rows times S
  Value scores;   // rows times the k of the chunk
  Value factors;  // exp(D(i, t)) for all i, and 1 for i = t + 1
};
} // namespace

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

void DeltaBuilder::forColumns(int64_t width, int64_t vectors,
                              llvm::function_ref<void(const Columns &)> body) {
  int64_t group = vectors * b.lanes;
  int64_t looped = width / group > 1 ? width / group * group : 0;
  if (looped)
    b.forLoop(b.index(0), b.index(looped), group,
              [&](Value at) { body({at, chunksOf(group, b.lanes)}); });
  SmallVector<Chunk> rest = chunksOf(width - looped, b.lanes);
  for (size_t i = 0; i < rest.size(); i += vectors) {
    Columns columns{b.index(looped + rest[i].offset), {}};
    for (size_t j = i; j < std::min(i + vectors, rest.size()); ++j)
      columns.vectors.push_back(
          {rest[j].offset - rest[i].offset, rest[j].size});
    body(columns);
  }
}

/// Chains of multiply-adds for some rows and vectors, on top of `sums`.
Values DeltaBuilder::chains(int64_t rowCount, const Columns &columns,
                            int64_t steps, Values sums, Element element,
                            Vector vector) {
  return b.forLoop(
      b.index(0), b.index(steps), 1, sums, [&](Value step, ValueRange carried) {
        Values vectors, next;
        for (const Chunk &chunk : columns.vectors)
          vectors.push_back(
              vector(step, b.add(columns.at, chunk.offset), chunk.size));
        for (int64_t r = 0; r < rowCount; ++r) {
          Value factor = element(r, step);
          for (auto [chunk, operand] :
               llvm::zip_equal(columns.vectors, vectors))
            next.push_back(b.fma(b.broadcast(factor, chunk.size), operand,
                                 carried[next.size()]));
        }
        return next;
      });
}

/// The first `count` rows, which is even, times a matrix of `steps` rows.
void DeltaBuilder::multiply(Value count, int64_t steps, Value to,
                            Vector vector) {
  int64_t width = cast<MemRefType>(to.getType()).getDimSize(1);
  Value from = b.index(0);
  for (int64_t rowCount : {tileRows, int64_t(2)}) {
    Value end = b.mul(b.div(count, rowCount), rowCount);
    b.forLoop(from, end, rowCount, [&](Value row) {
      forColumns(width, rowCount == 2 ? 4 : 2, [&](const Columns &columns) {
        Values sums;
        for (int64_t r = 0; r < rowCount; ++r)
          for (const Chunk &chunk : columns.vectors)
            sums.push_back(b.f32Splat(0.0, chunk.size));
        sums = chains(
            rowCount, columns, steps, sums,
            [&](int64_t r, Value step) -> Value {
              return memref::LoadOp::create(b, rows,
                                            ValueRange{b.add(row, r), step});
            },
            vector);
        for (size_t i = 0; i < sums.size(); ++i) {
          const Chunk &chunk = columns.vectors[i % columns.vectors.size()];
          b.store(sums[i], to,
                  {b.add(row, i / columns.vectors.size()),
                   b.add(columns.at, chunk.offset)});
        }
      });
    });
    from = end;
  }
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

void DeltaBuilder::clear() {
  b.forLoop(b.index(0), b.index(key), 1, [&](Value row) {
    b.forChunks(value, 4, [&](Value at, int64_t size) {
      b.store(b.f32Splat(0.0, size), op.getState(), matrix(row, at));
    });
  });
}

/// Puts what a piece brings where the later steps want it.
void DeltaBuilder::append(Piece piece) {
  b.forLoop(piece.from, piece.to, 1, [&](Value place) {
    Value index = b.sub(place, piece.from), token = b.add(piece.token, index);
    Value column = b.mul(keyHead, key), row = b.mul(index, 2);
    b.forChunks(key, 1, [&](Value at, int64_t size) {
      Value k = b.load(op.getK(), {token, b.add(column, at)}, size);
      b.store(k, rows, {row, at});
      for (int64_t i = 0; i < size; ++i)
        memref::StoreOp::create(b, vector::ExtractOp::create(b, k, i),
                                op.getState(), keys(b.add(at, i), place));
      b.store(b.load(op.getQ(), {token, b.add(column, at)}, size), rows,
              {b.add(row, 1), at});
    });
  });
}

/// Brings the sums of decays up to a token, and the factors. Those of later
/// tokens mean nothing.
void DeltaBuilder::decay(Value token, Value place) {
  Value decay =
      memref::LoadOp::create(b, op.getDecay(), ValueRange{token, head});
  b.forChunks(kChunk, 4, [&](Value at, int64_t size) {
    Value sums = b.load(op.getState(), decays(at), size);
    b.store(arith::AddFOp::create(b, sums, b.broadcast(decay, size)),
            op.getState(), decays(at));
  });
  memref::StoreOp::create(b, decay, op.getState(), decays(place));
  b.forChunks(kChunk, 4, [&](Value at, int64_t size) {
    b.store(exponential(b.load(op.getState(), decays(at), size)), factors, at);
  });
  memref::StoreOp::create(b, b.f32(1.0), factors, b.add(place, 1));
}

/// u and y of the token at `place` of the chunk, which is the piece's token of
/// this index.
void DeltaBuilder::finishToken(Value index, Value token, Value place) {
  Value ofK = b.mul(index, 2), ofQ = b.add(ofK, 1);
  decay(token, place);
  Value ofMatrix = memref::LoadOp::create(b, factors, b.index(0));
  b.forChunks(kChunk, 4, [&](Value at, int64_t size) {
    Value factor = b.load(factors, b.add(at, 1), size);
    for (Value row : {ofK, ofQ})
      b.store(arith::MulFOp::create(b, b.load(scores, {row, at}, size), factor),
              scores, {row, at});
  });
  Value beta = memref::LoadOp::create(b, op.getBeta(), ValueRange{token, head});
  forColumns(value, 4, [&](const Columns &columns) {
    Values sums;
    auto column = [&](const Chunk &chunk) {
      return b.add(columns.at, chunk.offset);
    };
    auto score = [&](Value row, Value at) -> Value {
      return memref::LoadOp::create(b, scores, ValueRange{row, at});
    };
    for (Value row : {ofK, ofQ})
      for (const Chunk &chunk : columns.vectors)
        sums.push_back(scaled(
            b.load(products, {row, column(chunk)}, chunk.size), ofMatrix));
    sums = b.forLoop(
        b.index(0), place, 1, sums, [&](Value earlier, ValueRange carried) {
          Values next, vectors;
          for (const Chunk &chunk : columns.vectors)
            vectors.push_back(b.load(
                op.getState(), additions(earlier, column(chunk)), chunk.size));
          for (Value row : {ofK, ofQ}) {
            Value factor = score(row, earlier);
            for (auto [chunk, u] : llvm::zip_equal(columns.vectors, vectors))
              next.push_back(b.fma(b.broadcast(factor, chunk.size), u,
                                   carried[next.size()]));
          }
          return next;
        });
    Value own = score(ofQ, place);
    for (auto [i, chunk] : llvm::enumerate(columns.vectors)) {
      Value at = b.add(b.mul(head, value), column(chunk));
      Value u =
          scaled(arith::SubFOp::create(
                     b, b.load(op.getV(), {token, at}, chunk.size), sums[i]),
                 beta);
      b.store(u, op.getState(), additions(place, column(chunk)));
      b.store(b.fma(b.broadcast(own, chunk.size), u,
                    sums[columns.vectors.size() + i]),
              op.getOuts()[0], {token, at});
    }
  });
}

/// Adds a complete chunk to S; the factors are those of its last token.
void DeltaBuilder::finishChunk() {
  Value ofMatrix = memref::LoadOp::create(b, factors, b.index(0));
  // The products are done with; decayed additions take their place.
  b.forLoop(b.index(0), b.index(kChunk), 1, [&](Value token) {
    Value factor = memref::LoadOp::create(b, factors, b.add(token, 1));
    b.forChunks(value, 4, [&](Value at, int64_t size) {
      Value u = b.load(op.getState(), additions(token, at), size);
      b.store(scaled(u, factor), products, {token, at});
    });
  });
  Value from = b.index(0);
  for (int64_t rowCount : {tileRows, int64_t(1)}) {
    Value end = b.index(key / rowCount * rowCount);
    b.forLoop(from, end, rowCount, [&](Value row) {
      forColumns(value, 2, [&](const Columns &columns) {
        auto place = [&](size_t i) {
          const Chunk &chunk = columns.vectors[i % columns.vectors.size()];
          return matrix(b.add(row, i / columns.vectors.size()),
                        b.add(columns.at, chunk.offset));
        };
        Values sums;
        for (size_t i = 0; i < rowCount * columns.vectors.size(); ++i)
          sums.push_back(
              scaled(b.load(op.getState(), place(i),
                            columns.vectors[i % columns.vectors.size()].size),
                     ofMatrix));
        sums = chains(
            rowCount, columns, kChunk, sums,
            [&](int64_t r, Value step) {
              return loadState(keys(b.add(row, r), step));
            },
            [&](Value step, Value column, int64_t size) {
              return b.load(products, {step, column}, size);
            });
        for (auto [i, sum] : llvm::enumerate(sums))
          b.store(sum, op.getState(), place(i));
      });
    });
    from = end;
  }
}

void DeltaBuilder::build(Piece piece) {
  append(piece);
  Value count = b.sub(piece.to, piece.from), twice = b.mul(count, 2);
  multiply(twice, key, products, [&](Value step, Value column, int64_t size) {
    return b.load(op.getState(), matrix(step, column), size);
  });
  multiply(twice, key, scores, [&](Value step, Value column, int64_t size) {
    return b.load(op.getState(), keys(step, column), size);
  });
  b.forLoop(b.index(0), count, 1, [&](Value index) {
    finishToken(index, b.add(piece.token, index), b.add(piece.from, index));
  });
  Value isComplete = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                           piece.to, b.index(kChunk));
  b.ifThen(isComplete, [&] { finishChunk(); });
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// The part of a step that is one head of the sequence of this number.
static void buildTask(VectorBuilder &b, nn::GatedDeltaOp op, int64_t registers,
                      Value number, Value head) {
  Value first = b.loadIndex(op.getSeqOffsets(), number);
  Value count = b.sub(b.loadIndex(op.getSeqOffsets(), b.add(number, 1)), first);
  DeltaBuilder builder(b, op, registers, b.loadIndex(op.getSlots(), number),
                       head);
  // Of a sequence without rows, no position says where it is.
  Value hasRows =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, count, b.index(0));
  b.ifThen(hasRows, [&] {
    Value position = b.loadIndex(op.getPositions(), first);
    Value begins = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, position,
                                         b.index(0));
    b.ifThen(begins, [&] { builder.clear(); });
    Value end = b.add(position, count);
    b.forLoop(b.div(position, kChunk), b.ceilDiv(end, kChunk), 1,
              [&](Value chunk) {
                Value base = b.mul(chunk, kChunk);
                Value from = b.max(b.sub(position, base), b.index(0));
                Value to = b.min(b.sub(end, base), b.index(kChunk));
                Value at = b.sub(b.add(base, from), position);
                builder.build({b.add(first, at), from, to});
              });
  });
}

namespace {
struct GatedDeltaToVectors : OpRewritePattern<nn::GatedDeltaOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::GatedDeltaOp op,
                                PatternRewriter &rewriter) const override {
    auto target = moe::TargetAttr::of(op);
    if (!target || kChunk % target.lanes())
      return rewriter.notifyMatchFailure(
          op, "expected moe.target on the module, with lanes that divide the "
              "32 positions of a chunk");
    if (!isRowMajor(op.getState()) ||
        !llvm::all_of(ValueRange{op.getQ(), op.getK(), op.getV(), op.getDecay(),
                                 op.getBeta(), op.getOuts()[0]},
                      [](Value rows) { return isRowMajor(rows); }))
      return rewriter.notifyMatchFailure(
          op, "expected a resolved state, and rows of static width without "
              "gaps");
    int64_t key = op.getKey(), value = op.getValue(), heads = op.getHeads();
    if (bytesOfTask(key, value) > kTaskBytes)
      return rewriter.notifyMatchFailure(
          op, "expected keys and values of which a chunk fits the stack");
    VectorBuilder b(op.getLoc(), rewriter, target.lanes());
    b.tasks(b.mul(b.dim(op.getSlots(), 0), heads), [&](Value task) {
      buildTask(b, op, target.getVectorRegisters(), b.div(task, heads),
                b.rem(task, heads));
    });
    Explain("moe-cpu-lower-gated-delta", "gated-delta")
        .passed(op, Twine(heads) + " heads, key " + Twine(key) + ", value " +
                        Twine(value) +
                        ", chunks of 32 positions, tasks of a sequence and a "
                        "head");
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerGatedDelta : moec::impl::LowerGatedDeltaPassBase<LowerGatedDelta> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<GatedDeltaToVectors>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
