//===- Running.h - Around a run of generated code ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_RUNNING_H
#define MOEC_LIB_RUNTIME_RUNNING_H

#include "lib/Runtime/Threads.h"

#include <atomic>
#include <cfenv>
#include <string>

namespace moec::runtime {

/// The rounding mode and the flushing of denormals are what generated code
/// expects, whatever the caller's are; the caller's come back at the end.
class DefaultFloatEnvironment {
public:
  DefaultFloatEnvironment() {
    std::fegetenv(&saved);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatEnvironment() { std::fesetenv(&saved); }

private:
  std::fenv_t saved;
};

/// Holds a flag; `taken` is false when another thread has it.
class Use {
public:
  explicit Use(std::atomic<bool> &flag)
      : flag(flag), taken(!flag.exchange(true, std::memory_order_acquire)) {}
  ~Use() {
    if (taken)
      flag.store(false, std::memory_order_release);
  }
  explicit operator bool() const { return taken; }

private:
  std::atomic<bool> &flag;
  bool taken;
};

inline Status busy(const std::string &what) {
  return Status(MOEC_E_BUSY, "another thread is using this " + what +
                                 "; create one for each thread");
}

/// `moec_host.parallel` of a pool.
inline void runParallel(void *handle, moec_task_fn fn, void *context,
                        int64_t tasks) {
  static_cast<ThreadPool *>(handle)->run(fn, context, tasks);
}

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_RUNNING_H
