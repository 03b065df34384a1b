//===- VerbCompile.h - moec compile -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_VERBCOMPILE_H
#define MOEC_LIB_DRIVER_VERBCOMPILE_H

#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace moec::driver {

/// Adds the verb; `exitCode` is set when it ran.
void addCompileVerb(CLI::App &app, const std::vector<std::string> &commandLine,
                    int &exitCode);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_VERBCOMPILE_H
