//===- Generic.h - linalg.generic and its named forms -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Structured operations by their indexing maps and their body.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_GENERIC_H
#define MOEC_LIB_REFERENCE_GENERIC_H

#include "lib/Reference/Elementwise.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace moec::reference {

/// Runs the body over the iteration space. `operands` are inputs and initial
/// outputs in the operation's order, `captured` the scalars from outside that
/// the body uses; returns the outputs. Indexing maps of dimensions and
/// constants only.
template <typename Real>
mlir::FailureOr<std::vector<Tensor<Real>>>
evaluateStructured(mlir::linalg::LinalgOp op,
                   const std::vector<const Tensor<Real> *> &operands,
                   const Captured<Real> &captured);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_GENERIC_H
