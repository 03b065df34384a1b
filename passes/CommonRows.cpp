//===- CommonRows.cpp - What experts make of rows alike -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/CommonRows.h"
#include "dialects/Nn/Nn.h"
#include "passes/ImportForms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace moec;

bool moec::isPlainNorm(Operation *op) {
  return isa<nn::RmsNormOp, nn::LayerNormOp>(op) &&
         cast<DestinationStyleOpInterface>(op).getNumDpsInputs() == 1;
}

CommonRows moec::commonRows(Block *body, bool weightOnInput) {
  CommonRows values;
  values.insert(body->getArgument(0));
  if (weightOnInput)
    return values;
  for (Operation &op : *body)
    if (isPlainNorm(&op) || isa<linalg::GenericOp>(op))
      if (llvm::all_of(cast<DestinationStyleOpInterface>(op).getDpsInputs(),
                       [&](Value input) { return values.contains(input); }))
        values.insert(op.getResult(0));
  return values;
}

/// The addition that makes the result.
static arith::AddFOp additionOf(linalg::GenericOp sum) {
  return sum.getBody()
      ->getTerminator()
      ->getOperand(0)
      .getDefiningOp<arith::AddFOp>();
}

std::optional<Addend> moec::commonAddend(Block *body,
                                         const CommonRows &tokens) {
  auto sum =
      body->getTerminator()->getOperand(0).getDefiningOp<linalg::GenericOp>();
  if (!sum || tokens.contains(sum.getResult(0)) || !sum->hasOneUse() ||
      !whyNotElementwise(sum).empty())
    return std::nullopt;
  arith::AddFOp add = additionOf(sum);
  if (!add)
    return std::nullopt;
  for (unsigned i = 0; i < sum.getNumDpsInputs(); ++i) {
    BlockArgument argument = sum.getBody()->getArgument(i);
    if (tokens.contains(sum.getInputs()[i]) && readsWhole(sum, i) &&
        argument.hasOneUse() && *argument.user_begin() == add)
      return Addend{sum, i};
  }
  return std::nullopt;
}

Value moec::takeOutAddend(RewriterBase &rewriter, Addend addend) {
  OpBuilder::InsertionGuard guard(rewriter);
  linalg::GenericOp sum = addend.sum;
  rewriter.setInsertionPoint(sum);
  SmallVector<Value> inputs(sum.getInputs());
  SmallVector<AffineMap> maps = sum.getIndexingMapsArray();
  Value value = inputs[addend.input];
  inputs.erase(inputs.begin() + addend.input);
  maps.erase(maps.begin() + addend.input);
  arith::AddFOp add = additionOf(sum);
  BlockArgument taken = sum.getBody()->getArgument(addend.input);
  Value rest = add.getLhs() == taken ? add.getRhs() : add.getLhs();
  auto without = linalg::GenericOp::create(
      rewriter, sum.getLoc(), sum->getResultTypes(), inputs, sum.getOutputs(),
      maps, sum.getIteratorTypesArray(),
      [&](OpBuilder &b, Location loc, ValueRange arguments) {
        IRMapping map;
        unsigned next = 0;
        for (BlockArgument argument : sum.getBody()->getArguments())
          if (argument != taken)
            map.map(argument, arguments[next++]);
        for (Operation &op : sum.getBody()->without_terminator())
          if (&op != add)
            b.clone(op, map);
        linalg::YieldOp::create(b, loc, map.lookupOrDefault(rest));
      });
  rewriter.replaceOp(sum, without);
  return value;
}
