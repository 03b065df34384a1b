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

#include "mlir/IR/BuiltinOps.h"

namespace moec::driver {

/// Makes every public function an entry, names what has no name, and describes
/// the module; a module that says what it is (`moe.model`) stays as it is.
/// Emits errors for what no artifact can declare.
mlir::LogicalResult prepareModule(mlir::ModuleOp module, int64_t stepTokens);

/// Whether its recipes read tensors of a checkpoint.
bool loadsTensors(mlir::ModuleOp module);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_MODULEINPUT_H
