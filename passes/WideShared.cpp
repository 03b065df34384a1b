//===- WideShared.cpp - Shared experts that make one wide one -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/WideShared.h"
#include "passes/ImportForms.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/OperationSupport.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

//===----------------------------------------------------------------------===//
// One network
//===----------------------------------------------------------------------===//

Operation *moec::lastProduct(SharedOp op) {
  return op.getBody().front().getTerminator()->getOperand(0).getDefiningOp();
}

static bool isParam(Value value, Block &body) {
  return llvm::is_contained(body.getArguments().drop_front(), value);
}

static std::string whyNotColumns(linalg::GenericOp op, Block &body,
                                 const DenseSet<Value> &columns) {
  StringRef why = whyNotElementwise(op);
  if (!why.empty())
    return why.str();
  for (auto [i, input] : llvm::enumerate(op.getInputs()))
    if (!(columns.contains(input) && readsWhole(op, i)) &&
        !(isParam(input, body) &&
          cast<RankedTensorType>(input.getType()).getRank() == 1))
      return "it computes with more than its inner columns";
  return "";
}

std::string moec::whyNotNetwork(SharedOp op) {
  Block &body = op.getBody().front();
  auto last = dyn_cast_or_null<linalg::MatmulOp>(lastProduct(op));
  if (!last || !isParam(productWeight(last), body))
    return "it does not end in a product with a weight";
  DenseSet<Value> columns;
  for (Operation &inner : body.without_terminator()) {
    if (auto product = dyn_cast<linalg::MatmulOp>(inner)) {
      StringRef why = whyNotProduct(product);
      if (!why.empty())
        return why.str();
      bool ofRows = productX(product) == body.getArgument(0);
      if (product == last ? !columns.contains(productX(product))
                          : !ofRows || !isParam(productWeight(product), body))
        return "it has more products than of its rows and a last one";
      if (product != last)
        columns.insert(product->getResult(0));
    } else if (auto generic = dyn_cast<linalg::GenericOp>(inner)) {
      std::string why = whyNotColumns(generic, body, columns);
      if (!why.empty())
        return why;
      columns.insert(generic->getResult(0));
    } else if (!isa<tensor::DimOp, tensor::EmptyOp, linalg::FillOp,
                    arith::ConstantOp>(inner)) {
      return ("it holds " + inner.getName().getStringRef()).str();
    }
  }
  for (BlockArgument param : body.getArguments().drop_front())
    if (!param.hasOneUse() ||
        !isa<linalg::MatmulOp, linalg::GenericOp>(*param.user_begin()))
      return "a weight of it is not read once";
  return "";
}

//===----------------------------------------------------------------------===//
// Two networks
//===----------------------------------------------------------------------===//

/// Whether two bodies compute the same up to their width.
static bool areAlike(Block &a, Block &b) {
  IRMapping map;
  map.map(a.getArguments(), b.getArguments());
  auto isMapped = [&](Value x, Value y) {
    auto constant = x.getDefiningOp<arith::ConstantOp>();
    auto other = y.getDefiningOp<arith::ConstantOp>();
    return success(
        map.lookupOrNull(x) == y ||
        (constant && other && constant.getValue() == other.getValue()));
  };
  auto mapTo = [&](Value x, Value y) { map.map(x, y); };
  // Constants, sizes and first values count where they are read.
  auto counts = [](Operation &op) {
    return isa<linalg::MatmulOp, linalg::GenericOp>(op);
  };
  auto ofA = llvm::make_filter_range(a.without_terminator(), counts);
  auto ofB = llvm::make_filter_range(b.without_terminator(), counts);
  auto j = ofB.begin();
  for (auto i = ofA.begin(); i != ofA.end(); ++i, ++j) {
    if (j == ofB.end() || i->getName() != j->getName() ||
        i->getAttrDictionary() != j->getAttrDictionary())
      return false;
    auto inputsOf = [](Operation &op) {
      return cast<DestinationStyleOpInterface>(op).getDpsInputs();
    };
    if (inputsOf(*i).size() != inputsOf(*j).size())
      return false;
    for (auto [x, y] : llvm::zip(inputsOf(*i), inputsOf(*j)))
      if (failed(isMapped(x, y)))
        return false;
    if (isa<linalg::GenericOp>(*i) &&
        !OperationEquivalence::isRegionEquivalentTo(
            &i->getRegion(0), &j->getRegion(0), isMapped, mapTo,
            OperationEquivalence::IgnoreLocations))
      return false;
    mapTo(i->getResult(0), j->getResult(0));
  }
  return j == ofB.end();
}

/// The input through which an elementwise op reads a value that nothing else
/// reads, as the argument of its body; null otherwise.
static BlockArgument onlyReader(Value value) {
  if (!value.hasOneUse())
    return {};
  OpOperand &use = *value.use_begin();
  auto reader = dyn_cast<linalg::GenericOp>(use.getOwner());
  if (!reader || !reader.isDpsInput(&use) ||
      !whyNotElementwise(reader).empty() ||
      !readsWhole(reader, use.getOperandNumber()))
    return {};
  BlockArgument argument = reader.getMatchingBlockArgument(&use);
  return argument.hasOneUse() ? argument : BlockArgument();
}

arith::AddFOp moec::additionOf(SharedOp first, SharedOp second) {
  BlockArgument added = onlyReader(second->getResult(0));
  auto addition =
      added ? dyn_cast<arith::AddFOp>(*added.user_begin()) : arith::AddFOp();
  if (!addition)
    return {};
  Value sum = onlyReader(first->getResult(0));
  while (sum && sum.hasOneUse()) {
    Operation *user = *sum.user_begin();
    if (user == addition)
      return addition;
    if (isa<arith::AddFOp>(user))
      sum = user->getResult(0);
    else if (isa<linalg::YieldOp>(user))
      sum = onlyReader(user->getParentOp()->getResult(0));
    else
      return {};
  }
  return {};
}

/// A weight that exists in front of `place`, or can be moved there.
static bool isReadyAt(Value weight, Operation *place) {
  Operation *op = weight.getDefiningOp();
  return !op || op->getBlock() != place->getBlock() || isa<WeightOp>(op) ||
         op->isBeforeInBlock(place);
}

std::string moec::whyNotOneNetwork(SharedOp first, SharedOp second) {
  if (first->getBlock() != second->getBlock() || first.getX() != second.getX())
    return "they read other rows";
  if (first->getResultTypes() != second->getResultTypes() ||
      first.getParams().size() != second.getParams().size() ||
      !areAlike(first.getBody().front(), second.getBody().front()))
    return "they compute different things";
  for (auto [a, b] : llvm::zip(first.getParams(), second.getParams())) {
    auto typeA = dyn_cast<RankedTensorType>(a.getType());
    auto typeB = dyn_cast<RankedTensorType>(b.getType());
    if (!typeA || !typeB || typeA.getElementType() != typeB.getElementType())
      return "their weights are of different types";
    for (Value weight : {a, b})
      if (!weight.hasOneUse())
        return "a weight is read elsewhere too";
    if (!isReadyAt(b, first))
      return "a weight is made too late";
  }
  if (!additionOf(first, second))
    return "their results are not added, or others read what is between";
  return "";
}
