//===- AttentionTiles.cpp - The products of attention ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each accumulator is one chain of multiply-adds, over the elements of the key
// or over the positions, in ascending order. Where keys lie in rows, a score is
// the sum of the lanes of such a chain over the vectors of the key. Tiles
// differ in how many chains run side by side, never in the chain: a row gets
// the same bits from each.
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/AttentionTiles.h"

using namespace mlir;
using namespace moec;

using Values = VectorBuilder::Values;

SmallVector<int64_t> TileShape::rowCounts() const {
  return {registers >= 32 ? 12 : 6, 4, 1};
}

int64_t TileShape::vectors(int64_t rows) const {
  // The operand of a single row's accumulator is used once: it comes from
  // memory, and takes no register.
  if (rows == 1)
    return 8;
  int64_t vectors = 1;
  while (rows * 2 * vectors + 2 * vectors + 1 <= registers)
    vectors *= 2;
  return vectors;
}

AttentionTiles::AttentionTiles(VectorBuilder &b, const State &state,
                               TileShape shape, int64_t rows)
    : queries(b.stackBuffer({rows, state.key})),
      scores(b.stackBuffer({rows, State::positions})),
      sums(b.stackBuffer({rows, state.value})), b(b), state(state),
      shape(shape) {}

void AttentionTiles::forTiles(Value from, Value to,
                              llvm::function_ref<void(int64_t, Value)> body) {
  for (int64_t rows : shape.rowCounts()) {
    Value tiles = b.div(b.sub(to, from), rows);
    Value end = b.add(from, b.mul(tiles, rows));
    b.forLoop(from, end, rows, [&](Value row) { body(rows, row); });
    from = end;
  }
}

/// One step of rows x vectors chains: the vectors, times an element of each
/// row.
static Values multiplyAdd(VectorBuilder &b, ArrayRef<Value> vectors,
                          Value elements, Value row, Value step, int64_t rows,
                          ValueRange chains) {
  Values next;
  for (int64_t r = 0; r < rows; ++r) {
    Value element =
        memref::LoadOp::create(b, elements, ValueRange{b.add(row, r), step});
    for (Value vector : vectors) {
      int64_t size = cast<VectorType>(vector.getType()).getDimSize(0);
      next.push_back(
          b.fma(b.broadcast(element, size), vector, chains[next.size()]));
    }
  }
  return next;
}

void AttentionTiles::scoreRows(int64_t rows, Value row, StateBlock block) {
  int64_t count = std::min(shape.vectors(rows), State::positions);
  b.forLoop(b.index(0), b.index(State::positions), count, [&](Value position) {
    auto step = [&](Value at, int64_t size, ValueRange chains) {
      Values keys, next;
      for (int64_t p = 0; p < count; ++p)
        keys.push_back(
            b.load(state.keys,
                   {block.storage, block.head, b.add(position, p), at}, size));
      for (int64_t r = 0; r < rows; ++r) {
        Value query = b.load(queries, {b.add(row, r), at}, size);
        for (Value key : keys)
          next.push_back(b.fma(query, key, chains[next.size()]));
      }
      return next;
    };
    auto plus = [&](Value lhs, Value rhs) -> Value {
      return arith::AddFOp::create(b, lhs, rhs);
    };
    auto zeros = [&](int64_t size) {
      return Values(rows * count, b.f32Splat(0.0, size));
    };
    // Scores as far as they are; first the whole vectors of the key, then what
    // is left of it.
    Values sums(rows * count);
    auto add = [&](ValueRange chains) {
      for (auto [sum, chain] : llvm::zip(sums, chains)) {
        Value part = b.reduce(chain, plus);
        sum = sum ? plus(sum, part) : part;
      }
    };
    int64_t whole = state.key / b.lanes * b.lanes;
    if (whole)
      add(b.forLoop(b.index(0), b.index(whole), b.lanes, zeros(b.lanes),
                    [&](Value at, ValueRange chains) {
                      return step(at, b.lanes, chains);
                    }));
    for (Chunk chunk : chunksOf(state.key - whole, b.lanes))
      add(step(b.index(whole + chunk.offset), chunk.size, zeros(chunk.size)));
    for (auto [i, sum] : llvm::enumerate(sums))
      memref::StoreOp::create(
          b, sum, scores,
          ValueRange{b.add(row, i / count), b.add(position, i % count)});
  });
}

void AttentionTiles::score(int64_t rows, Value row, StateBlock block) {
  if (state.prefix)
    return scoreRows(rows, row, block);
  int64_t vectors = std::min(shape.vectors(rows), State::positions / b.lanes);
  for (int64_t at = 0; at < State::positions; at += vectors * b.lanes) {
    Values zeros(rows * vectors, b.f32Splat(0.0, b.lanes));
    auto step = [&](Value element, ValueRange chains) {
      Values keys;
      for (int64_t v = 0; v < vectors; ++v)
        keys.push_back(b.load(
            state.keys,
            {block.storage, block.head, element, b.index(at + v * b.lanes)},
            b.lanes));
      return multiplyAdd(b, keys, queries, row, element, rows, chains);
    };
    Values done = b.forLoop(b.index(0), b.index(state.key), 1, zeros, step);
    for (auto [i, chain] : llvm::enumerate(done))
      b.store(chain, scores,
              {b.add(row, i / vectors), b.index(at + i % vectors * b.lanes)});
  }
}

void AttentionTiles::accumulate(int64_t rows, Value row, StateBlock block,
                                Value from, Value to) {
  int64_t vectors = shape.vectors(rows), full = state.value / b.lanes;
  auto columns = [&](Value column, int64_t vectors, int64_t size) {
    accumulateColumns(rows, row, block, from, to, column, vectors, size);
  };
  int64_t looped = full / vectors * vectors * b.lanes;
  if (looped)
    b.forLoop(b.index(0), b.index(looped), vectors * b.lanes,
              [&](Value column) { columns(column, vectors, b.lanes); });
  if (full % vectors)
    columns(b.index(looped), full % vectors, b.lanes);
  int64_t tail = full * b.lanes;
  for (Chunk chunk : chunksOf(state.value - tail, b.lanes))
    columns(b.index(tail + chunk.offset), 1, chunk.size);
}

void AttentionTiles::accumulateColumns(int64_t rows, Value row,
                                       StateBlock block, Value from, Value to,
                                       Value column, int64_t vectors,
                                       int64_t size) {
  auto place = [&](int64_t i) -> SmallVector<Value> {
    return {b.add(row, i / vectors), b.add(column, i % vectors * size)};
  };
  Values chains;
  for (int64_t i = 0; i < rows * vectors; ++i)
    chains.push_back(b.load(sums, place(i), size));
  chains = b.forLoop(from, to, 1, chains, [&](Value lane, ValueRange chains) {
    Values values;
    for (int64_t v = 0; v < vectors; ++v)
      values.push_back(b.load(
          state.values,
          {block.storage, block.head, lane, b.add(column, v * size)}, size));
    return multiplyAdd(b, values, scores, row, lane, rows, chains);
  });
  for (auto [i, chain] : llvm::enumerate(chains))
    b.store(chain, sums, place(i));
}
