//===- ChoiceCounts.cpp - How often experts were chosen -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/ChoiceCounts.h"

using namespace mlir;
using namespace moec;

static int64_t sizeOf(Value memref, unsigned dim) {
  return cast<MemRefType>(memref.getType()).getDimSize(dim);
}

ChoiceCounts::ChoiceCounts(VectorBuilder &b, Value counts, int64_t rows,
                           Value tokens)
    : b(b), counts(counts), tokens(tokens) {
  Value times = b.ceilDiv(tokens, rows * sizeOf(counts, 0));
  blockRows = b.mul(b.max(times, b.index(1)), rows);
  Value last = b.sub(blockRows, b.index(1));
  blocks = arith::DivUIOp::create(b, b.add(tokens, last), blockRows);
}

void ChoiceCounts::blockTasks(
    llvm::function_ref<void(Value, Value, Value)> body) {
  b.tasks(blocks, [&](Value block) {
    Value from = arith::MulIOp::create(b, block, blockRows);
    body(block, from, b.min(b.add(from, blockRows), tokens));
  });
}

void ChoiceCounts::clear(Value block) {
  b.forChunks(sizeOf(counts, 1), 4, [&](Value at, int64_t size) {
    auto type = VectorType::get({size}, b.getI32Type());
    Value zero =
        arith::ConstantOp::create(b, DenseElementsAttr::get(type, int32_t(0)));
    vector::StoreOp::create(b, zero, counts, ValueRange{block, at});
  });
}

void ChoiceCounts::add(Value block, Value ids, Value token) {
  Value none = b.i32(0), one = b.i32(1);
  for (int64_t slot = 0; slot < sizeOf(ids, 1); ++slot) {
    Value id = memref::LoadOp::create(b, ids, ValueRange{token, b.index(slot)});
    b.ifThen(b.compare(arith::CmpIPredicate::sge, id, none), [&] {
      Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
      Value place[] = {block, expert};
      Value count = memref::LoadOp::create(b, counts, place);
      memref::StoreOp::create(b, arith::AddIOp::create(b, count, one), counts,
                              place);
    });
  }
}

void ChoiceCounts::addTo(Value sums, int64_t first, int64_t experts) {
  b.forLoop(b.index(0), blocks, 1, [&](Value block) {
    b.forChunks(experts, 4, [&](Value at, int64_t size) {
      auto type = VectorType::get({size}, b.getI32Type());
      Value part = vector::LoadOp::create(b, type, counts,
                                          ValueRange{block, b.add(at, first)});
      Value sum = vector::LoadOp::create(b, type, sums, at);
      vector::StoreOp::create(b, arith::AddIOp::create(b, sum, part), sums, at);
    });
  });
}

void moec::emitCounts(VectorBuilder &b, Value counts, int64_t rows, Value ids) {
  ChoiceCounts choices(b, counts, rows, b.dim(ids, 0));
  choices.blockTasks([&](Value block, Value from, Value to) {
    choices.clear(block);
    b.forLoop(from, to, 1,
              [&](Value token) { choices.add(block, ids, token); });
  });
}
