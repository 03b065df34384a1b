//===- MoeRepeat.cpp - A network that runs several times ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static constexpr int64_t kAny = ShapedType::kDynamic;

//===----------------------------------------------------------------------===//
// Effects and queries
//===----------------------------------------------------------------------===//

/// Regions that know states of sequences may read and write them.
static void getStateEffects(Operation *op, Effects &effects) {
  auto isState = [](Type type) {
    return isa<nn::StateType, nn::RecurrentType>(type);
  };
  bool knows = llvm::any_of(op->getOperandTypes(), isState);
  for (Region &region : op->getRegions())
    region.walk([&](nn::StateOp) { knows = true; });
  if (!knows)
    return;
  effects.emplace_back(MemoryEffects::Read::get());
  effects.emplace_back(MemoryEffects::Write::get());
}

void IterateOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
  getStateEffects(*this, effects);
}

void RecurseOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
  getStateEffects(*this, effects);
}

Block &IterateOp::bodyOf(int64_t iteration) {
  return getBodies()[getBodies().size() == 1 ? 0 : iteration].front();
}

OperandRange IterateOp::eachOf(int64_t iteration) {
  size_t own = getEach().size() / getCount();
  return getEach().slice(iteration * own, own);
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

/// Checks a region that makes rows of rows: the types of its arguments, and
/// that it yields what its first argument is.
static LogicalResult verifyBody(Operation *op, unsigned number, Block &body,
                                ArrayRef<Type> arguments) {
  if (body.getNumArguments() != arguments.size())
    return op->emitOpError("region ")
           << number << " expects " << arguments.size() << " arguments, got "
           << body.getNumArguments();
  for (auto [i, type] : llvm::enumerate(arguments))
    if (body.getArgument(i).getType() != type)
      return op->emitOpError("region ")
             << number << " expects " << type << " as argument " << i
             << ", got " << body.getArgument(i).getType();
  auto yield = cast<YieldOp>(body.getTerminator());
  if (yield.getValues().size() != 1 ||
      yield.getValues().front().getType() != arguments.front())
    return op->emitOpError("region ")
           << number << " must yield one " << arguments.front();
  return success();
}

LogicalResult IterateOp::verify() {
  int64_t count = getCount(), own = getEach().size();
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)) ||
      failed(verifyShape(*this, getX(), "x", {kAny, kAny})))
    return failure();
  if (count < 1 || count > mostIterations)
    return emitOpError("count must be from 1 to ")
           << mostIterations << ", got " << count;
  if (own % count)
    return emitOpError("has ")
           << own << " operands in each, which are not as many for each of "
           << count << " iterations";
  size_t bodies = getBodies().size();
  if (bodies != 1 && int64_t(bodies) != count)
    return emitOpError("expects one region, or one for each of ")
           << count << " iterations, got " << bodies;
  if (getOuts()[0].getType() != getX().getType())
    return emitOpError("makes ") << getOuts()[0].getType() << " of "
                                 << getX().getType() << "; they must be equal";
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<Type> types{getX().getType()};
    llvm::append_range(types, eachOf(i).getTypes());
    llvm::append_range(types, getAll().getTypes());
    if (failed(verifyBody(*this, bodies == 1 ? 0 : i, bodyOf(i), types)))
      return failure();
  }
  return success();
}

LogicalResult RecurseOp::verify() {
  Type i32 = IntegerType::get(getContext(), 32);
  Type f32 = Float32Type::get(getContext());
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)) ||
      failed(verifyShape(*this, getX(), "x", {kAny, kAny}, f32)) ||
      failed(verifyShape(*this, getIds(), "ids", {kAny, 1}, i32)) ||
      failed(verifyShape(*this, getWeights(), "weights", {kAny, 1}, f32)))
    return failure();
  for (Value vector : getAlong())
    if (failed(verifyShape(*this, vector, "along", {kAny}, i32)))
      return failure();
  if (getOuts()[0].getType() != getX().getType())
    return emitOpError("makes ") << getOuts()[0].getType() << " of "
                                 << getX().getType() << "; they must be equal";
  if (getBodies().empty())
    return emitOpError("expects at least one region");
  auto x = cast<ShapedType>(getX().getType());
  SmallVector<Type> types{
      RankedTensorType::get({kAny, x.getDimSize(1)}, x.getElementType())};
  types.append(getAlong().size(), RankedTensorType::get({kAny}, i32));
  llvm::append_range(types, getParams().getTypes());
  for (auto [i, body] : llvm::enumerate(getBodies()))
    if (failed(verifyBody(*this, i, body.front(), types)))
      return failure();
  return success();
}
