//===- Import.h - From a Hugging Face directory to a module -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads config.json, generation_config.json and the tensors of a checkpoint,
// and describes the model as func, tensor, arith, math, linalg, moe and nn ops.
// The module holds no weights, only recipes that name tensors.
//
// Its attribute `moe.model` is a dictionary for the artifact's manifest:
// family, model_type, dtype (strings); vocabulary, layers, hidden, context,
// sequences, step_tokens, bos (i64; bos only where there is one); moe_layers,
// eos (arrays of i64); experts, experts_per_token (arrays of i64, one for each
// of moe_layers).
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_IMPORT_H
#define MOEC_LIB_IMPORT_IMPORT_H

#include "lib/Import/Diagnostics.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <cstdint>
#include <map>

namespace moec::importer {

struct ImportOptions {
  /// Of weight matrices and of keys and values: "f32" or "bf16". By default
  /// bf16 where the configuration says bfloat16 or float16, else f32.
  std::optional<std::string> dtype;
  /// Positions of a sequence. By default what the model was made for, but not
  /// more than 4096.
  std::optional<int64_t> maxContext;
  int64_t maxSequences = 8;
  int64_t maxStepTokens = 512;
  /// A family file to use instead of the built-in ones; empty: none.
  std::string archSpec;
};

/// The bytes that the weights of one role take.
struct RoleSummary {
  int64_t bytes = 0;
  int64_t parameters = 0;
};

struct LayerSummary {
  /// In words, empty for a dense layer.
  std::string router;
  int64_t experts = 0;
  int64_t expertsPerToken = 0;
  /// In words, of those experts that have no weights in a bank.
  std::string otherExperts;
  int64_t window = 0; ///< 0: attention to the whole sequence.
  int64_t chunk = 0;  ///< 0: attention to more than the token's own chunk.
  std::string mixer;  ///< In words, empty for attention.
  /// In words, of a layer that runs several times.
  std::string recursion;
};

/// What one can know of a model without compiling it.
struct ModelSummary {
  std::string family;
  std::string modelType;
  std::string dtype;
  int64_t vocabulary = 0;
  int64_t hidden = 0;
  std::vector<LayerSummary> layers;
  std::map<std::string, RoleSummary> roles;
  int64_t parameters = 0;
  int64_t activeParameters = 0; ///< That one token passes through.
  int64_t stateBytes = 0;       ///< Keys and values of all sequences.
  std::vector<int64_t> eos;
  std::optional<int64_t> bos;
  int64_t maxContext = 0;
  int64_t maxSequences = 0;
  int64_t maxStepTokens = 0;
  /// The messages with codes MOE03xx: why the model cannot be compiled.
  std::vector<std::string> unsupported;
};

/// The model of a directory, or null and errors. Loads the dialects that it
/// needs into the context. `summary`, when given, is filled as far as the
/// import came, also when it fails.
mlir::OwningOpRef<mlir::ModuleOp>
importCheckpoint(mlir::MLIRContext &context, const std::string &directory,
                 const ImportOptions &options, Diagnostics &diagnostics,
                 ModelSummary *summary = nullptr);

/// What `moec inspect` shows. Errors are in `diagnostics`; those about
/// unsupported features are in the summary too.
ModelSummary inspectCheckpoint(const std::string &directory,
                               const ImportOptions &options,
                               Diagnostics &diagnostics);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_IMPORT_H
