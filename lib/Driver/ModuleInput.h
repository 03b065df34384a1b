//===- ModuleInput.h - Modules that users write -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A module of functions on tensors, instead of a checkpoint of a language
// model: what the importer says about a model is derived from its signatures.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_MODULEINPUT_H
#define MOEC_LIB_DRIVER_MODULEINPUT_H

#include "lib/Driver/Messages.h"
#include "passes/Pipeline.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace moec::driver {

/// Parses a module. Null, and errors in the report, when it is none.
mlir::OwningOpRef<mlir::ModuleOp> readModule(mlir::MLIRContext &context,
                                             const std::string &path);

/// Makes every public function an entry, names what has no name, and describes
/// the module; a module that says what it is (`moe.model`) stays as it is.
/// Then checks that it fulfils the contract of an import. Emits errors for what
/// no artifact can declare, and for what later phases do not know. With `taps`,
/// every value that an op of an entry computes can be read by the place of the
/// op in the module.
mlir::LogicalResult prepareModule(mlir::ModuleOp module, int64_t stepTokens,
                                  bool taps, CompileReport &report);

/// Whether a module is what this phase leaves. Breaches of the contract get
/// this code: they are no fault of the compiler.
bool fulfils(mlir::ModuleOp module, Phase phase, const char *code,
             CompileReport &report);

/// Whether its recipes read tensors, but none are given (`params` is empty),
/// which is an error.
bool lacksParams(mlir::ModuleOp module, const std::string &path,
                 const std::string &params, Messages &messages);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_MODULEINPUT_H
