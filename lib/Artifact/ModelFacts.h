//===- ModelFacts.h - From attributes to the manifest -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a module's attribute `moe.model` says, as JSON.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_ARTIFACT_MODELFACTS_H
#define MOEC_LIB_ARTIFACT_MODELFACTS_H

#include "lib/Artifact/Contents.h"

#include "mlir/IR/Attributes.h"

namespace moec::artifact {

/// Dictionaries, arrays, strings, numbers and booleans; null for the rest.
Json toJson(mlir::Attribute attribute);

} // namespace moec::artifact

#endif // MOEC_LIB_ARTIFACT_MODELFACTS_H
