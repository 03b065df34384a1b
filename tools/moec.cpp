//===- moec.cpp - The moec command line tool ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/VerbCompile.h"

#include <CLI/CLI.hpp>

int main(int argc, char **argv) {
  CLI::App app("moec compiles Mixture-of-Experts models ahead of time.",
               "moec");
  app.require_subcommand(1);
  int exitCode = 0;
  std::vector<std::string> commandLine(argv + 1, argv + argc);
  moec::driver::addCompileVerb(app, commandLine, exitCode);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) ? 2 : 0;
  }
  return exitCode;
}
