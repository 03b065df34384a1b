//===- Pipeline.h - Phases and their pipelines ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_PIPELINE_H
#define MOEC_PASSES_PIPELINE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace moec {

enum class Phase {
#define MOEC_PHASE(Id, Name, Summary) Id,
#include "passes/Phases.def"
};

struct PhaseInfo {
  Phase phase;
  llvm::StringRef name;
  llvm::StringRef summary;
};

/// All phases, in order.
llvm::ArrayRef<PhaseInfo> phases();
std::optional<Phase> phaseByName(llvm::StringRef name);

struct PipelineOptions {
  /// Kernels by the generic lowering through linalg instead of register tiles.
  bool fallback = false;
  /// Keep all taps, not only those that every artifact has.
  bool taps = false;
  /// Round the inputs of bf16 products where the target multiplies bf16 pairs.
  bool narrowActivations = false;
};

/// Adds the check of what a phase leaves to the next.
void addContract(mlir::OpPassManager &pm, Phase phase);

/// Adds the passes of one phase and the check; `Phase::Import` has no passes.
void buildPhase(Phase phase, mlir::OpPassManager &pm,
                const PipelineOptions &options);

/// Everything that a context needs: dialects, interfaces, and all passes in the
/// global registry.
void registerAll(mlir::DialectRegistry &registry);

} // namespace moec

#endif // MOEC_PASSES_PIPELINE_H
