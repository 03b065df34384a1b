//===- Pipeline.cpp - The order of the passes -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The only file that orders passes: one function for each phase.
//
//===----------------------------------------------------------------------===//

#include "passes/Pipeline.h"
#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace moec;

llvm::ArrayRef<PhaseInfo> moec::phases() {
  static constexpr PhaseInfo list[] = {
#define MOEC_PHASE(Id, Name, Summary) {Phase::Id, Name, Summary},
#include "passes/Phases.def"
  };
  return list;
}

std::optional<Phase> moec::phaseByName(llvm::StringRef name) {
  for (const PhaseInfo &info : phases())
    if (info.name == name)
      return info.phase;
  return std::nullopt;
}

void moec::registerAll(DialectRegistry &registry) {
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registry.insert<moe::MoeDialect, nn::NnDialect>();
  registerBufferization(registry);
  registerMoecPasses();
}
