//===- Elementwise.h - Rows of activations, computed late -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An elementwise expression is kept as a tree until its rows are needed, and
// then becomes one linalg.generic, whatever the number of its operators.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_ELEMENTWISE_H
#define MOEC_LIB_IMPORT_ELEMENTWISE_H

#include "lib/Import/Datum.h"

#include "mlir/IR/Builders.h"

#include <optional>

namespace moec::importer {

struct Rows;
using RowsRef = std::shared_ptr<const Rows>;

/// f32 activations [rows, width], or something that is broadcast to them.
struct Rows final : Object {
  enum class Op {
    Leaf,     ///< A tensor [rows, width].
    Column,   ///< A tensor [width]: one value for each column.
    Constant, ///< One value.
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum,
    Minimum,
    Less, ///< Comparisons: 1 where they hold, else 0.
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    Exp,
    Log,
    Floor,
    Tanh,
    Erf,
    Sqrt,
    Abs,
    Sin,
    Cos,
  };

  explicit Rows(Op op) : Object(Kind::Rows), op(op) {}

  Op op;
  mlir::Value tensor; ///< Of a leaf or column.
  mlir::Value count;  ///< The number of rows; null for what is only broadcast.
  int64_t width = 0;  ///< 0 for a constant.
  double constant = 0;
  std::vector<RowsRef> operands;
};

RowsRef makeLeaf(mlir::Value tensor, mlir::Value count);
RowsRef makeColumn(mlir::Value tensor);
RowsRef makeConstant(double value);

/// One operator more; nothing when the widths do not fit.
std::optional<RowsRef>
makeElementwise(Rows::Op op, std::vector<RowsRef> operands, std::string &error);

/// The operator of this spelling or function name.
std::optional<Rows::Op> elementwiseOp(std::string_view name);
unsigned numOperands(Rows::Op op);

/// The rows as a tensor: the leaf itself, or a new linalg.generic.
mlir::Value emitRows(mlir::OpBuilder &builder, mlir::Location loc,
                     const Rows &rows);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_ELEMENTWISE_H
