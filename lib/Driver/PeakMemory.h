//===- PeakMemory.h - The memory that a piece of work takes -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_PEAKMEMORY_H
#define MOEC_LIB_DRIVER_PEAKMEMORY_H

#include "lib/Driver/Ticker.h"

#include <cstdint>

namespace moec::driver {

/// Watches this process's resident anonymous memory, from its construction on.
/// That is what other programs lose; the pages of mapped files are the system's
/// to take back. The system itself keeps no peak of it.
class PeakMemory {
public:
  PeakMemory();

  /// Up to now.
  uint64_t bytes();

private:
  void look();

  uint64_t peak = 0;
  std::mutex mutex;
  Ticker ticker;
};

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_PEAKMEMORY_H
