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

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

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

/// Removes what a step left behind; between passes that count on seeing every
/// use of a value.
static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void moec::addContract(OpPassManager &pm, Phase phase) {
  VerifyPhasePassOptions options;
  for (const PhaseInfo &info : phases())
    if (info.phase == phase)
      options.phase = info.name.str();
  pm.addPass(createVerifyPhasePass(options));
}

static void buildGating(OpPassManager &pm) {
  // First, so that a user reads about an unsupported router by its name.
  pm.addPass(createCheckSupportPass());
  // Before all that looks at routers: each iteration has its own.
  pm.addPass(createUnrollIterationsPass());
  // Before normalisation, which then sees fewer experts and no mask.
  pm.addPass(createSpecialiseEligibilityPass());
  // Before fusion: the gate takes the routing as it is then.
  pm.addPass(createNormalizeRoutingPass());
  pm.addPass(createFuseGatePass());
  addCleanup(pm);
}

static void buildDispatch(OpPassManager &pm, const PipelineOptions &options) {
  // Taps first: one that is dropped keeps no product from being fused.
  pm.addPass(createExportTapsPass({options.taps}));
  // Before everything else: what is inside is then like what is outside.
  pm.addPass(createDispatchRecursionsPass());
  pm.addPass(createSelectSharedPass());
  pm.addPass(createFuseSharedPass());
  pm.addPass(createInlineSharedPass());
  // Behind taps, which read results before they are scaled.
  pm.addPass(createNormalizeExpertsPass());
  pm.addPass(createDispatchExpertsPass());
  pm.addPass(createCountChoicesPass());
  // After the experts, whose products are grouped already.
  pm.addPass(createFormMatmulsPass());
  addCleanup(pm);
  // Before epilogues: a residual may go into the combine or into a shared
  // expert's product, and in the combine it costs nothing.
  pm.addPass(createFuseCombinePass());
  pm.addPass(createFuseEpiloguesPass());
  addCleanup(pm);
}

static void buildExperts(OpPassManager &pm, const PipelineOptions &options) {
  // Element types decide which kernels there can be.
  if (options.narrowActivations)
    pm.addPass(createNarrowActivationsPass());
  pm.addPass(createSelectVariantsPass());
  pm.addPass(createPackWeightsPass());
  pm.addPass(createHoistRecipesPass());
  // Last: every op before these knows gates, products, and combines. A router
  // reads the rows in front of whatever else does.
  pm.addPass(createFuseNextGatePass());
  pm.addPass(createFuseProjectionPass());
  addCleanup(pm);
}

static void buildBuffers(OpPassManager &pm) {
  pm.addPass(createOutputsToArgumentsPass());
  addCleanup(pm);
  // Lets an op write where its result is wanted, instead of copying it there.
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  pm.addPass(createBufferizePass());
  addCleanup(pm);
  pm.addPass(createResolveStatesPass());
  pm.addPass(createPlaceWeightsPass());
  // Last: views that the others made keep buffers alive.
  pm.addPass(createPlanArenaPass());
  addCleanup(pm);
}

static void buildKernels(OpPassManager &pm, const PipelineOptions &options) {
  // Before lowering: each distinct computation is lowered once.
  pm.addPass(createOutlineKernelsPass());
  if (!options.fallback) {
    pm.addPass(createLowerMatmulPass());
    pm.addPass(createLowerRoutingPass());
    pm.addPass(createLowerDispatchPass());
    pm.addPass(createLowerNormalizationPass());
    pm.addPass(createLowerRopePass());
    pm.addPass(createLowerRowsPass());
    pm.addPass(createLowerAppendPass());
    pm.addPass(createLowerAttentionPass());
    pm.addPass(createLowerShortConvPass());
    pm.addPass(createLowerGatedDeltaPass());
  }
  // What has no faster kernel.
  pm.addPass(createLowerToLinalgPass());
  pm.addPass(createConvertLinalgToLoopsPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  addCleanup(pm);
  pm.addPass(createOutlineTasksPass());
  pm.addPass(createEmulateIntrinsicsPass());
  pm.addPass(createExpandMathPass());
  addCleanup(pm);
}

static void buildTarget(OpPassManager &pm) {
  // These two bridge to memrefs by casts, which the conversions resolve.
  pm.addPass(createLowerParallelPass());
  pm.addPass(createEmitEntriesPass());
  // Innermost first: what a conversion leaves, a later one takes.
  ConvertVectorToLLVMPassOptions vectors;
  vectors.x86Vector = true;
  pm.addPass(createConvertVectorToLLVMPass(vectors));
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  // Last: only loads, stores and bit casts of bf16 are left.
  pm.addPass(createBf16AsBitsPass());
}

void moec::buildPhase(Phase phase, OpPassManager &pm,
                      const PipelineOptions &options) {
  switch (phase) {
  case Phase::Import:
    break;
  case Phase::Gating:
    buildGating(pm);
    break;
  case Phase::Dispatch:
    buildDispatch(pm, options);
    break;
  case Phase::Experts:
    buildExperts(pm, options);
    break;
  case Phase::Buffers:
    buildBuffers(pm);
    break;
  case Phase::Kernels:
    buildKernels(pm, options);
    break;
  case Phase::Target:
    buildTarget(pm);
    break;
  }
  addContract(pm, phase);
}

void moec::registerAll(DialectRegistry &registry) {
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registry.insert<moe::MoeDialect, nn::NnDialect>();
  registerBufferization(registry);
  registerMoecPasses();
}
