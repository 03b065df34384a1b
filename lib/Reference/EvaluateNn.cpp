//===- EvaluateNn.cpp - The nn dialect ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Hands the operands of nn's operations to their formulas.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Interpreter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace moec;
using namespace moec::nn;
using namespace moec::reference;

/// The single result of an operation, or why there is none.
template <typename Real>
static LogicalResult finish(Operation *op, Value destination,
                            weights::Result<Tensor<Real>> result,
                            Frame<Real> &frame) {
  if (!result)
    return op->emitOpError() << result.status().message();
  return setResult(op, 0, destination, std::move(*result), frame);
}

template <typename Real>
static LogicalResult evaluate(RmsNormOp op, Frame<Real> &frame) {
  TensorRef<Real> weight;
  if (op.getWeight())
    weight = frame.tensor(op.getWeight());
  return setResult(op, 0, op.getOuts()[0],
                   rmsNorm(*frame.tensor(op.getX()), weight.get(), op.getSize(),
                           op.getEps().convertToDouble(),
                           op.getOffset().convertToDouble()),
                   frame);
}

template <typename Real>
static LogicalResult evaluate(LayerNormOp op, Frame<Real> &frame) {
  TensorRef<Real> weight, bias;
  if (op.getWeight())
    weight = frame.tensor(op.getWeight());
  if (op.getBias())
    bias = frame.tensor(op.getBias());
  return setResult(op, 0, op.getOuts()[0],
                   layerNorm(*frame.tensor(op.getX()), weight.get(), bias.get(),
                             op.getSize(), op.getEps().convertToDouble()),
                   frame);
}

template <typename Real>
static LogicalResult evaluate(RopeOp op, Frame<Real> &frame) {
  RopeShape shape{static_cast<int64_t>(op.getSize()),
                  static_cast<int64_t>(op.getOffset()), op.getInterleaved()};
  return finish(op, op.getOuts()[0],
                rope(*frame.tensor(op.getX()), *frame.tensor(op.getTable()),
                     *frame.tensor(op.getPositions()), shape),
                frame);
}

template <typename Real>
static LogicalResult evaluate(JoinHeadsOp op, Frame<Real> &frame) {
  std::vector<TensorRef<Real>> inputs;
  std::vector<HeadPart<Real>> parts;
  for (auto [i, in] : llvm::enumerate(op.getIns())) {
    inputs.push_back(frame.tensor(in));
    parts.push_back({inputs.back().get(), op.getSizes()[i], op.getOffsets()[i],
                     op.getCounts()[i]});
  }
  return finish(op, op.getOuts()[0],
                joinHeads(parts, static_cast<int64_t>(op.getHeads())), frame);
}

/// Members of a vector of integers.
template <typename Real>
static weights::Result<Tensor<Real>>
gatherMembers(const Tensor<Real> &table, const Tensor<Real> &indices) {
  Tensor<Real> y = intTensor<Real>({indices.rows()}, 0);
  for (int64_t i = 0; i < indices.rows(); ++i) {
    int64_t index = indices.ints[i];
    if (index < 0 || index >= table.rows())
      return weights::Status::failure(weights::ErrorCode::InvalidArgument,
                                      "index " + std::to_string(index) +
                                          " is not below " +
                                          std::to_string(table.rows()));
    y.ints[i] = table.ints[index];
  }
  return y;
}

/// Rows of an embedding; a packed one does not say how many of its rows count,
/// so all do.
template <typename Real>
static LogicalResult evaluate(GatherRowsOp op, Frame<Real> &frame) {
  auto type = cast<RankedTensorType>(op.getTable().getType());
  Tensor<Real> indices = *frame.tensor(op.getIndices());
  int64_t count = frame.tensor(op.getOuts()[0])->shape[0];
  if (indices.rows() < count)
    return op->emitOpError("has ")
           << indices.rows() << " indices for " << count << " rows";
  indices.shape = {count};
  indices.ints.resize(count);
  if (type.getRank() == 1)
    return finish(op, op.getOuts()[0],
                  gatherMembers(*frame.tensor(op.getTable()), indices), frame);
  int64_t columns = frame.tensor(op.getOuts()[0])->shape[1];
  int64_t rows = type.getDimSize(0);
  if (type.getRank() > 2)
    rows *= kPanelColumns;
  else if (ShapedType::isDynamic(rows))
    rows = frame.tensor(op.getTable())->rows();
  auto table = frame.matrix(op, op.getTable(), rows, columns);
  if (failed(table))
    return failure();
  return finish(op, op.getOuts()[0], gatherRows(*table, indices), frame);
}

template <typename Real>
static LogicalResult evaluate(TokenSlotsOp op, Frame<Real> &frame) {
  Value out = op.getOuts()[0];
  return finish(op, out,
                tokenSlots(*frame.tensor(op.getSeqOffsets()),
                           *frame.tensor(op.getSlots()),
                           frame.tensor(out)->rows()),
                frame);
}

/// Rows whose heads are those of `a` followed by those of `b`.
template <typename Real>
static Tensor<Real> joined(const Tensor<Real> &a, const Tensor<Real> &b,
                           int64_t heads) {
  Tensor<Real> rows = realTensor<Real>({a.rows(), a.width() + b.width()});
  for (int64_t r = 0; r < a.rows(); ++r) {
    Real *to = rows.row(r);
    for (int64_t head = 0; head < heads; ++head)
      for (const Tensor<Real> *part : {&a, &b}) {
        int64_t size = part->width() / heads;
        to = std::copy_n(part->row(r) + head * size, size, to);
      }
  }
  return rows;
}

template <typename Real>
static LogicalResult evaluate(AppendOp op, Frame<Real> &frame) {
  auto type = dyn_cast<StateType>(op.getState()[0].getType());
  if (!type)
    return noSemantics(op);
  Tensor<Real> keys = *frame.tensor(op.getKeys());
  Tensor<Real> values = *frame.tensor(op.getValues());
  if (type.getPrefix())
    keys = joined(values, keys, type.getHeads());
  roundTo(type.getElement(), keys.reals);
  roundTo(type.getElement(), values.reals);
  weights::Status status = append(*frame.state(op.getState()[0]), keys, values,
                                  *frame.tensor(op.getPositions()),
                                  *frame.tensor(op.getTokenSlots()));
  if (!status.ok())
    return op->emitOpError() << status.message();
  return success();
}

template <typename Real>
static LogicalResult evaluate(AttentionOp op, Frame<Real> &frame) {
  if (!isa<StateType>(op.getState()[0].getType()))
    return noSemantics(op);
  AttentionShape shape{
      static_cast<int64_t>(op.getHeads()), op.getScale().convertToDouble(),
      static_cast<int64_t>(op.getWindow()), static_cast<int64_t>(op.getChunk()),
      op.getSoftcap().convertToDouble()};
  TensorRef<Real> first, sinks;
  if (op.getFirst())
    first = frame.tensor(op.getFirst());
  if (op.getSinks())
    sinks = frame.tensor(op.getSinks());
  return finish(op, op.getOuts()[0],
                attention(*frame.state(op.getState()[0]),
                          *frame.tensor(op.getQ()),
                          *frame.tensor(op.getPositions()),
                          *frame.tensor(op.getTokenSlots()), sinks.get(), shape,
                          first.get()),
                frame);
}

/// The sequences of a step as a mixer gets them.
template <typename Real, typename OpTy>
static Sequences<Real> sequencesOf(OpTy op, const Frame<Real> &frame) {
  return {*frame.tensor(op.getPositions()), *frame.tensor(op.getSeqOffsets()),
          *frame.tensor(op.getSlots())};
}

template <typename Real>
static LogicalResult evaluate(ShortConvOp op, Frame<Real> &frame) {
  if (!isa<RecurrentType>(op.getState().getType()))
    return noSemantics(op);
  TensorRef<Real> bias;
  if (op.getBias())
    bias = frame.tensor(op.getBias());
  return finish(op, op.getOuts()[0],
                shortConv(*frame.recurrent(op.getState()),
                          *frame.tensor(op.getX()),
                          *frame.tensor(op.getWeight()), bias.get(),
                          sequencesOf(op, frame)),
                frame);
}

template <typename Real>
static LogicalResult evaluate(GatedDeltaOp op, Frame<Real> &frame) {
  if (!isa<RecurrentType>(op.getState().getType()))
    return noSemantics(op);
  return finish(
      op, op.getOuts()[0],
      gatedDelta(*frame.recurrent(op.getState()), *frame.tensor(op.getQ()),
                 *frame.tensor(op.getK()), *frame.tensor(op.getV()),
                 *frame.tensor(op.getDecay()), *frame.tensor(op.getBeta()),
                 static_cast<int64_t>(op.getKeyHeads()),
                 sequencesOf(op, frame)),
      frame);
}

template <typename Real>
static LogicalResult evaluate(PlacesOp op, Frame<Real> &frame) {
  auto type = dyn_cast<RecurrentType>(op.getState().getType());
  if (!type)
    return noSemantics(op);
  return finish(op, op.getOuts()[0],
                places(*frame.recurrent(op.getState()), type.getColumns(),
                       *frame.tensor(op.getIds()),
                       static_cast<int64_t>(op.getFrom()),
                       sequencesOf(op, frame)),
                frame);
}

template <typename Real>
static LogicalResult evaluate(FirstPlacesOp op, Frame<Real> &frame) {
  if (!isa<RecurrentType>(op.getState().getType()))
    return noSemantics(op);
  return finish(op, op.getOuts()[0],
                firstPlaces(*frame.recurrent(op.getState()),
                            *frame.tensor(op.getPositions()),
                            *frame.tensor(op.getTokenSlots()),
                            static_cast<int64_t>(op.getWindow()),
                            static_cast<int64_t>(op.getChunk())),
                frame);
}

template <typename Real>
static LogicalResult evaluate(SeqRowsOp op, Frame<Real> &frame) {
  return finish(
      op, op.getOuts()[0],
      seqRows(*frame.tensor(op.getTokenSlots()), *frame.tensor(op.getSlots())),
      frame);
}

template <typename Real>
LogicalResult reference::evaluateNn(Operation *op,
                                    Interpreter<Real> &interpreter,
                                    Frame<Real> &frame) {
  if (auto state = dyn_cast<StateOp>(op)) {
    frame.values[state] =
        interpreter.stateAt(state.getIndex(), state.getType());
    return success();
  }
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<RmsNormOp, LayerNormOp, RopeOp, JoinHeadsOp, GatherRowsOp,
            TokenSlotsOp, AppendOp, AttentionOp, ShortConvOp, PlacesOp,
            FirstPlacesOp, SeqRowsOp, GatedDeltaOp>(
          [&](auto typed) { return evaluate(typed, frame); })
      .Default(noSemantics);
}

template LogicalResult reference::evaluateNn(Operation *, Interpreter<float> &,
                                             Frame<float> &);
template LogicalResult reference::evaluateNn(Operation *, Interpreter<double> &,
                                             Frame<double> &);
