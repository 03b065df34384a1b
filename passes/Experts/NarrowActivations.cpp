//===- NarrowActivations.cpp - bf16 inputs for bf16 products --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"

namespace moec {
#define GEN_PASS_DEF_NARROWACTIVATIONSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static RankedTensorType narrowType(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.clone(BFloat16Type::get(type.getContext()));
}

/// The operand that is the input of a product of bf16, or null.
static OpOperand *productInput(moe::GroupedMatmulOp op) {
  auto x = dyn_cast<RankedTensorType>(op.getX().getType());
  if (!x || !x.getElementType().isF32() || !op.getWeightType().isBF16())
    return nullptr;
  return &op.getXMutable();
}

static bool isProductInput(OpOperand &use) {
  auto op = dyn_cast<moe::GroupedMatmulOp>(use.getOwner());
  return op && productInput(op) == &use;
}

/// Whether an op computes in f32 and rounds at its end, so that a narrower
/// output costs nothing.
static bool roundsItsOutput(Operation *op) {
  return isa_and_nonnull<nn::RmsNormOp, nn::LayerNormOp, nn::AttentionOp,
                         moe::CombineOp>(op);
}

static Value emptyLike(OpBuilder &builder, Location loc, Value value) {
  return tensor::EmptyOp::create(builder, loc,
                                 tensor::getMixedSizes(builder, loc, value),
                                 BFloat16Type::get(builder.getContext()));
}

/// The same computation with an output of bf16.
static Value narrowedClone(OpBuilder &builder, Operation *producer) {
  auto dps = cast<DestinationStyleOpInterface>(producer);
  Value init = dps.getDpsInits()[0];
  builder.setInsertionPoint(producer);
  Operation *clone = builder.clone(*producer);
  builder.setInsertionPoint(clone);
  Value narrowInit = emptyLike(builder, producer->getLoc(), init);
  cast<DestinationStyleOpInterface>(clone).setDpsInitOperand(0, narrowInit);
  clone->getResult(0).setType(cast<RankedTensorType>(narrowInit.getType()));
  return clone->getResult(0);
}

/// Lets the epilogue of a product, or the body of an elementwise op, round
/// what it yields.
static void roundYield(OpBuilder &builder, Operation *op) {
  Operation *yield = op->getRegion(0).front().getTerminator();
  builder.setInsertionPoint(yield);
  Value rounded = arith::TruncFOp::create(
      builder, op->getLoc(), builder.getBF16Type(), yield->getOperand(0));
  yield->setOperand(0, rounded);
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    generic.getBody()->getArguments().back().setType(builder.getBF16Type());
}

static Value roundingOp(OpBuilder &builder, Value value) {
  Location loc = value.getLoc();
  builder.setInsertionPointAfterValue(value);
  Value init = emptyLike(builder, loc, value);
  int64_t rank = narrowType(value).getRank();
  SmallVector<AffineMap> maps(2, builder.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, loc, init.getType(), value, init, maps, iterators,
             [](OpBuilder &b, Location l, ValueRange args) {
               Value rounded =
                   arith::TruncFOp::create(b, l, b.getBF16Type(), args[0]);
               linalg::YieldOp::create(b, l, rounded);
             })
      .getResult(0);
}

/// A bf16 version of `value` for those of its uses that are product inputs.
static Value narrow(OpBuilder &builder, Value value) {
  Operation *producer = value.getDefiningOp();
  bool onlyProducts = llvm::all_of(value.getUses(), isProductInput);
  if (isa_and_nonnull<nn::RmsNormOp, nn::LayerNormOp>(producer) ||
      (onlyProducts && roundsItsOutput(producer)))
    return narrowedClone(builder, producer);
  bool hasBody =
      isa_and_nonnull<moe::GroupedMatmulOp, linalg::GenericOp>(producer) &&
      producer->getNumResults() == 1;
  if (!hasBody || !onlyProducts)
    return roundingOp(builder, value);
  Value narrowed = narrowedClone(builder, producer);
  roundYield(builder, narrowed.getDefiningOp());
  return narrowed;
}

namespace {
struct NarrowActivations
    : moec::impl::NarrowActivationsPassBase<NarrowActivations> {
  void runOnOperation() override {
    auto target = moe::TargetAttr::of(getOperation());
    if (!target || !target.getBf16Dot())
      return;
    llvm::SetVector<Value> inputs;
    getOperation().walk([&](moe::GroupedMatmulOp op) {
      if (OpOperand *input = productInput(op))
        inputs.insert(input->get());
    });
    OpBuilder builder(&getContext());
    for (Value value : inputs) {
      SmallVector<OpOperand *> uses;
      for (OpOperand &use : value.getUses())
        if (isProductInput(use))
          uses.push_back(&use);
      Value narrowed = narrow(builder, value);
      for (OpOperand *use : uses)
        use->set(narrowed);
      if (Operation *producer = value.getDefiningOp())
        if (producer->use_empty())
          producer->erase();
      remark::passed(narrowed.getLoc(), remark::RemarkOpts::name("bf16-input")
                                            .category("moe-narrow-activations"))
          << "input of a bf16 product rounded once, where it is made";
    }
  }
};
} // namespace
