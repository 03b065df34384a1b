//===- Threads.h - A pool of threads for one session ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Implements moec_host.parallel.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_THREADS_H
#define MOEC_LIB_RUNTIME_THREADS_H

#include "lib/Runtime/Status.h"
#include "moec/Artifact.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace moec::runtime {

/// CPUs that this process may run on, at least 1.
int availableCpus();

class ThreadPool {
public:
  /// `threads` counts the caller of run(): threads - 1 are started.
  static Result<std::unique_ptr<ThreadPool>> create(int threads);
  ~ThreadPool();

  int size() const { return int(workers.size()) + 1; }

  /// Runs fn(context, 0) .. fn(context, tasks - 1), each once, and returns when
  /// all are done. From inside a task it runs them in place. Otherwise one
  /// thread at a time may call it.
  void run(moec_task_fn fn, void *context, int64_t tasks);

private:
  ThreadPool() = default;

  void work();
  void takeTasks();
  void awaitWork();
  void awaitDone();
  void wakeWorkers(int64_t tasks);

  // What the tasks of the present region are. Written before `left` becomes
  // positive, read only by who has taken a task.
  moec_task_fn fn = nullptr;
  void *context = nullptr;
  int64_t tasks = 0;

  // Each on its own cache line: `left` is written by all threads, the others
  // seldom.
  alignas(64) std::atomic<int64_t> left = 0; ///< Tasks not taken; <= 0: none.
  alignas(64) std::atomic<int64_t> pending = 0; ///< Tasks not finished.
  alignas(64) std::atomic<uint32_t> workBell = 0;
  std::atomic<int32_t> sleepers = 0;
  std::atomic<bool> stopping = false;
  alignas(64) std::atomic<uint32_t> doneBell = 0;
  std::atomic<bool> callerSleeps = false;

  std::vector<std::thread> workers;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_THREADS_H
