//===- OutputsToArguments.cpp - Callers say where results go --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Calls.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"

namespace moec {
#define GEN_PASS_DEF_OUTPUTSTOARGUMENTSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// The attributes of the argument that stands for a result.
static DictionaryAttr outputAttrs(func::FuncOp func, unsigned result) {
  Builder builder(func.getContext());
  SmallVector<NamedAttribute> attrs;
  attrs.push_back(builder.getNamedAttr("moe.output", builder.getUnitAttr()));
  for (StringRef name : {"moe.dims", "moe.name"})
    if (Attribute attr = func.getResultAttr(result, name))
      attrs.push_back(builder.getNamedAttr(name, attr));
  if (!func.getResultAttr(result, "moe.dims") && func.isPrivate())
    attrs.push_back(
        builder.getNamedAttr("moe.dims", builder.getStrArrayAttr({"T"})));
  return builder.getDictionaryAttr(attrs);
}

static void addOutputs(func::FuncOp func) {
  Operation *ret = func.front().getTerminator();
  OpBuilder builder(ret);
  llvm::DenseMap<Value, Value> places;
  for (auto [i, operand] : llvm::enumerate(ret->getOpOperands())) {
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!type)
      continue;
    Value out =
        addArgument(func, func.getNumArguments(), type, outputAttrs(func, i));
    // A value that is returned twice is copied from where it went first, which
    // the value itself may have been computed in.
    Value value = operand.get();
    Value &source = places.try_emplace(value, value).first->second;
    auto result = bufferization::MaterializeInDestinationOp::create(
        builder, ret->getLoc(), type, source, out);
    source = result.getResult();
    operand.set(result.getResult());
  }
}

/// The call's operand that has T rows, or null.
static Value tokenOperand(func::FuncOp callee, func::CallOp call) {
  for (unsigned i = 0, e = call.getNumOperands(); i < e; ++i)
    if (dimName(callee, i) == "T")
      return call.getOperand(i);
  return {};
}

/// Passes an empty tensor for each result of a call.
static LogicalResult passOutputs(func::FuncOp callee, func::CallOp call) {
  OpBuilder builder(call);
  Location loc = call.getLoc();
  Value tokens = tokenOperand(callee, call);
  SmallVector<Value> outs;
  for (Type type : call.getResultTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      continue;
    SmallVector<Value> sizes;
    if (!tensor.hasStaticShape()) {
      if (!tokens || tensor.getNumDynamicDims() != 1 || !tensor.isDynamicDim(0))
        return callee.emitError("returns ")
               << tensor << ", whose rows must be the tokens: an argument "
               << "with moe.dims = [\"T\"] must say how many";
      sizes.push_back(tensor::DimOp::create(builder, loc, tokens, 0));
    }
    outs.push_back(tensor::EmptyOp::create(builder, loc, tensor, sizes));
  }
  call->insertOperands(call.getNumOperands(), outs);
  return success();
}

namespace {
struct OutputsToArguments
    : moec::impl::OutputsToArgumentsPassBase<OutputsToArguments> {
  void runOnOperation() override {
    Calls calls = collectCalls(getOperation());
    for (func::FuncOp func : calleesFirst(getOperation())) {
      for (func::CallOp call : calls[func.getSymNameAttr()])
        if (failed(passOutputs(func, call)))
          return signalPassFailure();
      addOutputs(func);
    }
  }
};
} // namespace
