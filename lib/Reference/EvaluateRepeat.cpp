//===- EvaluateRepeat.cpp - Networks that run several times ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A recursion looks at every token in turn, and gives a region the rows of
// those that pass through it.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Interpreter.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;
using namespace moec::reference;

template <typename Real>
FailureOr<TensorRef<Real>>
reference::runRows(Operation *op, Block &body, Tensor<Real> rows,
                   std::vector<ValueOf<Real>> params,
                   Interpreter<Real> &interpreter, const Frame<Real> &outer) {
  int64_t count = rows.rows();
  Frame<Real> frame;
  frame.placeIn(outer);
  frame.set(body.getArgument(0), std::move(rows));
  for (auto [argument, param] :
       llvm::zip_equal(body.getArguments().drop_front(), params))
    frame.values[argument] = std::move(param);
  auto yielded = interpreter.runBlock(body, frame);
  if (failed(yielded))
    return failure();
  TensorRef<Real> result = std::get<TensorRef<Real>>(yielded->front());
  if (result->rows() != count)
    return op->emitOpError("region makes ")
           << result->rows() << " rows of " << count;
  return result;
}

template <typename Real>
static void addTo(Tensor<Real> &y, const Tensor<Real> &x) {
  for (int64_t i = 0; i < y.count(); ++i)
    y.reals[i] += x.reals[i];
}

template <typename Real>
static LogicalResult evaluate(IterateOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  TensorRef<Real> first = frame.tensor(op.getX()), x = first;
  Residual residual = op.getResidual();
  int64_t count = op.getCount();
  for (int64_t i = 0; i < count; ++i) {
    std::vector<ValueOf<Real>> params;
    for (Value value : op.eachOf(i))
      params.push_back(frame.values.at(value));
    for (Value value : op.getAll())
      params.push_back(frame.values.at(value));
    auto made =
        runRows(op, op.bodyOf(i), *x, std::move(params), interpreter, frame);
    if (failed(made))
      return failure();
    auto y = std::make_shared<Tensor<Real>>(**made);
    if (residual == Residual::Inner)
      addTo(*y, *x);
    bool adds = residual == Residual::Initial ||
                (residual == Residual::Outer && i + 1 == count);
    if (adds)
      addTo(*y, *first);
    x = y;
  }
  return setResult(op, 0, op.getOuts()[0], Tensor<Real>(*x), frame);
}

/// The rows of the tokens, or of a vector their members.
template <typename Real>
static Tensor<Real> rowsOf(const Tensor<Real> &from,
                           const std::vector<int64_t> &tokens) {
  Tensor<Real> out;
  out.shape = from.shape;
  out.shape[0] = tokens.size();
  for (int64_t t : tokens)
    if (from.ints.empty())
      out.reals.insert(out.reals.end(), from.row(t),
                       from.row(t) + from.width());
    else
      out.ints.push_back(from.ints[t]);
  return out;
}

template <typename Real>
Tensor<Real> reference::ofAllTokens(const Tensor<Real> &rows,
                                    const Frame<Real> &frame) {
  if (!frame.tokens)
    return rows;
  Shape shape = rows.shape;
  shape[0] = frame.allTokens;
  bool isReal = rows.ints.empty();
  Tensor<Real> all =
      isReal ? realTensor<Real>(shape) : intTensor<Real>(shape, -1);
  int64_t width = all.width();
  for (size_t i = 0; i < frame.tokens->size(); ++i) {
    int64_t to = (*frame.tokens)[i] * width, from = i * width;
    if (isReal)
      std::copy_n(rows.reals.begin() + from, width, all.reals.begin() + to);
    else
      std::copy_n(rows.ints.begin() + from, width, all.ints.begin() + to);
  }
  return all;
}

template <typename Real>
static LogicalResult evaluate(RecurseOp op, Interpreter<Real> &interpreter,
                              Frame<Real> &frame) {
  TensorRef<Real> ids = frame.tensor(op.getIds());
  TensorRef<Real> weights = frame.tensor(op.getWeights());
  Tensor<Real> y = *frame.tensor(op.getX()), h = y;
  int64_t regions = op.getBodies().size();
  for (int64_t t = 0; t < ids->rows(); ++t)
    if (ids->ints[t] < -1 || ids->ints[t] >= regions)
      return op->emitOpError("token ") << t << " has the id " << ids->ints[t]
                                       << " of " << regions << " regions";
  for (int64_t r = 0; r < regions; ++r) {
    std::vector<int64_t> tokens;
    for (int64_t t = 0; t < ids->rows(); ++t)
      if (ids->ints[t] >= r || (r == 0 && op.getAllFirst()))
        tokens.push_back(t);
    std::vector<ValueOf<Real>> params;
    for (Value vector : op.getAlong())
      params.push_back(std::make_shared<const Tensor<Real>>(
          rowsOf(*frame.tensor(vector), tokens)));
    for (Value param : op.getParams())
      params.push_back(frame.values.at(param));
    Frame<Real> place;
    place.placeIn(frame);
    std::vector<int64_t> ofStep(tokens);
    if (frame.tokens)
      for (int64_t &t : ofStep)
        t = (*frame.tokens)[t];
    else
      place.allTokens = ids->rows();
    place.tokens =
        std::make_shared<const std::vector<int64_t>>(std::move(ofStep));
    auto made = runRows(op, op.getBodies()[r].front(), rowsOf(h, tokens),
                        std::move(params), interpreter, place);
    if (failed(made))
      return failure();
    for (size_t i = 0; i < tokens.size(); ++i)
      for (int64_t c = 0, t = tokens[i]; c < y.width(); ++c) {
        h.row(t)[c] = (*made)->row(i)[c];
        if (ids->ints[t] == r)
          y.row(t)[c] += weights->reals[t] * h.row(t)[c];
      }
  }
  return setResult(op, 0, op.getOuts()[0], std::move(y), frame);
}

template <typename Real>
LogicalResult reference::evaluateRepeat(Operation *op,
                                        Interpreter<Real> &interpreter,
                                        Frame<Real> &frame) {
  if (auto iterate = dyn_cast<IterateOp>(op))
    return evaluate(iterate, interpreter, frame);
  return evaluate(cast<RecurseOp>(op), interpreter, frame);
}

#define INSTANTIATE(Real)                                                      \
  template Tensor<Real> reference::ofAllTokens(const Tensor<Real> &,           \
                                               const Frame<Real> &);           \
  template FailureOr<TensorRef<Real>> reference::runRows(                      \
      Operation *, Block &, Tensor<Real>, std::vector<ValueOf<Real>>,          \
      Interpreter<Real> &, const Frame<Real> &);                               \
  template LogicalResult reference::evaluateRepeat(                            \
      Operation *, Interpreter<Real> &, Frame<Real> &);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
