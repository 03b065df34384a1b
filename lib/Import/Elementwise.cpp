//===- Elementwise.cpp - Rows of activations, computed late ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Trees share nodes (a parameter that is used twice is one node), so emission
// remembers what it has emitted.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace moec::importer;

using RowOp = Rows::Op;

RowsRef moec::importer::makeLeaf(mlir::Value tensor, mlir::Value count) {
  auto rows = std::make_shared<Rows>(RowOp::Leaf);
  rows->tensor = tensor;
  rows->count = count;
  rows->width = cast<RankedTensorType>(tensor.getType()).getDimSize(1);
  return rows;
}

RowsRef moec::importer::makeColumn(mlir::Value tensor) {
  auto rows = std::make_shared<Rows>(RowOp::Column);
  rows->tensor = tensor;
  rows->width = cast<RankedTensorType>(tensor.getType()).getDimSize(0);
  return rows;
}

RowsRef moec::importer::makeConstant(double value) {
  auto rows = std::make_shared<Rows>(RowOp::Constant);
  rows->constant = value;
  return rows;
}

std::optional<RowsRef>
moec::importer::makeElementwise(RowOp op, std::vector<RowsRef> operands,
                                std::string &error) {
  auto result = std::make_shared<Rows>(op);
  for (const RowsRef &operand : operands) {
    if (!result->count)
      result->count = operand->count;
    int64_t width = operand->width, &common = result->width;
    // Constants fit any width, and a single column is repeated.
    if (width > 1 && common > 1 && width != common) {
      error = "rows of " + std::to_string(common) + " and of " +
              std::to_string(width) + " elements do not fit";
      return std::nullopt;
    }
    common = std::max(common, width);
  }
  result->operands = std::move(operands);
  return result;
}

std::optional<RowOp> moec::importer::elementwiseOp(std::string_view name) {
  static constexpr std::pair<std::string_view, RowOp> names[] = {
      {"+", RowOp::Add},           {"-", RowOp::Subtract},
      {"*", RowOp::Multiply},      {"/", RowOp::Divide},
      {"max", RowOp::Maximum},     {"min", RowOp::Minimum},
      {"exp", RowOp::Exp},         {"tanh", RowOp::Tanh},
      {"erf", RowOp::Erf},         {"log", RowOp::Log},
      {"floor", RowOp::Floor},     {"sqrt", RowOp::Sqrt},
      {"abs", RowOp::Abs},         {"sin", RowOp::Sin},
      {"cos", RowOp::Cos},         {"<", RowOp::Less},
      {"<=", RowOp::LessEqual},    {">", RowOp::Greater},
      {">=", RowOp::GreaterEqual}, {"==", RowOp::Equal},
      {"!=", RowOp::NotEqual}};
  for (const auto &[spelling, op] : names)
    if (spelling == name)
      return op;
  return std::nullopt;
}

unsigned moec::importer::numOperands(RowOp op) {
  switch (op) {
  case RowOp::Exp:
  case RowOp::Log:
  case RowOp::Floor:
  case RowOp::Tanh:
  case RowOp::Erf:
  case RowOp::Sqrt:
  case RowOp::Abs:
  case RowOp::Sin:
  case RowOp::Cos:
    return 1;
  default:
    return 2;
  }
}

//===----------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------===//

namespace {
/// The tensors that a tree reads, each with the argument of the generic's body
/// that stands for its element.
using Inputs = llvm::MapVector<mlir::Value, unsigned>;

class BodyEmitter {
public:
  BodyEmitter(OpBuilder &builder, Location loc, const Inputs &inputs,
              ValueRange arguments)
      : builder(builder), loc(loc), inputs(inputs), arguments(arguments) {}

  mlir::Value emit(const Rows &rows);

private:
  mlir::Value create(const Rows &rows, ArrayRef<mlir::Value> operands);

  OpBuilder &builder;
  Location loc;
  const Inputs &inputs;
  ValueRange arguments;
  llvm::DenseMap<const Rows *, mlir::Value> emitted;
};
} // namespace

/// What an author writes as -x is one operation.
static bool isNegation(const Rows &rows) {
  return rows.op == RowOp::Subtract &&
         rows.operands[0]->op == RowOp::Constant &&
         rows.operands[0]->constant == 0;
}

mlir::Value BodyEmitter::emit(const Rows &rows) {
  if (rows.tensor)
    return arguments[inputs.lookup(rows.tensor)];
  if (mlir::Value known = emitted.lookup(&rows))
    return known;
  SmallVector<mlir::Value> operands;
  for (const RowsRef &operand : rows.operands)
    if (!isNegation(rows) || operand == rows.operands[1])
      operands.push_back(emit(*operand));
  return emitted[&rows] = create(rows, operands);
}

/// The predicate of a comparison; what is no number compares as false, but that
/// it differs from everything.
static std::optional<arith::CmpFPredicate> predicateOf(RowOp op) {
  switch (op) {
  case RowOp::Less:
    return arith::CmpFPredicate::OLT;
  case RowOp::LessEqual:
    return arith::CmpFPredicate::OLE;
  case RowOp::Greater:
    return arith::CmpFPredicate::OGT;
  case RowOp::GreaterEqual:
    return arith::CmpFPredicate::OGE;
  case RowOp::Equal:
    return arith::CmpFPredicate::OEQ;
  case RowOp::NotEqual:
    return arith::CmpFPredicate::UNE;
  default:
    return std::nullopt;
  }
}

mlir::Value BodyEmitter::create(const Rows &rows,
                                ArrayRef<mlir::Value> operands) {
  if (auto predicate = predicateOf(rows.op)) {
    auto number = [&](float value) -> mlir::Value {
      return arith::ConstantOp::create(builder, loc,
                                       builder.getF32FloatAttr(value));
    };
    mlir::Value holds = arith::CmpFOp::create(builder, loc, *predicate,
                                              operands[0], operands[1]);
    return arith::SelectOp::create(builder, loc, holds, number(1), number(0));
  }
  switch (rows.op) {
  case RowOp::Constant:
    return arith::ConstantOp::create(
        builder, loc,
        builder.getF32FloatAttr(static_cast<float>(rows.constant)));
  case RowOp::Add:
    return arith::AddFOp::create(builder, loc, operands[0], operands[1]);
  case RowOp::Subtract:
    if (isNegation(rows))
      return arith::NegFOp::create(builder, loc, operands[0]);
    return arith::SubFOp::create(builder, loc, operands[0], operands[1]);
  case RowOp::Multiply:
    return arith::MulFOp::create(builder, loc, operands[0], operands[1]);
  case RowOp::Divide:
    return arith::DivFOp::create(builder, loc, operands[0], operands[1]);
  case RowOp::Maximum:
    return arith::MaximumFOp::create(builder, loc, operands[0], operands[1]);
  case RowOp::Minimum:
    return arith::MinimumFOp::create(builder, loc, operands[0], operands[1]);
  case RowOp::Exp:
    return math::ExpOp::create(builder, loc, operands[0]);
  case RowOp::Log:
    return math::LogOp::create(builder, loc, operands[0]);
  case RowOp::Floor:
    return math::FloorOp::create(builder, loc, operands[0]);
  case RowOp::Tanh:
    return math::TanhOp::create(builder, loc, operands[0]);
  case RowOp::Erf:
    return math::ErfOp::create(builder, loc, operands[0]);
  case RowOp::Sqrt:
    return math::SqrtOp::create(builder, loc, operands[0]);
  case RowOp::Abs:
    return math::AbsFOp::create(builder, loc, operands[0]);
  case RowOp::Sin:
    return math::SinOp::create(builder, loc, operands[0]);
  case RowOp::Cos:
    return math::CosOp::create(builder, loc, operands[0]);
  default:
    break;
  }
  llvm_unreachable("tensors are arguments of the body");
}

static void collectInputs(const Rows &rows, Inputs &inputs,
                          llvm::DenseSet<const Rows *> &seen) {
  if (!seen.insert(&rows).second)
    return;
  if (rows.tensor)
    inputs.insert({rows.tensor, inputs.size()});
  for (const RowsRef &operand : rows.operands)
    collectInputs(*operand, inputs, seen);
}

/// How an input of the generic is read at row d0 and column d1.
static AffineMap mapOf(mlir::Value input, int64_t width, MLIRContext *context) {
  auto type = cast<RankedTensorType>(input.getType());
  AffineExpr row = getAffineDimExpr(0, context);
  AffineExpr column = getAffineDimExpr(1, context);
  if (type.getRank() == 1 && type.getDimSize(0) != width)
    return AffineMap::get(2, 0, {getAffineConstantExpr(0, context)}, context);
  if (type.getRank() == 1)
    return AffineMap::get(2, 0, {column}, context);
  if (type.getDimSize(1) != width)
    return AffineMap::get(2, 0, {row, getAffineConstantExpr(0, context)},
                          context);
  return AffineMap::get(2, 0, {row, column}, context);
}

mlir::Value moec::importer::emitRows(OpBuilder &builder, Location loc,
                                     const Rows &rows) {
  if (rows.op == RowOp::Leaf)
    return rows.tensor;
  MLIRContext *context = builder.getContext();
  Inputs inputs;
  llvm::DenseSet<const Rows *> seen;
  collectInputs(rows, inputs, seen);
  SmallVector<mlir::Value> operands;
  SmallVector<AffineMap> maps;
  for (const auto &[input, index] : inputs) {
    operands.push_back(input);
    maps.push_back(mapOf(input, rows.width, context));
  }
  maps.push_back(AffineMap::getMultiDimIdentityMap(2, context));
  mlir::Value empty = tensor::EmptyOp::create(
      builder, loc, ArrayRef<int64_t>{ShapedType::kDynamic, rows.width},
      builder.getF32Type(), ValueRange{rows.count});
  SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc, TypeRange{empty.getType()}, operands, ValueRange{empty},
      maps, iterators,
      [&](OpBuilder &inner, Location innerLoc, ValueRange arguments) {
        BodyEmitter body(inner, innerLoc, inputs, arguments);
        linalg::YieldOp::create(inner, innerLoc, body.emit(rows));
      });
  return generic.getResult(0);
}
