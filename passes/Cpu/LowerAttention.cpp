//===- LowerAttention.cpp - Attention over state as vector code -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: softmax(scale * q . K) . V for every token of a ragged step, whose
// bits may depend on nothing but the token's own sequence, at the speed of a
// matrix product for a prompt and of memory for one token.
//
// Idea: online softmax over blocks of 32 positions at absolute places. A row
// (one query head of one token) carries the maximum of its scores so far, the
// sum of its exponentials and the sum of its values, both relative to that
// maximum; a block with a larger maximum scales them down. The order of a row's
// operations follows from its own position, so that rows may share tiles
// freely.
//
// Steps of a task, which has some consecutive tokens and one head of the state
// with the query heads that read it:
// 1. cut the tokens into runs: one sequence, consecutive positions;
// 2. for each block that the run sees: scores of all rows that see any of it,
//    in register tiles, over all 32 lanes (a lane that holds garbage spoils no
//    other; neither does a position, where keys lie in rows); then, row by row,
//    lanes that the row does not see become -inf, and maximum, exponentials and
//    sums are brought up to date;
// 3. add the values. Storage that a row does not see may hold anything, even
//    NaN, so that a product with 0 will not do: rows of a tile share the lanes
//    that all of them see, and each adds by itself, in ascending order, those
//    that it sees before and after them (the diagonal, the edge of the window).
//
// Cost: a prompt reads a block from the second-level cache once for a task's
// rows, and a decoding step reads the state once for each of its heads.
//
// Source: M. Milakov, N. Gimelshein, "Online normalizer calculation for
// softmax", arXiv:1805.02867; T. Dao et al., "FlashAttention",
// arXiv:2205.14135.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Cpu/AttentionTiles.h"
#include "passes/Cpu/Visible.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Remarks.h"

#include <limits>

namespace moec {
#define GEN_PASS_DEF_LOWERATTENTIONPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

using Values = VectorBuilder::Values;

/// Rows that a task aims at: a block that was brought into the first-level
/// cache serves all of them.
static constexpr int64_t kTaskRows = 24;
/// Bytes that the buffers of a task may take of its thread's stack.
static constexpr int64_t kTaskBytes = 192 * 1024;

namespace {
/// How the work is cut into tasks.
struct Cut {
  int64_t tokens; // of a task
  int64_t heads;  // query heads of a task, all of one head of the state
  int64_t rows() const { return tokens * heads; }
};

/// Tokens of one sequence at consecutive positions, as generated values.
struct Run {
  Value token, count, position, slot;
};

class AttentionBuilder {
public:
  AttentionBuilder(VectorBuilder &b, nn::AttentionOp op, const State &state,
                   TileShape shape, Cut cut)
      : b(b), op(op), state(state), cut(cut),
        tiles(b, state, shape, cut.rows()), maxima(b.stackBuffer({cut.rows()})),
        totals(b.stackBuffer({cut.rows(), b.lanes})) {}

  /// The attention of query heads `head`, ... for the tokens `from` to `to`.
  void build(Value head, Value from, Value to);

private:
  void forRuns(Value from, Value to, llvm::function_ref<void(Run)> body);
  Value lengthOfRun(Value token, Value to);
  void start(Run run, Value head);
  void visit(Run run, StateBlock block, Value base);
  Value capped(Value score);
  void update(Run run, Value base, Value row);
  void addValues(Run run, StateBlock block, Value base, int64_t rows,
                 Value row);
  void finish(Run run, Value head);

  Value position(Run run, Value row) {
    return b.add(run.position, b.div(row, cut.heads));
  }
  /// Whether a token may not see what came long before it.
  bool isLimited() { return op.getWindow() || op.getChunk() || op.getFirst(); }
  Value firstVisible(Run run, Value token);
  Value endOfReaders(Run run, Value base);
  std::pair<Value, Value> visible(Run run, Value base, Value row);
  void forRows(Run run, Value head,
               llvm::function_ref<void(Value row, Value token, Value head)>);

  VectorBuilder &b;
  nn::AttentionOp op;
  const State &state;
  Cut cut;
  AttentionTiles tiles;
  Value maxima; // [rows]
  Value totals; // [rows, lanes], sums of exponentials by lane
};
} // namespace

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

Value AttentionBuilder::lengthOfRun(Value token, Value to) {
  Value positions = op.getPositions(), slots = op.getTokenSlots();
  Value position = b.loadIndex(positions, token);
  Value slot = b.loadIndex(slots, token);
  auto equal = [&](Value lhs, Value rhs) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lhs, rhs);
  };
  // The length grows with every token until one is not the expected one.
  Values length = b.forLoop(
      b.add(token, 1), to, 1, b.index(1),
      [&](Value next, ValueRange carried) -> Values {
        Value distance = b.sub(next, token);
        Value continues = arith::AndIOp::create(
            b,
            arith::AndIOp::create(
                b, equal(b.loadIndex(slots, next), slot),
                equal(b.loadIndex(positions, next), b.add(position, distance))),
            equal(carried[0], distance));
        return {b.add(carried[0], arith::IndexCastUIOp::create(
                                      b, b.getIndexType(), continues))};
      });
  return length[0];
}

void AttentionBuilder::forRuns(Value from, Value to,
                               llvm::function_ref<void(Run)> body) {
  auto loop = scf::WhileOp::create(
      b, TypeRange{b.getIndexType()}, ValueRange{from},
      [&](OpBuilder &, Location, ValueRange token) {
        Value more =
            arith::CmpIOp::create(b, arith::CmpIPredicate::slt, token[0], to);
        scf::ConditionOp::create(b, more, token);
      },
      [&](OpBuilder &, Location, ValueRange token) {
        Run run{token[0], lengthOfRun(token[0], to),
                b.loadIndex(op.getPositions(), token[0]),
                b.loadIndex(op.getTokenSlots(), token[0])};
        body(run);
        scf::YieldOp::create(b, b.add(run.token, run.count));
      });
  b.setInsertionPointAfter(loop);
}

/// For every row of a run: the row, its token and its query head.
void AttentionBuilder::forRows(
    Run run, Value head, llvm::function_ref<void(Value, Value, Value)> body) {
  b.forLoop(b.index(0), run.count, 1, [&](Value i) {
    b.forLoop(b.index(0), b.index(cut.heads), 1, [&](Value h) {
      body(b.add(b.mul(i, cut.heads), h), b.add(run.token, i), b.add(head, h));
    });
  });
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// The first position that this token of a run sees; it never falls from one
/// token to the next.
Value AttentionBuilder::firstVisible(Run run, Value token) {
  if (Value first = op.getFirst())
    return b.loadIndex(first, b.add(run.token, token));
  return moec::firstVisible(b, b.add(run.position, token), op.getWindow(),
                            op.getChunk());
}

/// How many tokens of a run come before the first that sees nothing of the
/// block at `base`, since that is too long ago.
Value AttentionBuilder::endOfReaders(Run run, Value base) {
  Value last = b.add(base, State::positions - 1), end;
  if (Value first = op.getFirst())
    return b.forLoop(
        b.index(0), run.count, 1, b.index(0),
        [&](Value token, ValueRange carried) -> Values {
          Value at = b.loadIndex(first, b.add(run.token, token));
          Value sees =
              arith::CmpIOp::create(b, arith::CmpIPredicate::sle, at, last);
          return {b.add(carried[0], arith::IndexCastUIOp::create(
                                        b, b.getIndexType(), sees))};
        })[0];
  if (int64_t window = op.getWindow())
    end = b.add(last, window);
  if (int64_t chunk = op.getChunk()) {
    Value next = b.mul(b.add(b.div(last, chunk), 1), chunk);
    end = end ? b.min(end, next) : next;
  }
  return b.sub(end, run.position);
}

/// The lanes from and to of the block at `base` that a row sees. Where it sees
/// none, they are in no order.
std::pair<Value, Value> AttentionBuilder::visible(Run run, Value base,
                                                  Value row) {
  Value at = position(run, row), from = b.index(0);
  if (isLimited())
    from = b.max(b.sub(firstVisible(run, b.div(row, cut.heads)), base), from);
  Value end = b.sub(b.add(at, 1), base);
  return {from, b.min(end, b.index(State::positions))};
}

void AttentionBuilder::start(Run run, Value head) {
  double scale = op.getScale().convertToDouble();
  double lowest = -std::numeric_limits<double>::infinity();
  forRows(run, head, [&](Value row, Value token, Value head) {
    Value column = b.mul(head, state.key);
    b.forChunks(state.key, 4, [&](Value at, int64_t size) {
      Value q = b.load(op.getQ(), {token, b.add(column, at)}, size);
      b.store(arith::MulFOp::create(b, q, b.f32Splat(scale, size)),
              tiles.queries, {row, at});
    });
    b.forChunks(state.value, 4, [&](Value at, int64_t size) {
      b.store(b.f32Splat(0.0, size), tiles.sums, {row, at});
    });
    Value total = b.f32Splat(0.0, b.lanes), maximum = b.f32(lowest);
    // A sink is a score that comes first, in lane 0, and whose value is 0.
    if (Value sinks = op.getSinks()) {
      maximum = memref::LoadOp::create(b, sinks, head);
      total = vector::InsertOp::create(b, b.f32(1.0), total, 0);
    }
    b.store(total, totals, {row, b.index(0)});
    memref::StoreOp::create(b, maximum, maxima, row);
  });
}

/// Takes one block into account, for the rows that see any of it.
void AttentionBuilder::visit(Run run, StateBlock block, Value base) {
  Value first = b.max(b.sub(base, run.position), b.index(0));
  Value end = run.count;
  if (isLimited())
    end = b.min(end, endOfReaders(run, base));
  Value from = b.mul(first, cut.heads), to = b.mul(end, cut.heads);
  tiles.forTiles(from, to, [&](int64_t rows, Value row) {
    tiles.score(rows, row, block);
  });
  b.forLoop(from, to, 1, [&](Value row) { update(run, base, row); });
  tiles.forTiles(from, to, [&](int64_t rows, Value row) {
    addValues(run, block, base, rows, row);
  });
}

/// cap * tanh(score / cap), where there is a cap.
Value AttentionBuilder::capped(Value score) {
  double softcap = op.getSoftcap().convertToDouble();
  if (softcap == 0)
    return score;
  Value cap = b.f32Splat(softcap, b.lanes);
  Value part = math::TanhOp::create(b, arith::DivFOp::create(b, score, cap));
  return arith::MulFOp::create(b, cap, part);
}

/// Turns a row's scores into exponentials relative to its new maximum, and
/// scales its sums to that.
void AttentionBuilder::update(Run run, Value base, Value row) {
  auto [from, to] = visible(run, base, row);
  auto i32 = [&](Value number) {
    Value cast = arith::IndexCastOp::create(b, b.getI32Type(), number);
    return b.broadcast(cast, b.lanes);
  };
  Value first = isLimited() ? i32(from) : Value(), end = i32(to);
  Values scores;
  for (int64_t at = 0; at < State::positions; at += b.lanes) {
    auto numbers = llvm::to_vector_of<int32_t>(llvm::seq(at, at + b.lanes));
    Value lanes = arith::ConstantOp::create(b, b.getI32VectorAttr(numbers));
    Value seen =
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lanes, end);
    if (first)
      seen = arith::AndIOp::create(
          b, seen,
          arith::CmpIOp::create(b, arith::CmpIPredicate::sge, lanes, first));
    Value score = b.load(tiles.scores, {row, b.index(at)}, b.lanes);
    scores.push_back(arith::SelectOp::create(
        b, seen, capped(score),
        b.f32Splat(-std::numeric_limits<double>::infinity(), b.lanes)));
  }
  auto larger = [&](Value lhs, Value rhs) { return b.larger(lhs, rhs); };
  auto plus = [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  };
  auto exponential = [&](Value score, Value maximum) -> Value {
    return math::ExpOp::create(b, arith::SubFOp::create(b, score, maximum));
  };
  Value old = memref::LoadOp::create(b, maxima, row);
  Value maximum = b.larger(b.reduce(scores, larger), old);
  memref::StoreOp::create(b, maximum, maxima, row);
  Value splat = b.broadcast(maximum, b.lanes);
  for (auto [i, score] : llvm::enumerate(scores)) {
    score = exponential(score, splat);
    b.store(score, tiles.scores, {row, b.index(i * b.lanes)});
  }
  Value shrink = exponential(b.broadcast(old, b.lanes), splat);
  SmallVector<Value> total{row, b.index(0)};
  b.store(b.fma(b.load(totals, total, b.lanes), shrink, b.tree(scores, plus)),
          totals, total);
  Value factor = vector::ExtractOp::create(b, shrink, 0);
  b.forChunks(state.value, 4, [&](Value at, int64_t size) {
    Value sum = b.load(tiles.sums, {row, at}, size);
    b.store(arith::MulFOp::create(b, sum, b.broadcast(factor, size)),
            tiles.sums, {row, at});
  });
}

/// Adds the values of a block to the sums of the rows of a tile.
void AttentionBuilder::addValues(Run run, StateBlock block, Value base,
                                 int64_t rows, Value row) {
  auto [from, to] = visible(run, base, row);
  if (rows == 1)
    return tiles.accumulate(1, row, block, from, to);
  // Later rows see later lanes: the last one decides where the lanes that all
  // see begin, the first one where they end.
  Value last = b.add(row, rows - 1);
  auto [common, lastEnd] = visible(run, base, last);
  Value commonEnd = b.max(common, to);
  auto alone = [&](Value first, Value end) {
    b.forLoop(row, b.add(row, rows), 1, [&](Value one) {
      auto [from, to] = visible(run, base, one);
      tiles.accumulate(1, one, block, b.max(from, first), b.min(to, end));
    });
  };
  auto less = [&](Value lhs, Value rhs) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lhs, rhs);
  };
  if (isLimited())
    b.ifThen(less(from, common), [&] { alone(b.index(0), common); });
  tiles.accumulate(rows, row, block, common, commonEnd);
  b.ifThen(less(commonEnd, lastEnd),
           [&] { alone(commonEnd, b.index(State::positions)); });
}

void AttentionBuilder::finish(Run run, Value head) {
  auto plus = [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, lhs, rhs);
  };
  forRows(run, head, [&](Value row, Value token, Value head) {
    Value total = b.reduce(b.load(totals, {row, b.index(0)}, b.lanes), plus);
    Value column = b.mul(head, state.value);
    b.forChunks(state.value, 4, [&](Value at, int64_t size) {
      Value sum = b.load(tiles.sums, {row, at}, size);
      b.store(arith::DivFOp::create(b, sum, b.broadcast(total, size)),
              op.getOuts()[0], {token, b.add(column, at)});
    });
  });
}

void AttentionBuilder::build(Value head, Value from, Value to) {
  int64_t heads = op.getHeads() / state.heads;
  forRuns(from, to, [&](Run run) {
    start(run, head);
    Value firstBlock = b.div(firstVisible(run, b.index(0)), State::positions);
    Value end = b.ceilDiv(b.add(run.position, run.count), State::positions);
    b.forLoop(firstBlock, end, 1, [&](Value number) {
      StateBlock block{state.block(b, run.slot, number), b.div(head, heads)};
      visit(run, block, b.mul(number, State::positions));
    });
    finish(run, head);
  });
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// Tasks of whole tokens and all query heads of a head of the state where their
/// buffers are small enough, else of some of these heads.
static std::optional<Cut> chooseCut(const State &state, int64_t lanes,
                                    int64_t group) {
  int64_t rowBytes =
      4 * (state.key + state.value + State::positions + lanes + 1);
  int64_t most = kTaskBytes / rowBytes;
  // All heads may read one head of the state: one token is work for many.
  if (state.prefix)
    most = std::min(most, kTaskRows);
  for (int64_t heads = group; heads >= 1; --heads)
    if (group % heads == 0 && heads <= most)
      return Cut{std::max<int64_t>(1, std::min(kTaskRows, most) / heads),
                 heads};
  return std::nullopt;
}

namespace {
struct AttentionToVectors : OpRewritePattern<nn::AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::AttentionOp op,
                                PatternRewriter &rewriter) const override {
    Value q = op.getQ(), y = op.getOuts()[0];
    auto target = moe::TargetAttr::of(op);
    if (!target || State::positions % target.lanes())
      return rewriter.notifyMatchFailure(
          op, "expected moe.target on the module, with lanes that divide the "
              "32 positions of a block");
    int64_t heads = op.getHeads();
    FailureOr<State> state = State::get(op.getState(), y, heads);
    if (failed(state))
      return rewriter.notifyMatchFailure(op, State::expected);
    if (state->heads != int64_t(op.getKvHeads()) ||
        !isRowMajor(q, heads * state->key) ||
        !isRowMajor(y, heads * state->value))
      return rewriter.notifyMatchFailure(
          op, "expected queries and output in rows without gaps, as wide as "
              "their heads of the state's key and value");
    std::optional<Cut> cut =
        chooseCut(*state, target.lanes(), heads / state->heads);
    if (!cut)
      return rewriter.notifyMatchFailure(
          op, "expected keys and values of which one row fits the stack");

    VectorBuilder b(op.getLoc(), rewriter, target.lanes());
    TileShape shape{target.getVectorRegisters()};
    Value count = b.ceilDiv(b.dim(q, 0), cut->tokens);
    // Neighbours in the order of tasks read the same head of the state.
    b.tasks(b.mul(count, heads / cut->heads), [&](Value task) {
      Value head = b.mul(arith::DivUIOp::create(b, task, count), cut->heads);
      Value from = b.mul(arith::RemUIOp::create(b, task, count), cut->tokens);
      AttentionBuilder(b, op, *state, shape, *cut)
          .build(head, from, b.min(b.add(from, cut->tokens), b.dim(q, 0)));
    });
    remark::passed(op.getLoc(), remark::RemarkOpts::name("attention")
                                    .category("moe-cpu-lower-attention"))
        << remark::reason("tasks of {0} tokens and {1} query heads, tiles of "
                          "up to {2} x {3} vectors",
                          cut->tokens, cut->heads, shape.rowCounts()[0],
                          shape.vectors(shape.rowCounts()[0]));
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerAttention : moec::impl::LowerAttentionPassBase<LowerAttention> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<AttentionToVectors>(&getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        nn::AttentionOp::getOperationName())))
      signalPassFailure();
  }
};
} // namespace
