//===- VerbCompile.cpp - moec compile -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Compiler.h"
#include "lib/Driver/Guard.h"
#include "lib/Driver/PeakMemory.h"
#include "lib/Driver/Verbs.h"
#include "lib/Weights/Temporaries.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

using namespace moec;
using namespace moec::driver;

namespace {
/// Shows the phases.
class Watcher : public CompileListener {
public:
  explicit Watcher(Console &console) : console(console) {}

  void progress(const std::string &phase, const std::string &detail,
                uint64_t done, uint64_t total) override {
    console.progress(phase, detail, done, total, /*inBytes=*/true);
  }

private:
  Console &console;
};
} // namespace

static void printReport(const CompileReport &report, Command &command) {
  uint64_t total = report.weightsBytes + report.stateBytes + report.arenaBytes;
  if (command.json()) {
    nlohmann::json phases = nlohmann::json::array();
    for (const auto &[phase, seconds] : report.phases)
      phases.push_back({{"phase", phase}, {"seconds", seconds}});
    nlohmann::json result{{"memory",
                           {{"weights", report.weightsBytes},
                            {"state", report.stateBytes},
                            {"arena", report.arenaBytes},
                            {"total", total}}},
                          {"code", report.codeBytes},
                          {"phases", phases}};
    command.console.print(result.dump(2) + "\n");
    return;
  }
  auto line = [&](const char *what, uint64_t bytes, const char *note) {
    command.console.print(format("  %-8s %12llu bytes  %10s  %s\n", what,
                                 static_cast<unsigned long long>(bytes),
                                 bytesText(bytes).c_str(), note));
  };
  command.console.print("A run will need at most\n");
  line("weights", report.weightsBytes, "mapped from the artifact");
  line("state", report.stateBytes, "keys and values of all sequences");
  line("arena", report.arenaBytes, "scratch of the largest step");
  line("total", total, "");
}

static int compileHere(const CompileOptions &options, Command &command) {
  Watcher watcher(command.console);
  PeakMemory memory;
  CompileReport report = compile(options, &watcher);
  command.console.endProgress();
  printMessages(command.console, report);
  if (report.hasErrors())
    return report.exitCode();
  double sum = 0;
  for (const auto &[phase, seconds] : report.phases) {
    command.console.detail(format("%-22s %8.3f s", phase.c_str(), seconds));
    sum += seconds;
  }
  if (!options.compileTo.empty())
    return 0;
  command.console.note(
      format("wrote %s in %.2f s (code %s, peak memory %s beside mapped files)",
             options.output.c_str(), sum, bytesText(report.codeBytes).c_str(),
             bytesText(memory.bytes()).c_str()));
  printReport(report, command);
  return 0;
}

static int compileGuarded(CompileOptions &options, const CLI::App &verb,
                          Command &command) {
  if (options.output.empty() && options.compileTo.empty())
    throw Failure{2, "MOE0205", "compile: -o NAME.moec is required"};
  if (!options.params.empty() && !isModuleFile(options.input))
    throw Failure{2, "MOE0206", "--params goes with an .mlir file"};
  if (isModuleFile(options.input))
    for (const char *name :
         {"--dtype", "--max-context", "--max-sequences", "--arch-spec"})
      if (verb.count(name))
        throw Failure{2, "MOE0206",
                      std::string(name) +
                          " goes with a checkpoint; an .mlir file has been "
                          "imported, or says itself what it is"};
  if (!options.compileFrom.empty() && verb.count("--max-step-tokens"))
    throw Failure{2, "MOE0206",
                  "--max-step-tokens goes with what has yet to be imported; a "
                  "module of --compile-to has its limits"};
  auto work = [&] {
    int code = compileHere(options, command);
    command.console.endProgress();
    return command.console.resultsArrived() || code ? code : 4;
  };
  auto crashed = [&](int signal) {
    CompileReport report;
    report.messages.push_back(endedBySignal(signal));
    printMessages(command.console, report);
    return report.exitCode();
  };
  return runGuarded(
      work,
      [&](int process) { weights::removeTemporaries(options.output, process); },
      crashed);
}

static std::string phaseHelp() {
  std::string text = "Phases (for --compile-to, --compile-from):\n";
#define MOEC_PHASE(Id, Name, Summary)                                          \
  text += format("  %-10s %s\n", Name, Summary);
#include "passes/Phases.def"
  return text;
}

void driver::addCompileVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<CompileOptions>();
  CLI::App *verb =
      app.add_subcommand("compile", "Compile a checkpoint to an artifact");
  verb->add_option("input", options->input,
                   "a Hugging Face directory, or an .mlir file: a module of "
                   "functions on tensors, or one of --compile-to")
      ->required();
  addParams(*verb, options->params);
  verb->add_option("-o,--output", options->output,
                   "the artifact to write, NAME.moec; with --compile-to the "
                   ".mlir file, by default stdout");
  addImportOptions(*verb, options->import);
  verb->add_option("--target", options->targets,
                   "cpu (x86-64 with AVX2), cpu:native, or cpu:NAME for a "
                   "processor such as znver4; repeatable")
      ->expected(1)
      ->take_all();
  verb->add_option("--compile-to", options->compileTo,
                   "stop after this phase and write the module");
  verb->add_option("--compile-from", options->compileFrom,
                   "begin with this phase, from an .mlir file");
  verb->add_option("--dump-phases-to", options->dumpPhasesTo,
                   "folder for the module after each phase, LLVM IR and "
                   "assembly");
  addActivations(*verb, options->narrowActivations);
  verb->add_flag("--fallback", options->fallback,
                 "all kernels by the generic lowering");
  verb->add_flag("--taps", options->taps,
                 "export every value that `moec verify` compares");
  verb->add_flag("--timing", options->timing, "time of every pass");
  verb->add_option("--reproducer", options->reproducer,
                   "where a failing pass leaves its reproducer");
  addFormat(*verb, command);
  verb->footer(phaseHelp());
  onRun(*verb, command, [options, verb, &command] {
    return compileGuarded(*options, *verb, command);
  });
}
