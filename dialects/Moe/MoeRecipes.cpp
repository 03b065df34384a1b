//===- MoeRecipes.cpp - The ops that make weights -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// A type of a recipe with its bank around it taken off.
static ShapedType member(Type type) {
  if (auto bank = dyn_cast<BankType>(type))
    return bank.getMember();
  return cast<ShapedType>(type);
}

static int64_t experts(Type type) {
  auto bank = dyn_cast<BankType>(type);
  return bank ? bank.getExperts() : 0;
}

LogicalResult LoadBankOp::verify() {
  bool isPattern = getTensor().contains("{expert}");
  if (!isPattern && !getStacked())
    return emitOpError("tensor name '")
           << getTensor() << "' lacks {expert}, which stands for the number "
           << "of the expert";
  if (isPattern && getStacked())
    return emitOpError("tensor name '")
           << getTensor() << "' of stacked members contains {expert}";
  if (getFirst() < 0)
    return emitOpError("first must not be negative, got ") << getFirst();
  return success();
}

LogicalResult TransposeOp::verify() {
  auto from = member(getInput().getType()), to = member(getType());
  bool isTransposed = from.getRank() == 2 && to.getRank() == 2 &&
                      from.getDimSize(0) == to.getDimSize(1) &&
                      from.getDimSize(1) == to.getDimSize(0);
  if (experts(getInput().getType()) != experts(getType()) ||
      from.getElementType() != to.getElementType() || !isTransposed)
    return emitOpError("result ")
           << getType() << " is not the transpose of " << getInput().getType();
  return success();
}

LogicalResult DequantizeOp::verify() {
  auto from = member(getInput().getType()), to = member(getType());
  auto scales = member(getScales().getType());
  if (getBlock().size() != 2 || getBlock()[0] < 1 || getBlock()[1] < 1)
    return emitOpError("a block needs two sizes of at least 1");
  if (from.getRank() != 2 || from.getShape() != to.getShape() ||
      experts(getInput().getType()) != experts(getType()) ||
      experts(getScales().getType()) != experts(getType()))
    return emitOpError("dequantizes a matrix to one of the same shape, got ")
           << getInput().getType() << " to " << getType();
  int64_t expected[] = {
      llvm::divideCeilSigned(from.getDimSize(0), getBlock()[0]),
      llvm::divideCeilSigned(from.getDimSize(1), getBlock()[1])};
  if (scales.getShape() != ArrayRef(expected))
    return emitOpError("needs scales [") << expected[0] << ", " << expected[1]
                                         << "], got " << getScales().getType();
  if (!to.getElementType().isF32() && !to.getElementType().isBF16())
    return emitOpError("dequantizes to f32 or bf16, got ") << getType();
  return success();
}

LogicalResult CastOp::verify() {
  Type from = getInput().getType(), to = getResult().getType();
  if (experts(from) != experts(to) ||
      member(from).getShape() != member(to).getShape())
    return emitOpError("changes the shape, from ") << from << " to " << to;
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError("expects at least one input");
  auto result = member(getType());
  unsigned along = getColumns();
  if (result.getRank() <= along)
    return emitOpError("has no dimension ") << along << " in " << getType();
  int64_t sum = 0;
  auto without = [&](ShapedType type) {
    SmallVector<int64_t> shape(type.getShape());
    shape[along] = 0;
    return shape;
  };
  for (Value input : getInputs()) {
    auto type = member(input.getType());
    if (experts(input.getType()) != experts(getType()) ||
        type.getElementType() != result.getElementType() ||
        type.getRank() != result.getRank() || without(type) != without(result))
      return emitOpError("input ")
             << input.getType() << " does not fit the result " << getType();
    sum += type.getDimSize(along);
  }
  if (sum != result.getDimSize(along))
    return emitOpError("inputs have ")
           << sum << (along ? " columns" : " rows") << ", the result "
           << result.getDimSize(along);
  return success();
}

LogicalResult SliceOp::verify() {
  auto input = member(getInput().getType()), result = member(getType());
  int64_t group = getGroup(), begin = getBegin(), size = getSize();
  int64_t rows = input.getRank() ? input.getDimSize(0) : 0;
  if (group < 1 || rows % group)
    return emitOpError("groups of ") << group << " rows do not divide the "
                                     << rows << " rows of the input";
  if (begin < 0 || size < 1 || size > group - begin)
    return emitOpError("rows ") << begin << " to " << begin + size
                                << " are not in a group of " << group;
  if (experts(getInput().getType()) != experts(getType()) ||
      input.getElementType() != result.getElementType() ||
      input.getRank() != result.getRank() ||
      input.getShape().drop_front() != result.getShape().drop_front())
    return emitOpError("input ")
           << getInput().getType() << " does not fit the result " << getType();
  if (rows / group * size != result.getDimSize(0))
    return emitOpError("keeps ")
           << rows / group * size << " rows, the result has "
           << result.getDimSize(0);
  return success();
}

LogicalResult SplitOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  BankType to = getType();
  SmallVector<int64_t> rows(to.getMember().getShape());
  if (!rows.empty())
    rows.front() *= to.getExperts();
  if (from.getRank() < 1 || from.getShape() != ArrayRef(rows) ||
      from.getElementType() != to.getMember().getElementType())
    return emitOpError("input ") << from << " does not hold the rows of " << to;
  return success();
}

Type PackOp::packedType(Type type) {
  if (auto bank = dyn_cast<BankType>(type))
    return BankType::get(bank.getContext(), bank.getExperts(),
                         cast<RankedTensorType>(packedType(bank.getMember())));
  auto matrix = cast<RankedTensorType>(type);
  int64_t panels = llvm::divideCeilSigned(matrix.getDimSize(0), kPanelColumns);
  int64_t k = matrix.getDimSize(1);
  Type element = matrix.getElementType();
  if (element.isF32())
    return RankedTensorType::get({panels, k, kPanelColumns}, element);
  return RankedTensorType::get(
      {panels, llvm::divideCeilSigned(k, 2), kPanelColumns, 2}, element);
}

LogicalResult PackOp::verify() {
  auto input = member(getInput().getType());
  Type element = input.getElementType();
  if (input.getRank() != 2 || (!element.isF32() && !element.isBF16()))
    return emitOpError("packs matrices of f32 or bf16, got ")
           << getInput().getType();
  Type expected = packedType(getInput().getType());
  if (getType() != expected)
    return emitOpError("result must have type ") << expected;
  return success();
}

LogicalResult RopeTableOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  int64_t pairs = getFrequencies().size();
  if (type.getRank() != 3 || type.getDimSize(1) != 2 ||
      type.getDimSize(2) != pairs || !type.getElementType().isF32())
    return emitOpError("result must be f32 [positions, 2, ")
           << pairs << "], got " << type;
  return success();
}
