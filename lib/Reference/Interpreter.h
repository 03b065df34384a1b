//===- Interpreter.h - What the semantics of all ops share ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The values of a function under evaluation, and one function for each dialect
// that evaluates an operation of it. Only the files of this folder include it.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_INTERPRETER_H
#define MOEC_LIB_REFERENCE_INTERPRETER_H

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/Layers.h"
#include "lib/Reference/Matrix.h"
#include "lib/Reference/Mixers.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

#include <map>
#include <optional>
#include <variant>

namespace moec::reference {

template <typename Real> using TensorRef = std::shared_ptr<const Tensor<Real>>;
using WeightRef = std::shared_ptr<const Weight>;
/// A bank of experts, whose members are loaded when they are used.
struct BankRef {
  std::string name;
};
template <typename Real> using StateRef = KeyValues<Real> *;
template <typename Real> using RecurrentRef = Recurrent<Real> *;

template <typename Real>
using ValueOf = std::variant<TensorRef<Real>, WeightRef, BankRef,
                             StateRef<Real>, RecurrentRef<Real>>;

/// The values of one function call, or of one run of a region.
template <typename Real> struct Frame {
  llvm::DenseMap<mlir::Value, ValueOf<Real>> values;
  std::optional<int64_t> layer, recursion;
  /// In a recursion: of how many tokens the rows are, and which ones.
  int64_t allTokens = 0;
  std::shared_ptr<const std::vector<int64_t>> tokens;

  /// What a call, or the region of an op in this frame, knows of its place.
  void placeIn(const Frame &outer) {
    layer = outer.layer;
    recursion = outer.recursion;
    allTokens = outer.allTokens;
    tokens = outer.tokens;
  }
  void set(mlir::Value value, Tensor<Real> tensor) {
    values[value] = std::make_shared<const Tensor<Real>>(std::move(tensor));
  }
  /// A tensor; weights are widened for it.
  TensorRef<Real> tensor(mlir::Value value) const;
  /// A tensor or weight as a matrix [n, k], which must not outlive the frame.
  /// A value of another shape is a diagnostic on `op`.
  mlir::FailureOr<Matrix<Real>> matrix(mlir::Operation *op, mlir::Value value,
                                       int64_t n, int64_t k) const;
  StateRef<Real> state(mlir::Value value) const {
    return std::get<StateRef<Real>>(values.at(value));
  }
  RecurrentRef<Real> recurrent(mlir::Value value) const {
    return std::get<RecurrentRef<Real>>(values.at(value));
  }
};

template <typename Real> class Interpreter {
public:
  Interpreter(mlir::ModuleOp module, WeightSource &weights)
      : module(module), weights(weights) {}

  mlir::FailureOr<std::vector<Tensor<Real>>>
  evaluate(const std::string &entry, const std::vector<Tensor<Real>> &inputs);

  /// Runs a block whose arguments have values, and returns those of the
  /// operands of its terminator.
  mlir::FailureOr<std::vector<ValueOf<Real>>> runBlock(mlir::Block &block,
                                                       Frame<Real> &frame);

  /// A weight that is known to have this type.
  mlir::FailureOr<WeightRef> load(mlir::Operation *op, const std::string &name,
                                  int64_t expert, mlir::ShapedType type);
  ValueOf<Real> stateAt(int64_t index, mlir::Type type);

  mlir::ModuleOp module;
  WeightSource &weights;
  typename Evaluator<Real>::Tap tap;
  typename Evaluator<Real>::Routed routed;
  /// Of the tap that is called, where it is in a recursion.
  std::shared_ptr<const std::vector<int64_t>> tappedTokens;
  std::map<int64_t, KeyValues<Real>> states;
  std::map<int64_t, Recurrent<Real>> recurrent;

private:
  mlir::LogicalResult run(mlir::Operation *op, Frame<Real> &frame);
  mlir::LogicalResult call(mlir::func::CallOp op, Frame<Real> &frame);
};

/// Sets the result of an operation, rounded to its element type; a shape that
/// is not that of `destination` is a diagnostic.
template <typename Real>
mlir::LogicalResult setResult(mlir::Operation *op, unsigned result,
                              mlir::Value destination, Tensor<Real> tensor,
                              Frame<Real> &frame);

mlir::LogicalResult noSemantics(mlir::Operation *op);

/// Runs a region that maps rows, its first argument, to as many rows; the other
/// arguments are `params`.
template <typename Real>
mlir::FailureOr<TensorRef<Real>>
runRows(mlir::Operation *op, mlir::Block &body, Tensor<Real> rows,
        std::vector<ValueOf<Real>> params, Interpreter<Real> &interpreter,
        const Frame<Real> &outer);

/// Rows of the tokens of a recursion as rows of all tokens: of the others
/// zeros, or -1.
template <typename Real>
Tensor<Real> ofAllTokens(const Tensor<Real> &rows, const Frame<Real> &frame);

template <typename Real>
mlir::LogicalResult evaluateMoe(mlir::Operation *op,
                                Interpreter<Real> &interpreter,
                                Frame<Real> &frame);
/// Evaluates a product of the rows `x`, which is result `result` of an op.
template <typename Real>
mlir::LogicalResult
evaluateProduct(mlir::Operation *op, const moe::ProductParts &parts,
                TensorRef<Real> x, unsigned result,
                Interpreter<Real> &interpreter, Frame<Real> &frame);
template <typename Real>
mlir::LogicalResult evaluateRepeat(mlir::Operation *op,
                                   Interpreter<Real> &interpreter,
                                   Frame<Real> &frame);
template <typename Real>
mlir::LogicalResult evaluateNn(mlir::Operation *op,
                               Interpreter<Real> &interpreter,
                               Frame<Real> &frame);
/// Operations of tensor, linalg, arith and math.
template <typename Real>
mlir::LogicalResult evaluateUpstream(mlir::Operation *op, Frame<Real> &frame);

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_INTERPRETER_H
