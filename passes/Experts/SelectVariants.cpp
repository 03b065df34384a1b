//===- SelectVariants.cpp - Register tiles for matrix products ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A register tile keeps rows x vectors accumulators, the vectors of one step of
// K, and one broadcast element. Its speed limit is the multiply-add unit when
// there are enough independent accumulators (latency 4 to 6 cycles, 2 a cycle)
// and few loads for each multiply: (rows + vectors) / (rows * vectors). With 32
// registers 12 x 2 reaches the limit of the unit, with 16 registers 6 x 2; more
// columns would need more weights in registers, more rows would spill.
//
// For one or two rows a tile is bound by memory. It then runs over four vectors
// of columns, which are four streams, and asks for the lines that it will need
// some steps later: the hardware does not prefetch across 4 KiB pages.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"

namespace moec {
#define GEN_PASS_DEF_SELECTVARIANTSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static constexpr int64_t kStreamRows = 2;
static constexpr int64_t kStreamVectors = 4;
static constexpr int64_t kPrefetchBytes = 2048;
static constexpr int64_t kTileVectors = 2;

/// Rows of the largest tile of two vectors that fits the registers: the
/// operands need one for each vector and one for the broadcast, and widening
/// bf16 by hand needs two more.
static int64_t tileRows(moe::TargetAttr target, bool widens) {
  int64_t operands = kTileVectors + 1 + (widens ? 2 : 0);
  int64_t rows = (target.getVectorRegisters() - operands) / kTileVectors;
  int64_t most = target.getVectorRegisters() >= 32 ? 12 : 6;
  return std::min(rows, most);
}

namespace {
struct SelectVariants : moec::impl::SelectVariantsPassBase<SelectVariants> {
  void runOnOperation() override {
    auto target = moe::TargetAttr::of(getOperation());
    if (!target) {
      getOperation().emitError(
          "kernel variants need a target: the module has no moe.target");
      return signalPassFailure();
    }
    MLIRContext *context = &getContext();
    getOperation().walk([&](moe::GroupedMatmulOp op) {
      if (op.getVariants())
        return;
      auto x = cast<ShapedType>(op.getX().getType());
      bool widens = op.getWeightType().isBF16() && !x.getElementType().isBF16();
      int64_t rows = tileRows(target, widens);
      auto stream = moe::VariantAttr::get(context, kStreamRows, kStreamRows,
                                          kStreamVectors, kPrefetchBytes);
      auto tile = moe::VariantAttr::get(context, 0, rows, kTileVectors, 0);
      op.setVariantsAttr(moe::VariantsAttr::get(context, {stream, tile}));
      remark::passed(
          op.getLoc(),
          remark::RemarkOpts::name("variants").category("moe-select-variants"))
          << "up to " << std::to_string(kStreamRows)
          << " rows: streamed, prefetched; more: register tile of "
          << std::to_string(rows) << " rows x " << std::to_string(kTileVectors)
          << " vectors";
    });
  }
};
} // namespace
