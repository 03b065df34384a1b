//===- TokenValues.cpp - What family programs know of tokens --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// positions(), token_ids() and token_table(): numbers of tokens as rows of one
// element. And back: what route() reads of each token, which are integers.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace moec;
using namespace moec::importer;

/// Integers up to here are exact in f32.
static constexpr int64_t kMostExact = int64_t(1) << 24;

//===----------------------------------------------------------------------===//
// Numbers of tokens
//===----------------------------------------------------------------------===//

Datum ModuleBuilder::numbersOf(mlir::Value integers) {
  mlir::Value empty = emptyRows(1);
  AffineExpr row = builder.getAffineDimExpr(0);
  AffineMap maps[] = {AffineMap::get(2, 0, row),
                      builder.getMultiDimIdentityMap(2)};
  SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc(), TypeRange{empty.getType()}, integers, empty, maps,
      iterators, [&](OpBuilder &inner, Location at, ValueRange elements) {
        mlir::Value number =
            arith::SIToFPOp::create(inner, at, f32, elements[0]);
        linalg::YieldOp::create(inner, at, number);
      });
  return leaf(generic.getResult(0));
}

std::optional<Datum> ModuleBuilder::positions(Arguments arguments) {
  CallArguments a("positions", {}, std::move(arguments), evaluator);
  if (!isOfTokens())
    a.fail("belongs into the model or a layer, not into an expert");
  needAllRows(a);
  if (a.failed())
    return std::nullopt;
  return numbersOf(frame().positions);
}

/// Checks that ids of so many tokens can be rows.
void ModuleBuilder::needExactIds(CallArguments &a, int64_t vocabulary) {
  if (!isOfTokens())
    a.fail("belongs into the model or a layer, not into an expert");
  needAllRows(a);
  if (!a.failed() && !vocabulary)
    a.fail("comes before the embedding, which says how many tokens there are");
  if (!a.failed() && vocabulary > kMostExact)
    a.fail("is possible for up to " + std::to_string(kMostExact) +
           " tokens, got " + std::to_string(vocabulary));
}

std::optional<Datum> ModuleBuilder::idsOfTokens(Arguments arguments) {
  CallArguments a("token_ids", {}, std::move(arguments), evaluator);
  needExactIds(a, summary.vocabulary);
  if (a.failed())
    return std::nullopt;
  return numbersOf(tokenIds());
}

std::optional<Datum> ModuleBuilder::tokenTable(Arguments arguments) {
  CallArguments a("token_table", {"name"}, std::move(arguments), evaluator);
  std::string name = a.text("name");
  needExactIds(a, summary.vocabulary);
  if (a.failed())
    return std::nullopt;
  auto table = weight(name, {summary.vocabulary}, i32, "router");
  if (!table)
    return std::nullopt;
  mlir::Value empty = emptyIntegers();
  auto gather = nn::GatherRowsOp::create(
      builder, loc(), TypeRange{empty.getType()}, *table, tokenIds(), empty);
  return numbersOf(gather->getResult(0));
}

//===----------------------------------------------------------------------===//
// What a choice of experts reads of each token
//===----------------------------------------------------------------------===//

/// Rows, converted element by element.
mlir::Value ModuleBuilder::integersOf(
    mlir::Value rows, Type element,
    function_ref<mlir::Value(OpBuilder &, Location, mlir::Value)> convert) {
  int64_t width = cast<RankedTensorType>(rows.getType()).getDimSize(1);
  mlir::Value empty = emptyRows(width, element);
  SmallVector<AffineMap> maps(2, builder.getMultiDimIdentityMap(2));
  SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc(), TypeRange{empty.getType()}, rows, empty, maps, iterators,
      [&](OpBuilder &inner, Location at, ValueRange elements) {
        linalg::YieldOp::create(inner, at, convert(inner, at, elements[0]));
      });
  return generic.getResult(0);
}

/// A number of each token, or the same for all, as integers [T].
std::optional<mlir::Value> ModuleBuilder::tokenIntegers(CallArguments &a,
                                                        const char *name,
                                                        TokenRange range) {
  RowsRef rows = a.rowsOrNumber(name);
  if (!rows)
    return std::nullopt;
  if (!rows->count && rows->op == Rows::Op::Constant) {
    double number = rows->constant;
    if (number != std::floor(number) || number < 0 || number > range.most)
      return a.fail("needs an integer from 0 to " + std::to_string(range.most) +
                    " as '" + name + "', got " + toText(Datum(number)));
    mlir::Value value = arith::ConstantOp::create(
        builder, loc(), builder.getI32IntegerAttr(int32_t(number)));
    return linalg::FillOp::create(builder, loc(), value, emptyIntegers())
        .getResult(0);
  }
  if (rows->width != 1)
    return a.fail("needs rows of 1 element as '" + std::string(name) +
                  "', got rows of " + std::to_string(rows->width));
  auto value = emit(rows);
  if (!value)
    return std::nullopt;
  auto convert = [&](OpBuilder &b, Location at, mlir::Value x) -> mlir::Value {
    auto number = [&](int64_t constant) -> mlir::Value {
      return arith::ConstantOp::create(
          b, at, b.getF32FloatAttr(static_cast<float>(constant)));
    };
    auto where = [&](arith::CmpFPredicate holds, int64_t limit,
                     int64_t otherwise) {
      mlir::Value is = arith::CmpFOp::create(b, at, holds, x, number(limit));
      x = arith::SelectOp::create(b, at, is, x, number(otherwise));
    };
    // What is no number fails the first comparison.
    where(arith::CmpFPredicate::OGE, 0, range.least);
    where(arith::CmpFPredicate::OLT, range.most + 1, range.beyond);
    return arith::FPToSIOp::create(b, at, i32, x);
  };
  mlir::Value integers = integersOf(*value, i32, convert);
  return tensor::CollapseShapeOp::create(builder, loc(), integers,
                                         ArrayRef<ReassociationIndices>{{0, 1}})
      .getResult();
}

/// Which experts each class may choose: lists of their numbers, or a tensor of
/// the checkpoint.
std::optional<std::vector<bool>> ModuleBuilder::classMask(CallArguments &a,
                                                          int64_t experts) {
  std::vector<bool> mask;
  if (!a.isList("class_experts")) {
    auto name = tensorName(a.text("class_experts"));
    if (!name || a.failed())
      return std::nullopt;
    auto read = recipes->readMask(*name, experts);
    if (!read)
      return std::nullopt;
    mask = std::move(*read);
  }
  for (const std::vector<double> &list : a.numberLists("class_experts")) {
    mask.resize(mask.size() + experts);
    for (double expert : list) {
      if (expert != std::floor(expert) || expert < 0 || expert >= experts)
        return a.fail("has experts 0 to " + std::to_string(experts - 1) +
                      ", but class " +
                      std::to_string(mask.size() / experts - 1) + " expert " +
                      toText(Datum(expert)));
      mask[mask.size() - experts + size_t(expert)] = true;
    }
  }
  if (a.failed())
    return std::nullopt;
  if (mask.empty())
    return a.fail("needs at least one class in 'class_experts'");
  for (size_t first = 0; first < mask.size(); first += experts)
    if (std::none_of(mask.begin() + first, mask.begin() + first + experts,
                     [](bool may) { return may; }))
      return a.fail("has no experts for class " +
                    std::to_string(first / experts) + " in 'class_experts'");
  return mask;
}

/// Reads the arguments of route() that say something of each token.
bool ModuleBuilder::chooseByToken(CallArguments &a, int64_t experts, int64_t k,
                                  moe::RoutingInputs &inputs) {
  bool hasClass = !a.isNull("token_class");
  if (hasClass == a.isNull("class_experts")) {
    a.fail("needs 'token_class' and 'class_experts' together");
    return false;
  }
  if (hasClass) {
    auto mask = classMask(a, experts);
    if (!mask)
      return false;
    int64_t last = int64_t(mask->size()) / experts - 1;
    auto classes = tokenIntegers(a, "token_class", {-1, last, -1});
    if (!classes)
      return false;
    inputs.classId = *classes;
    inputs.classMask = builder.getDenseBoolArrayAttr(
        SmallVector<bool>(mask->begin(), mask->end()));
  }
  if (!a.isNull("token_k")) {
    auto numbers = tokenIntegers(a, "token_k", {0, k, k});
    if (!numbers)
      return false;
    inputs.tokenK = *numbers;
  }
  if (a.isNull("eligible"))
    return true;
  RowsRef rows = a.rows("eligible");
  if (rows && rows->width != experts)
    a.fail("needs rows of a number for each of " + std::to_string(experts) +
           " experts as 'eligible', got rows of " +
           std::to_string(rows->width));
  auto value = rows && !a.failed() ? emit(rows) : std::nullopt;
  if (!value)
    return false;
  Type i8 = builder.getI8Type();
  inputs.eligible = integersOf(
      *value, i8, [&](OpBuilder &b, Location at, mlir::Value x) -> mlir::Value {
        mlir::Value zero =
            arith::ConstantOp::create(b, at, b.getF32FloatAttr(0));
        mlir::Value is =
            arith::CmpFOp::create(b, at, arith::CmpFPredicate::ONE, x, zero);
        return arith::ExtUIOp::create(b, at, i8, is);
      });
  return true;
}
