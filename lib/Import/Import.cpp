//===- Import.cpp - From a Hugging Face directory to a module -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the family of a configuration, settles dtype and limits, and lets the
// family's program build the module.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Import.h"
#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"

#include <algorithm>
#include <filesystem>

using namespace mlir;
using namespace moec;
using namespace moec::importer;

namespace {

class Importer {
public:
  Importer(MLIRContext &context, std::string directory,
           const ImportOptions &options, ModelSummary &summary,
           Diagnostics &diagnostics)
      : context(context), directory(std::move(directory)), options(options),
        summary(summary), diagnostics(diagnostics) {}

  OwningOpRef<ModuleOp> run();

private:
  bool settleDtype(const Datum &named, const weights::Checkpoint &checkpoint);
  bool settleContext(const Datum &trained);
  bool limit(const char *name, int64_t value, int64_t max);
  bool settleTokens(ModuleBuilder &builder);
  std::optional<Datum> tokens(const Json &generation, const std::string &file,
                              const std::string &name, ModuleBuilder &builder);
  OwningOpRef<ModuleOp> build(Config &config,
                              const weights::Checkpoint &checkpoint);
  bool verifyModule(ModuleOp module);
  std::string pathOf(const char *file) const {
    return (std::filesystem::path(directory) / file).string();
  }

  MLIRContext &context;
  std::string directory;
  const ImportOptions &options;
  ModelSummary &summary;
  Diagnostics &diagnostics;
};

} // namespace

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

bool Importer::settleDtype(const Datum &named,
                           const weights::Checkpoint &checkpoint) {
  if (options.dtype) {
    summary.dtype = *options.dtype;
    if (summary.dtype == "f32" || summary.dtype == "bf16")
      return true;
    diagnostics.error(code::badOption,
                      "--dtype " + summary.dtype + ": expected f32 or bf16");
    return false;
  }
  bool narrow = false;
  if (const auto *name = named.as<std::string>())
    narrow = *name == "bfloat16" || *name == "float16";
  else if (!checkpoint.tensors().empty())
    // The configuration does not say: what most of the weights are.
    narrow = 2 * llvm::count_if(checkpoint.tensors(),
                                [](const weights::Tensor &tensor) {
                                  return tensor.dtype() != weights::DType::F32;
                                }) >
             static_cast<int64_t>(checkpoint.tensors().size());
  summary.dtype = narrow ? "bf16" : "f32";
  return true;
}

bool Importer::limit(const char *name, int64_t value, int64_t max) {
  if (value >= 1 && value <= max)
    return true;
  diagnostics.error(code::badOption,
                    std::string(name) + " " + std::to_string(value) +
                        ": expected 1 to " + std::to_string(max));
  return false;
}

bool Importer::settleContext(const Datum &trained) {
  constexpr int64_t byDefault = 4096;
  // Positions are multiplied with frequencies in f32, which is exact up to
  // here only.
  constexpr int64_t maxContext = int64_t(1) << 24;
  const int64_t *positions = trained.as<int64_t>();
  summary.maxContext = options.maxContext.value_or(
      positions ? std::min(*positions, byDefault) : byDefault);
  if (positions && summary.maxContext > *positions)
    diagnostics.warning(code::oddity,
                        "--max-context " + std::to_string(summary.maxContext) +
                            " exceeds the " + std::to_string(*positions) +
                            " positions that the model was made for");
  summary.maxSequences = options.maxSequences;
  summary.maxStepTokens = options.maxStepTokens;
  bool good = limit("--max-context", summary.maxContext, maxContext);
  good &= limit("--max-sequences", summary.maxSequences, 1 << 16);
  good &= limit("--max-step-tokens", summary.maxStepTokens, 1 << 20);
  return good;
}

//===----------------------------------------------------------------------===//
// Special tokens
//===----------------------------------------------------------------------===//

/// Of generation_config.json where it says something, else of the model's.
std::optional<Datum> Importer::tokens(const Json &generation,
                                      const std::string &file,
                                      const std::string &name,
                                      ModuleBuilder &builder) {
  static const std::vector<KeyType> tokenTypes{KeyType::Integer,
                                               KeyType::Integers};
  auto it = generation.find(name);
  if (it == generation.end() || it->is_null())
    return builder.key(name);
  if (auto value = convert(*it, tokenTypes))
    return value;
  return diagnostics.error(code::illTypedKey,
                           file + ": " + name + " must be " +
                               std::string(describe(tokenTypes)) + ", got " +
                               toText(*it));
}

static std::vector<int64_t> toIds(const Datum &value) {
  std::vector<int64_t> ids;
  if (const int64_t *id = value.as<int64_t>())
    ids.push_back(*id);
  if (const List *list = value.as<List>())
    for (const Datum &item : **list)
      ids.push_back(*item.as<int64_t>());
  return ids;
}

bool Importer::settleTokens(ModuleBuilder &builder) {
  Json generation = Json::object();
  std::string file = pathOf("generation_config.json");
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    auto json = readJsonObject(file, diagnostics);
    if (!json)
      return false;
    generation = std::move(*json);
  }
  auto eos = tokens(generation, file, "eos_token_id", builder);
  auto bos = tokens(generation, file, "bos_token_id", builder);
  if (!eos || !bos)
    return false;
  auto isToken = [&](const char *name, int64_t id) {
    bool known = id >= 0 && id < summary.vocabulary;
    if (!known)
      diagnostics.remark(code::oddity,
                         std::string(name) + " " + std::to_string(id) +
                             " is not one of the " +
                             std::to_string(summary.vocabulary) +
                             " tokens of the model and is ignored");
    return known;
  };
  for (int64_t id : toIds(*eos))
    if (isToken("eos_token_id", id) && !llvm::is_contained(summary.eos, id))
      summary.eos.push_back(id);
  std::vector<int64_t> begin = toIds(*bos);
  if (!begin.empty() && isToken("bos_token_id", begin.front()))
    summary.bos = begin.front();
  return true;
}

//===----------------------------------------------------------------------===//
// The import
//===----------------------------------------------------------------------===//

bool Importer::verifyModule(ModuleOp module) {
  std::string complaint;
  ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    complaint += (complaint.empty() ? "" : "; ") + diagnostic.str();
    return success();
  });
  if (succeeded(verify(module)))
    return true;
  diagnostics.error(code::internal,
                    "the imported module is not valid: " + complaint);
  return false;
}

OwningOpRef<ModuleOp> Importer::build(Config &config,
                                      const weights::Checkpoint &checkpoint) {
  ModuleBuilder builder(context, config, checkpoint, summary, diagnostics);
  auto dtype = builder.key("torch_dtype");
  auto positions = builder.key("max_position_embeddings");
  bool good = dtype && settleDtype(*dtype, checkpoint);
  good &= positions && settleContext(*positions);
  good &= builder.checkConfig();
  if (!good || diagnostics.hasErrors())
    return nullptr;
  OwningOpRef<ModuleOp> module = builder.build();
  if (!module || diagnostics.hasErrors() || !settleTokens(builder))
    return nullptr;
  builder.describe(*module);
  return module;
}

OwningOpRef<ModuleOp> Importer::run() {
  context.loadDialect<arith::ArithDialect, func::FuncDialect,
                      linalg::LinalgDialect, math::MathDialect,
                      tensor::TensorDialect, moe::MoeDialect, nn::NnDialect>();
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    diagnostics.error(code::unreadable,
                      directory + " is not a directory with a checkpoint");
    return nullptr;
  }
  auto json = readJsonObject(pathOf("config.json"), diagnostics);
  if (!json)
    return nullptr;
  auto type = json->find("model_type");
  if (type != json->end() && type->is_string())
    summary.modelType = type->get<std::string>();
  auto family = familyOf(*json, options.archSpec, diagnostics);
  if (!family)
    return nullptr;
  summary.family = family->name;
  Config config(std::move(*json), "config.json", *family, diagnostics);
  config.checkPresent();
  config.checkUnread();
  if (diagnostics.hasErrors())
    return nullptr;
  auto checkpoint = weights::Checkpoint::open(directory);
  if (!checkpoint) {
    diagnostics.error(code::badCheckpoint, checkpoint.status().message());
    return nullptr;
  }
  for (const std::string &remark : checkpoint->remarks())
    diagnostics.remark(code::oddity, remark);
  OwningOpRef<ModuleOp> module = build(config, *checkpoint);
  if (!module || !verifyModule(*module))
    return nullptr;
  return module;
}

OwningOpRef<ModuleOp> moec::importer::importCheckpoint(
    MLIRContext &context, const std::string &directory,
    const ImportOptions &options, Diagnostics &diagnostics,
    ModelSummary *summary) {
  ModelSummary own;
  return Importer(context, directory, options, summary ? *summary : own,
                  diagnostics)
      .run();
}

ModelSummary moec::importer::inspectCheckpoint(const std::string &directory,
                                               const ImportOptions &options,
                                               Diagnostics &diagnostics) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  ModelSummary summary;
  importCheckpoint(context, directory, options, diagnostics, &summary);
  for (const auto &diagnostic : diagnostics.list())
    if (diagnostic.code.starts_with("MOE03"))
      summary.unsupported.push_back(diagnostic.message);
  return summary;
}
