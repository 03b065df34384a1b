//===- moec.cpp - The moec command line tool ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Verbs.h"
#include "moec/Runtime.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"

#include <CLI/CLI.hpp>
#include <csignal>

int main(int argc, char **argv) {
  // A file beyond a limit is an error of the write, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app("moec compiles Mixture-of-Experts language models ahead of time "
               "and runs them.",
               "moec");
  app.set_version_flag("--version", std::string("moec ") + moec_version());
  app.footer("@FILE stands for the arguments in a file.\n\n"
             "Exit codes: 0 success, 1 wrong input, 2 wrong usage, 3 not "
             "supported, 4 a limit,\n5 verification mismatch, 6 damaged "
             "artifact, 70 a fault of the program.");
  moec::driver::Console console(stdout, stderr);
  llvm::BumpPtrAllocator allocator;
  llvm::SmallVector<const char *> arguments(argv, argv + argc);
  if (llvm::Error error = llvm::cl::ExpansionContext(
                              allocator, llvm::cl::TokenizeGNUCommandLine)
                              .expandResponseFiles(arguments)) {
    console.report({2, "MOE0211", llvm::toString(std::move(error))});
    return 2;
  }
  moec::driver::Command command{console};
  moec::driver::addVerbs(app, command);
  try {
    app.parse(arguments.size(), arguments.data());
  } catch (const CLI::Success &asked) {
    app.exit(asked);
    return 0;
  } catch (const CLI::ParseError &error) {
    llvm::StringRef verb = arguments.size() > 1 ? arguments[1] : "";
    bool unknown =
        !verb.empty() && !verb.starts_with("-") && !verb.starts_with("@") &&
        llvm::none_of(
            app.get_subcommands([](CLI::App *) { return true; }),
            [&](CLI::App *known) { return known->get_name() == verb; });
    console.report({2, "MOE0211",
                    unknown ? "there is no verb '" + verb.str() + "'"
                            : std::string(error.what())});
    console.note("Run with --help for more information.");
    for (llvm::StringRef argument : arguments)
      if (argument.starts_with("@"))
        std::fprintf(stderr, "There is no file of arguments %s.\n",
                     argument.drop_front().str().c_str());
    return 2;
  }
  return command.exitCode;
}
