//===- OutlineTasks.cpp - Bodies of parallel loops as functions -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

namespace moec {
#define GEN_PASS_DEF_OUTLINETASKSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static LogicalResult checkForm(scf::ForallOp loop) {
  if (loop.getNumResults() || !loop.getOutputs().empty())
    return loop.emitError("a parallel loop over tasks has no results; its "
                          "tasks write memory");
  if (loop.getRank() != 1)
    return loop.emitError("a parallel loop over tasks has 1 dimension, got ")
           << loop.getRank();
  if (!isZeroInteger(loop.getMixedLowerBound()[0]) ||
      !isOneInteger(loop.getMixedStep()[0]))
    return loop.emitError("tasks are counted from 0 in steps of 1");
  return success();
}

/// The host's functions of the function around, or null.
static Value hostOf(func::FuncOp func) {
  for (BlockArgument arg : func.getArguments())
    if (isa<moe::HostType>(arg.getType()))
      return arg;
  return {};
}

namespace {
struct OutlineTasks : moec::impl::OutlineTasksPassBase<OutlineTasks> {
  void runOnOperation() override {
    SmallVector<scf::ForallOp> loops;
    getOperation().walk([&](scf::ForallOp loop) { loops.push_back(loop); });
    for (scf::ForallOp loop : loops)
      if (failed(outline(loop)))
        return signalPassFailure();
  }

  LogicalResult outline(scf::ForallOp loop) {
    if (failed(checkForm(loop)))
      return failure();
    auto func = loop->getParentOfType<func::FuncOp>();
    Value host = hostOf(func);
    if (!host)
      return loop.emitError("runs in parallel, but the function around has no "
                            "!moe.host argument");
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(loop.getRegion(), captured);
    llvm::SetVector<Value> args;
    SmallVector<Operation *> constants;
    for (Value value : captured) {
      Operation *op = value.getDefiningOp();
      if (op && matchPattern(op, m_Constant()))
        constants.push_back(op);
      else
        args.insert(value);
    }
    func::FuncOp task = makeTask(loop, func, args.getArrayRef(), constants);
    OpBuilder builder(loop);
    Value tasks = getValueOrCreateConstantIndexOp(builder, loop.getLoc(),
                                                  loop.getMixedUpperBound()[0]);
    moe::ParallelOp::create(builder, loop.getLoc(), host, tasks,
                            task.getSymName(), args.getArrayRef());
    loop.erase();
    return success();
  }

  func::FuncOp makeTask(scf::ForallOp loop, func::FuncOp func,
                        ArrayRef<Value> args, ArrayRef<Operation *> constants) {
    SmallVector<Type> types(ValueRange(args).getTypes());
    OpBuilder builder(func);
    types.push_back(builder.getIndexType());
    std::string name =
        (func.getSymName() + "_task" + Twine(tasks[func]++)).str();
    auto task = func::FuncOp::create(builder, loop.getLoc(), name,
                                     builder.getFunctionType(types, {}));
    task.setPrivate();
    task->setAttr("moe.task", builder.getUnitAttr());
    Block *body = task.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    IRMapping mapping;
    mapping.map(args, body->getArguments().drop_back());
    for (Operation *constant : constants)
      builder.clone(*constant, mapping);
    mapping.map(loop.getInductionVar(0), body->getArguments().back());
    for (Operation &op : loop.getBody()->without_terminator())
      builder.clone(op, mapping);
    func::ReturnOp::create(builder, loop.getLoc());
    return task;
  }

  DenseMap<Operation *, unsigned> tasks;
};
} // namespace
