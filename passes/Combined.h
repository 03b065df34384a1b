//===- Combined.h - What is fused with a combine ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_COMBINED_H
#define MOEC_PASSES_COMBINED_H

#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"

namespace moec {

/// Why `reader` cannot be fused with the combine of whose rows it makes
/// something; empty if it can.
std::string whyNotCombined(mlir::Operation *reader, moe::CombineOp combine);

/// Put the two ops that a fused one stands for, on memrefs, in front of it. The
/// region of a product moves.
std::pair<moe::CombineOp, moe::GateOp> splitCombined(mlir::OpBuilder &builder,
                                                     moe::CombineGateOp op);
std::pair<moe::CombineOp, moe::GroupedMatmulOp>
splitCombined(mlir::OpBuilder &builder, moe::CombineMatmulOp op);

} // namespace moec

#endif // MOEC_PASSES_COMBINED_H
