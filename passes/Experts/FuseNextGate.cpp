//===- FuseNextGate.cpp - A router behind the combine that it reads -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where experts are applied again to their own result, the next router reads
// just what a combine writes. In one kernel the rows of a task are multiplied
// by the router's matrix while they are in the nearest caches, and are not read
// again from memory. Nothing else changes, not a bit of a result: a row is
// complete before it is read.
//
// It pays where a task's rows stay in its cache beside the rows that they are
// made of: 512 tokens of width 1024 to 4096, 64 experts, take 0.93 to 0.97 of
// the cycles of the two kernels on a Zen 3 core. Where they do not stay, they
// are read again from as far as before, and the matrix comes in later tasks
// from farther: width 7168 takes 1.02 to 1.04. With few tokens both are equal.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Combined.h"
#include "passes/Cpu/GateTile.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_FUSENEXTGATEPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// Why a gate cannot be fused with the combine that makes its rows; empty if it
/// can.
static std::string whyNot(GateOp gate, CombineOp combine) {
  if (!cast<ShapedType>(gate.getX().getType()).getElementType().isF32())
    return "its rows are not f32";
  if (llvm::is_contained(gate.getExtras(), combine.getResult(0)))
    return "its epilogue reads the rows too";
  return whyNotCombined(gate, combine);
}

/// Why it would not pay; empty if it does.
static std::string whyNotWorth(GateOp gate) {
  TargetAttr target = TargetAttr::of(gate);
  if (!target)
    return "";
  int64_t width = cast<ShapedType>(gate.getX().getType()).getDimSize(1);
  int64_t experts = cast<ShapedType>(gate.getOuts()[2].getType()).getDimSize(1);
  int64_t rows = GateTile::rowsOfTask(experts, target);
  int64_t bytes = rows * width * 4;
  if (bytes <= target.getL2Bytes())
    return "";
  return "the " + std::to_string(rows) + " rows of a task take " +
         std::to_string(bytes) + " bytes, more than the " +
         std::to_string(target.getL2Bytes()) + " of a core's cache";
}

namespace {
struct FuseNextGate : moec::impl::FuseNextGatePassBase<FuseNextGate> {
  void runOnOperation() override {
    SmallVector<GateOp> gates;
    getOperation().walk([&](GateOp op) { gates.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (GateOp gate : gates) {
      auto combine = gate.getX().getDefiningOp<CombineOp>();
      if (!combine)
        continue;
      std::string why = whyNot(gate, combine);
      if (why.empty())
        why = whyNotWorth(gate);
      if (why.empty())
        fuse(rewriter, combine, gate);
      else
        explain.missed(gate, "gate not fused with the combine in front of it",
                       why);
    }
  }

private:
  const Explain explain{"moe-fuse-next-gate", "gate"};

  void fuse(IRRewriter &rewriter, CombineOp combine, GateOp gate) const {
    rewriter.setInsertionPoint(gate);
    SmallVector<Type> types{combine->getResult(0).getType()};
    llvm::append_range(types, gate->getResultTypes());
    SmallVector<Value> outs{combine.getOuts()[0]};
    llvm::append_range(outs, gate.getOuts());
    RoutingInputs in = gate.getInputs();
    auto fused = CombineGateOp::create(
        rewriter, gate.getLoc(), types, combine.getRows(),
        combine.getTokenRow(), combine.getTokenSlot(), combine.getWeights(),
        combine.getIds(), combine.getLocals(), combine.getAddends(),
        gate.getWeight(), gate.getExtras(), in.bias, in.eligible, in.classId,
        in.tokenK, in.table, in.tokenId, in.expertScale, in.sequence, outs,
        gate.getRouting(), in.classMask, in.alias, gate.getCountRowsAttr(),
        combine.getRangesAttr(), combine.getUnweightedAttr());
    fused.getEpilogue().takeBody(gate.getEpilogue());
    explain.passed(fused, "gate fused with the combine in front of it");
    rewriter.replaceOp(gate, fused->getResults().drop_front());
    rewriter.replaceOp(combine, fused->getResult(0));
  }
};
} // namespace
