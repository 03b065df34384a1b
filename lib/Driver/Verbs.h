//===- Verbs.h - The verbs of the command line ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// moec compile | run | eval | inspect | check | verify | bench | explain: one
// function for each, which adds it to the command line.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_VERBS_H
#define MOEC_LIB_DRIVER_VERBS_H

#include "lib/Driver/Console.h"

#include <functional>

namespace CLI {
class App;
} // namespace CLI

namespace moec {
struct CompileReport;
} // namespace moec

namespace moec::importer {
struct ImportOptions;
} // namespace moec::importer

namespace moec::driver {

/// What all verbs share.
struct Command {
  Console &console;
  int exitCode = 0;
  /// --format: "text" or "json".
  std::string format = "text";

  bool json() const { return format == "json"; }
};

void addCompileVerb(CLI::App &app, Command &command);
void addRunVerb(CLI::App &app, Command &command);
void addEvalVerb(CLI::App &app, Command &command);
void addInspectVerb(CLI::App &app, Command &command);
void addCheckVerb(CLI::App &app, Command &command);
void addVerifyVerb(CLI::App &app, Command &command);
void addBenchVerb(CLI::App &app, Command &command);
void addExplainVerb(CLI::App &app, Command &command);

/// All of them, and the options that every verb understands.
void addVerbs(CLI::App &app, Command &command);

/// Lets the verb run `body`, which returns the exit code. A Failure that it
/// throws becomes a diagnostic.
void onRun(CLI::App &verb, Command &command, std::function<int()> body);

void addFormat(CLI::App &verb, Command &command);
/// A check of an option's value.
std::function<std::string(const std::string &)> atLeast(int least);
void addThreads(CLI::App &verb, int32_t &threads);
void addParams(CLI::App &verb, std::string &params);
void addActivations(CLI::App &verb, bool &narrow);
void addImportOptions(CLI::App &verb, importer::ImportOptions &options);

/// Errors, warnings and notes of a compilation.
void printMessages(Console &console, const CompileReport &report);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_VERBS_H
