//===- Memory.h - How much memory the machine has left ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Asked before a session reserves its state, so that too large a session is a
// status now and not the end of the process later.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_MEMORY_H
#define MOEC_LIB_RUNTIME_MEMORY_H

#include <cstdint>
#include <string>

namespace moec::runtime {

/// Bytes that the process may still use: the least of what the kernel calls
/// available and what its control group leaves. UINT64_MAX when neither is
/// known. `root` is put before the paths that are read.
uint64_t availableMemory(const std::string &root = "");

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_MEMORY_H
