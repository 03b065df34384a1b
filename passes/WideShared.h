//===- WideShared.h - Shared experts that make one wide one -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A feed-forward network is a sum over its inner columns. Two of the same rows,
// of which the results are added, are therefore one of both widths: products of
// the rows and what is elementwise work column by column, and the last product
// adds over all columns.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_WIDESHARED_H
#define MOEC_PASSES_WIDESHARED_H

#include "dialects/Moe/Moe.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace moec {

/// Why a shared expert is not such a network: products of its rows, elementwise
/// ops on them, and a last product over their columns; empty if it is.
std::string whyNotNetwork(moe::SharedOp op);

/// The last product of a network.
mlir::Operation *lastProduct(moe::SharedOp op);

/// Why two networks do not make one wide one, of which `first` keeps its place
/// in the sum and `second` loses it; empty if they do.
std::string whyNotOneNetwork(moe::SharedOp first, moe::SharedOp second);

/// The addition of the result of `second` to a sum with that of `first`; null
/// where there is none, or where anything but sums stands between.
mlir::arith::AddFOp additionOf(moe::SharedOp first, moe::SharedOp second);

} // namespace moec

#endif // MOEC_PASSES_WIDESHARED_H
