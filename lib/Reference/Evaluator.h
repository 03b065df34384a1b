//===- Evaluator.h - Runs a module by definition ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Executable semantics of a module on tensors: of the form that an import
// leaves, and of those after gating and dispatch. It is what every later phase
// is compared with. Failures are diagnostics on the operation at fault.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_EVALUATOR_H
#define MOEC_LIB_REFERENCE_EVALUATOR_H

#include "lib/Reference/Routing.h"
#include "lib/Reference/WeightSource.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <memory>

namespace moec::reference {

template <typename Real> class Interpreter;

/// Computes in Real, which is float or double. The states of sequences are kept
/// from one evaluation to the next.
template <typename Real> class Evaluator {
public:
  /// Called with the name of a tap, in which {layer} is already replaced, and
  /// with rows of all tokens: those that pass a recursion by have zeros there,
  /// or -1.
  using Tap = std::function<void(const std::string &, const Tensor<Real> &)>;

  /// The module and the weights must outlive the evaluator.
  Evaluator(mlir::ModuleOp module, WeightSource &weights);
  ~Evaluator();

  void onTap(Tap tap);
  /// While a tap is called: the tokens that have rows where it is, ascending,
  /// which it gives to all tokens; null where all have.
  std::shared_ptr<const std::vector<int64_t>> tappedTokens() const;

  /// Called with what experts are chosen of, before the choice.
  using Routed = std::function<void(moe::RoutingAttr, const Tensor<Real> &,
                                    const Operands<Real> &)>;
  void onRoute(Routed routed);

  /// Runs the entry of this name on its inputs, in their order.
  mlir::FailureOr<std::vector<Tensor<Real>>>
  evaluate(const std::string &entry, const std::vector<Tensor<Real>> &inputs);

  /// Forgets the states of all sequences.
  void clearStates();

private:
  std::unique_ptr<Interpreter<Real>> interpreter;
};

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_EVALUATOR_H
