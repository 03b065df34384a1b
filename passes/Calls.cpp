//===- Calls.cpp - Who calls whom -----------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Calls.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace moec;

Calls moec::collectCalls(ModuleOp module) {
  Calls calls;
  module.walk([&](func::CallOp call) {
    calls[call.getCalleeAttr().getAttr()].push_back(call);
  });
  return calls;
}

static void visit(func::FuncOp func, SymbolTable &symbols,
                  llvm::SetVector<Operation *> &visited,
                  SmallVectorImpl<func::FuncOp> &order) {
  if (func.isExternal() || !visited.insert(func))
    return;
  func.walk([&](func::CallOp call) {
    if (auto callee = symbols.lookup<func::FuncOp>(call.getCallee()))
      visit(callee, symbols, visited, order);
  });
  order.push_back(func);
}

SmallVector<func::FuncOp> moec::calleesFirst(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::SetVector<Operation *> visited;
  SmallVector<func::FuncOp> order;
  for (auto func : module.getOps<func::FuncOp>())
    visit(func, symbols, visited, order);
  return order;
}

BlockArgument moec::addArgument(func::FuncOp func, unsigned index, Type type,
                                DictionaryAttr attrs) {
  if (!attrs)
    attrs = DictionaryAttr::get(func.getContext());
  // Functions made by passes have no argument before their body has one too.
  (void)func.insertArgument(index, type, attrs, func.getLoc());
  return func.getArgument(index);
}

StringRef moec::dimName(func::FuncOp func, unsigned arg) {
  auto dims = func.getArgAttrOfType<ArrayAttr>(arg, "moe.dims");
  auto name =
      dims && !dims.empty() ? dyn_cast<StringAttr>(dims[0]) : StringAttr();
  return name ? name.getValue() : StringRef();
}
