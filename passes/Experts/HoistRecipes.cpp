//===- HoistRecipes.cpp - Weight arithmetic into the recipes --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps: (1) an op of recipes on an argument of a private function becomes a
// new argument, computed by each caller; callees come before callers, so this
// reaches the entry. (2) On a `moe.weight` it becomes a weight of its own: the
// op moves behind the value that its `moe.define` names; equal ones share a
// name. (3) Arguments and defines without readers go.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Calls.h"
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

namespace moec {
#define GEN_PASS_DEF_HOISTRECIPESPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static bool isRecipeOp(Operation *op) {
  return isa<moe::PackOp, moe::CastOp, moe::ConcatOp, moe::SliceOp,
             moe::SplitOp, moe::TransposeOp, moe::DequantizeOp>(op) &&
         !op->getParentOfType<moe::RecipesOp>();
}

/// Appends `op`, whose operands are all arguments of `func`, to its callers;
/// its result becomes a new last argument.
static void hoistToCallers(func::FuncOp func, Operation *op, Calls &calls) {
  for (func::CallOp call : calls[func.getSymNameAttr()]) {
    OpBuilder builder(call);
    IRMapping mapping;
    for (Value operand : op->getOperands())
      mapping.map(operand,
                  call.getOperand(cast<BlockArgument>(operand).getArgNumber()));
    Operation *clone = builder.clone(*op, mapping);
    call->insertOperands(call.getNumOperands(), clone->getResult(0));
  }
  BlockArgument arg =
      addArgument(func, func.getNumArguments(), op->getResult(0).getType());
  op->getResult(0).replaceAllUsesWith(arg);
  op->erase();
}

/// Drops the arguments of a private function that nothing reads.
static void dropDeadArguments(func::FuncOp func, Calls &calls) {
  llvm::BitVector dead(func.getNumArguments());
  for (BlockArgument arg : func.getArguments())
    if (arg.use_empty() && isa<RankedTensorType, moe::BankType>(arg.getType()))
      dead.set(arg.getArgNumber());
  if (dead.none() || failed(func.eraseArguments(dead)))
    return;
  for (func::CallOp call : calls[func.getSymNameAttr()])
    call->eraseOperands(dead);
}

namespace {
/// The defines of a module, by name, and what was added to them.
class Recipes {
public:
  explicit Recipes(moe::RecipesOp recipes) : recipes(recipes) {
    for (auto define : recipes.getOps<moe::DefineOp>())
      defines[define.getNameAttr()] = define;
  }

  /// Moves `op` (on weights only) into the recipes; true when it could.
  bool absorb(Operation *op) {
    SmallVector<moe::DefineOp> sources;
    for (Value operand : op->getOperands()) {
      auto weight = operand.getDefiningOp<moe::WeightOp>();
      if (!weight || !defines.contains(weight.getNameAttr()))
        return false;
      sources.push_back(defines[weight.getNameAttr()]);
    }
    moe::DefineOp define = makeDefine(op, sources);
    OpBuilder builder(op);
    Value weight = moe::WeightOp::create(
        builder, op->getLoc(), op->getResult(0).getType(), define.getName());
    op->getResult(0).replaceAllUsesWith(weight);
    op->erase();
    return true;
  }

  void dropUnread(ModuleOp module) {
    DenseSet<StringAttr> read;
    module.walk([&](moe::WeightOp op) { read.insert(op.getNameAttr()); });
    SmallVector<moe::DefineOp> unread;
    for (auto define : recipes.getOps<moe::DefineOp>())
      if (!read.contains(define.getNameAttr()))
        unread.push_back(define);
    for (moe::DefineOp define : unread)
      define.erase();
    // What is left without a reader is dead; later ops read earlier ones.
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(recipes.getBody().front())))
      if (!isa<moe::DefineOp>(op) && op.use_empty())
        op.erase();
  }

private:
  moe::DefineOp makeDefine(Operation *op,
                           MutableArrayRef<moe::DefineOp> sources) {
    std::string name = sources.front().getName().str();
    for (moe::DefineOp source : sources.drop_front())
      name += "+" + source.getName().str();
    name += "." + op->getName().stripDialect().str();
    auto key = StringAttr::get(op->getContext(), name);
    if (auto it = defines.find(key); it != defines.end())
      return it->second;
    OpBuilder builder = OpBuilder::atBlockEnd(&recipes.getBody().front());
    IRMapping mapping;
    for (auto [operand, source] : llvm::zip(op->getOperands(), sources))
      mapping.map(operand, source.getValue());
    Operation *clone = builder.clone(*op, mapping);
    auto define =
        moe::DefineOp::create(builder, op->getLoc(), name, clone->getResult(0),
                              sources.front().getRole());
    defines[key] = define;
    return define;
  }

  moe::RecipesOp recipes;
  DenseMap<StringAttr, moe::DefineOp> defines;
};

struct HoistRecipes : moec::impl::HoistRecipesPassBase<HoistRecipes> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto recipeOps = module.getOps<moe::RecipesOp>();
    if (recipeOps.empty())
      return;
    Calls calls = collectCalls(module);
    hoistFromFunctions(module, calls);
    Recipes recipes(*recipeOps.begin());
    WalkResult result = module.walk([&](Operation *op) {
      if (!isRecipeOp(op))
        return WalkResult::advance();
      if (!recipes.absorb(op)) {
        op->emitError("is computed at compile time but reads a value that is "
                      "no weight");
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    for (auto func : module.getOps<func::FuncOp>())
      if (func.isPrivate())
        dropDeadArguments(func, calls);
    module.walk([](moe::WeightOp op) {
      if (op.use_empty())
        op.erase();
    });
    recipes.dropUnread(module);
  }

  /// Callees first, so that what is hoisted to a caller is hoisted on.
  void hoistFromFunctions(ModuleOp module, Calls &calls) {
    for (func::FuncOp func : calleesFirst(module)) {
      if (!func.isPrivate())
        continue;
      for (bool moved = true; moved;) {
        moved = false;
        for (Operation &op :
             llvm::make_early_inc_range(func.front().without_terminator())) {
          bool onArguments = llvm::all_of(op.getOperands(), [](Value value) {
            return isa<BlockArgument>(value);
          });
          if (!isRecipeOp(&op) || !onArguments)
            continue;
          hoistToCallers(func, &op, calls);
          moved = true;
        }
      }
    }
  }
};
} // namespace
