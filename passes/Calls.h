//===- Calls.h - Who calls whom ---------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CALLS_H
#define MOEC_PASSES_CALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace moec {

/// The calls of every function, by the callee's name.
using Calls =
    llvm::MapVector<mlir::StringAttr, llvm::SmallVector<mlir::func::CallOp>>;
Calls collectCalls(mlir::ModuleOp module);

/// The functions with a body, each after all that it calls.
llvm::SmallVector<mlir::func::FuncOp> calleesFirst(mlir::ModuleOp module);

/// Adds an argument to a function that has a body.
mlir::BlockArgument addArgument(mlir::func::FuncOp func, unsigned index,
                                mlir::Type type,
                                mlir::DictionaryAttr attrs = {});

/// The name of the dynamic leading dimension of an argument ("T"), or empty.
llvm::StringRef dimName(mlir::func::FuncOp func, unsigned arg);

} // namespace moec

#endif // MOEC_PASSES_CALLS_H
