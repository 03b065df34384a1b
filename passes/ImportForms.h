//===- ImportForms.h - Recognising what imports are made of -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Imports write every dense computation in one of two forms: a product with a
// transposed weight, and an elementwise computation on rows. Passes that fuse
// ask here whether an op has such a form, and if not, why not.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_IMPORTFORMS_H
#define MOEC_PASSES_IMPORTFORMS_H

#include "dialects/Moe/Moe.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"

namespace moec {

/// Why `op` is not `x [R, K]` times the transpose of `weight [N, K]`, summed
/// from zero; empty if it is.
llvm::StringRef whyNotProduct(mlir::linalg::MatmulOp op);

/// The parts of such a product.
inline mlir::Value productX(mlir::linalg::MatmulOp op) {
  return op.getInputs()[0];
}
inline mlir::Value productWeight(mlir::linalg::MatmulOp op) {
  return op.getInputs()[1];
}

/// Why `op` is not an elementwise computation of one output [R, N] from inputs
/// [R, N], [R, 1] and [N] that can be computed element by element elsewhere;
/// empty if it is.
llvm::StringRef whyNotElementwise(mlir::linalg::GenericOp op);

/// The same for the epilogue of a product: inputs may also be [1], one number
/// for all.
llvm::StringRef whyNotEpilogue(mlir::linalg::GenericOp op);

/// The same for what an import may hold: inputs may also be [1], and [R], one
/// number for each row, which nothing is fused with.
llvm::StringRef whyNotImported(mlir::linalg::GenericOp op);

/// Whether input `i` of an elementwise computation is read at [r, n].
bool readsWhole(mlir::linalg::GenericOp op, unsigned i);

/// Whether the result is the sum of the op's two inputs.
bool isSum(mlir::linalg::GenericOp op);

/// Clones the scalar ops of `body`, whose arguments `map` replaces, and the
/// constants that they capture; returns what the terminator would yield.
mlir::Value inlineScalars(mlir::OpBuilder &builder, mlir::Block &body,
                          mlir::IRMapping &map);

/// `value` as a tensor of this type, which differs in static sizes at most.
mlir::Value castTo(mlir::OpBuilder &builder, mlir::Location loc,
                   mlir::Type type, mlir::Value value);

/// Clones the ops of a block of one result, with `values` for its arguments;
/// returns what it yields.
mlir::Value cloneBody(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Block &body, mlir::ValueRange values);

/// The groups of rows of a product: what `moe.plan` makes, or nothing.
struct RowGroups {
  mlir::Value offsets, active, gather;
};

/// `x` times the transpose of `bank`, as an op whose epilogue only rounds to
/// the element type of `init`.
moe::GroupedMatmulOp createProduct(mlir::OpBuilder &builder, mlir::Location loc,
                                   mlir::Value x, mlir::Value bank,
                                   mlir::Value init, RowGroups groups = {});

/// Sorts the `rows` entries of the ids `first` to `first + count` of `tokens`
/// tokens; `others` ids follow.
moe::PlanOp createPlan(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value ids, mlir::Value tokens, mlir::Value rows,
                       int64_t first, int64_t count, int64_t others,
                       bool open = false);

/// An empty tensor of the given type (rank 1 or 2); its number of rows, where
/// dynamic, is that of `like`.
mlir::Value emptyRows(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Type type, mlir::Value like);

/// How the users of a value other than `user` are called in a remark:
/// "moe.tap 'out'", "2 other ops"; empty if there is none.
std::string otherUsers(mlir::Value value, mlir::Operation *user);

} // namespace moec

#endif // MOEC_PASSES_IMPORTFORMS_H
