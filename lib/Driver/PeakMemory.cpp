//===- PeakMemory.cpp - The memory that a piece of work takes -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/PeakMemory.h"
#include "lib/Driver/Console.h"

#include <chrono>

using namespace moec::driver;

PeakMemory::PeakMemory() {
  thread = std::thread([this] {
    std::unique_lock lock(mutex);
    do
      look();
    while (!wake.wait_for(lock, std::chrono::milliseconds(10),
                          [this] { return over; }));
  });
}

PeakMemory::~PeakMemory() {
  {
    std::lock_guard lock(mutex);
    over = true;
  }
  wake.notify_one();
  thread.join();
}

void PeakMemory::look() {
  uint64_t now = anonymousBytes();
  if (now > peak)
    peak = now;
}

uint64_t PeakMemory::bytes() {
  std::lock_guard lock(mutex);
  look();
  return peak;
}
