//===- CommonRows.h - What experts make of rows alike -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the region of `moe.experts` computes of its rows without weights of
// experts is the same for all of them.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_COMMONROWS_H
#define MOEC_PASSES_COMMONROWS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

namespace moec {

using CommonRows = llvm::SetVector<mlir::Value>;

/// The rows of a region and what is computed of them alone. Where the input is
/// weighed, the rows differ from expert to expert.
CommonRows commonRows(mlir::Block *body, bool weightOnInput);

/// Whether it is a norm without weights.
bool isPlainNorm(mlir::Operation *op);

/// A sum at the end of a region, of which input `input` is among the common
/// rows.
struct Addend {
  mlir::linalg::GenericOp sum;
  unsigned input;
};

std::optional<Addend> commonAddend(mlir::Block *body, const CommonRows &rows);

/// Takes the addend out of the sum; returns its value.
mlir::Value takeOutAddend(mlir::RewriterBase &rewriter, Addend addend);

} // namespace moec

#endif // MOEC_PASSES_COMMONROWS_H
