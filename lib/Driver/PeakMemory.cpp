//===- PeakMemory.cpp - The memory that a piece of work takes -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/PeakMemory.h"
#include "lib/Driver/Console.h"

#include <algorithm>

using namespace moec::driver;

PeakMemory::PeakMemory()
    : peak(anonymousBytes()),
      ticker(mutex, std::chrono::milliseconds(10), [this] { look(); }) {}

void PeakMemory::look() { peak = std::max(peak, anonymousBytes()); }

uint64_t PeakMemory::bytes() {
  std::lock_guard lock(mutex);
  look();
  return peak;
}
