//===- VerbVerify.cpp - moec verify ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs an artifact and, by definition, the checkpoint that it was made from,
// and says from which value on they differ.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Compare.h"
#include "lib/Driver/Handles.h"
#include "lib/Driver/Verbs.h"

#include <CLI/CLI.hpp>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

using namespace moec;
using namespace moec::driver;

namespace {
struct VerifyOptions {
  std::string checkpoint, artifact, archSpec;
  std::optional<std::string> ids;
  std::optional<double> tolerance;
  int32_t tokens = 48, threads = 0;
};
} // namespace

static Ids randomIds(const Model &model, int32_t count) {
  std::mt19937 random(1);
  Ids ids(std::min(count, model.info().context));
  for (int32_t &id : ids)
    id = random() % model.info().vocabulary;
  return ids;
}

static void append(Rows &rows, const moec_view &view) {
  int64_t count = 1;
  for (int32_t i = 0; i < view.rank; ++i)
    count *= view.shape[i];
  rows.rows += view.shape[0];
  if (view.dtype == MOEC_I32) {
    auto *data = static_cast<const int32_t *>(view.data);
    rows.ints.insert(rows.ints.end(), data, data + count);
  } else if (view.dtype == MOEC_F32) {
    auto *data = static_cast<const float *>(view.data);
    rows.reals.insert(rows.reals.end(), data, data + count);
  } else if (view.dtype == MOEC_BF16) {
    auto *data = static_cast<const uint16_t *>(view.data);
    for (int64_t i = 0; i < count; ++i) {
      uint32_t bits = uint32_t(data[i]) << 16;
      float value;
      std::memcpy(&value, &bits, sizeof(value));
      rows.reals.push_back(value);
    }
  } else {
    throw Failure{70, "MOE7001", "a tap of an element type that none has"};
  }
}

/// All taps and logits of the artifact.
static Recorded runArtifact(const Model &model, const Ids &ids,
                            int32_t threads) {
  Session session(model, threads);
  Recorded recorded;
  size_t limit = session.stepTokens();
  for (size_t at = 0; at < ids.size(); at += limit) {
    size_t count = std::min(limit, ids.size() - at);
    const float *logits =
        session.step(std::span(ids).subspan(at, count), MOEC_ROWS_ALL);
    moec_view view{};
    view.data = logits;
    view.dtype = MOEC_F32;
    view.rank = 2;
    view.shape[0] = count;
    view.shape[1] = model.info().vocabulary;
    append(recorded.values["logits"], view);
    for (int32_t i = 0; i < model.info().tap_count; ++i) {
      std::string name = moec_model_tap_name(model.get(), i);
      append(recorded.values[name], session.tap(name));
    }
  }
  return recorded;
}

static Recorded runReference(const VerifyOptions &options, const Model &model,
                             const Ids &ids, Console &console) {
  importer::ImportOptions import;
  import.dtype = model.info().dtype;
  import.maxContext = model.info().context;
  import.maxSequences = model.info().sequences;
  import.maxStepTokens = model.info().step_tokens;
  import.archSpec = options.archSpec;
  CompileReport report;
  auto recorded = runReference(options.checkpoint, import, ids, report);
  printMessages(console, report);
  if (!recorded)
    throw Failure{report.hasErrors() ? report.exitCode() : 70, "",
                  "the checkpoint could not be evaluated"};
  return std::move(*recorded);
}

static const Comparison *firstMismatch(const std::vector<Comparison> &list) {
  for (const Comparison &comparison : list)
    if (!comparison.mismatch.empty())
      return &comparison;
  return nullptr;
}

static void printJson(const std::vector<Comparison> &list, size_t tokens,
                      Console &console) {
  nlohmann::json values = nlohmann::json::array();
  int64_t ties = 0;
  for (const Comparison &c : list) {
    ties += c.ties;
    values.push_back({{"name", c.name},
                      {"rows", c.rows},
                      {"relative_error", c.frobenius},
                      {"largest_error", c.largest},
                      {"ties", c.ties},
                      {"agrees", c.mismatch.empty()},
                      {"mismatch", c.mismatch}});
  }
  const Comparison *first = firstMismatch(list);
  nlohmann::json result{{"agrees", first == nullptr},
                        {"tokens", tokens},
                        {"ties", ties},
                        {"values", values}};
  if (first)
    result["first_mismatch"] = first->name;
  console.print(result.dump(2) + "\n");
}

static void printText(const std::vector<Comparison> &list, Console &console) {
  for (const Comparison &c : list) {
    std::string text = c.mismatch.empty() ? "ok" : "DIFFERS";
    if (c.ties)
      text += format("  (%lld ties)", (long long)c.ties);
    if (c.name.ends_with(".experts"))
      console.print(format("%-28s %5lld tokens  %28s %s\n", c.name.c_str(),
                           (long long)c.rows, "", text.c_str()));
    else
      console.print(format("%-28s %5lld tokens  rel %.2e  max %.2e  %s\n",
                           c.name.c_str(), (long long)c.rows, c.frobenius,
                           c.largest, text.c_str()));
  }
}

static int verify(const VerifyOptions &options, Command &command) {
  Console &console = command.console;
  Model model(options.artifact);
  Ids ids =
      options.ids ? parseIds(*options.ids) : randomIds(model, options.tokens);
  console.progress("artifact", "", 0, 0);
  Recorded actual = runArtifact(model, ids, options.threads);
  console.progress("reference", "", 0, 0);
  Recorded expected = runReference(options, model, ids, console);
  console.endProgress();
  CompareOptions compare;
  compare.narrow = std::string(model.info().dtype) == "bf16";
  compare.tolerance = options.tolerance.value_or(compare.narrow ? 2e-2 : 2e-5);
  std::vector<Comparison> list = compareValues(expected, actual, compare);
  if (command.json())
    printJson(list, ids.size(), console);
  else
    printText(list, console);
  bool onlyExperts = true;
  for (const Comparison &c : list)
    onlyExperts &= c.name == "logits" || c.name.ends_with(".experts");
  const Comparison *first = firstMismatch(list);
  if (!first)
    return 0;
  console.report({5, "MOE0501", first->name + ": " + first->mismatch});
  if (onlyExperts)
    console.note("note: compile with --taps to compare every value");
  return 5;
}

void driver::addVerifyVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App *verb = app.add_subcommand(
      "verify", "Compare an artifact with the reference, layer by layer");
  verb->add_option("checkpoint", options->checkpoint,
                   "the Hugging Face directory it was compiled from")
      ->required();
  verb->add_option("artifact", options->artifact, "NAME.moec")->required();
  verb->add_option("--ids", options->ids,
                   "token ids to compare on; by default random ones");
  verb->add_option("--tokens", options->tokens, "how many random ids")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  verb->add_option("--tolerance", options->tolerance,
                   "on the relative error of a value; by default 2e-5 for f32 "
                   "and 2e-2 for bf16")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--arch-spec", options->archSpec,
                   "the family file it was compiled with");
  verb->add_option("--threads", options->threads, "0: one for each CPU")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  addFormat(*verb, command);
  onRun(*verb, command,
        [options, &command] { return verify(*options, command); });
}
