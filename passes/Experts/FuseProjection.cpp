//===- FuseProjection.cpp - A product behind the combine that it reads ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Experts of a narrower space than the layer's stand between two projections.
// The one that leads there is computed once for a token, and the experts' first
// product gathers its rows where they lie: dispatch copies nothing. The one
// that leads back reads just what a combine writes, and becomes one kernel with
// it. Nothing else changes, not a bit of a result: a row is complete before it
// is read.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Combined.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_FUSEPROJECTIONPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// Why a product cannot be fused with the combine that makes its rows; empty if
/// it can.
static std::string whyNot(GroupedMatmulOp product, CombineOp combine) {
  if (product.isGrouped())
    return "it has a matrix for each group";
  Value y = combine.getResult(0);
  if (llvm::is_contained(product.getExtras(), y))
    return "its epilogue reads the rows too";
  return whyNotCombined(product, combine);
}

//===----------------------------------------------------------------------===//
// What it costs
//===----------------------------------------------------------------------===//

/// The products of experts that rows of theirs are made of, the last first.
static SmallVector<GroupedMatmulOp> productsOf(Value rows) {
  SmallVector<GroupedMatmulOp> products;
  llvm::SetVector<Operation *> ops;
  auto visit = [&](Value value) {
    if (Operation *op = value.getDefiningOp();
        isa_and_nonnull<GroupedMatmulOp, linalg::GenericOp>(op))
      ops.insert(op);
  };
  visit(rows);
  for (size_t i = 0; i < ops.size(); ++i) {
    auto product = dyn_cast<GroupedMatmulOp>(ops[i]);
    if (product && !product.getOffsets())
      continue;
    if (product)
      products.push_back(product);
    // What is gathered has rows of tokens.
    if (!product || !product.getGather())
      llvm::for_each(cast<DestinationStyleOpInterface>(ops[i]).getDpsInputs(),
                     visit);
  }
  return products;
}

static int64_t columns(Value value) {
  return cast<ShapedType>(value.getType()).getDimSize(1);
}

/// What a token multiplies in the narrower space that `in` leads to and
/// `product` back from, and would multiply without; empty if the experts behind
/// `combine` are not of that form.
static std::string costOf(CombineOp combine, GroupedMatmulOp product) {
  Value rows = combine.getRows();
  GroupedMatmulOp in;
  int64_t narrow = 0, wide = 0, space = columns(rows);
  for (GroupedMatmulOp expert : productsOf(rows)) {
    int64_t n = expert.getN(), k = expert.getK(),
            banks = expert.getBanks().size();
    narrow += banks * n * k;
    if (expert.getResult(0) == rows)
      n = product.getN();
    if (expert.getGather()) {
      auto made = expert.getX().getDefiningOp<GroupedMatmulOp>();
      if (!made || made.isGrouped() || (in && made != in))
        return "";
      in = made;
      k = in.getK();
    }
    wide += banks * n * k;
  }
  if (!in)
    return "";
  int64_t chosen = columns(combine.getWeights());
  auto sizeOf = [](GroupedMatmulOp op) {
    return static_cast<int64_t>(op.getBanks().size()) * op.getN() * op.getK();
  };
  return ("experts in a space of " + Twine(space) + " of " + Twine(in.getK()) +
          " columns: for a token, " + Twine(chosen) + " of them multiply " +
          Twine(chosen * narrow) + " weights instead of " +
          Twine(chosen * wide) + ", the projections there and back " +
          Twine(sizeOf(in) + sizeOf(product)) +
          "; dispatch copies nothing, the experts gather their rows where the "
          "projection leaves them")
      .str();
}

namespace {
struct FuseProjection : moec::impl::FuseProjectionPassBase<FuseProjection> {
  void runOnOperation() override {
    SmallVector<GroupedMatmulOp> products;
    getOperation().walk([&](GroupedMatmulOp op) { products.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (GroupedMatmulOp product : products) {
      auto combine = product.getX().getDefiningOp<CombineOp>();
      if (product.getX().getDefiningOp<CombineGateOp>())
        explain.missed(product, kNot, "a gate is fused with it");
      if (!combine)
        continue;
      if (std::string cost = costOf(combine, product); !cost.empty())
        explain.found(product, cost);
      std::string why = whyNot(product, combine);
      if (why.empty())
        fuse(rewriter, combine, product);
      else
        explain.missed(product, kNot, why);
    }
  }

private:
  const Explain explain{"moe-fuse-projection", "projection"};
  static constexpr StringLiteral kNot =
      "product not fused with the combine in front of it";

  void fuse(IRRewriter &rewriter, CombineOp combine,
            GroupedMatmulOp product) const {
    rewriter.setInsertionPoint(product);
    auto fused = CombineMatmulOp::create(
        rewriter, product.getLoc(),
        TypeRange{combine.getResult(0).getType(),
                  product.getResult(0).getType()},
        combine.getRows(), combine.getTokenRow(), combine.getTokenSlot(),
        combine.getWeights(), combine.getIds(), combine.getLocals(),
        combine.getAddends(), product.getBanks(), product.getExtras(),
        ValueRange{combine.getOuts()[0], product.getOuts()[0]},
        combine.getRanges(), combine.getUnweighted(),
        product.getVariantsAttr());
    fused.getEpilogue().takeBody(product.getEpilogue());
    explain.passed(fused, "product fused with the combine in front of it");
    rewriter.replaceOp(product, fused.getResult(1));
    rewriter.replaceOp(combine, fused.getResult(0));
  }
};
} // namespace
