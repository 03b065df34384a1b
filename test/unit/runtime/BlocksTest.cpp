//===- BlocksTest.cpp - The block table -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A random sequence of operations against a model that keeps every slot's
// content as a list; blocks are lists too, and the table must lead to the same
// content.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Blocks.h"
#include "moec/Artifact.h"

#include <gtest/gtest.h>

#include <random>

using namespace moec::runtime;

namespace {

constexpr int32_t slots = 4, blocksPerSlot = 5, stride = 7;
constexpr int32_t capacity = blocksPerSlot * MOEC_STATE_BLOCK;

class BlockTableModel : public ::testing::TestWithParam<unsigned> {
protected:
  BlockTable table{slots, blocksPerSlot, stride};
  std::vector<std::vector<int>> expected = std::vector<std::vector<int>>(slots);
  std::vector<int> stored =
      std::vector<int>(size_t(slots) * blocksPerSlot * MOEC_STATE_BLOCK, -1);

  int &at(int32_t slot, int32_t position) {
    int32_t block = table.data()[slot * stride + position / MOEC_STATE_BLOCK];
    return stored[size_t(block) * MOEC_STATE_BLOCK +
                  size_t(position % MOEC_STATE_BLOCK)];
  }

  void append(int32_t slot, int32_t count, int value) {
    std::vector<BlockCopy> copies;
    int32_t length = table.length(slot);
    table.prepare(slot, count, copies);
    for (const BlockCopy &copy : copies)
      std::copy_n(stored.begin() + copy.from * MOEC_STATE_BLOCK,
                  MOEC_STATE_BLOCK,
                  stored.begin() + copy.to * MOEC_STATE_BLOCK);
    for (int32_t i = 0; i < count; ++i) {
      at(slot, length + i) = value + i;
      expected[size_t(slot)].push_back(value + i);
    }
    table.commit(slot, count);
  }

  void check() {
    for (int32_t slot = 0; slot < slots; ++slot) {
      ASSERT_EQ(table.length(slot), int32_t(expected[size_t(slot)].size()));
      for (int32_t p = 0; p < table.length(slot); ++p)
        ASSERT_EQ(at(slot, p), expected[size_t(slot)][size_t(p)])
            << "slot " << slot << " position " << p;
    }
  }
};

TEST_P(BlockTableModel, KeepsEveryPosition) {
  std::mt19937 random(GetParam());
  auto below = [&](int32_t limit) {
    return int32_t(random() % unsigned(limit));
  };
  for (int step = 0; step < 2000; ++step) {
    int32_t slot = below(slots), other = below(slots);
    auto &content = expected[size_t(slot)];
    int32_t length = int32_t(content.size());
    switch (below(5)) {
    case 0:
    case 1:
      if (length < capacity)
        append(slot, 1 + below(std::min(capacity - length, 70)), step * 1000);
      break;
    case 2:
      length = below(length + 1);
      content.resize(size_t(length));
      table.truncate(slot, length);
      break;
    case 3:
      content.clear();
      table.truncate(slot, 0);
      break;
    case 4:
      if (slot != other) {
        length = below(length + 1);
        expected[size_t(other)].assign(content.begin(),
                                       content.begin() + length);
        table.fork(slot, other, length);
      }
      break;
    }
    ASSERT_NO_FATAL_FAILURE(check());
  }
  for (int32_t slot = 0; slot < slots; ++slot)
    table.truncate(slot, 0);
  EXPECT_EQ(table.freeBlocks(), slots * blocksPerSlot);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BlockTableModel, ::testing::Range(0u, 8u));

TEST(BlockTableTest, ForksShareAndCopyOnAppend) {
  BlockTable table(2, 3, 3);
  std::vector<BlockCopy> copies;
  table.prepare(0, 40, copies);
  table.commit(0, 40);
  table.fork(0, 1, 40);
  EXPECT_EQ(table.freeBlocks(), 4);
  table.prepare(1, 1, copies);
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].from, table.data()[1]);
  EXPECT_EQ(copies[0].to, table.data()[3 + 1]);
  EXPECT_EQ(table.data()[0], table.data()[3]);
  table.commit(1, 1);
  // The block belongs to slot 0 alone now.
  copies.clear();
  table.prepare(0, 1, copies);
  EXPECT_TRUE(copies.empty());
}

TEST(BlockTableTest, AFullSharedBlockIsNotCopied) {
  BlockTable table(2, 3, 3);
  std::vector<BlockCopy> copies;
  table.prepare(0, 64, copies);
  table.commit(0, 64);
  table.fork(0, 1, 64);
  table.prepare(1, 5, copies);
  EXPECT_TRUE(copies.empty());
}

TEST(BlockTableTest, FreedBlocksAreUsedAgain) {
  BlockTable table(2, 3, 3);
  std::vector<BlockCopy> copies;
  for (int round = 0; round < 10; ++round) {
    for (int32_t slot : {0, 1}) {
      table.prepare(slot, 96, copies);
      table.commit(slot, 96);
    }
    EXPECT_EQ(table.freeBlocks(), 0);
    table.truncate(0, 0);
    table.truncate(1, 0);
  }
  EXPECT_EQ(table.freeBlocks(), 6);
}

} // namespace
