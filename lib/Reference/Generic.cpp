//===- Generic.cpp - linalg.generic and its named forms -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The body runs once for each point of all loops but the innermost, on all
// points of the innermost at once; when a loop is a reduction, on one point at
// a time, so that sums build up in the order of the loops.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Generic.h"

using namespace mlir;
using namespace moec;
using namespace moec::reference;

namespace {

/// Where an operand's element of a point of the iteration space lies.
struct Access {
  int64_t base = 0;
  std::vector<int64_t> strides; ///< For each loop.

  int64_t at(const std::vector<int64_t> &point) const {
    int64_t index = base;
    for (size_t d = 0; d < point.size(); ++d)
      index += strides[d] * point[d];
    return index;
  }
};

struct Loops {
  std::vector<int64_t> extents;
  std::vector<Access> accesses; ///< For each operand.
};

/// Reads the loops off one operand: their extents from its shape, and how they
/// move in it.
LogicalResult addOperand(linalg::LinalgOp op, AffineMap map, const Shape &shape,
                         Loops &loops) {
  Access access;
  access.strides.assign(loops.extents.size(), 0);
  int64_t stride = 1;
  for (int64_t i = shape.size(); i-- > 0; stride *= shape[i]) {
    AffineExpr expr = map.getResult(i);
    if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
      if (constant.getValue() < 0 || constant.getValue() >= shape[i])
        return op->emitOpError("reads index ")
               << constant.getValue() << " of a dimension of " << shape[i];
      access.base += stride * constant.getValue();
      continue;
    }
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim)
      return op->emitOpError("has the indexing map ")
             << AffineMapAttr::get(map)
             << ", which is not of dimensions and constants only";
    int64_t &extent = loops.extents[dim.getPosition()];
    if (extent >= 0 && extent != shape[i])
      return op->emitOpError("loop d")
             << dim.getPosition() << " runs over " << extent << " and over "
             << shape[i] << " elements";
    extent = shape[i];
    access.strides[dim.getPosition()] += stride;
  }
  loops.accesses.push_back(std::move(access));
  return success();
}

template <typename Real>
FailureOr<Loops> loopsOf(linalg::LinalgOp op,
                         const std::vector<const Tensor<Real> *> &operands) {
  Loops loops;
  loops.extents.assign(op.getNumLoops(), -1);
  for (auto [operand, map] :
       llvm::zip_equal(operands, op.getIndexingMapsArray()))
    if (failed(addOperand(op, map, operand->shape, loops)))
      return failure();
  for (auto [d, extent] : llvm::enumerate(loops.extents))
    if (extent < 0)
      return op->emitOpError("loop d") << d << " has no operand to run over";
  return loops;
}

/// Moves to the next point of all loops but those of `lanes`; false behind the
/// last one.
bool advance(std::vector<int64_t> &point, const std::vector<int64_t> &extents,
             size_t outer) {
  for (size_t d = outer; d-- > 0;) {
    if (++point[d] < extents[d])
      return true;
    point[d] = 0;
  }
  return false;
}

template <typename Real>
Tensor<Real> readLanes(const Tensor<Real> &from, int64_t index, int64_t stride,
                       int64_t lanes) {
  Tensor<Real> out;
  out.shape = {lanes};
  for (int64_t i = 0; i < lanes; ++i, index += stride)
    if (from.ints.empty())
      out.reals.push_back(from.reals[index]);
    else
      out.ints.push_back(from.ints[index]);
  return out;
}

template <typename Real>
void writeLanes(const Tensor<Real> &lanes, Tensor<Real> &to, int64_t index,
                int64_t stride, int64_t count) {
  // A value that does not depend on the point has one lane.
  bool isOne = lanes.count() == 1;
  for (int64_t i = 0; i < count; ++i, index += stride)
    if (to.ints.empty())
      to.reals[index] = lanes.reals[isOne ? 0 : i];
    else
      to.ints[index] = lanes.ints[isOne ? 0 : i];
}

} // namespace

template <typename Real>
FailureOr<std::vector<Tensor<Real>>>
reference::evaluateStructured(linalg::LinalgOp op,
                              const std::vector<const Tensor<Real> *> &operands,
                              const Captured<Real> &captured) {
  FailureOr<Loops> loops = loopsOf(op, operands);
  if (failed(loops))
    return failure();
  size_t numInputs = op.getNumDpsInputs();
  std::vector<Tensor<Real>> outs;
  for (size_t i = numInputs; i < operands.size(); ++i)
    outs.push_back(*operands[i]);
  const std::vector<int64_t> &extents = loops->extents;
  if (llvm::is_contained(extents, 0))
    return outs;

  bool isParallel = op.getNumLoops() == op.getNumParallelLoops();
  bool hasLanes = isParallel && !extents.empty();
  size_t outer = hasLanes ? extents.size() - 1 : extents.size();
  int64_t lanes = hasLanes ? extents.back() : 1;
  std::vector<int64_t> point(extents.size(), 0);
  do {
    std::vector<Tensor<Real>> arguments;
    auto indexOf = [&](size_t i) { return loops->accesses[i].at(point); };
    auto strideOf = [&](size_t i) {
      return hasLanes ? loops->accesses[i].strides.back() : 0;
    };
    for (size_t i = 0; i < operands.size(); ++i)
      arguments.push_back(
          readLanes(i < numInputs ? *operands[i] : outs[i - numInputs],
                    indexOf(i), strideOf(i), lanes));
    auto yielded =
        evaluateLanes(*op.getBlock(), std::move(arguments), captured);
    if (failed(yielded))
      return failure();
    for (size_t i = 0; i < outs.size(); ++i)
      writeLanes((*yielded)[i], outs[i], indexOf(numInputs + i),
                 strideOf(numInputs + i), lanes);
  } while (advance(point, extents, outer));
  return outs;
}

template FailureOr<std::vector<Tensor<float>>>
reference::evaluateStructured(linalg::LinalgOp,
                              const std::vector<const Tensor<float> *> &,
                              const Captured<float> &);
template FailureOr<std::vector<Tensor<double>>>
reference::evaluateStructured(linalg::LinalgOp,
                              const std::vector<const Tensor<double> *> &,
                              const Captured<double> &);
