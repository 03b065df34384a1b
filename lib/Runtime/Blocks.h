//===- Blocks.h - Which block holds which positions -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The block table of a session: pure bookkeeping over block numbers, without
// the bytes.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_BLOCKS_H
#define MOEC_LIB_RUNTIME_BLOCKS_H

#include <cstdint>
#include <vector>

namespace moec::runtime {

/// One block's contents must be copied to another block.
struct BlockCopy {
  int32_t from, to;
};

class BlockTable {
public:
  /// Room for `slots` sequences of `blocksPerSlot` blocks. The table's rows are
  /// `stride` blocks long, which is at least blocksPerSlot.
  BlockTable(int32_t slots, int32_t blocksPerSlot, int32_t stride);

  int32_t slots() const { return int32_t(lengths.size()); }
  int32_t length(int32_t slot) const { return lengths[slot]; }

  /// [slots, stride] block numbers. An entry is meaningful only where a
  /// position below the slot's reach is in its block.
  const int32_t *data() const { return table.data(); }

  /// Makes the slot's positions length .. length + count - 1 writable. Appends
  /// to `copies` what must be copied for that. The length stays as it is.
  void prepare(int32_t slot, int32_t count, std::vector<BlockCopy> &copies);

  /// The prepared positions now hold something.
  void commit(int32_t slot, int32_t count) { lengths[slot] += count; }

  /// Keeps the first `length` positions and gives the blocks after them back.
  void truncate(int32_t slot, int32_t length);

  /// The target slot shares the first `length` positions of the source.
  void fork(int32_t source, int32_t target, int32_t length);

  /// Blocks that no slot refers to.
  int32_t freeBlocks() const { return int32_t(unused.size()); }

private:
  int32_t *row(int32_t slot) { return table.data() + int64_t(slot) * stride; }
  int32_t take();
  void drop(int32_t block);

  int32_t stride;
  std::vector<int32_t> table;
  std::vector<int32_t> lengths; ///< Positions that hold something.
  std::vector<int32_t> held;    ///< Blocks of each slot.
  std::vector<int32_t> users;   ///< Slots that refer to each block.
  std::vector<int32_t> unused;  ///< The lowest number last, to be taken first.
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_BLOCKS_H
