//===- MoeOps.cpp - Effects and queries of moe ops ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

void moec::getDpsEffects(DestinationStyleOpInterface op, Effects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

void RouteOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void GateOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void PlanOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void SpreadOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void RowWeightsOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}
void CombineOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void ExpertsOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void SharedOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void CombineGateOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}
void GroupedMatmulOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}
void CombineMatmulOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}

// A tap must survive clean-up on tensors too, where it reads no memory: it
// counts as a write to a resource of its own.
void TapOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Write::get());
  if (isa<MemRefType>(getValue().getType()))
    effects.emplace_back(MemoryEffects::Read::get(), &getValueMutable());
}

SmallVector<Value> RoutingInputs::values() const {
  SmallVector<Value> present;
  for (Value value :
       {bias, eligible, classId, tokenK, table, tokenId, expertScale, sequence})
    if (value)
      present.push_back(value);
  return present;
}

int64_t RoutingInputs::numIds(int64_t experts) const {
  if (!alias || alias.empty())
    return experts;
  return std::max<int64_t>(experts, *llvm::max_element(alias.asArrayRef()) + 1);
}

template <typename OpTy> static RoutingInputs inputsOf(OpTy op) {
  return {op.getBias(),        op.getEligible(), op.getClassId(),
          op.getTokenK(),      op.getTable(),    op.getTokenId(),
          op.getExpertScale(), op.getSequence(), op.getClassMaskAttr(),
          op.getAliasAttr()};
}

RoutingInputs RouteOp::getInputs() { return inputsOf(*this); }
RoutingInputs GateOp::getInputs() { return inputsOf(*this); }
RoutingInputs CombineGateOp::getInputs() { return inputsOf(*this); }

CombineParts CombineOp::getCombined() {
  return {getRows(),   getTokenRow(),  getTokenSlot(), getWeights(),
          getIds(),    getLocals(),    getAddends(),   getOuts()[0],
          getRanges(), getUnweighted()};
}

/// The same of an op that does more with what is combined.
template <typename OpTy> static CombineParts combinedBy(OpTy op) {
  return {op.getRows(),       op.getTokenRow(), op.getTokenSlot(),
          op.getRowWeights(), op.getRowIds(),   op.getLocals(),
          op.getAddends(),    op.getOuts()[0],  op.getRanges(),
          op.getUnweighted()};
}

CombineParts CombineGateOp::getCombined() { return combinedBy(*this); }
CombineParts CombineMatmulOp::getCombined() { return combinedBy(*this); }

SmallVector<ExpertsOp::Range> ExpertsOp::rangeList() {
  SmallVector<Range> list;
  auto bodies = getBodies().begin();
  unsigned bank = 0;
  auto add = [&](ExpertKind kind, std::optional<int64_t> count) {
    Range range{kind, list.empty() ? 0 : list.back().first + list.back().count,
                count.value_or(0), nullptr, getBanks().slice(bank, 0)};
    if (kind == ExpertKind::Ffn || kind == ExpertKind::Local) {
      range.body = &(bodies++)->front();
      unsigned taken = range.body->getNumArguments() - 1;
      range.banks = getBanks().slice(bank, taken);
      bank += taken;
    }
    if (!count)
      range.count = cast<BankType>(range.banks.front().getType()).getExperts();
    list.push_back(range);
  };
  if (!getRanges())
    add(ExpertKind::Ffn, std::nullopt);
  else
    for (ExpertRangeAttr range : getRanges()->getList())
      add(range.getKind(), range.getCount());
  return list;
}

int64_t ExpertsOp::numExperts() {
  Range last = rangeList().back();
  return last.first + last.count;
}

/// The type of one group's matrix: a bank's member, a tensor, or a memref
/// without its leading dimension of experts when it has one.
static ShapedType matrixType(Type type, bool grouped) {
  if (auto bank = dyn_cast<BankType>(type))
    return bank.getMember();
  auto shaped = cast<ShapedType>(type);
  if (!grouped)
    return shaped;
  return RankedTensorType::get(shaped.getShape().drop_front(),
                               shaped.getElementType());
}

void GroupedMatmulOp::build(OpBuilder &builder, OperationState &state, Value x,
                            Value bank, Value offsets, Value active,
                            Value gather, Value init, bool sideBySide) {
  build(builder, state, init.getType(), x, bank, offsets, active, gather,
        /*extras=*/ValueRange(), /*group_extras=*/ValueRange(), init,
        /*variants=*/nullptr, sideBySide);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(state.regions.front().get());
  Value value = body->addArgument(builder.getF32Type(), state.location);
  Type element = getElementTypeOrSelf(init);
  if (element != value.getType())
    value = arith::TruncFOp::create(builder, state.location, element, value);
  YieldOp::create(builder, state.location, value);
}

ProductParts GroupedMatmulOp::getProduct() {
  return {getX(),       getBanks(),     getOffsets(),
          getGather(),  getExtras(),    getGroupExtras(),
          getOuts()[0], &getEpilogue(), getSideBySide()};
}

ProductParts CombineMatmulOp::getProduct() {
  return {getOuts()[0], getBanks(),   {},           {},
          getExtras(),  ValueRange(), getOuts()[1], &getEpilogue()};
}

ProductParts GateOp::getProduct() {
  return {getX(),      getODSOperands(1), {},           {},
          getExtras(), ValueRange(),      getOuts()[2], &getEpilogue()};
}

ProductParts CombineGateOp::getProduct() {
  Operation::operand_range operands = getODSOperands(7);
  return {getOuts()[0], operands,     {},           {},
          getExtras(),  ValueRange(), getOuts()[3], &getEpilogue()};
}

bool ProductParts::isPacked() const {
  return matrixType(banks.front().getType(), isGrouped()).getRank() > 2;
}

int64_t ProductParts::n() const {
  int64_t columns = cast<ShapedType>(out.getType()).getDimSize(1);
  return sideBySide ? columns / groups() : columns;
}

int64_t ProductParts::k() const {
  int64_t columns = cast<ShapedType>(x.getType()).getDimSize(1);
  return sideBySide ? columns / groups() : columns;
}

Type ProductParts::weightType() const {
  return matrixType(banks.front().getType(), isGrouped()).getElementType();
}

int64_t ProductParts::groups() const {
  Type type = banks.front().getType();
  if (auto bank = dyn_cast<BankType>(type))
    return bank.getExperts();
  return isGrouped() ? cast<ShapedType>(type).getDimSize(0) : 1;
}

bool GroupedMatmulOp::isPacked() { return getProduct().isPacked(); }
int64_t GroupedMatmulOp::getN() { return getProduct().n(); }
int64_t GroupedMatmulOp::getK() { return getProduct().k(); }
Type GroupedMatmulOp::getWeightType() { return getProduct().weightType(); }
int64_t GroupedMatmulOp::getGroups() { return getProduct().groups(); }

#define GET_OP_CLASSES
#include "dialects/Moe/MoeOps.cpp.inc"
