//===- OutlineKernels.cpp - One function for each computation -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layers repeat the same computations on other memory. An op is told apart by
// its text with its operands replaced by their types; equal texts share a
// function, so the code that is generated does not grow with depth.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Calls.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/Support/FormatVariadic.h"

namespace moec {
#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static bool isComputation(Operation *op) {
  if (isa<linalg::LinalgOp, nn::AppendOp>(op))
    return true;
  return isa<DestinationStyleOpInterface>(op) &&
         isa<moe::MoeDialect, nn::NnDialect>(op->getDialect());
}

/// The constants that an op's regions use from around it: these have no other
/// inputs, since every op of a kernel is in destination-passing style.
static SmallVector<Value> capturedBy(Operation *op) {
  llvm::SetVector<Value> values;
  getUsedValuesDefinedAbove(op->getRegions(), values);
  values.remove_if(
      [](Value value) { return !matchPattern(value, m_Constant()); });
  return values.takeVector();
}

/// What makes two computations the same: all but the operands' identity.
static std::string identityOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Operation *clone = op->clone();
  // Operands print as numbers of their first use; only their pattern counts.
  os << op->getName() << op->getAttrDictionary();
  for (Type type : op->getOperandTypes())
    os << type << ';';
  for (Value value : capturedBy(op))
    os << *value.getDefiningOp() << ';';
  for (Region &region : clone->getRegions())
    for (Block &block : region) {
      for (Type type : block.getArgumentTypes())
        os << type << ',';
      AsmState state(clone, OpPrintingFlags().useLocalScope());
      for (Operation &inner : block)
        inner.print(os, state);
    }
  clone->destroy();
  return text;
}

namespace {
struct OutlineKernels : moec::impl::OutlineKernelsPassBase<OutlineKernels> {
  void runOnOperation() override {
    addHost();
    SmallVector<Operation *> computations;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isComputation(op))
        return WalkResult::advance();
      computations.push_back(op);
      return WalkResult::skip();
    });
    for (Operation *op : computations)
      outline(op);
  }

  /// Threads the host's functions through all functions and calls.
  void addHost() {
    Builder builder(&getContext());
    auto type = moe::HostType::get(&getContext());
    auto attrs = builder.getDictionaryAttr(
        builder.getNamedAttr("moe.env", builder.getStringAttr("host")));
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      Value host = addArgument(func, 0, type, attrs);
      func.walk([&](func::CallOp call) { call->insertOperands(0, host); });
    }
  }

  void outline(Operation *op) {
    auto caller = op->getParentOfType<func::FuncOp>();
    func::FuncOp &kernel = kernels[identityOf(op)];
    if (!kernel)
      kernel = makeKernel(op);
    OpBuilder builder(op);
    SmallVector<Value> operands{caller.getArgument(0)};
    llvm::append_range(operands, op->getOperands());
    func::CallOp::create(builder, op->getLoc(), kernel, operands);
    op->erase();
  }

  func::FuncOp makeKernel(Operation *op) {
    SmallVector<Type> types{moe::HostType::get(&getContext())};
    llvm::append_range(types, op->getOperandTypes());
    OpBuilder builder(&getContext());
    builder.setInsertionPointToEnd(getOperation().getBody());
    std::string name = llvm::formatv("kernel_{0}_{1}", kernels.size() - 1,
                                     op->getName().stripDialect());
    std::replace(name.begin(), name.end(), '.', '_');
    auto kernel = func::FuncOp::create(builder, op->getLoc(), name,
                                       builder.getFunctionType(types, {}));
    kernel.setPrivate();
    kernel->setAttr("moe.kernel", builder.getUnitAttr());
    Block *body = kernel.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    IRMapping mapping;
    for (auto [operand, arg] :
         llvm::zip(op->getOperands(), body->getArguments().drop_front()))
      mapping.map(operand, arg);
    for (Value value : capturedBy(op))
      builder.clone(*value.getDefiningOp(), mapping);
    Operation *clone = builder.clone(*op, mapping);
    clone->setOperands(body->getArguments().drop_front());
    func::ReturnOp::create(builder, op->getLoc());
    return kernel;
  }

  llvm::StringMap<func::FuncOp> kernels;
};
} // namespace
