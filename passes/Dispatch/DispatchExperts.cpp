//===- DispatchExperts.cpp - Experts as plan, products and combine --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: `moe.experts` says what one expert makes of a row. Run token by
// token, it would read a whole expert's weights for every token.
//
// Idea: sort the T * k pairs (token, expert) by expert (`moe.plan`). The rows
// of one expert then lie together, and each product of the region becomes one
// product of groups of rows, each group with its expert's matrix. Products of
// the region's own rows read x through the plan, so that no row is copied;
// later products read sorted rows. What is elementwise stays so, on T * k rows,
// beside which a vector of each expert is spread.
// `moe.combine` brings the rows of a token back together.
//
// Each range of experts of the same shape has a plan and a combine, which adds
// up to the one before. What other experts make of a token is computed where
// the token is (x itself, or their region on all tokens) and added by its share
// in the last combine.
//
// What experts make of a row before any product is the same for all of them: it
// is computed once for each token, and products gather its rows. Where it is
// added to what an expert makes of it (x + f(x)), that is its share of the
// token's weights, like that of the experts that are not dispatched.
//
// A product is linear: to weigh its result is to weigh the row that it reads.
//
// Cost: every active expert's weights are read once, whatever the tokens.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/CommonRows.h"
#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_DISPATCHEXPERTSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static bool isBankMember(Value value, Block *body) {
  return llvm::is_contained(body->getArguments().drop_front(), value);
}

/// Whether a value is the vector of an expert.
static bool isVectorMember(Value value, Block *body) {
  return isBankMember(value, body) &&
         cast<RankedTensorType>(value.getType()).getRank() == 1;
}

//===----------------------------------------------------------------------===//
// What a region may hold
//===----------------------------------------------------------------------===//

static StringRef whyNotProductOfBank(linalg::MatmulOp op, Block *body) {
  if (!isBankMember(productWeight(op), body))
    return "its weight is not a member of a bank";
  return whyNotProduct(op);
}

/// Why an op of the region cannot be done for the rows of all experts at once;
/// empty if it can.
static StringRef whyNotForAll(Operation &op, Block *body) {
  if (auto product = dyn_cast<linalg::MatmulOp>(op))
    return whyNotProductOfBank(product, body);
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return whyNotElementwise(generic);
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    return dim.getConstantIndex() == 0 && !isBankMember(dim.getSource(), body)
               ? ""
               : "only the number of rows may be asked for";
  if (isPlainNorm(&op) ||
      isa<tensor::EmptyOp, linalg::FillOp, arith::ConstantOp, YieldOp>(op))
    return "";
  return "expected linalg.matmul with a bank's member, elementwise "
         "linalg.generic, norms without weights, linalg.fill, tensor.empty, "
         "tensor.dim, arith.constant";
}

/// Whether this use of rows, of what is computed of them alone, or of a member,
/// which exist only inside, goes away.
static bool mayRead(OpOperand &use, Block *body, const CommonRows &tokens) {
  bool isWeight = isBankMember(use.get(), body);
  if (!isWeight && use.getOwner()->getNumResults() == 1 &&
      tokens.contains(use.getOwner()->getResult(0)))
    return true;
  if (auto addend = commonAddend(body, tokens))
    if (use.getOwner() == addend->sum &&
        use.getOperandNumber() == addend->input)
      return true;
  if (isa<tensor::DimOp>(use.getOwner()))
    return !isWeight;
  if (isVectorMember(use.get(), body))
    return isa<linalg::GenericOp>(use.getOwner());
  return isa<linalg::MatmulOp>(use.getOwner()) &&
         use.getOperandNumber() == (isWeight ? 1u : 0u);
}

/// Emits what keeps `experts` from being dispatched; true if there is nothing.
static bool checkRegion(ExpertsOp experts) {
  bool ok = true;
  auto refuse = [&](Operation *op, const Twine &why) {
    op->emitError() << "[MOE0330] '" << op->getName()
                    << "' in an expert is not supported: " << why;
    ok = false;
  };
  for (const ExpertsOp::Range &range : experts.rangeList()) {
    if (range.kind != ExpertKind::Ffn)
      continue;
    Block *body = range.body;
    if (!cast<RankedTensorType>(body->getArgument(0).getType()).isDynamicDim(0))
      refuse(experts, "the region must take any number of rows");
    for (Operation &op : *body) {
      StringRef why = whyNotForAll(op, body);
      if (!why.empty())
        refuse(&op, why);
    }
    CommonRows tokens = commonRows(body, experts.getWeightOnInput());
    CommonRows inside = tokens;
    inside.insert_range(body->getArguments());
    for (Value value : inside)
      for (OpOperand &use : value.getUses())
        if (!mayRead(use, body, tokens) &&
            whyNotForAll(*use.getOwner(), body).empty())
          refuse(use.getOwner(),
                 "only products, and a sum at the end, read an expert's rows, "
                 "what all experts make of them alike, and weights");
  }
  return ok;
}

//===----------------------------------------------------------------------===//
// Rewriting
//===----------------------------------------------------------------------===//

namespace {
/// One `moe.experts` while it is taken apart.
class Dispatch {
public:
  Dispatch(IRRewriter &rewriter, ExpertsOp experts)
      : rewriter(rewriter), experts(experts), loc(experts.getLoc()) {}

  void run() {
    rewriter.setInsertionPoint(experts);
    k = cast<RankedTensorType>(experts.getIds().getType()).getDimSize(1);
    SmallVector<ExpertsOp::Range> ranges = experts.rangeList();
    for (const ExpertsOp::Range &range : ranges)
      addLocal(range);
    // An addend that is taken out leaves another op at the end.
    for (const ExpertsOp::Range &range : ranges)
      if (isDispatched(range))
        hoist(range);
    int64_t plans = llvm::count_if(ranges, isDispatched);
    Value sum;
    for (const ExpertsOp::Range &range : ranges)
      if (isDispatched(range))
        sum = dispatch(range, sum, /*isLast=*/--plans == 0);
    rewriter.replaceOp(experts, sum);
  }

private:
  static bool isDispatched(const ExpertsOp::Range &range) {
    return range.kind == ExpertKind::Ffn;
  }

  Value empty(ArrayRef<int64_t> shape, ValueRange sizes, Type element) {
    return tensor::EmptyOp::create(rewriter, loc, shape, element, sizes);
  }

  //===--- Experts of other kinds -----------------------------------------===//

  /// What a range that is not dispatched makes of all tokens, if anything.
  void addLocal(const ExpertsOp::Range &range) {
    if (range.kind == ExpertKind::Identity)
      locals.push_back(experts.getX());
    else if (range.kind == ExpertKind::Local)
      locals.push_back(inlined(range));
    else
      return;
    localBounds.append({range.first, range.first + range.count});
  }

  Value inlined(const ExpertsOp::Range &range) {
    SmallVector<Value> values{experts.getX()};
    llvm::append_range(values, range.banks);
    return castTo(rewriter, loc, experts->getResult(0).getType(),
                  cloneBody(rewriter, loc, *range.body, values));
  }

  //===--- What experts have in common ------------------------------------===//

  /// Computes for all tokens what the experts of a range make of them alike.
  void hoist(const ExpertsOp::Range &range) {
    BlockArgument argument = range.body->getArgument(0);
    CommonRows values = commonRows(range.body, experts.getWeightOnInput());
    auto addend = commonAddend(range.body, values);
    Value added = addend ? takeOutAddend(rewriter, *addend) : Value();
    IRMapping outside;
    Value x = castTo(rewriter, loc, argument.getType(), experts.getX());
    outside.map(argument, x);
    for (Operation &op : *range.body) {
      if (isa<arith::ConstantOp>(op))
        rewriter.clone(op, outside);
      if (op.getNumResults() != 1 || !values.contains(op.getResult(0)))
        continue;
      auto init = cast<DestinationStyleOpInterface>(op).getDpsInits().front();
      outside.map(init, emptyRows(rewriter, loc, init.getType(), x));
      rewriter.clone(op, outside);
    }
    for (Value value : values)
      common[value] = outside.lookup(value);
    if (!added)
      return;
    locals.push_back(castTo(rewriter, loc, experts->getResult(0).getType(),
                            common.lookup(added)));
    localBounds.append({range.first, range.first + range.count});
  }

  //===--- Experts that get rows ------------------------------------------===//

  /// The sum of what the experts of a range make of each token, and of
  /// `before`.
  Value dispatch(const ExpertsOp::Range &range, Value before, bool isLast) {
    map.clear();
    products = gathered = 0;
    plan = planOf(range);
    rowWeights = weightsOfRows();
    for (Operation &op : range.body->without_terminator())
      rewrite(op, range);
    Value sorted = map.lookup(range.body->getTerminator()->getOperand(0));
    bool hasLocals = isLast && !locals.empty();
    auto combine = CombineOp::create(
        rewriter, loc, experts->getResultTypes(), sorted, plan->getResult(3),
        plan->getResult(4), experts.getWeights(),
        hasLocals ? experts.getIds() : Value(),
        hasLocals ? ValueRange(locals) : ValueRange(),
        before ? ValueRange(before) : ValueRange(), experts.getOuts(),
        hasLocals ? ArrayRef<int64_t>(localBounds) : ArrayRef<int64_t>(),
        experts.getWeightOnInput());
    const Explain explain("moe-dispatch-experts", "dispatch");
    explain.passed(combine, "experts dispatched: " + Twine(products) +
                                " products of sorted rows, " + Twine(gathered) +
                                " of which gather their rows");
    if (hasLocals)
      explain.passed(combine, Twine(locals.size()) +
                                  " kinds of experts, or what they add to, "
                                  "added without moving tokens");
    return combine->getResult(0);
  }

  PlanOp planOf(const ExpertsOp::Range &range) {
    Value tokens = tensor::DimOp::create(rewriter, loc, experts.getIds(), 0);
    Value perToken = arith::ConstantIndexOp::create(rewriter, loc, k);
    rows = arith::MulIOp::create(rewriter, loc, tokens, perToken);
    return createPlan(rewriter, loc, experts.getIds(), tokens, rows,
                      range.first, range.count,
                      experts.numExperts() - range.first - range.count);
  }

  /// The weight of each row, where it is on the input.
  Value weightsOfRows() {
    if (!experts.getWeightOnInput())
      return Value();
    Value column =
        empty({ShapedType::kDynamic, 1}, rows, rewriter.getF32Type());
    return RowWeightsOp::create(rewriter, loc, column.getType(),
                                experts.getWeights(), plan->getResult(3),
                                plan->getResult(4), column)
        ->getResult(0);
  }

  void rewrite(Operation &op, const ExpertsOp::Range &range) {
    if (op.getNumResults() == 1 && common.contains(op.getResult(0)))
      return;
    if (auto product = dyn_cast<linalg::MatmulOp>(op))
      return rewriteProduct(product, range);
    if (auto dim = dyn_cast<tensor::DimOp>(op))
      return map.map(dim.getResult(), rows);
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      return rewriteGeneric(generic, range);
    rewriter.clone(op, map);
  }

  /// Vectors of an expert are read where they are spread over its rows.
  void rewriteGeneric(linalg::GenericOp op, const ExpertsOp::Range &range) {
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    for (OpOperand *input : op.getDpsInputOperands()) {
      if (!isVectorMember(input->get(), range.body))
        continue;
      maps[input->getOperandNumber()] = rewriter.getMultiDimIdentityMap(2);
      if (!map.contains(input->get()))
        map.map(input->get(), spread(cast<BlockArgument>(input->get()), range));
    }
    auto clone = cast<linalg::GenericOp>(rewriter.clone(*op, map));
    clone.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
  }

  Value spread(BlockArgument member, const ExpertsOp::Range &range) {
    auto type = cast<RankedTensorType>(member.getType());
    Value out = empty({ShapedType::kDynamic, type.getDimSize(0)}, rows,
                      type.getElementType());
    return SpreadOp::create(rewriter, loc, out.getType(),
                            range.banks[member.getArgNumber() - 1],
                            plan->getResult(0), out)
        ->getResult(0);
  }

  void rewriteProduct(linalg::MatmulOp op, const ExpertsOp::Range &range) {
    bool gathers = common.contains(productX(op));
    auto member = cast<BlockArgument>(productWeight(op));
    Value x = gathers ? common.lookup(productX(op)) : map.lookup(productX(op));
    Value init = map.lookup(
        op.getOutputs()[0].getDefiningOp<linalg::FillOp>().getOutputs()[0]);
    Value bank = range.banks[member.getArgNumber() - 1];
    Value gather = gathers ? plan->getResult(2) : Value();
    auto product =
        createProduct(rewriter, op.getLoc(), x, bank, init,
                      {plan->getResult(0), plan->getResult(1), gather});
    Value result = product->getResult(0);
    if (gathers && rowWeights)
      result = weighed(result, init);
    map.map(op->getResult(0), result);
    ++products;
    gathered += gathers;
  }

  /// Each row times the weight of its expert.
  Value weighed(Value product, Value init) {
    MLIRContext *context = rewriter.getContext();
    AffineMap each = rewriter.getMultiDimIdentityMap(2);
    AffineMap ofRow = AffineMap::get(
        2, 0, {getAffineDimExpr(0, context), getAffineConstantExpr(0, context)},
        context);
    SmallVector<utils::IteratorType> loops(2, utils::IteratorType::parallel);
    return linalg::GenericOp::create(
               rewriter, loc, init.getType(), ValueRange{product, rowWeights},
               init, {each, ofRow, each}, loops,
               [](OpBuilder &b, Location l, ValueRange args) {
                 Value scaled = arith::MulFOp::create(b, l, args[0], args[1]);
                 linalg::YieldOp::create(b, l, scaled);
               })
        .getResult(0);
  }

  IRRewriter &rewriter;
  ExpertsOp experts;
  Location loc;
  int64_t k = 0;
  SmallVector<Value> locals;
  SmallVector<int64_t> localBounds;
  /// For what experts make alike of their rows, that of all tokens.
  DenseMap<Value, Value> common;
  // Of the range that is dispatched.
  Value rows, rowWeights;
  PlanOp plan;
  IRMapping map;
  unsigned products = 0, gathered = 0;
};
} // namespace

namespace {
struct DispatchExperts : moec::impl::DispatchExpertsPassBase<DispatchExperts> {
  void runOnOperation() override {
    SmallVector<ExpertsOp> ops;
    bool ok = true;
    getOperation().walk([&](ExpertsOp op) {
      ops.push_back(op);
      ok &= checkRegion(op);
    });
    if (!ok)
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    for (ExpertsOp op : ops)
      Dispatch(rewriter, op).run();
  }
};
} // namespace
