//===- ExportTaps.cpp - Taps of layers to the entry -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Calls.h"
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"

namespace moec {
#define GEN_PASS_DEF_EXPORTTAPSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static constexpr llvm::StringLiteral kLayer = "{layer}";

/// A tap's name at a call: with the number of the layer in its place, behind
/// that of the recursion.
static FailureOr<std::string> nameAt(func::CallOp call, moe::TapOp tap) {
  StringRef name = tap.getName();
  size_t at = name.find(kLayer);
  if (at == StringRef::npos)
    return name.str();
  auto layer = call->getAttrOfType<IntegerAttr>("layer");
  if (!layer)
    return call.emitError("calls a function with the tap '")
           << name << "' but has no attribute layer";
  std::string recursion;
  if (auto number = call->getAttrOfType<IntegerAttr>("recursion"))
    recursion = "recursions." + std::to_string(number.getInt()) + ".";
  return (recursion + name.take_front(at) + Twine(layer.getInt()) +
          name.drop_front(at + kLayer.size()))
      .str();
}

/// A call with more results; the old ones keep their users.
static func::CallOp extendCall(func::CallOp call, TypeRange types) {
  OpBuilder builder(call);
  auto extended = func::CallOp::create(builder, call.getLoc(), call.getCallee(),
                                       types, call.getOperands());
  extended->setDiscardableAttrs(llvm::to_vector(call->getDiscardableAttrs()));
  call->replaceAllUsesWith(
      extended->getResults().take_front(call.getNumResults()));
  call.erase();
  return extended;
}

/// Turns the taps of a private function into results, tapped by its callers.
static LogicalResult returnTaps(func::FuncOp func,
                                SmallVectorImpl<func::CallOp> &calls) {
  SmallVector<moe::TapOp> taps(func.getOps<moe::TapOp>());
  if (taps.empty())
    return success();
  Operation *ret = func.front().getTerminator();
  SmallVector<Type> types(func.getResultTypes());
  for (moe::TapOp tap : taps) {
    ret->insertOperands(ret->getNumOperands(), tap.getValue());
    types.push_back(tap.getValue().getType());
  }
  func.setType(
      FunctionType::get(func.getContext(), func.getArgumentTypes(), types));
  for (func::CallOp &call : calls) {
    size_t known = call.getNumResults();
    call = extendCall(call, types);
    OpBuilder builder(call->getBlock(), std::next(call->getIterator()));
    for (auto [tap, value] :
         llvm::zip(taps, call.getResults().drop_front(known))) {
      FailureOr<std::string> name = nameAt(call, tap);
      if (failed(name))
        return failure();
      moe::TapOp::create(builder, tap.getLoc(), value, *name, tap.getAlways());
    }
  }
  for (moe::TapOp tap : taps)
    tap.erase();
  return success();
}

namespace {
struct ExportTaps : moec::impl::ExportTapsPassBase<ExportTaps> {
  using ExportTapsPassBase::ExportTapsPassBase;

  void runOnOperation() override {
    getOperation().walk([&](moe::TapOp tap) {
      if (!keepAll && !tap.getAlways())
        tap.erase();
    });
    Calls calls = collectCalls(getOperation());
    for (func::FuncOp func : calleesFirst(getOperation())) {
      if (!func.isPrivate())
        continue;
      if (failed(returnTaps(func, calls[func.getSymNameAttr()])))
        return signalPassFailure();
      // A caller's calls were replaced: later functions need the new ones.
      calls = collectCalls(getOperation());
    }
  }
};
} // namespace
