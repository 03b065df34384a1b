//===- Ticker.h - Calls a function again and again --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_TICKER_H
#define MOEC_LIB_DRIVER_TICKER_H

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace moec::driver {

/// Calls `tick` once in every `pause` in a thread of its own, until it is
/// stopped. It holds `mutex` while it does, which guards what `tick` shares.
class Ticker {
public:
  Ticker(std::mutex &mutex, std::chrono::milliseconds pause,
         std::function<void()> tick);
  ~Ticker() { stop(); }

  /// Returns when no call runs any more. The caller does not hold the mutex.
  void stop();

private:
  std::mutex &mutex;
  std::condition_variable wake;
  bool over = false;
  std::thread thread;
};

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_TICKER_H
