//===- ThreadsTest.cpp - The thread pool ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// That each task runs once, that results are visible, and that nothing hangs:
// with more threads than CPUs, after sleeping, when nested.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Threads.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <chrono>
#include <functional>
#include <numeric>
#include <set>
#include <thread>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace moec::runtime;

namespace {

void runAll(ThreadPool &pool, int64_t tasks,
            const std::function<void(int64_t)> &body) {
  pool.run(
      [](void *context, int64_t task) {
        (*static_cast<const std::function<void(int64_t)> *>(context))(task);
      },
      const_cast<std::function<void(int64_t)> *>(&body), tasks);
}

std::unique_ptr<ThreadPool> poolOf(int threads) {
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads);
  EXPECT_TRUE(pool);
  EXPECT_EQ((*pool)->size(), threads);
  return std::move(*pool);
}

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunsEachTaskOnce) {
  auto pool = poolOf(GetParam());
  for (int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
    // Plain ints: what a task writes must be visible without atomics.
    std::vector<int> counts(size_t(tasks), 0);
    for (int round = 0; round < 200; ++round)
      runAll(*pool, tasks, [&](int64_t task) { ++counts[size_t(task)]; });
    EXPECT_EQ(counts, std::vector<int>(size_t(tasks), 200));
  }
}

TEST_P(ThreadPoolTest, EachRegionSeesTheOneBefore) {
  auto pool = poolOf(GetParam());
  std::vector<int64_t> now(33, 1), next(33);
  for (int round = 0; round < 500; ++round) {
    runAll(*pool, 33, [&](int64_t task) {
      next[size_t(task)] = now[size_t(task + 1) % 33] + 1;
    });
    now.swap(next);
  }
  EXPECT_EQ(now, std::vector<int64_t>(33, 501));
}

TEST_P(ThreadPoolTest, NestedRegionsRunInPlace) {
  auto pool = poolOf(GetParam());
  std::vector<int> counts(64, 0);
  runAll(*pool, 8, [&](int64_t outer) {
    std::thread::id mine = std::this_thread::get_id();
    runAll(*pool, 8, [&](int64_t inner) {
      EXPECT_EQ(std::this_thread::get_id(), mine);
      ++counts[size_t(outer * 8 + inner)];
    });
  });
  EXPECT_EQ(counts, std::vector<int>(64, 1));
}

TEST_P(ThreadPoolTest, WakesAfterSleeping) {
  auto pool = poolOf(GetParam());
  int64_t sum = 0;
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::vector<int64_t> parts(16);
    runAll(*pool, 16, [&](int64_t task) { parts[size_t(task)] = task; });
    sum += std::accumulate(parts.begin(), parts.end(), int64_t(0));
  }
  EXPECT_EQ(sum, 5 * 120);
}

TEST_P(ThreadPoolTest, WaitsForLongTasks) {
  auto pool = poolOf(GetParam());
  std::vector<int> done(4, 0);
  runAll(*pool, 4, [&](int64_t task) {
    if (task % 2)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    done[size_t(task)] = 1;
  });
  EXPECT_EQ(done, std::vector<int>(4, 1));
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest,
                         ::testing::Values(1, 2, 3, 8, 40));

TEST(ThreadPoolTest, UsesItsThreads) {
  auto pool = poolOf(3);
  // Each task waits for the others, so that no thread can take two.
  std::atomic<int> arrived = 0;
  std::vector<std::thread::id> ids(3);
  runAll(*pool, 3, [&](int64_t task) {
    ids[size_t(task)] = std::this_thread::get_id();
    ++arrived;
    while (arrived < 3)
      std::this_thread::yield();
  });
  EXPECT_EQ(std::set<std::thread::id>(ids.begin(), ids.end()).size(), 3u);
}

TEST(ThreadPoolTest, PoolsDoNotDisturbEachOther) {
  std::vector<int> sums(4, 0);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&sums, i] {
      auto pool = poolOf(3);
      std::vector<int> counts(10, 0);
      for (int round = 0; round < 200; ++round)
        runAll(*pool, 10, [&](int64_t task) { ++counts[size_t(task)]; });
      sums[size_t(i)] = std::accumulate(counts.begin(), counts.end(), 0);
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(sums, std::vector<int>(4, 2000));
}

#if defined(__x86_64__)
TEST(ThreadPoolTest, WorkersDoNotInheritTheFloatEnvironment) {
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040); // flush to zero, denormals are zero
  auto pool = poolOf(2);
  std::atomic<int> arrived = 0;
  std::vector<unsigned> controls(2);
  std::thread::id caller = std::this_thread::get_id();
  runAll(*pool, 2, [&](int64_t) {
    controls[std::this_thread::get_id() == caller] = _mm_getcsr() & 0xFFC0;
    ++arrived;
    while (arrived < 2)
      std::this_thread::yield();
  });
  _mm_setcsr(before);
  EXPECT_EQ(controls[0], 0x1F80u);
}
#endif

TEST(ThreadPoolTest, ThereIsAtLeastOneCpu) { EXPECT_GE(availableCpus(), 1); }

} // namespace
