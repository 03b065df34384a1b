//===- Epilogue.cpp - What follows a product, in vector code --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The region's scalar ops, each as an op on vectors: the same arithmetic on
// every element, so that it does not matter which columns share a vector.
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/Epilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace moec;

Value Epilogue::index(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value Epilogue::loadExtra(Value extra, Value row, Value column, int64_t width) {
  auto type = cast<MemRefType>(extra.getType());
  bool isOne = type.getShape().back() == 1 && parts.n() != 1;
  if (isOne && type.getRank() == 2)
    return loadOne(extra, {row, index(0)});
  if (isOne)
    return loadOne(extra, index(0));
  SmallVector<Value> indices;
  if (type.getRank() == 2)
    indices.push_back(row);
  indices.push_back(column);
  return loadColumns(extra, indices, width);
}

/// One element, for every lane.
Value Epilogue::loadOne(Value extra, ValueRange indices) {
  Type element = cast<MemRefType>(extra.getType()).getElementType();
  Value scalar = memref::LoadOp::create(builder, loc, extra, indices);
  return vector::BroadcastOp::create(builder, loc,
                                     VectorType::get({lanes}, element), scalar);
}

/// `width` elements at these indices; the lanes behind them are zero.
Value Epilogue::loadColumns(Value extra, ValueRange indices, int64_t width) {
  Type element = cast<MemRefType>(extra.getType()).getElementType();
  auto vectorType = VectorType::get({lanes}, element);
  auto part = VectorType::get({width}, element);
  Value loaded = vector::LoadOp::create(builder, loc, part, extra, indices);
  if (width == lanes)
    return loaded;
  Value zero =
      arith::ConstantOp::create(builder, loc, builder.getZeroAttr(vectorType));
  return vector::InsertStridedSliceOp::create(
      builder, loc, loaded, zero, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1});
}

/// An op of the epilogue on vectors.
Value Epilogue::vectorise(Operation *scalar, IRMapping &mapping) {
  auto vectorOf = [&](Type type) { return VectorType::get({lanes}, type); };
  if (auto constant = dyn_cast<arith::ConstantOp>(scalar)) {
    auto type = vectorOf(constant.getType());
    return arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(type, ArrayRef<Attribute>{constant.getValue()}));
  }
  OperationState state(loc, scalar->getName());
  for (Value operand : scalar->getOperands())
    state.addOperands(mapping.lookup(operand));
  state.addTypes(vectorOf(scalar->getResult(0).getType()));
  state.propertiesAttr = scalar->getPropertiesAsAttribute();
  return builder.create(state)->getResult(0);
}

Value Epilogue::emit(ValueRange sums, Value group, Value row, Value column,
                     int64_t numLanes, int64_t width) {
  lanes = numLanes;
  Block &body = parts.epilogue->front();
  IRMapping mapping;
  for (auto [arg, sum] : llvm::zip(body.getArguments(), sums))
    mapping.map(arg, sum);
  auto arguments = body.getArguments().drop_front(sums.size());
  for (auto [arg, extra] : llvm::zip(arguments, parts.extras))
    mapping.map(arg, loadExtra(extra, row, column, width));
  // A bank's rows are its groups.
  for (auto [arg, extra] :
       llvm::zip(arguments.drop_front(parts.extras.size()), parts.groupExtras))
    mapping.map(arg, loadColumns(extra, {group, column}, width));
  for (Operation &inner : body.without_terminator())
    mapping.map(inner.getResult(0), vectorise(&inner, mapping));
  return mapping.lookup(body.getTerminator()->getOperand(0));
}
