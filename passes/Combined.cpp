//===- Combined.cpp - What is fused with a combine ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Combined.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

std::string moec::whyNotCombined(Operation *reader, CombineOp combine) {
  if (combine->getBlock() != reader->getBlock())
    return "its rows are made in another block";
  for (Operation *user : combine->getUsers()) {
    Operation *there = reader->getBlock()->findAncestorOpInBlock(*user);
    if (there && there->isBeforeInBlock(reader))
      return "'" + user->getName().getStringRef().str() +
             "' reads the rows before it";
  }
  return "";
}

/// A combine into the buffer that the fused op has for it.
static CombineOp combineOf(OpBuilder &builder, Location loc,
                           const CombineParts &parts) {
  return CombineOp::create(builder, loc, TypeRange(), parts.rows,
                           parts.tokenRow, parts.tokenSlot, parts.weights,
                           parts.ids, parts.locals, parts.addends, parts.y,
                           parts.ranges, parts.unweighted);
}

std::pair<CombineOp, GateOp> moec::splitCombined(OpBuilder &builder,
                                                 CombineGateOp op) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  auto combine = combineOf(builder, op.getLoc(), op.getCombined());
  auto gate = GateOp::create(builder, op.getLoc(), TypeRange(), op.getOuts()[0],
                             op.getMatrix(), op.getExtras(), op.getInputs(),
                             op.getOuts().drop_front(), op.getRouting());
  gate.setCountRowsAttr(op.getCountRowsAttr());
  gate.getEpilogue().takeBody(op.getEpilogue());
  return {combine, gate};
}

std::pair<CombineOp, GroupedMatmulOp> moec::splitCombined(OpBuilder &builder,
                                                          CombineMatmulOp op) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  auto combine = combineOf(builder, op.getLoc(), op.getCombined());
  ProductParts parts = op.getProduct();
  auto product = GroupedMatmulOp::create(
      builder, op.getLoc(), TypeRange(), parts.x, parts.banks,
      /*offsets=*/Value(), /*active=*/Value(), /*gather=*/Value(), parts.extras,
      /*group_extras=*/ValueRange(), parts.out, op.getVariantsAttr(),
      /*side_by_side=*/false);
  product.getEpilogue().takeBody(op.getEpilogue());
  return {combine, product};
}
