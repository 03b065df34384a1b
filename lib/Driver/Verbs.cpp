//===- Verbs.cpp - What the verbs share -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Verbs.h"
#include "lib/Driver/Compiler.h"

#include <CLI/CLI.hpp>

using namespace moec;
using namespace moec::driver;

void driver::addVerbs(CLI::App &app, Command &command) {
  app.require_subcommand(1);
  app.fallthrough();
  Console &console = command.console;
  app.add_flag_callback(
      "-v,--verbose", [&console] { console.verbosity = 1; }, "say more");
  app.add_flag_callback(
      "-q,--quiet", [&console] { console.verbosity = -1; },
      "only results and errors");
  app.add_option("--progress", console.progressMode,
                 "how to show progress: auto (a bar on a terminal), bar, "
                 "plain, json or none")
      ->check(CLI::IsMember({"auto", "bar", "plain", "json", "none"}));
  app.add_option("--color", console.colorMode,
                 "of diagnostics: auto (on a terminal), always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.set_config("--config", "",
                 "TOML file with options by their long names; those of a verb "
                 "under its name, as in [compile]");
  app.allow_config_extras(CLI::config_extras_mode::error);
  addCompileVerb(app, command);
  addRunVerb(app, command);
  addEvalVerb(app, command);
  addInspectVerb(app, command);
  addCheckVerb(app, command);
  addVerifyVerb(app, command);
  addBenchVerb(app, command);
  addExplainVerb(app, command);
  for (CLI::App *verb : app.get_subcommands({}))
    verb->fallthrough();
}

static int guarded(Console &console, const std::function<int()> &body) {
  try {
    return body();
  } catch (const Failure &failure) {
    console.report(failure);
    return failure.exitCode;
  } catch (const std::bad_alloc &) {
    console.report({4, "MOE0403", "not enough memory"});
    return 4;
  } catch (const std::exception &error) {
    console.report({70, "MOE7001", error.what()});
    return 70;
  }
}

void driver::onRun(CLI::App &verb, Command &command,
                   std::function<int()> body) {
  verb.callback([&command, body = std::move(body)] {
    Console &console = command.console;
    command.exitCode = guarded(console, body);
    console.endProgress();
    if (!console.resultsArrived() && command.exitCode == 0) {
      console.report({4, "MOE0404", "cannot write the results to stdout"});
      command.exitCode = 4;
    }
  });
}

std::function<std::string(const std::string &)> driver::atLeast(int least) {
  return [least](const std::string &text) {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= least)
      return std::string();
    return "must be a number of at least " + std::to_string(least) + ", got " +
           text;
  };
}

void driver::addFormat(CLI::App &verb, Command &command) {
  verb.add_option("--format", command.format, "of the results: text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

void driver::addThreads(CLI::App &verb, int32_t &threads) {
  verb.add_option("--threads", threads, "0: one for each CPU")
      ->capture_default_str()
      ->check(atLeast(0));
}

void driver::addParams(CLI::App &verb, std::string &params) {
  verb.add_option("--params", params,
                  "of an .mlir file: the safetensors file, or the directory, "
                  "with the tensors that it loads");
}

void driver::addActivations(CLI::App &verb, bool &narrow) {
  verb.add_option_function<std::string>(
          "--activations",
          [&narrow](const std::string &type) { narrow = type == "bf16"; },
          "f32 (default): inputs of matrix products stay f32; bf16: those of "
          "bf16 weights are rounded where the target multiplies pairs of bf16: "
          "half the instructions, less precision")
      ->check(CLI::IsMember({"f32", "bf16"}));
}

void driver::addImportOptions(CLI::App &verb,
                              importer::ImportOptions &options) {
  verb.add_option("--dtype", options.dtype,
                  "element type of the weights, f32 or bf16; by default the "
                  "nearest to the checkpoint's")
      ->check(CLI::IsMember({"f32", "bf16"}));
  verb.add_option("--max-context", options.maxContext,
                  "positions of a sequence")
      ->check(atLeast(1));
  verb.add_option("--max-step-tokens", options.maxStepTokens,
                  "tokens of a step")
      ->capture_default_str()
      ->check(atLeast(1));
  verb.add_option("--max-sequences", options.maxSequences,
                  "sequences at a time")
      ->capture_default_str()
      ->check(atLeast(1));
  verb.add_option("--arch-spec", options.archSpec,
                  "a family file to use instead of the built-in ones");
}

void driver::printMessages(Console &console, const CompileReport &report) {
  using Kind = CompileReport::Message::Kind;
  for (const CompileReport::Message &message : report.messages) {
    switch (message.kind) {
    case Kind::Error:
      console.diagnose("error", message.code, message.text);
      break;
    case Kind::Warning:
      console.diagnose("warning", message.code, message.text);
      break;
    case Kind::Remark:
      if (console.verbosity > 0)
        console.diagnose("remark", message.code, message.text);
      break;
    case Kind::Note:
      console.diagnose("note", message.code, message.text);
      break;
    }
  }
}
