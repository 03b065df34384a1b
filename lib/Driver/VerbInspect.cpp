//===- VerbInspect.cpp - moec inspect and moec check ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Drawing.h"
#include "lib/Driver/Handles.h"
#include "lib/Driver/Tensors.h"
#include "lib/Driver/Verbs.h"
#include "lib/Import/Import.h"
#include "lib/Weights/NewFile.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

using namespace moec;
using namespace moec::driver;
using importer::LayerSummary;
using importer::ModelSummary;
using nlohmann::json;

static std::string layerText(const LayerSummary &layer) {
  std::string text = layer.router.empty() ? "dense" : layer.router;
  if (!layer.otherExperts.empty())
    text += ", " + layer.otherExperts + " of " + std::to_string(layer.experts) +
            " experts";
  if (layer.window)
    text += ", attention window " + std::to_string(layer.window);
  if (layer.chunk)
    text += ", attention chunks of " + std::to_string(layer.chunk);
  if (!layer.mixer.empty())
    text += ", " + layer.mixer;
  if (!layer.recursion.empty())
    text += ", " + layer.recursion;
  return text;
}

static json layerJson(const LayerSummary &layer) {
  return {{"router", layer.router},
          {"experts", layer.experts},
          {"experts_per_token", layer.expertsPerToken},
          {"other_experts", layer.otherExperts},
          {"window", layer.window},
          {"chunk", layer.chunk},
          {"mixer", layer.mixer},
          {"recursion", layer.recursion}};
}

static json toJson(const ModelSummary &model) {
  json result{{"kind", "checkpoint"},
              {"family", model.family},
              {"model_type", model.modelType},
              {"dtype", model.dtype},
              {"vocabulary", model.vocabulary},
              {"hidden", model.hidden},
              {"parameters", model.parameters},
              {"active_parameters", model.activeParameters},
              {"state_bytes", model.stateBytes},
              {"eos", model.eos},
              {"limits",
               {{"context", model.maxContext},
                {"sequences", model.maxSequences},
                {"step_tokens", model.maxStepTokens}}},
              {"layers", json::array()},
              {"roles", json::object()},
              {"unsupported", model.unsupported}};
  if (model.bos)
    result["bos"] = *model.bos;
  for (const LayerSummary &layer : model.layers)
    result["layers"].push_back(layerJson(layer));
  for (const auto &[role, summary] : model.roles)
    result["roles"][role] = {{"bytes", summary.bytes},
                             {"parameters", summary.parameters}};
  return result;
}

/// Ascending numbers: "0-2, 4, 6-9".
static std::string rangesText(std::span<const int32_t> numbers) {
  std::string text;
  for (size_t first = 0, end; first < numbers.size(); first = end) {
    for (end = first + 1; end < numbers.size(); ++end)
      if (numbers[end] != numbers[end - 1] + 1)
        break;
    text += (first ? ", " : "") + std::to_string(numbers[first]);
    if (end - first > 1)
      text += "-" + std::to_string(numbers[end - 1]);
  }
  return text;
}

/// Neighbours that are the same are said once.
static void printLayers(Console &console, std::span<const int32_t> numbers,
                        llvm::function_ref<std::string(size_t)> textOf) {
  console.print("layers\n");
  for (size_t first = 0, end; first < numbers.size(); first = end) {
    std::string text = textOf(first);
    for (end = first + 1; end < numbers.size(); ++end)
      if (textOf(end) != text)
        break;
    std::string which = rangesText(numbers.subspan(first, end - first));
    console.print(format("  %-8s %s\n", which.c_str(), text.c_str()));
  }
}

static void printText(Console &console, const ModelSummary &model) {
  auto number = [](int64_t value) { return static_cast<long long>(value); };
  console.print(format("family       %s (model type %s)\n",
                       model.family.c_str(), model.modelType.c_str()));
  // An import that stopped before the layers has nothing else to tell.
  if (model.layers.empty())
    return;
  console.print(format("parameters   %lld, of which a token uses %lld\n",
                       number(model.parameters),
                       number(model.activeParameters)));
  console.print(format(
      "shape        %zu layers, hidden %lld, vocabulary %lld\n",
      model.layers.size(), number(model.hidden), number(model.vocabulary)));
  console.print(format("limits       context %lld, %lld sequences, %lld tokens "
                       "in a step\n",
                       number(model.maxContext), number(model.maxSequences),
                       number(model.maxStepTokens)));
  std::vector<int32_t> layers(model.layers.size());
  std::iota(layers.begin(), layers.end(), 0);
  printLayers(console, layers,
              [&](size_t i) { return layerText(model.layers[i]); });
  console.print(format("weights as %s\n", model.dtype.c_str()));
  int64_t total = 0;
  for (const auto &[role, summary] : model.roles) {
    console.print(format("  %-12s %14lld bytes  %10s\n", role.c_str(),
                         number(summary.bytes),
                         bytesText(summary.bytes).c_str()));
    total += summary.bytes;
  }
  console.print(format("  %-12s %14lld bytes  %10s\n", "all", number(total),
                       bytesText(total).c_str()));
  console.print(format("state        %lld bytes  %s\n",
                       number(model.stateBytes),
                       bytesText(model.stateBytes).c_str()));
}

namespace {
struct InspectOptions {
  std::string path, html, experts;
  bool checkFiles = false;
  importer::ImportOptions import;
};
} // namespace

static void drawCheckpoint(const InspectOptions &options,
                           const ModelSummary &model) {
  std::optional<ExpertCounts> counts;
  if (!options.experts.empty())
    counts = countExperts(options.experts, model);
  std::filesystem::path path = std::filesystem::absolute(options.path);
  if (path.filename().empty())
    path = path.parent_path();
  require(weights::writeFile(
      options.html, drawPage(path.filename().string(), model,
                             outlineCheckpoint(options.path, options.import),
                             counts ? &*counts : nullptr)));
}

static int inspectCheckpoint(const InspectOptions &options, Command &command) {
  Console &console = command.console;
  importer::Diagnostics diagnostics;
  ModelSummary model =
      importer::inspectCheckpoint(options.path, options.import, diagnostics);
  for (const importer::Diagnostic &diagnostic : diagnostics.list()) {
    if (diagnostic.severity == importer::Severity::Error)
      console.diagnose("error", diagnostic.code, diagnostic.message);
    else if (diagnostic.severity == importer::Severity::Warning)
      console.diagnose("warning", diagnostic.code, diagnostic.message);
    else if (console.verbosity > 0)
      console.diagnose("remark", diagnostic.code, diagnostic.message);
  }
  if (command.json()) {
    console.print(toJson(model).dump(2) + "\n");
  } else if (!model.family.empty()) {
    printText(console, model);
    console.print(model.unsupported.empty() ? "unsupported  nothing\n"
                                            : "unsupported\n");
    for (const std::string &item : model.unsupported)
      console.print("  " + item + "\n");
  }
  if (!options.html.empty() && !model.family.empty())
    drawCheckpoint(options, model);
  return diagnostics.exitCode();
}

static std::string joined(const json &list, const char *between = ", ") {
  std::string text;
  for (const json &item : list)
    text += (text.empty() ? "" : between) +
            (item.is_string() ? item.get<std::string>() : item.dump());
  return text;
}

static void printManifest(Console &console, const Model &opened,
                          const json &manifest) {
  const moec_model_info &info = opened.info();
  console.print(format("artifact     schema %d, by %s %s\n",
                       manifest.at("schema").get<int>(),
                       manifest["compiler"].value("name", "").c_str(),
                       manifest["compiler"].value("version", "").c_str()));
  console.print("options      " + joined(manifest["compiler"]["options"], " ") +
                "\n");
  console.print(format("model        %s, %s, %d layers (%d with experts), "
                       "hidden %d, vocabulary %d\n",
                       info.family, info.dtype, info.layers,
                       info.moe_layer_count, info.hidden, info.vocabulary));
  if (info.moe_layer_count)
    printLayers(console,
                {info.moe_layers, static_cast<size_t>(info.moe_layer_count)},
                [&](size_t i) {
                  return format("%d experts, %d for a token", info.experts[i],
                                info.experts_per_token[i]);
                });
  console.print(format("limits       context %d, %d sequences, %d tokens in a "
                       "step\n",
                       info.context, info.sequences, info.step_tokens));
  console.print("weights      " + bytesText(info.weights_bytes) + "\n");
  console.print("state        " + bytesText(info.state_bytes) + "\n");
  for (const json &target : manifest.at("targets"))
    console.print(format("target       %s, code %s, needs %s\n",
                         target.at("name").get<std::string>().c_str(),
                         bytesText(target.at("bytes").get<double>()).c_str(),
                         joined(target.at("requires")).c_str()));
}

static int inspectArtifact(const std::string &path, bool checkFiles,
                           Command &command) {
  Model model(path, MOEC_MODEL_INSPECT);
  if (checkFiles)
    check(moec_model_check_weights(model.get()));
  json manifest = json::parse(model.manifest());
  if (command.json()) {
    if (checkFiles)
      manifest["checked"] = true;
    command.console.print(manifest.dump(2) + "\n");
    return 0;
  }
  printManifest(command.console, model, manifest);
  if (checkFiles)
    command.console.print("checksums    all match\n");
  return 0;
}

static bool isArtifact(const std::filesystem::path &path) {
  std::error_code ignored;
  return path.extension() == ".moec" ||
         std::filesystem::exists(path / "manifest.json", ignored);
}

void driver::addInspectVerb(CLI::App &app, Command &command) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App *verb = app.add_subcommand(
      "inspect", "Say what a checkpoint or an artifact holds");
  verb->add_option("path", options->path,
                   "a Hugging Face directory, or NAME.moec")
      ->required();
  verb->add_flag("--check", options->checkFiles,
                 "of an artifact: compare all checksums");
  auto *html = verb->add_option(
      "--html", options->html,
      "of a checkpoint: also write a page with its graph, routers and bytes");
  verb->add_option("--experts", options->experts,
                   "a file of `moec run --experts`, whose choices the page "
                   "shows")
      ->needs(html);
  addImportOptions(*verb, options->import);
  addFormat(*verb, command);
  onRun(*verb, command, [options, &command] {
    if (isArtifact(options->path) && !options->html.empty())
      throw Failure{2, "MOE0206", "--html: only checkpoints are drawn"};
    if (isArtifact(options->path))
      return inspectArtifact(options->path, options->checkFiles, command);
    if (options->checkFiles)
      throw Failure{2, "MOE0206", "--check: only artifacts have checksums"};
    return inspectCheckpoint(*options, command);
  });
}

void driver::addCheckVerb(CLI::App &app, Command &command) {
  auto path = std::make_shared<std::string>();
  CLI::App *verb =
      app.add_subcommand("check", "Compare all checksums of an artifact");
  verb->add_option("artifact", *path, "NAME.moec")->required();
  addFormat(*verb, command);
  onRun(*verb, command, [path, &command] {
    Model model(*path, MOEC_MODEL_INSPECT);
    check(moec_model_check_weights(model.get()));
    command.console.print(command.json() ? "{\"ok\": true}\n" : "ok\n");
    return 0;
  });
}
