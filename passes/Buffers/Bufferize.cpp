//===- Bufferize.cpp - One bufferization of functions ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_BUFFERIZEPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// An entry wrote its results into arguments: it need not return them.
static void dropResults(func::FuncOp entry) {
  Operation *ret = entry.front().getTerminator();
  llvm::BitVector arguments(entry.getNumResults());
  for (auto [i, value] : llvm::enumerate(ret->getOperands()))
    if (isa<BlockArgument>(value))
      arguments.set(i);
  ret->eraseOperands(arguments);
  (void)entry.eraseResults(arguments);
}

namespace {
struct Bufferize : moec::impl::BufferizePassBase<Bufferize> {
  void runOnOperation() override {
    bufferization::OneShotBufferizationOptions options;
    options.bufferizeFunctionBoundaries = true;
    options.setFunctionBoundaryTypeConversion(
        bufferization::LayoutMapOption::IdentityLayoutMap);
    // A copy is a computation like any other: it becomes a kernel.
    options.memCpyFn = [](OpBuilder &builder, Location loc, Value from,
                          Value to) {
      linalg::CopyOp::create(builder, loc, from, to);
      return success();
    };
    // Recipes run at compile time and stay values.
    options.opFilter.denyOperation([](Operation *op) {
      return isa<moe::RecipesOp>(op) || op->getParentOfType<moe::RecipesOp>();
    });
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotModuleBufferize(getOperation(), options,
                                                        state)) ||
        failed(bufferization::dropEquivalentBufferResults(getOperation())))
      return signalPassFailure();
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func->hasAttr("moe.entry"))
        dropResults(func);
  }
};
} // namespace
