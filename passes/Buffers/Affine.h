//===- Affine.h - Sizes affine in the dimensions of a step ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_BUFFERS_AFFINE_H
#define MOEC_PASSES_BUFFERS_AFFINE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <array>
#include <optional>

namespace moec {

/// `const + T * tokens + S * sequences + R * rows`.
struct StepSize {
  static constexpr std::array<llvm::StringLiteral, 4> kNames = {"const", "T",
                                                                "S", "R"};
  std::array<int64_t, 4> coefficients = {0, 0, 0, 0};

  static StepSize constant(int64_t value) { return {{value, 0, 0, 0}}; }
  /// One of "T", "S", "R", or one of them and a constant: "S+1".
  static std::optional<StepSize> parse(llvm::StringRef dim);

  bool isConstant() const;
  StepSize operator+(const StepSize &other) const;
  StepSize operator*(int64_t factor) const;
  /// The smallest that is at least both, whatever T, S and R are.
  StepSize max(const StepSize &other) const;
  /// Every coefficient rounded up to a multiple of `alignment`.
  StepSize alignTo(int64_t alignment) const;
  /// The size at a typical step, to compare sizes by.
  int64_t typical() const;

  mlir::DictionaryAttr toAttr(mlir::MLIRContext *context) const;
  static StepSize fromAttr(mlir::DictionaryAttr attr);
};

/// The most that an index can be which is computed from constants and from the
/// sizes which `moe.dims` names on the arguments of `func`: its value, or a
/// bound where a minimum with one of these bounds it; nothing if it is neither.
std::optional<StepSize> stepSizeOf(mlir::func::FuncOp func, mlir::Value index);

/// Emits the value of a size at the builder's place in `func`.
mlir::Value emitStepSize(mlir::OpBuilder &builder, mlir::func::FuncOp func,
                         const StepSize &size);

} // namespace moec

#endif // MOEC_PASSES_BUFFERS_AFFINE_H
