//===- Explain.h - Remarks that say what passes did -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_EXPLAIN_H
#define MOEC_PASSES_EXPLAIN_H

#include "mlir/IR/Operation.h"

namespace moec {

/// Emits the remarks of one pass. Both names must live as long as the context:
/// string literals.
class Explain {
public:
  /// `pass` is the flag of the pass, `name` what its remarks are about.
  Explain(llvm::StringLiteral pass, llvm::StringLiteral name)
      : pass(pass), name(name) {}

  /// Says what was done.
  void passed(mlir::Operation *op, const llvm::Twine &what) const;
  /// Says what could have been done, and why it was not.
  void missed(mlir::Operation *op, const llvm::Twine &what,
              const llvm::Twine &why) const;
  /// Says what was found.
  void found(mlir::Operation *op, const llvm::Twine &what) const;

private:
  llvm::StringLiteral pass, name;
};

} // namespace moec

#endif // MOEC_PASSES_EXPLAIN_H
