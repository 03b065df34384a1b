//===- ImportForms.cpp - Recognising what imports are made of -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/ImportForms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace moec;

static bool isFloat(Type type) { return type.isF32() || type.isBF16(); }

StringRef moec::whyNotProduct(linalg::MatmulOp op) {
  if (!op.hasPureTensorSemantics())
    return "it is not on tensors";
  if (!isa<linalg::MatmulTransposeBOp>(op.getOperation()))
    return "its second operand is not a transposed weight [N, K]";
  for (Value operand : op->getOperands())
    if (!isFloat(getElementTypeOrSelf(operand)))
      return "its operands are not f32 or bf16";
  auto fill = op.getOutputs()[0].getDefiningOp<linalg::FillOp>();
  if (!fill || !matchPattern(fill.value(), m_AnyZeroFloat()))
    return "its output does not start as zeros";
  return "";
}

/// Whether an input of this type, read through this map, is [R, N], [R, 1] or
/// [N] beside an output of N columns.
static bool isRowForm(AffineMap map, RankedTensorType type, int64_t columns) {
  MLIRContext *context = map.getContext();
  AffineExpr row = getAffineDimExpr(0, context);
  AffineExpr column = getAffineDimExpr(1, context);
  AffineExpr zero = getAffineConstantExpr(0, context);
  if (map == AffineMap::get(2, 0, {column}, context) || map.isIdentity())
    return type.getShape().back() == columns;
  return map == AffineMap::get(2, 0, {row, zero}, context) &&
         type.getDimSize(1) == 1;
}

/// Whether an input is [1].
static bool isOne(AffineMap map, RankedTensorType type) {
  return map ==
             AffineMap::get(2, 0, getAffineConstantExpr(0, map.getContext())) &&
         type.getDimSize(0) == 1;
}

/// Whether an input is [R].
static bool isRowVector(AffineMap map) {
  return map == AffineMap::get(2, 0, getAffineDimExpr(0, map.getContext()));
}

namespace {
/// What inputs may be besides [R, N], [R, 1] and [N].
struct Besides {
  bool one, rowVector;
};
} // namespace

static StringRef whyNotScalar(Operation &op, Block *body) {
  if (isa<linalg::YieldOp, arith::ConstantOp>(op))
    return "";
  if (!OpTrait::hasElementwiseMappableTraits(&op))
    return "its body holds an op that is not elementwise";
  for (Value operand : op.getOperands())
    if (operand.getParentBlock() != body &&
        !operand.getDefiningOp<arith::ConstantOp>())
      return "its body reads a value from outside that is no constant";
  return "";
}

static StringRef whyNotForm(linalg::GenericOp op, Besides besides) {
  if (!op.hasPureTensorSemantics())
    return "it is not on tensors";
  if (op->getNumResults() != 1 || op.getNumLoops() != 2 ||
      op.getNumParallelLoops() != 2)
    return "it is not one parallel computation of a matrix";
  auto result = cast<RankedTensorType>(op.getResult(0).getType());
  if (!op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() ||
      result.isDynamicDim(1))
    return "its output is permuted or has no static number of columns";
  if (!op.getBody()->getArguments().back().use_empty())
    return "it reads its output";
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto type = dyn_cast<RankedTensorType>(input->get().getType());
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!type || !(isRowForm(map, type, result.getDimSize(1)) ||
                   (besides.one && isOne(map, type)) ||
                   (besides.rowVector && isRowVector(map))))
      return besides.one ? "an input is not [R, N], [R, 1], [N] or [1]"
                         : "an input is not [R, N], [R, 1] or [N]";
  }
  for (Operation &inner : *op.getBody()) {
    StringRef why = whyNotScalar(inner, op.getBody());
    if (!why.empty())
      return why;
  }
  if (op.getBody()->getTerminator()->getOperand(0).getParentBlock() !=
      op.getBody())
    return "it yields a value from outside";
  return "";
}

StringRef moec::whyNotElementwise(linalg::GenericOp op) {
  return whyNotForm(op, {/*one=*/false, /*rowVector=*/false});
}

StringRef moec::whyNotEpilogue(linalg::GenericOp op) {
  return whyNotForm(op, {/*one=*/true, /*rowVector=*/false});
}

StringRef moec::whyNotImported(linalg::GenericOp op) {
  return whyNotForm(op, {/*one=*/true, /*rowVector=*/true});
}

bool moec::readsWhole(linalg::GenericOp op, unsigned i) {
  return op.getMatchingIndexingMap(op.getDpsInputOperand(i)).isIdentity();
}

bool moec::isSum(linalg::GenericOp op) {
  Block *body = op.getBody();
  auto add = dyn_cast_or_null<arith::AddFOp>(
      body->getTerminator()->getOperand(0).getDefiningOp());
  if (!add || op.getNumDpsInputs() != 2 || body->getOperations().size() != 2)
    return false;
  Value a = body->getArgument(0), b = body->getArgument(1);
  return (add.getLhs() == a && add.getRhs() == b) ||
         (add.getLhs() == b && add.getRhs() == a);
}

Value moec::inlineScalars(OpBuilder &builder, Block &body, IRMapping &map) {
  for (Operation &op : body.without_terminator()) {
    for (Value operand : op.getOperands())
      if (operand.getParentBlock() != &body && !map.contains(operand))
        map.map(operand, builder.clone(*operand.getDefiningOp())->getResult(0));
    builder.clone(op, map);
  }
  return map.lookup(body.getTerminator()->getOperand(0));
}

Value moec::castTo(OpBuilder &builder, Location loc, Type type, Value value) {
  if (value.getType() == type)
    return value;
  return tensor::CastOp::create(builder, loc, type, value);
}

Value moec::cloneBody(OpBuilder &builder, Location loc, Block &body,
                      ValueRange values) {
  IRMapping map;
  for (auto [argument, value] : llvm::zip_equal(body.getArguments(), values))
    map.map(argument, castTo(builder, loc, argument.getType(), value));
  for (Operation &op : body.without_terminator())
    builder.clone(op, map);
  return map.lookupOrDefault(body.getTerminator()->getOperand(0));
}

moec::moe::GroupedMatmulOp moec::createProduct(OpBuilder &builder, Location loc,
                                               Value x, Value bank, Value init,
                                               RowGroups groups) {
  return moe::GroupedMatmulOp::create(builder, loc, x, bank, groups.offsets,
                                      groups.active, groups.gather, init,
                                      /*side_by_side=*/false);
}

moec::moe::PlanOp moec::createPlan(OpBuilder &builder, Location loc, Value ids,
                                   Value tokens, Value rows, int64_t first,
                                   int64_t count, int64_t others, bool open) {
  constexpr int64_t any = ShapedType::kDynamic;
  int64_t k = cast<RankedTensorType>(ids.getType()).getDimSize(1);
  auto empty = [&](ArrayRef<int64_t> shape, ValueRange sizes) -> Value {
    return tensor::EmptyOp::create(builder, loc, shape, builder.getI32Type(),
                                   sizes);
  };
  SmallVector<Value> outs = {empty({count + 1}, {}), empty({count + 1}, {}),
                             empty({any}, rows), empty({any, k}, tokens),
                             empty({any, k}, tokens)};
  return moe::PlanOp::create(builder, loc, ValueRange(outs).getTypes(), ids,
                             /*counts=*/Value(), outs, first, others,
                             /*groups=*/1, /*count_rows=*/IntegerAttr(), open);
}

Value moec::emptyRows(OpBuilder &builder, Location loc, Type type, Value like) {
  auto tensorType = cast<RankedTensorType>(type);
  SmallVector<Value> sizes;
  if (tensorType.isDynamicDim(0))
    sizes.push_back(tensor::DimOp::create(builder, loc, like, 0));
  return tensor::EmptyOp::create(builder, loc, tensorType, sizes);
}

std::string moec::otherUsers(Value value, Operation *user) {
  SetVector<Operation *> others;
  for (Operation *other : value.getUsers())
    if (other != user)
      others.insert(other);
  if (others.empty())
    return "";
  for (Operation *other : others)
    if (auto tap = dyn_cast<moe::TapOp>(other))
      return "moe.tap '" + tap.getName().str() + "'";
  if (others.size() == 1)
    return others.front()->getName().getStringRef().str();
  return std::to_string(others.size()) + " other ops";
}
