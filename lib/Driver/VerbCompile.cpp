//===- VerbCompile.cpp - moec compile -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/VerbCompile.h"
#include "lib/Driver/Compiler.h"

#include <CLI/CLI.hpp>
#include <cstdio>

using namespace moec;

static void printMessages(const CompileReport &report) {
  static const char *const kinds[] = {"error", "warning", "remark", "note"};
  for (const CompileReport::Message &message : report.messages) {
    if (message.kind == CompileReport::Message::Kind::Remark)
      continue;
    std::string code = message.code.empty() ? "" : "[" + message.code + "] ";
    std::fprintf(stderr, "%s: %s%s\n", kinds[static_cast<int>(message.kind)],
                 code.c_str(), message.text.c_str());
  }
}

void driver::addCompileVerb(CLI::App &app,
                            const std::vector<std::string> &commandLine,
                            int &exitCode) {
  auto options = std::make_shared<CompileOptions>();
  options->commandLine = commandLine;
  CLI::App *verb =
      app.add_subcommand("compile", "Compile a checkpoint to an artifact");
  verb->add_option("input", options->input, "Hugging Face directory")
      ->required();
  verb->add_option("-o,--output", options->output, "artifact to write")
      ->required();
  verb->add_option("--dtype", options->import.dtype,
                   "element type of the weights: f32 or bf16");
  verb->add_option("--target", options->targets,
                   "cpu, cpu:native or cpu:NAME; repeatable");
  verb->add_option("--max-context", options->import.maxContext,
                   "positions of a sequence");
  verb->add_option("--max-step-tokens", options->import.maxStepTokens,
                   "tokens of a step");
  verb->add_option("--max-sequences", options->import.maxSequences,
                   "sequences at a time");
  verb->add_option("--arch-spec", options->import.archSpec, "family file");
  verb->add_option("--compile-to", options->compileTo, "phase to stop after");
  verb->add_option("--compile-from", options->compileFrom,
                   "phase to begin with");
  verb->add_option("--dump-phases-to", options->dumpPhasesTo,
                   "folder for the module after each phase");
  verb->add_flag("--fallback", options->fallback,
                 "generic kernels through linalg");
  verb->add_flag("--taps", options->taps, "export every tap");
  verb->add_flag("--timing", options->timing, "time of every pass");
  verb->add_option("--reproducer", options->reproducer,
                   "where a failing pass leaves its reproducer");
  verb->callback([options, &exitCode] {
    CompileReport report = compile(*options);
    printMessages(report);
    exitCode = report.exitCode();
    for (const auto &[phase, seconds] : report.phases)
      std::fprintf(stderr, "%-24s %8.3f s\n", phase.c_str(), seconds);
  });
}
