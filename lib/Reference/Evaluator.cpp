//===- Evaluator.cpp - Runs a module by definition ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions, calls, values and weights; the operations themselves are in the
// files named Evaluate<dialect>.cpp.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Evaluator.h"

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Interpreter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace moec;
using namespace moec::reference;

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

template <typename Real>
TensorRef<Real> Frame<Real>::tensor(Value value) const {
  const ValueOf<Real> &held = values.at(value);
  if (const auto *weight = std::get_if<WeightRef>(&held))
    return std::make_shared<const Tensor<Real>>(widened<Real>(**weight));
  return std::get<TensorRef<Real>>(held);
}

template <typename Real>
FailureOr<Matrix<Real>> Frame<Real>::matrix(Operation *op, Value value,
                                            int64_t n, int64_t k) const {
  const ValueOf<Real> &held = values.at(value);
  const auto *weight = std::get_if<WeightRef>(&held);
  const Shape &shape =
      weight ? (*weight)->shape : std::get<TensorRef<Real>>(held)->shape;
  if (!isMatrix(shape, n, k))
    return op->emitOpError("expects a matrix [")
           << n << ", " << k << "] or its packed form, got " << toString(shape);
  if (weight)
    return matrixOf<Real>(**weight, n, k);
  return matrixOf<Real>(*std::get<TensorRef<Real>>(held), n, k);
}

/// The element type of safetensors that a type of the IR is stored as.
static std::optional<weights::DType> storedType(Type type) {
  if (type.isF32())
    return weights::DType::F32;
  if (type.isBF16())
    return weights::DType::BF16;
  if (type.isF16())
    return weights::DType::F16;
  if (type.isInteger(32))
    return weights::DType::I32;
  return std::nullopt;
}

template <typename Real>
FailureOr<WeightRef> Interpreter<Real>::load(Operation *op,
                                             const std::string &name,
                                             int64_t expert, ShapedType type) {
  auto weight = weights.load(name, expert);
  if (!weight)
    return op->emitOpError("cannot be loaded: ") << weight.status().message();
  if ((*weight)->shape != Shape(type.getShape()) ||
      storedType(type.getElementType()) != (*weight)->type)
    return op->emitOpError("weight '")
           << name << "' should be " << type << ", is "
           << weights::name((*weight)->type) << " "
           << toString((*weight)->shape);
  return *weight;
}

template <typename Real>
ValueOf<Real> Interpreter<Real>::stateAt(int64_t index, Type stateType) {
  if (auto type = dyn_cast<nn::RecurrentType>(stateType)) {
    recurrent[index].sequences = type.getSequences();
    return &recurrent[index];
  }
  auto type = cast<nn::StateType>(stateType);
  KeyValues<Real> &state = states[index];
  state.heads = type.getHeads();
  state.key = type.getKey();
  state.value = type.getValue();
  state.sequences = type.getSequences();
  state.positions = type.getPositions();
  return &state;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

LogicalResult reference::noSemantics(Operation *op) {
  return op->emitOpError("has no reference semantics");
}

template <typename Real>
LogicalResult reference::setResult(Operation *op, unsigned result,
                                   Value destination, Tensor<Real> tensor,
                                   Frame<Real> &frame) {
  const Shape &expected =
      std::get<TensorRef<Real>>(frame.values.at(destination))->shape;
  if (tensor.shape != expected)
    return op->emitOpError("computes ")
           << toString(tensor.shape) << " for an output of "
           << toString(expected);
  Value value = op->getResult(result);
  roundTo(getElementTypeOrSelf(value.getType()), tensor.reals);
  frame.set(value, std::move(tensor));
  return success();
}

template <typename Real>
LogicalResult Interpreter<Real>::run(Operation *op, Frame<Real> &frame) {
  if (auto callOp = dyn_cast<func::CallOp>(op))
    return call(callOp, frame);
  Dialect *dialect = op->getDialect();
  if (isa_and_nonnull<moe::MoeDialect>(dialect))
    return evaluateMoe(op, *this, frame);
  if (isa_and_nonnull<nn::NnDialect>(dialect))
    return evaluateNn(op, *this, frame);
  if (isa_and_nonnull<arith::ArithDialect, linalg::LinalgDialect,
                      math::MathDialect, tensor::TensorDialect>(dialect))
    return evaluateUpstream(op, frame);
  return noSemantics(op);
}

template <typename Real>
FailureOr<std::vector<ValueOf<Real>>>
Interpreter<Real>::runBlock(Block &block, Frame<Real> &frame) {
  for (Operation &op : block.without_terminator())
    if (failed(run(&op, frame)))
      return failure();
  std::vector<ValueOf<Real>> results;
  for (Value operand : block.getTerminator()->getOperands())
    results.push_back(frame.values.at(operand));
  return results;
}

template <typename Real>
LogicalResult Interpreter<Real>::call(func::CallOp op, Frame<Real> &frame) {
  auto callee = module.lookupSymbol<func::FuncOp>(op.getCallee());
  if (!callee || callee.isExternal() || !callee.getBody().hasOneBlock())
    return op->emitOpError("callee '")
           << op.getCallee() << "' has no body of one block";
  Frame<Real> inner;
  inner.placeIn(frame);
  if (auto layer = op->getAttrOfType<IntegerAttr>("layer"))
    inner.layer = layer.getInt();
  if (auto recursion = op->getAttrOfType<IntegerAttr>("recursion"))
    inner.recursion = recursion.getInt();
  for (auto [argument, operand] :
       llvm::zip_equal(callee.getArguments(), op.getOperands()))
    inner.values[argument] = frame.values.at(operand);
  auto results = runBlock(callee.getBody().front(), inner);
  if (failed(results))
    return failure();
  for (auto [value, result] : llvm::zip_equal(op.getResults(), *results))
    frame.values[value] = std::move(result);
  return success();
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

static func::FuncOp findEntry(ModuleOp module, StringRef name) {
  for (auto function : module.getOps<func::FuncOp>()) {
    auto entry = function->getAttrOfType<StringAttr>("moe.entry");
    if (entry && entry.getValue() == name)
      return function;
  }
  return module.lookupSymbol<func::FuncOp>(name);
}

/// Checks a tensor against the type of the argument that it is given for.
template <typename Real>
static LogicalResult checkInput(func::FuncOp function, unsigned i,
                                const Tensor<Real> &input) {
  auto type = dyn_cast<RankedTensorType>(function.getArgumentTypes()[i]);
  if (!type)
    return function.emitError("input ") << i << " is not a tensor";
  bool isReal = isa<FloatType>(type.getElementType());
  size_t count = isReal ? input.reals.size() : input.ints.size();
  bool fits = type.getRank() == static_cast<int64_t>(input.shape.size()) &&
              static_cast<int64_t>(count) == input.count();
  for (int64_t d = 0; fits && d < type.getRank(); ++d)
    fits = type.isDynamicDim(d) || type.getDimSize(d) == input.shape[d];
  if (!fits)
    return function.emitError("input ")
           << i << " must be " << type << ", got " << count
           << " elements of the shape " << toString(input.shape);
  return success();
}

template <typename Real>
FailureOr<std::vector<Tensor<Real>>>
Interpreter<Real>::evaluate(const std::string &entry,
                            const std::vector<Tensor<Real>> &inputs) {
  func::FuncOp function = findEntry(module, entry);
  if (!function || function.isExternal() || !function.getBody().hasOneBlock())
    return module.emitError("there is no entry '") << entry << "' to evaluate";
  if (inputs.size() != function.getNumArguments())
    return function.emitError("expects ")
           << function.getNumArguments() << " inputs, got " << inputs.size();
  Frame<Real> frame;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (failed(checkInput(function, i, input)))
      return failure();
    frame.set(function.getArgument(i), input);
  }
  if (failed(runBlock(function.getBody().front(), frame)))
    return failure();
  std::vector<Tensor<Real>> outputs;
  for (Value result : function.getBody().front().getTerminator()->getOperands())
    outputs.push_back(*frame.tensor(result));
  return outputs;
}

template <typename Real>
Evaluator<Real>::Evaluator(ModuleOp module, WeightSource &weights)
    : interpreter(std::make_unique<Interpreter<Real>>(module, weights)) {}

template <typename Real> Evaluator<Real>::~Evaluator() = default;

template <typename Real> void Evaluator<Real>::onRoute(Routed routed) {
  interpreter->routed = std::move(routed);
}

template <typename Real> void Evaluator<Real>::onTap(Tap tap) {
  interpreter->tap = std::move(tap);
}

template <typename Real>
std::shared_ptr<const std::vector<int64_t>>
Evaluator<Real>::tappedTokens() const {
  return interpreter->tappedTokens;
}

template <typename Real>
FailureOr<std::vector<Tensor<Real>>>
Evaluator<Real>::evaluate(const std::string &entry,
                          const std::vector<Tensor<Real>> &inputs) {
  return interpreter->evaluate(entry, inputs);
}

template <typename Real> void Evaluator<Real>::clearStates() {
  interpreter->states.clear();
  interpreter->recurrent.clear();
}

#define INSTANTIATE(Real)                                                      \
  template struct reference::Frame<Real>;                                      \
  template class reference::Interpreter<Real>;                                 \
  template class reference::Evaluator<Real>;                                   \
  template LogicalResult reference::setResult<Real>(                           \
      Operation *, unsigned, Value, Tensor<Real>, Frame<Real> &);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
