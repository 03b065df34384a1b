//===- Threads.cpp - A pool of threads for one session --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Problem: a step of a small model is hundreds of parallel regions of some ten
// microseconds, so that starting one must cost about one microsecond; yet a
// pool must not burn a CPU between steps, nor spin while another thread that
// it waits for has no CPU to run on.
//
// Idea: one counter hands out the tasks, and who takes a task from it owns the
// right to look at the region.
//
// Steps. The caller writes down the region, sets `pending` to the number of
// tasks, then `left`. Everyone, the caller included, takes a task by
// decrementing `left`; a positive old value is a task. A worker that comes late
// sees a value of 0 or less and has touched nothing else; a worker that
// succeeds knows that the region cannot end before it reports, and only then
// reads fn, context and tasks. Finished tasks are reported to `pending` once
// for each thread. The caller returns when it is 0.
//
// Waiting is spinning for a short time, then sleeping on a futex. Lost wake-ups
// are excluded as in Dekker's algorithm: the sleeper announces itself, then
// looks at the work; the waker publishes the work, then looks for sleepers; all
// four are sequentially consistent. A bell's number changes with every ring, so
// a ring between the look and the sleep ends the sleep at once.
//
// Spinning is worth it only while every thread that is awake has a CPU: a
// count over all pools of the process of awake workers decides how long.
//
// Cost: a region of 2 tasks on 2 spinning threads takes about 0.3 to 1 us.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Threads.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cfenv>
#include <chrono>
#include <climits>
#include <system_error>

namespace moec::runtime {

namespace {

/// Workers of all pools that are not asleep.
std::atomic<int> awakeWorkers = 0;

/// Whether this thread is running a task, of whatever pool.
thread_local bool insideTask = false;

void pauseSpin() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void sleepOn(std::atomic<uint32_t> &bell, uint32_t seen) {
  ::syscall(SYS_futex, &bell, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void ring(std::atomic<uint32_t> &bell, int sleepers) {
  bell.fetch_add(1, std::memory_order_seq_cst);
  ::syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, sleepers, nullptr, nullptr,
            0);
}

/// Spins until the condition holds. False when it took too long.
template <typename Condition> bool spinFor(Condition condition) {
  using Clock = std::chrono::steady_clock;
  static const int cpus = availableCpus();
  // A caller of a pool is awake too, hence "<": two CPUs carry one worker.
  bool isRoomy = awakeWorkers.load(std::memory_order_relaxed) < cpus;
  auto limit = std::chrono::microseconds(isRoomy ? 200 : 5);
  Clock::time_point start;
  for (unsigned turn = 0;; ++turn) {
    if (condition())
      return true;
    pauseSpin();
    if (turn == 0)
      start = Clock::now();
    else if (turn % 32 == 0 && Clock::now() - start > limit)
      return false;
  }
}

} // namespace

int availableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
    return CPU_COUNT(&set);
  unsigned count = std::thread::hardware_concurrency();
  return count ? int(count) : 1;
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool());
  for (int i = 1; i < threads; ++i) {
    try {
      pool->workers.emplace_back([&pool = *pool] { pool.work(); });
    } catch (const std::system_error &error) {
      return systemFailure(MOEC_E_THREADS,
                           "cannot start thread " + std::to_string(i + 1) +
                               " of " + std::to_string(threads) +
                               ", ask for fewer",
                           error.code().value());
    }
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping.store(true, std::memory_order_seq_cst);
  ring(workBell, INT_MAX);
  for (std::thread &worker : workers)
    worker.join();
}

void ThreadPool::run(moec_task_fn fn, void *context, int64_t tasks) {
  if (workers.empty() || insideTask || tasks <= 1) {
    for (int64_t task = 0; task < tasks; ++task)
      fn(context, task);
    return;
  }
  this->fn = fn;
  this->context = context;
  this->tasks = tasks;
  pending.store(tasks, std::memory_order_relaxed);
  left.store(tasks, std::memory_order_seq_cst);
  wakeWorkers(tasks);
  takeTasks();
  awaitDone();
}

void ThreadPool::wakeWorkers(int64_t tasks) {
  int32_t asleep = sleepers.load(std::memory_order_seq_cst);
  if (asleep > 0)
    ring(workBell, int(std::min<int64_t>(asleep, tasks - 1)));
}

void ThreadPool::takeTasks() {
  int64_t finished = 0;
  insideTask = true;
  // The load spares the others the cache line when nothing is left.
  while (left.load(std::memory_order_relaxed) > 0) {
    int64_t rest = left.fetch_sub(1, std::memory_order_acquire);
    if (rest <= 0)
      break;
    fn(context, tasks - rest);
    ++finished;
  }
  insideTask = false;
  if (finished == 0)
    return;
  int64_t before = pending.fetch_sub(finished, std::memory_order_seq_cst);
  if (before == finished && callerSleeps.load(std::memory_order_seq_cst))
    ring(doneBell, 1);
}

void ThreadPool::awaitDone() {
  auto isDone = [&] { return pending.load(std::memory_order_acquire) == 0; };
  if (spinFor(isDone))
    return;
  for (;;) {
    uint32_t seen = doneBell.load(std::memory_order_seq_cst);
    callerSleeps.store(true, std::memory_order_seq_cst);
    if (pending.load(std::memory_order_seq_cst) == 0)
      break;
    sleepOn(doneBell, seen);
  }
  callerSleeps.store(false, std::memory_order_relaxed);
}

void ThreadPool::awaitWork() {
  auto hasWork = [&] {
    return left.load(std::memory_order_relaxed) > 0 ||
           stopping.load(std::memory_order_relaxed);
  };
  if (spinFor(hasWork))
    return;
  uint32_t seen = workBell.load(std::memory_order_seq_cst);
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  if (left.load(std::memory_order_seq_cst) <= 0 &&
      !stopping.load(std::memory_order_seq_cst)) {
    awakeWorkers.fetch_sub(1, std::memory_order_relaxed);
    sleepOn(workBell, seen);
    awakeWorkers.fetch_add(1, std::memory_order_relaxed);
  }
  sleepers.fetch_sub(1, std::memory_order_seq_cst);
}

void ThreadPool::work() {
  // A thread inherits the rounding and flush modes of the one that started it.
  std::fesetenv(FE_DFL_ENV);
  awakeWorkers.fetch_add(1, std::memory_order_relaxed);
  while (!stopping.load(std::memory_order_acquire)) {
    takeTasks();
    awaitWork();
  }
  awakeWorkers.fetch_sub(1, std::memory_order_relaxed);
}

} // namespace moec::runtime
