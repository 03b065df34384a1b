//===- Elementwise.h - Scalar operations of arith and math ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The scalar operations, each applied to many elements at once: `lanes` are
// tensors of one dimension, the same element of an operation for several
// points of an iteration space.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_ELEMENTWISE_H
#define MOEC_LIB_REFERENCE_ELEMENTWISE_H

#include "lib/Reference/Tensor.h"

#include "mlir/IR/Block.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace moec::reference {

/// Whether the operation is one of arith or math that evaluateElementwise may
/// know.
bool isElementwise(mlir::Operation *op);

/// Applies an operation of arith or math. The operands have the same shape, or
/// one element that stands for all. An operation without semantics here is a
/// diagnostic on it.
template <typename Real>
mlir::FailureOr<Tensor<Real>>
evaluateElementwise(mlir::Operation *op,
                    llvm::ArrayRef<const Tensor<Real> *> operands);

/// Scalars that a block uses and that are defined outside of it.
template <typename Real>
using Captured = llvm::DenseMap<mlir::Value, Tensor<Real>>;

/// Runs a block of such operations with lanes as its arguments, and returns
/// what its terminator is given.
template <typename Real>
mlir::FailureOr<std::vector<Tensor<Real>>>
evaluateLanes(mlir::Block &body, std::vector<Tensor<Real>> arguments,
              const Captured<Real> &captured);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_ELEMENTWISE_H
