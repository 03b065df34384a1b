//===- Contents.h - From a compiled module to the manifest ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_CONTENTS_H
#define MOEC_LIB_DRIVER_CONTENTS_H

#include "lib/Artifact/Contents.h"
#include "lib/Driver/Compiler.h"
#include "lib/Target/Target.h"

namespace moec::driver {

/// What does not depend on targets: model, limits, options, sources, files.
artifact::Contents commonContents(mlir::ModuleOp module,
                                  const CompileOptions &options);

/// What the manifest says of a target; from a module after `buffers`.
artifact::Target describeTarget(mlir::ModuleOp module, const TargetSpec &spec);

/// State and size of the weights; from a module after `buffers`.
void addMemory(mlir::ModuleOp module, artifact::Contents &contents);

/// Whether two modules after `buffers` define the same weights at the same
/// places.
bool sameWeights(mlir::ModuleOp a, mlir::ModuleOp b);

/// Bytes of the arena at the limits, for the target that needs most.
uint64_t largestArena(const artifact::Contents &contents);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_CONTENTS_H
