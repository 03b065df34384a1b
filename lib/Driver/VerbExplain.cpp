//===- VerbExplain.cpp - moec explain -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the passes did to each layer of a checkpoint and why, or what a
// diagnostic means.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Compiler.h"
#include "lib/Driver/Verbs.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

using namespace moec;
using namespace moec::driver;

namespace {
struct ExplainOptions {
  CompileOptions compile;
  bool missed = false;
};

struct Remark {
  std::string kind, pass, function, text;
  int64_t times;
};

/// Keeps remarks; equal ones once.
class Collector : public CompileListener {
public:
  explicit Collector(Console &console) : console(console) {}

  bool wantsRemarks() const override { return true; }
  void progress(const std::string &phase, const std::string &, uint64_t,
                uint64_t) override {
    console.progress(phase, "", 0, 0);
  }
  void remark(const std::string &kind, const std::string &pass,
              const std::string &function, const std::string &text) override {
    for (Remark &known : remarks)
      if (known.kind == kind && known.pass == pass &&
          known.function == function && known.text == text) {
        ++known.times;
        return;
      }
    remarks.push_back({kind, pass, function, text, 1});
  }

  std::vector<Remark> remarks;

private:
  Console &console;
};
} // namespace

static int explainCode(const std::string &code, Command &command) {
  struct Entry {
    const char *code, *meaning;
  };
  static const Entry entries[] = {
#define MOEC_DIAGNOSTIC(Code, Meaning) {Code, Meaning},
#include "lib/Driver/Codes.def"
  };
  for (const Entry &entry : entries) {
    if (code != entry.code)
      continue;
    if (command.json())
      command.console.print(
          nlohmann::json{{"code", code}, {"meaning", entry.meaning}}.dump() +
          "\n");
    else
      command.console.print(code + ": " + entry.meaning + "\n");
    return 0;
  }
  throw Failure{2, "MOE0207", "no diagnostic has the code " + code};
}

static void printText(const std::vector<Remark> &remarks, Console &console) {
  std::vector<std::string> functions;
  for (const Remark &remark : remarks)
    if (std::find(functions.begin(), functions.end(), remark.function) ==
        functions.end())
      functions.push_back(remark.function);
  for (const std::string &function : functions) {
    bool known = !function.empty() && function[0] != '<';
    console.print((known ? function : "all functions") + "\n");
    for (const Remark &remark : remarks) {
      if (remark.function != function)
        continue;
      std::string times = remark.times > 1
                              ? format(" (%lld times)", (long long)remark.times)
                              : "";
      console.print(format("  %-8s %s: %s%s\n", remark.kind.c_str(),
                           remark.pass.c_str(), remark.text.c_str(),
                           times.c_str()));
    }
  }
}

static void printJson(const std::vector<Remark> &remarks, Console &console) {
  nlohmann::json list = nlohmann::json::array();
  for (const Remark &remark : remarks)
    list.push_back({{"kind", remark.kind},
                    {"pass", remark.pass},
                    {"function", remark.function},
                    {"text", remark.text},
                    {"times", remark.times}});
  console.print(list.dump(2) + "\n");
}

/// Compiles as far as remarks are made. The module goes nowhere.
static int explainCheckpoint(ExplainOptions &options, Command &command) {
  options.compile.compileTo = "kernels";
  options.compile.output = "/dev/null";
  Collector collector(command.console);
  CompileReport report = compile(options.compile, &collector);
  command.console.endProgress();
  printMessages(command.console, report);
  if (report.hasErrors())
    return report.exitCode();
  std::vector<Remark> &remarks = collector.remarks;
  if (options.missed)
    std::erase_if(remarks, [](const Remark &r) { return r.kind != "missed"; });
  if (command.json())
    printJson(remarks, command.console);
  else
    printText(remarks, command.console);
  return 0;
}

void driver::addExplainVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App *verb = app.add_subcommand(
      "explain", "Say what the compiler does to a checkpoint and why, or what "
                 "a diagnostic means");
  verb->add_option("what", options->compile.input,
                   "a Hugging Face directory, or a code such as MOE0301")
      ->required();
  verb->add_flag("--missed", options->missed, "only what did not take place");
  addImportOptions(*verb, options->compile.import);
  verb->add_option("--target", options->compile.targets, "as of compile")
      ->expected(1)
      ->take_all();
  addActivations(*verb, options->compile.narrowActivations);
  addFormat(*verb, command);
  onRun(*verb, command, [options, &command] {
    const std::string &what = options->compile.input;
    bool isCode = what.starts_with("MOE") && !std::filesystem::exists(what);
    return isCode ? explainCode(what, command)
                  : explainCheckpoint(*options, command);
  });
}
