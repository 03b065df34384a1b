//===- Blocks.cpp - Which block holds which positions ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Problem: sequences grow, are cut and fork, and forks should share what they
// have in common; code that runs a step must find every position by one table.
//
// Idea: the state is cut into blocks of MOEC_STATE_BLOCK positions, a slot is a
// list of block numbers, and a block counts the slots that refer to it. A block
// with several users is never written: who appends to it gets a copy first.
//
// There is always a block to take. A pool has slots * blocksPerSlot blocks and
// a slot refers to blocksPerSlot at most. While a slot takes one for itself,
// either it still has fewer, or it gives up one that another slot counts too:
// in both cases the blocks referred to are fewer than the pool's.
//
// Cost: each operation is linear in the blocks that it touches.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Blocks.h"

#include "moec/Artifact.h"

#include <algorithm>

namespace moec::runtime {

BlockTable::BlockTable(int32_t slots, int32_t blocksPerSlot, int32_t stride)
    : stride(stride), table(size_t(slots) * stride, 0), lengths(slots, 0),
      held(slots, 0), users(size_t(slots) * blocksPerSlot, 0) {
  unused.reserve(users.size());
  for (int32_t block = int32_t(users.size()); block-- > 0;)
    unused.push_back(block);
}

int32_t BlockTable::take() {
  int32_t block = unused.back();
  unused.pop_back();
  users[block] = 1;
  return block;
}

void BlockTable::drop(int32_t block) {
  if (--users[block] == 0)
    unused.push_back(block);
}

void BlockTable::prepare(int32_t slot, int32_t count,
                         std::vector<BlockCopy> &copies) {
  constexpr int32_t size = MOEC_STATE_BLOCK;
  int32_t *blocks = row(slot);
  int32_t partial = lengths[slot] / size;
  if (lengths[slot] % size != 0 && users[blocks[partial]] > 1) {
    int32_t shared = blocks[partial];
    blocks[partial] = take();
    drop(shared);
    copies.push_back({shared, blocks[partial]});
  }
  int32_t wanted = (lengths[slot] + count + size - 1) / size;
  while (held[slot] < wanted)
    blocks[held[slot]++] = take();
}

void BlockTable::truncate(int32_t slot, int32_t length) {
  int32_t kept = (length + MOEC_STATE_BLOCK - 1) / MOEC_STATE_BLOCK;
  while (held[slot] > kept)
    drop(row(slot)[--held[slot]]);
  lengths[slot] = length;
}

void BlockTable::fork(int32_t source, int32_t target, int32_t length) {
  truncate(target, 0);
  held[target] = (length + MOEC_STATE_BLOCK - 1) / MOEC_STATE_BLOCK;
  lengths[target] = length;
  std::copy_n(row(source), held[target], row(target));
  for (int32_t i = 0; i < held[target]; ++i)
    ++users[row(target)[i]];
}

} // namespace moec::runtime
