//===- LowerAppend.cpp - Stores to the state as vector code ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The keys of a block lie transposed: [key, 32 positions]. A token is one lane
// of it, so that its elements go to as many cache lines. A task therefore takes
// several tokens, head by head: neighbours in a sequence share those lines, and
// the lines of one head stay in the first-level cache. Where values are a
// prefix of keys, both lie in one row.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Cpu/State.h"
#include "passes/Cpu/VectorBuilder.h"
#include "passes/Passes.h"

#include "mlir/IR/Remarks.h"

namespace moec {
#define GEN_PASS_DEF_LOWERAPPENDPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// Stores the key and the value of one head of one token.
static void storeHead(VectorBuilder &b, nn::AppendOp op, const State &state,
                      Value token, Value head) {
  Value position = b.loadIndex(op.getPositions(), token);
  Value slot = b.loadIndex(op.getTokenSlots(), token);
  Value block = state.block(b, slot, b.div(position, State::positions));
  Value lane = b.rem(position, State::positions);

  if (state.prefix) {
    // The value, then what of the key follows it, in one row.
    auto copy = [&](Value rows, int64_t size, int64_t to) {
      Value column = b.mul(head, size);
      b.forChunks(size, 1, [&](Value at, int64_t count) {
        b.store(b.load(rows, {token, b.add(column, at)}, count), state.values,
                {block, head, lane, b.add(at, to)});
      });
    };
    copy(op.getValues(), state.value, 0);
    copy(op.getKeys(), state.key - state.value, state.value);
    return;
  }
  Value keyColumn = b.mul(head, state.key);
  b.forChunks(state.key, 1, [&](Value at, int64_t size) {
    Value vector = b.load(op.getKeys(), {token, b.add(keyColumn, at)}, size);
    vector = b.narrow(vector, state.element);
    for (int64_t i = 0; i < size; ++i)
      memref::StoreOp::create(b, vector::ExtractOp::create(b, vector, i),
                              state.keys,
                              ValueRange{block, head, b.add(at, i), lane});
  });
  Value valueColumn = b.mul(head, state.value);
  b.forChunks(state.value, 1, [&](Value at, int64_t size) {
    b.store(b.load(op.getValues(), {token, b.add(valueColumn, at)}, size),
            state.values, {block, head, lane, at});
  });
}

namespace {
struct AppendToVectors : OpRewritePattern<nn::AppendOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(nn::AppendOp op,
                                PatternRewriter &rewriter) const override {
    int64_t lanes = lanesFor(op);
    if (!lanes)
      return rewriter.notifyMatchFailure(op,
                                         "expected moe.target on the module");
    FailureOr<State> state = State::get(op.getState(), op.getValues());
    if (failed(state))
      return rewriter.notifyMatchFailure(op, State::expected);
    int64_t key = state->key - (state->prefix ? state->value : 0);
    if (!isRowMajor(op.getKeys(), state->heads * key) ||
        !isRowMajor(op.getValues(), state->heads * state->value))
      return rewriter.notifyMatchFailure(
          op, "expected keys and values in rows without gaps, as wide as the "
              "heads of the state");

    VectorBuilder b(op.getLoc(), rewriter, lanes);
    // Elements of a key cost about four of those that lie in a row.
    int64_t rows = rowsPerTask(
        state->heads * (state->prefix ? state->key : 4 * key + state->value));
    b.rowTasks(b.dim(op.getKeys(), 0), rows, [&](Value from, Value to) {
      b.forLoop(b.index(0), b.index(state->heads), 1, [&](Value head) {
        b.forLoop(from, to, 1,
                  [&](Value token) { storeHead(b, op, *state, token, head); });
      });
    });
    remark::passed(op.getLoc(), remark::RemarkOpts::name("append").category(
                                    "moe-cpu-lower-append"))
        << remark::reason("{0} heads, key {1}, value {2}, {3} rows in a task",
                          state->heads, state->key, state->value, rows);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerAppend : moec::impl::LowerAppendPassBase<LowerAppend> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<AppendToVectors>(&getContext());
    if (failed(lowerAll(getOperation(), std::move(patterns),
                        nn::AppendOp::getOperationName())))
      signalPassFailure();
  }
};
} // namespace
