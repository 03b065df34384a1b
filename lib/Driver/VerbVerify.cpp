//===- VerbVerify.cpp - moec verify ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs an artifact and, by definition, the checkpoint or the module that it was
// made from, and says from which value on they differ.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Compare.h"
#include "lib/Driver/FunctionCall.h"
#include "lib/Driver/Verbs.h"
#include "lib/Weights/Elements.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

using namespace moec;
using namespace moec::driver;

namespace {
struct VerifyOptions {
  std::string checkpoint, artifact, archSpec;
  /// Of a module: its tensors, and what to call which function on.
  std::string params, inputs, function;
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

/// Appends elements to the vector that holds their kind.
static void append(std::vector<float> &reals, std::vector<int32_t> &ints,
                   const void *data, moec_dtype dtype, int64_t count) {
  if (dtype == MOEC_I32) {
    auto *from = static_cast<const int32_t *>(data);
    ints.insert(ints.end(), from, from + count);
  } else if (dtype == MOEC_F32) {
    auto *from = static_cast<const float *>(data);
    reals.insert(reals.end(), from, from + count);
  } else if (dtype == MOEC_BF16) {
    auto *from = static_cast<const uint16_t *>(data);
    std::transform(from, from + count, std::back_inserter(reals),
                   weights::bf16ToFloat);
  } else {
    throw Failure{70, "MOE7001", "a value of an element type that none has"};
  }
}

static int64_t countOf(const int64_t *shape, int32_t rank) {
  return std::accumulate(shape, shape + rank, int64_t(1),
                         std::multiplies<int64_t>());
}

static void append(Rows &rows, const moec_view &view) {
  rows.rows += view.shape[0];
  append(rows.reals, rows.ints, view.data, view.dtype,
         countOf(view.shape, view.rank));
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
  ModelShape shape{model.info().vocabulary, model.info().layers,
                   model.info().hidden};
  auto recorded = runReference(options.checkpoint, import, shape, ids, report);
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

/// Says what agrees; the exit code.
static int conclude(const std::vector<Comparison> &list, size_t tokens,
                    const std::string &whereElse, Command &command) {
  Console &console = command.console;
  if (command.json())
    printJson(list, tokens, console);
  else
    printText(list, console);
  const Comparison *first = firstMismatch(list);
  if (!first)
    return 0;
  console.report({5, "MOE0501", first->name + ": " + first->mismatch});
  if (!whereElse.empty())
    console.note(whereElse);
  return 5;
}

static bool roundsActivations(const Model &model) {
  auto manifest = nlohmann::json::parse(model.manifest());
  const nlohmann::json &options = manifest["compiler"]["options"];
  return std::find(options.begin(), options.end(), "--activations") !=
         options.end();
}

static CompareOptions compareOptions(const VerifyOptions &options,
                                     bool narrow) {
  return {narrow, options.tolerance.value_or(narrow ? 2e-2 : 2e-5)};
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

static GivenTensor toGiven(const Array &array) {
  GivenTensor given{array.shape, {}, {}};
  append(given.reals, given.ints, array.words.data(), array.dtype,
         countOf(array.shape.data(), int32_t(array.shape.size())));
  return given;
}

static Rows toRows(const Array &array) {
  Rows rows;
  rows.rows = array.shape.front();
  append(rows.reals, rows.ints, array.words.data(), array.dtype,
         countOf(array.shape.data(), int32_t(array.shape.size())));
  return rows;
}

/// The functions to compare: the one that was asked for, or all of them.
static std::vector<std::string> functionsOf(const VerifyOptions &options,
                                            const Model &model) {
  std::vector<std::string> names;
  for (int32_t i = 0;
       const char *name = moec_model_function_name(model.get(), i); ++i)
    if (options.function.empty() || options.function == name)
      names.push_back(name);
  if (names.empty() || (names.size() > 1 && !options.inputs.empty()))
    // Says which there are.
    names = {options.function};
  return names;
}

/// Both call a function on the same tensors. Values get its name in front where
/// there are several.
static std::vector<Comparison>
verifyFunction(const VerifyOptions &options, const Model &model,
               const std::string &name, const std::string &prefix,
               ModuleReference &reference, bool &hasTaps, Console &console) {
  FunctionCall call(model, name, options.threads);
  if (options.inputs.empty())
    call.drawInputs(std::min(options.tokens, model.info().step_tokens));
  else
    call.readInputs(options.inputs);
  console.progress("artifact", call.name(), 0, 0);
  call.run();
  console.progress("reference", call.name(), 0, 0);
  std::vector<GivenTensor> inputs;
  for (const Array &array : call.inputs())
    inputs.push_back(toGiven(array));
  hasTaps |= !call.taps().empty();
  CompileReport report;
  auto expected = reference.run(call.name(), inputs, report);
  console.endProgress();
  printMessages(console, report);
  if (!expected)
    throw Failure{report.hasErrors() ? report.exitCode() : 70, "",
                  "the function '" + call.name() + "' could not be evaluated"};
  Recorded actual;
  for (const Array &array : call.outputs()) {
    if (!expected->values.count(array.name))
      throw Failure{5, "MOE0501",
                    "the module's function '" + call.name() +
                        "' does not give '" + array.name +
                        "', that of the artifact does"};
    actual.values[array.name] = toRows(array);
  }
  for (const auto &[name, view] : call.taps())
    append(actual.values[name], view);
  auto list = compareValues(*expected, actual,
                            compareOptions(options, reference.isNarrow()));
  for (Comparison &comparison : list)
    comparison.name = prefix + comparison.name;
  return list;
}

static int verifyModule(const VerifyOptions &options, Command &command) {
  Model model(options.artifact);
  if (model.info().vocabulary)
    throw Failure{2, "MOE0206",
                  options.artifact + " is a language model; verify it against "
                                     "the checkpoint that it was made from"};
  std::vector<std::string> names = functionsOf(options, model);
  CompileReport report;
  auto reference =
      ModuleReference::open(options.checkpoint, options.params, report);
  printMessages(command.console, report);
  if (!reference)
    return report.exitCode();
  std::vector<Comparison> all;
  bool hasTaps = false;
  for (const std::string &name : names)
    for (Comparison &comparison : verifyFunction(
             options, model, name, names.size() > 1 ? name + "." : "",
             *reference, hasTaps, command.console))
      all.push_back(std::move(comparison));
  int64_t rows = 0;
  for (const Comparison &comparison : all)
    rows = std::max(rows, comparison.rows);
  return conclude(all, size_t(rows),
                  hasTaps ? ""
                          : "note: compile with --taps to compare every "
                            "value",
                  command);
}

//===----------------------------------------------------------------------===//
// The verb
//===----------------------------------------------------------------------===//

static int verify(const VerifyOptions &options, Command &command) {
  Console &console = command.console;
  bool isModule = isModuleFile(options.checkpoint);
  bool ofModule = !options.params.empty() || !options.inputs.empty() ||
                  !options.function.empty();
  if (isModule && (options.ids || !options.archSpec.empty()))
    throw Failure{2, "MOE0206", "--ids and --arch-spec go with a checkpoint"};
  if (!isModule && ofModule)
    throw Failure{2, "MOE0206",
                  "--params, --inputs and --function go with an .mlir file"};
  if (isModule)
    return verifyModule(options, command);
  Model model(options.artifact);
  Ids ids =
      options.ids ? parseIds(*options.ids) : randomIds(model, options.tokens);
  console.progress("artifact", "", 0, 0);
  Recorded actual = runArtifact(model, ids, options.threads);
  console.progress("reference", "", 0, 0);
  Recorded expected = runReference(options, model, ids, console);
  console.endProgress();
  bool narrow = std::string(model.info().dtype) == "bf16";
  std::vector<Comparison> list =
      compareValues(expected, actual, compareOptions(options, narrow));
  bool onlyExperts = true;
  for (const Comparison &c : list)
    onlyExperts &= c.name == "logits" || c.name.ends_with(".experts");
  std::string note;
  if (roundsActivations(model))
    note = "note: the artifact was compiled with --activations bf16 and rounds "
           "what the reference does not; compile without to compare within "
           "these bounds";
  else if (onlyExperts)
    note = "note: compile with --taps to compare every value";
  return conclude(list, ids.size(), note, command);
}

void driver::addVerifyVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App *verb = app.add_subcommand(
      "verify", "Compare an artifact with the reference, value by value");
  verb->add_option(
          "checkpoint", options->checkpoint,
          "the Hugging Face directory, or the .mlir file of functions, "
          "it was compiled from")
      ->required();
  verb->add_option("artifact", options->artifact, "NAME.moec")->required();
  addParams(*verb, options->params);
  verb->add_option("--inputs", options->inputs,
                   "of an .mlir file: the safetensors file with the inputs of "
                   "a function; by default random ones, for every function");
  verb->add_option("--function", options->function,
                   "of an .mlir file: compare this function only");
  CLI::Option *ids = verb->add_option(
      "--ids", options->ids, "token ids to compare on; by default random ones");
  verb->add_option("--tokens", options->tokens,
                   "how many random ids, or rows of random inputs; at most "
                   "what the artifact has room for")
      ->excludes(ids)
      ->capture_default_str()
      ->check(atLeast(1));
  verb->add_option("--tolerance", options->tolerance,
                   "on the relative error of a value; by default 2e-5 for f32 "
                   "and 2e-2 for bf16")
      ->check(atLeast(0));
  verb->add_option("--arch-spec", options->archSpec,
                   "the family file it was compiled with");
  addThreads(*verb, options->threads);
  addFormat(*verb, command);
  onRun(*verb, command,
        [options, &command] { return verify(*options, command); });
}
