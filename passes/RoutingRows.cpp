//===- RoutingRows.cpp - What follows the choice of experts ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Renormalisation, scale and alias of tokens whose ids and weights are in
// memory: a few scalars for each token. A slot whose id is -1 takes no part.
//
//===----------------------------------------------------------------------===//

#include "passes/RoutingRows.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

Value moec::integerTable(VectorBuilder &b, ArrayRef<int32_t> elements) {
  int64_t size = elements.size();
  Value buffer = memref::AllocaOp::create(
      b, MemRefType::get({size}, b.getI32Type()), b.getI64IntegerAttr(64));
  for (Chunk chunk : chunksOf(size, std::max<int64_t>(b.lanes, 4))) {
    auto type = VectorType::get({chunk.size}, b.getI32Type());
    Value part = arith::ConstantOp::create(
        b,
        DenseElementsAttr::get(type, elements.slice(chunk.offset, chunk.size)));
    vector::StoreOp::create(b, part, buffer, b.index(chunk.offset));
  }
  return buffer;
}

RoutingFinish::RoutingFinish(VectorBuilder &b, const RoutingStages &stages,
                             RoutingRows rows)
    : b(b), stages(stages), rows(rows), math(b) {
  if (stages.inputs.alias)
    alias = integerTable(b, stages.inputs.alias.asArrayRef());
}

/// Whether an id is that of an expert that weighs nothing.
Value RoutingFinish::isNull(Value id) {
  int64_t first = stages.experts - stages.routing.getNullExperts();
  return b.compare(arith::CmpIPredicate::sge, id, b.i32(first));
}

/// Replaces the weights of all slots that hold an expert, and of the shared
/// ones; the others become 0.
void RoutingFinish::map(Value token, Map fn) {
  b.forLoop(b.index(0), b.index(stages.k()), 1, [&](Value slot) {
    Value id = memref::LoadOp::create(b, rows.ids, ValueRange{token, slot});
    Value weight =
        memref::LoadOp::create(b, rows.weights, ValueRange{token, slot});
    Value holds = b.compare(arith::CmpIPredicate::sge, id, b.i32(0));
    Value next = arith::SelectOp::create(b, holds, fn(weight), b.f32(0.0));
    memref::StoreOp::create(b, next, rows.weights, ValueRange{token, slot});
  });
  if (!stages.shared)
    return;
  b.forLoop(b.index(0), b.index(stages.shared), 1, [&](Value slot) {
    Value weight =
        memref::LoadOp::create(b, rows.shared, ValueRange{token, slot});
    memref::StoreOp::create(b, fn(weight), rows.shared,
                            ValueRange{token, slot});
  });
}

Value RoutingFinish::fold(Value token, double init, Fold fn) {
  Value result = b.forLoop(
      b.index(0), b.index(stages.k()), 1, b.f32(init),
      [&](Value slot, ValueRange carried) -> VectorBuilder::Values {
        Value id = memref::LoadOp::create(b, rows.ids, ValueRange{token, slot});
        Value weight =
            memref::LoadOp::create(b, rows.weights, ValueRange{token, slot});
        Value holds = b.compare(arith::CmpIPredicate::sge, id, b.i32(0));
        return {arith::SelectOp::create(b, holds, fn(carried[0], weight),
                                        carried[0])};
      })[0];
  if (!stages.shared)
    return result;
  return b.forLoop(
      b.index(0), b.index(stages.shared), 1, result,
      [&](Value slot, ValueRange carried) -> VectorBuilder::Values {
        Value weight =
            memref::LoadOp::create(b, rows.shared, ValueRange{token, slot});
        return {fn(carried[0], weight)};
      })[0];
}

void RoutingFinish::dropNull(Value token) {
  if (!stages.routing.getNullExperts())
    return;
  b.forLoop(b.index(0), b.index(stages.k()), 1, [&](Value slot) {
    Value id = memref::LoadOp::create(b, rows.ids, ValueRange{token, slot});
    b.ifThen(isNull(id), [&] {
      memref::StoreOp::create(b, b.f32(0.0), rows.weights,
                              ValueRange{token, slot});
    });
  });
}

void RoutingFinish::softmax(Value token) {
  Value largest = fold(token, kMinusInfinity, [&](Value most, Value weight) {
    return b.larger(weight, most);
  });
  map(token, [&](Value weight) { return math.exponential(weight, largest); });
  Value sum = fold(token, 0.0, [&](Value total, Value weight) -> Value {
    return arith::AddFOp::create(b, total, weight);
  });
  map(token, [&](Value weight) -> Value {
    return arith::DivFOp::create(b, weight, sum);
  });
}

void RoutingFinish::score(Value token) {
  if (stages.isSoftmax())
    return softmax(token);
  map(token, [&](Value weight) {
    return math.score(stages.routing.getScore(), weight);
  });
}

void RoutingFinish::renormalise(Value token) {
  Renorm renorm = stages.routing.getRenorm();
  if (renorm == Renorm::None)
    return;
  if (renorm == Renorm::LogSigmoidSoftmax)
    map(token, [&](Value weight) { return math.logSigmoid(weight); });
  if (renorm == Renorm::LogSigmoidSoftmax || renorm == Renorm::Softmax)
    return softmax(token);
  bool isSum = renorm == Renorm::Sum;
  double power = RoutingAttr::valueOr(stages.routing.getLp(), 1);
  Value norm = fold(token, 0.0, [&](Value total, Value weight) -> Value {
    return arith::AddFOp::create(b, total,
                                 isSum ? weight : math.power(weight, power));
  });
  if (!isSum)
    norm = math.root(norm, power);
  Value eps = b.f32(stages.routing.epsValue());
  norm = stages.routing.getEpsMode() == EpsMode::Add
             ? arith::AddFOp::create(b, norm, eps).getResult()
             : b.larger(eps, norm);
  map(token, [&](Value weight) -> Value {
    return arith::DivFOp::create(b, weight, norm);
  });
}

void RoutingFinish::scale(Value token) {
  double scale = stages.routing.scaleValue();
  if (scale != 1.0)
    map(token, [&](Value weight) -> Value {
      return arith::MulFOp::create(b, weight, b.f32(scale));
    });
  Value scales = stages.inputs.expertScale;
  if (!scales)
    return;
  b.forLoop(b.index(0), b.index(stages.k()), 1, [&](Value slot) {
    Value id = memref::LoadOp::create(b, rows.ids, ValueRange{token, slot});
    Value holds = b.compare(arith::CmpIPredicate::sge, id, b.i32(0));
    b.ifThen(holds, [&] {
      Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
      Value weight =
          memref::LoadOp::create(b, rows.weights, ValueRange{token, slot});
      Value factor = memref::LoadOp::create(b, scales, expert);
      memref::StoreOp::create(b, arith::MulFOp::create(b, weight, factor),
                              rows.weights, ValueRange{token, slot});
    });
  });
}

void RoutingFinish::normalise(Value token) {
  if (stages.routing.getNullBeforeNorm())
    dropNull(token);
  renormalise(token);
  scale(token);
  dropNull(token);
}

void RoutingFinish::rename(Value token) {
  if (!alias)
    return;
  Value first = b.index(0);
  b.forLoop(first, b.index(stages.k()), 1, [&](Value slot) {
    Value id = memref::LoadOp::create(b, rows.ids, ValueRange{token, slot});
    Value holds = b.compare(arith::CmpIPredicate::sge, id, b.i32(0));
    b.ifThen(holds, [&] {
      Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
      Value name = memref::LoadOp::create(b, alias, expert);
      memref::StoreOp::create(b, name, rows.ids, ValueRange{token, slot});
      if (stages.routing.getDedupe() == Dedupe::None)
        return;
      // At most one slot before this one has the name.
      b.forLoop(first, slot, 1, [&](Value earlier) {
        Value other =
            memref::LoadOp::create(b, rows.ids, ValueRange{token, earlier});
        b.ifThen(b.compare(arith::CmpIPredicate::eq, other, name), [&] {
          Value sum = arith::AddFOp::create(
              b,
              memref::LoadOp::create(b, rows.weights,
                                     ValueRange{token, earlier}),
              memref::LoadOp::create(b, rows.weights, ValueRange{token, slot}));
          memref::StoreOp::create(b, sum, rows.weights,
                                  ValueRange{token, earlier});
          memref::StoreOp::create(b, b.f32(0.0), rows.weights,
                                  ValueRange{token, slot});
          memref::StoreOp::create(b, b.i32(-1), rows.ids,
                                  ValueRange{token, slot});
        });
      });
    });
  });
}
