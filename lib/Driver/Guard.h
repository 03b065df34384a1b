//===- Guard.h - Work that leaves nothing behind when stopped ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_GUARD_H
#define MOEC_LIB_DRIVER_GUARD_H

#include <functional>

namespace moec::driver {

/// Runs `work` in a process of its own and returns its exit code. When a signal
/// asks this process to end, or the work dies by one, `cleanUp` is called with
/// the id of the process that is no more; then this process ends by that
/// signal, or `crashed` (with the signal) says what to return.
int runGuarded(const std::function<int()> &work,
               const std::function<void(int process)> &cleanUp,
               const std::function<int(int signal)> &crashed);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_GUARD_H
