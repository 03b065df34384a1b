//===- NormalizeExperts.cpp - One canonical form for experts --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 1. What the routing gives no weight adds nothing: a range of ids that are all
//    null becomes `zero`, for which no rows are made. Not where the weight is
//    on the input, since what an expert makes of 0 need not be 0; not behind an
//    alias, which gives ids another meaning. An output that is no number, times
//    0, is lost with its row.
// 2. Neighbouring ranges that both give x back, or nothing, are one.
// 3. c * (sum of w * y) = sum of (c * w) * y: a constant factor of the result
//    becomes one of the routing's scale, which is T * k products and not T * H,
//    and leaves a plain sum for the combine to take in. Not where the weight is
//    on the input; not for 0 or less, by which weights would tie or turn over.
//    Rounding differs by a unit of f32 in each of the two products.
//
// The other way, from the scale into the last matrix, saves nothing, and rounds
// a matrix of bf16 once more.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/Support/Format.h"

#include <cmath>

namespace moec {
#define GEN_PASS_DEF_NORMALIZEEXPERTSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

namespace {
/// The choice that an op of experts follows; null parts where there is none.
struct Choice {
  explicit Choice(ExpertsOp experts) {
    Operation *made = experts.getIds().getDefiningOp();
    if (!isa_and_nonnull<RouteOp, GateOp>(made) ||
        experts.getIds() != made->getResult(0) ||
        experts.getWeights() != made->getResult(1))
      return;
    if (auto route = dyn_cast<RouteOp>(made))
      take(route);
    else
      take(cast<GateOp>(made));
  }
  template <typename OpTy> void take(OpTy choice) {
    op = choice;
    routing = choice.getRouting();
    inputs = choice.getInputs();
  }
  void setScale(double scale) {
    RoutingAttr scaled = routing.withScale(scale);
    if (auto route = dyn_cast<RouteOp>(op))
      route.setRoutingAttr(scaled);
    else
      cast<GateOp>(op).setRoutingAttr(scaled);
  }

  Operation *op = nullptr;
  RoutingAttr routing;
  RoutingInputs inputs;
};

/// A product with a constant of what is read of the experts' result.
struct Factor {
  arith::MulFOp product;
  Value rest;
  double value = 0;
};
} // namespace

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

/// Why ids that weigh nothing may still add something; empty if they do not.
static StringRef whyNotNothing(ExpertsOp experts, const Choice &choice) {
  if (choice.inputs.alias)
    return "an alias gives the ids another meaning";
  if (experts.getWeightOnInput())
    return "the weight is on the input, and what an expert makes of 0 counts";
  return "";
}

/// The ranges with those that weigh nothing as `zero`, and neighbours joined.
static SmallVector<ExpertsOp::Range>
canonicalRanges(ArrayRef<ExpertsOp::Range> ranges, int64_t firstNull) {
  SmallVector<ExpertsOp::Range> result;
  for (ExpertsOp::Range range : ranges) {
    if (range.first >= firstNull) {
      range.kind = ExpertKind::Zero;
      range.body = nullptr;
    }
    bool joins =
        !result.empty() && result.back().kind == range.kind &&
        (range.kind == ExpertKind::Identity || range.kind == ExpertKind::Zero);
    if (joins)
      result.back().count += range.count;
    else
      result.push_back(range);
  }
  return result;
}

static ExpertsOp withRanges(IRRewriter &rewriter, ExpertsOp experts,
                            ArrayRef<ExpertsOp::Range> ranges) {
  SmallVector<ExpertRangeAttr> kinds;
  SmallVector<Value> banks;
  SmallVector<Block *> bodies;
  for (const ExpertsOp::Range &range : ranges) {
    kinds.push_back(
        ExpertRangeAttr::get(rewriter.getContext(), range.kind, range.count));
    if (!range.body)
      continue;
    llvm::append_range(banks, range.banks);
    bodies.push_back(range.body);
  }
  rewriter.setInsertionPoint(experts);
  auto result = ExpertsOp::create(
      rewriter, experts.getLoc(), experts.getResultTypes(), experts.getX(),
      experts.getIds(), experts.getWeights(), banks, experts.getOuts(),
      ExpertRangesAttr::get(rewriter.getContext(), kinds),
      experts.getWeightOnInput(), bodies.size());
  for (auto [region, body] : llvm::zip(result.getBodies(), bodies))
    region.takeBody(*body->getParent());
  rewriter.replaceOp(experts, result);
  return result;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// The product of a constant and an argument of an elementwise op.
static Factor factorOf(BlockArgument argument) {
  if (!argument.hasOneUse())
    return {};
  auto product = dyn_cast<arith::MulFOp>(*argument.user_begin());
  if (!product)
    return {};
  bool isLeft = product.getLhs() == argument;
  FloatAttr constant;
  if (!matchPattern(isLeft ? product.getRhs() : product.getLhs(),
                    m_Constant(&constant)))
    return {};
  return {product, argument, constant.getValueAsDouble()};
}

/// Why a factor of the result may not go into the scale; empty if it may.
static std::string whyNotIntoScale(ExpertsOp experts, const Choice &choice,
                                   linalg::GenericOp reader, double factor) {
  if (!choice.op)
    return "its ids and weights are not those of one choice";
  if (experts.getWeightOnInput())
    return "the weight is on the input";
  if (choice.routing.getSharedExperts())
    return "the scale counts for shared experts too";
  if (!std::isfinite(factor) || factor <= 0)
    return "the factor is not above 0";
  std::string users = otherUsers(experts.getWeights(), experts);
  if (!users.empty())
    return "the weights are read by " + users + " too";
  users = otherUsers(experts->getResult(0), reader);
  if (!users.empty())
    return "the result is read by " + users + " too";
  return "";
}

namespace {
struct NormalizeExperts
    : moec::impl::NormalizeExpertsPassBase<NormalizeExperts> {
  void runOnOperation() override {
    SmallVector<ExpertsOp> ops;
    getOperation().walk([&](ExpertsOp op) {
      if (isa<RankedTensorType>(op.getX().getType()))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (ExpertsOp op : ops)
      foldFactor(rewriter, normalizeRanges(rewriter, op));
  }

  const Explain ranges{"moe-normalize-experts", "null experts"};
  const Explain scales{"moe-normalize-experts", "scale"};

  ExpertsOp normalizeRanges(IRRewriter &rewriter, ExpertsOp op) const {
    Choice choice(op);
    int64_t experts = op.numExperts(), firstNull = experts;
    if (choice.op && choice.routing.getNullExperts()) {
      StringRef why = whyNotNothing(op, choice);
      if (why.empty())
        firstNull -= choice.routing.getNullExperts();
      else
        ranges.missed(op, "experts without weight get rows", why);
    }
    auto before = op.rangeList();
    auto after = canonicalRanges(before, firstNull);
    int64_t dropped = 0;
    for (const ExpertsOp::Range &range : before) {
      bool isMixed =
          range.first < firstNull && range.first + range.count > firstNull;
      if (isMixed && range.kind != ExpertKind::Zero)
        ranges.missed(op, "experts without weight get rows",
                      "others of their range have weights");
      if (range.first >= firstNull && range.kind != ExpertKind::Zero)
        dropped += range.count;
    }
    bool hasRows = llvm::any_of(after, [](const ExpertsOp::Range &range) {
      return range.kind == ExpertKind::Ffn;
    });
    if ((!dropped && after.size() == before.size()) || !hasRows)
      return op;
    if (dropped)
      ranges.passed(op, Twine(dropped) + " experts weigh nothing: no rows");
    return withRanges(rewriter, op, after);
  }

  void foldFactor(IRRewriter &rewriter, ExpertsOp experts) const {
    Choice choice(experts);
    Value result = experts->getResult(0);
    for (OpOperand &use : result.getUses()) {
      auto reader = dyn_cast<linalg::GenericOp>(use.getOwner());
      if (!reader || !reader.isDpsInput(&use) ||
          !whyNotElementwise(reader).empty())
        continue;
      Factor factor = factorOf(reader.getMatchingBlockArgument(&use));
      if (!factor.product)
        continue;
      std::string why = whyNotIntoScale(experts, choice, reader, factor.value);
      if (!why.empty()) {
        scales.missed(experts, "factor of the result not in the scale", why);
        return;
      }
      choice.setScale(choice.routing.scaleValue() * factor.value);
      rewriter.replaceOp(factor.product, factor.rest);
      std::string text;
      llvm::raw_string_ostream(text) << llvm::format("%g", factor.value);
      scales.passed(experts, "result times " + Twine(text) +
                                 ": a part of the routing's scale");
      return;
    }
  }
};
} // namespace
