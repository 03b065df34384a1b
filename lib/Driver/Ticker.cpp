//===- Ticker.cpp - Calls a function again and again ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Ticker.h"

using namespace moec::driver;

Ticker::Ticker(std::mutex &mutex, std::chrono::milliseconds pause,
               std::function<void()> tick)
    : mutex(mutex) {
  thread = std::thread([this, pause, tick = std::move(tick)] {
    std::unique_lock lock(this->mutex);
    while (!wake.wait_for(lock, pause, [this] { return over; }))
      tick();
  });
}

void Ticker::stop() {
  if (!thread.joinable())
    return;
  {
    std::lock_guard lock(mutex);
    over = true;
  }
  wake.notify_one();
  thread.join();
}
