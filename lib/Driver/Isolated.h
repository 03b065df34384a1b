//===- Isolated.h - Compiling in a process of its own -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_ISOLATED_H
#define MOEC_LIB_DRIVER_ISOLATED_H

#include "lib/Driver/Compiler.h"

namespace moec::driver {

/// Called in the process that asked: whether to go on. The arguments are those
/// of CompileListener::progress.
using KeepGoing =
    std::function<bool(const std::string &phase, const std::string &detail,
                       uint64_t done, uint64_t total)>;

/// Compiles like moec::compile, but in a child process: where LLVM gives up, or
/// crashes, the report says so and the program that asked lives on. Nothing is
/// left behind. `stopped` becomes true when `keepGoing` ended it.
CompileReport compileIsolated(const CompileOptions &options,
                              const KeepGoing &keepGoing, bool &stopped);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_ISOLATED_H
