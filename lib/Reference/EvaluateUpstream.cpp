//===- EvaluateUpstream.cpp - tensor, linalg, arith and math --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The operations of other dialects that import, gating and dispatch may leave.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Elementwise.h"
#include "lib/Reference/Generic.h"
#include "lib/Reference/Interpreter.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/RegionUtils.h"

#include <limits>

using namespace mlir;
using namespace moec;
using namespace moec::reference;

template <typename Real>
static int64_t scalar(Value value, const Frame<Real> &frame) {
  return frame.tensor(value)->ints.front();
}

/// Sizes, offsets or strides, each a number or a value.
template <typename Real>
static Shape numbers(ArrayRef<OpFoldResult> mixed, const Frame<Real> &frame) {
  Shape result;
  for (OpFoldResult entry : mixed)
    if (auto attr = dyn_cast<Attribute>(entry))
      result.push_back(cast<IntegerAttr>(attr).getInt());
    else
      result.push_back(scalar(cast<Value>(entry), frame));
  return result;
}

//===----------------------------------------------------------------------===//
// tensor
//===----------------------------------------------------------------------===//

/// What tensor.empty holds must not be read: numbers that show it.
template <typename Real>
static LogicalResult evaluate(tensor::EmptyOp op, Frame<Real> &frame) {
  Shape shape = numbers(op.getMixedSizes(), frame);
  for (int64_t size : shape)
    if (size < 0)
      return op->emitOpError("has the shape ") << toString(shape);
  if (isa<FloatType>(op.getType().getElementType()))
    frame.set(op, realTensor(shape, std::numeric_limits<Real>::quiet_NaN()));
  else
    frame.set(op, intTensor<Real>(shape, std::numeric_limits<int32_t>::min()));
  return success();
}

template <typename Real>
static LogicalResult evaluate(tensor::DimOp op, Frame<Real> &frame) {
  int64_t index = scalar(op.getIndex(), frame);
  TensorRef<Real> source = frame.tensor(op.getSource());
  if (index < 0 || index >= int64_t(source->shape.size()))
    return op->emitOpError("asks for dimension ")
           << index << " of " << toString(source->shape);
  frame.set(op, intTensor<Real>({}, source->shape[index]));
  return success();
}

template <typename Real>
static LogicalResult evaluate(tensor::ExtractOp op, Frame<Real> &frame) {
  TensorRef<Real> source = frame.tensor(op.getTensor());
  int64_t index = 0;
  for (auto [d, value] : llvm::enumerate(op.getIndices())) {
    int64_t at = scalar(value, frame);
    if (at < 0 || at >= source->shape[d])
      return op->emitOpError("takes element ")
             << at << " of dimension " << d << " of "
             << toString(source->shape);
    index = index * source->shape[d] + at;
  }
  if (source->ints.empty())
    frame.set(op, realTensor<Real>({}, source->reals[index]));
  else
    frame.set(op, intTensor<Real>({}, source->ints[index]));
  return success();
}

/// The source without the dimensions of `dropped`.
static Shape without(const Shape &shape, const llvm::SmallBitVector &dropped) {
  Shape kept;
  for (size_t d = 0; d < shape.size(); ++d)
    if (!dropped.test(d))
      kept.push_back(shape[d]);
  return kept;
}

template <typename Real>
static LogicalResult evaluate(tensor::ExtractSliceOp op, Frame<Real> &frame) {
  TensorRef<Real> source = frame.tensor(op.getSource());
  Shape offsets = numbers(op.getMixedOffsets(), frame);
  Shape sizes = numbers(op.getMixedSizes(), frame);
  Shape strides = numbers(op.getMixedStrides(), frame);
  for (size_t d = 0; d < sizes.size(); ++d) {
    int64_t last = offsets[d] + (sizes[d] - 1) * strides[d];
    if (sizes[d] < 0 || offsets[d] < 0 || strides[d] < 1 ||
        (sizes[d] > 0 && last >= source->shape[d]))
      return op->emitOpError("takes ")
             << toString(sizes) << " from " << toString(offsets) << " of "
             << toString(source->shape);
  }
  Tensor<Real> out;
  out.shape = without(sizes, op.getDroppedDims());
  for (int64_t i = 0, e = countOf(sizes); i < e; ++i) {
    int64_t index = 0, rest = i, scale = 1;
    for (size_t d = sizes.size(); d-- > 0; rest /= sizes[d]) {
      index += (offsets[d] + rest % sizes[d] * strides[d]) * scale;
      scale *= source->shape[d];
    }
    if (source->ints.empty())
      out.reals.push_back(source->reals[index]);
    else
      out.ints.push_back(source->ints[index]);
  }
  frame.set(op, std::move(out));
  return success();
}

/// The same elements in another shape.
template <typename Real>
static LogicalResult reshape(Operation *op, Shape shape, Frame<Real> &frame) {
  Tensor<Real> tensor = *frame.tensor(op->getOperand(0));
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  bool fits = countOf(shape) == tensor.count();
  for (int64_t d = 0; d < type.getRank(); ++d)
    fits &= type.isDynamicDim(d) || type.getDimSize(d) == shape[d];
  if (!fits)
    return op->emitOpError("turns ")
           << toString(tensor.shape) << " into " << toString(shape)
           << ", its type is " << type;
  tensor.shape = std::move(shape);
  frame.set(op->getResult(0), std::move(tensor));
  return success();
}

template <typename Real>
static LogicalResult evaluate(tensor::CollapseShapeOp op, Frame<Real> &frame) {
  Shape from = frame.tensor(op.getSrc())->shape, shape;
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    shape.push_back(1);
    for (int64_t d : group)
      shape.back() *= from[d];
  }
  return reshape(op, std::move(shape), frame);
}

//===----------------------------------------------------------------------===//
// linalg
//===----------------------------------------------------------------------===//

/// A matrix product, if it is x [M, K] times [N, K] or [K, N]; a row of the
/// result is added to its initial value.
template <typename Real>
static FailureOr<bool> evaluateMatmul(linalg::MatmulOp op, Frame<Real> &frame) {
  MLIRContext *context = op->getContext();
  auto map = [&](unsigned a, unsigned b) {
    return AffineMap::getMultiDimMapWithTargets(3, {a, b}, context);
  };
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  bool isTransposed = maps[1] == map(1, 2);
  if (maps[0] != map(0, 2) || maps[2] != map(0, 1) ||
      (!isTransposed && maps[1] != map(2, 1)))
    return false;
  TensorRef<Real> x = frame.tensor(op.getInputs()[0]);
  TensorRef<Real> init = frame.tensor(op.getOutputs()[0]);
  int64_t n = init->shape[1], k = x->shape[1];
  Value weight = op.getInputs()[1];
  auto stored = isTransposed ? frame.matrix(op, weight, n, k)
                             : frame.matrix(op, weight, k, n);
  if (failed(stored))
    return failure();
  Tensor<Real> out = realTensor<Real>({x->rows(), n});
  product(*x, countUp(x->rows()), isTransposed ? *stored : transposed(*stored),
          out.reals.data());
  if (init->shape == out.shape)
    for (size_t i = 0; i < out.reals.size(); ++i)
      out.reals[i] += init->reals[i];
  if (failed(setResult(op, 0, op.getOutputs()[0], std::move(out), frame)))
    return failure();
  return true;
}

template <typename Real>
static LogicalResult evaluateLinalg(linalg::LinalgOp op, Frame<Real> &frame) {
  if (auto matmul = dyn_cast<linalg::MatmulOp>(*op)) {
    FailureOr<bool> done = evaluateMatmul(matmul, frame);
    if (failed(done) || *done)
      return success(succeeded(done));
  }
  std::vector<TensorRef<Real>> held;
  std::vector<const Tensor<Real> *> operands;
  for (Value operand : op->getOperands()) {
    held.push_back(frame.tensor(operand));
    operands.push_back(held.back().get());
  }
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(op->getRegions(), used);
  Captured<Real> captured;
  for (Value value : used)
    captured[value] = *frame.tensor(value);
  auto results = evaluateStructured(op, operands, captured);
  if (failed(results))
    return failure();
  for (auto [value, result] : llvm::zip_equal(op->getResults(), *results))
    frame.set(value, std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// All
//===----------------------------------------------------------------------===//

template <typename Real>
static LogicalResult evaluateScalars(Operation *op, Frame<Real> &frame) {
  std::vector<TensorRef<Real>> held;
  std::vector<const Tensor<Real> *> operands;
  for (Value operand : op->getOperands()) {
    held.push_back(frame.tensor(operand));
    operands.push_back(held.back().get());
  }
  FailureOr<Tensor<Real>> result = evaluateElementwise<Real>(op, operands);
  if (failed(result))
    return failure();
  frame.set(op->getResult(0), std::move(*result));
  return success();
}

template <typename Real>
LogicalResult reference::evaluateUpstream(Operation *op, Frame<Real> &frame) {
  if (isElementwise(op))
    return evaluateScalars(op, frame);
  if (isa<linalg::FillOp, linalg::MatmulOp, linalg::GenericOp>(op))
    return evaluateLinalg(cast<linalg::LinalgOp>(op), frame);
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return evaluate(empty, frame);
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    return evaluate(dim, frame);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return evaluate(slice, frame);
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return evaluate(extract, frame);
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return evaluate(collapse, frame);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return reshape(op, numbers(expand.getMixedOutputShape(), frame), frame);
  if (isa<tensor::CastOp>(op))
    return reshape(op, frame.tensor(op->getOperand(0))->shape, frame);
  return noSemantics(op);
}

template LogicalResult reference::evaluateUpstream(Operation *, Frame<float> &);
template LogicalResult reference::evaluateUpstream(Operation *,
                                                   Frame<double> &);
