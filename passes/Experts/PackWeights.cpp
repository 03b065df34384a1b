//===- PackWeights.cpp - Panels for register tiles ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// Whether a value is a plain matrix of a packable type, or a bank of them.
static bool isPlainMatrix(Value value) {
  auto bank = dyn_cast<moe::BankType>(value.getType());
  auto type =
      bank ? bank.getMember() : dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && type.getRank() == 2 &&
         (type.getElementType().isF32() || type.getElementType().isBF16());
}

static void pack(OpBuilder &builder, OpOperand &use) {
  if (!isPlainMatrix(use.get()))
    return;
  builder.setInsertionPoint(use.getOwner());
  use.set(moe::PackOp::create(builder, use.getOwner()->getLoc(),
                              moe::PackOp::packedType(use.get().getType()),
                              use.get()));
}

/// The name of the weight behind an embedding table, if it is one.
static StringAttr weightName(Value value) {
  auto weight = value.getDefiningOp<moe::WeightOp>();
  return weight ? weight.getNameAttr() : StringAttr();
}

namespace {
struct PackWeights : moec::impl::PackWeightsPassBase<PackWeights> {
  void runOnOperation() override {
    OpBuilder builder(&getContext());
    DenseSet<StringAttr> packed;
    getOperation().walk([&](Operation *op) {
      if (auto matmul = dyn_cast<moe::GroupedMatmulOp>(op)) {
        for (OpOperand &bank : matmul.getBanksMutable()) {
          if (StringAttr name = weightName(bank.get()))
            packed.insert(name);
          pack(builder, bank);
        }
      } else if (auto gate = dyn_cast<moe::GateOp>(op)) {
        pack(builder, gate.getWeightMutable());
      }
    });
    // An embedding that is the output matrix too is not stored twice.
    getOperation().walk([&](nn::GatherRowsOp gather) {
      StringAttr name = weightName(gather.getTable());
      if (name && packed.contains(name))
        pack(builder, gather.getTableMutable());
    });
  }
};
} // namespace
