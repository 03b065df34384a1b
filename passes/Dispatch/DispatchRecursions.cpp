//===- DispatchRecursions.cpp - Recursions on the rows that take part -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: only some tokens pass through a region, and which ones is known when
// the step runs. Computed on all rows, a recursion would save nothing.
//
// Idea: a plan of one expert, whose ids are those from the region's number on,
// lists the tokens that pass through it, in their order. Their number is read
// from the plan, and everything inside of the region is on so many rows:
// kernels take what their operands say. The number is bounded by the tokens of
// the step, which is what the arena is planned for.
//
// A tap inside of a region becomes one of all tokens, of which those that do
// not pass through have zeros, or -1 where it is of integers.
//
// Steps, for each region: (1) plan; (2) gather the rows, from x or from what
// the region before made, and the members of the vectors beside them; (3) the
// region; (4) the rows of tokens that end here are weighed and added to x by a
// combine, whose plan is that of this id alone.
//
// Cost: a copy of the rows into each region, and one out of the last one.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringSet.h"

namespace moec {
#define GEN_PASS_DEF_DISPATCHRECURSIONSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static constexpr int64_t kAny = ShapedType::kDynamic;

namespace {
/// The tokens of some ids, in their order.
struct Chosen {
  PlanOp plan;
  Value count;

  Value tokens() { return plan->getResult(2); }
  Value tokenRow() { return plan->getResult(3); }
  Value tokenSlot() { return plan->getResult(4); }
};

/// One `moe.recurse` while it is taken apart.
class Recursion {
public:
  /// `tapNames` are those of the taps so far.
  Recursion(IRRewriter &rewriter, RecurseOp op, StringSet<> &tapNames)
      : rewriter(rewriter), op(op), loc(op.getLoc()),
        regions(op.getBodies().size()), tapNames(tapNames) {}

  void run() {
    rewriter.setInsertionPoint(op);
    all = tensor::DimOp::create(rewriter, loc, op.getX(), 0);
    Value y = op.getX();
    for (int64_t r = 0; r < regions; ++r)
      y = pass(r, y);
    Explain("moe-dispatch-recursions", "recurse")
        .passed(op, Twine(regions) + (regions == 1 ? " region" : " regions") +
                        " on the rows of the tokens that pass through" +
                        (op.getAllFirst() ? ", the first on all" : ""));
    rewriter.replaceOp(op, y);
  }

private:
  /// Adds what region `r` makes of the tokens that end there.
  Value pass(int64_t r, Value y) {
    bool isLast = r + 1 == regions;
    bool takesAll = r == 0 && op.getAllFirst();
    Chosen through;
    if (!takesAll)
      through = choose(r, /*open=*/!isLast);
    Value before = rows;
    if (takesAll)
      rows = region(r, op.getX(), op.getAlong(), through);
    else
      rows = region(
          r,
          gather(before ? before : op.getX(), sources(through), through.count),
          membersOf(op.getAlong(), through), through);
    reached = through;
    if (isLast && !takesAll)
      return combine(rows, through, y);
    Chosen ends = choose(r, /*open=*/false);
    return combine(gather(rows, sources(ends), ends.count), ends, y);
  }

  /// The tokens with id `id` or, open, with a later one too.
  Chosen choose(int64_t id, bool open) {
    Chosen chosen;
    chosen.plan = createPlan(rewriter, loc, op.getIds(), all, all, id,
                             /*count=*/1, regions - id - 1, open);
    Value one = arith::ConstantIndexOp::create(rewriter, loc, 1);
    Value end = tensor::ExtractOp::create(rewriter, loc,
                                          chosen.plan->getResult(0), one);
    Value number =
        arith::IndexCastOp::create(rewriter, loc, rewriter.getIndexType(), end);
    // The bound is what the size of a buffer is known by.
    chosen.count = arith::MinSIOp::create(rewriter, loc, number, all);
    return chosen;
  }

  /// Where the rows of the tokens are that `chosen` are in a row: their
  /// numbers in x, or in what the region before made.
  Value sources(Chosen &chosen) {
    if (!reached.plan)
      return chosen.tokens();
    Value rowOf =
        tensor::CollapseShapeOp::create(rewriter, loc, reached.tokenRow(),
                                        ArrayRef<ReassociationIndices>{{0, 1}});
    return gather(rowOf, chosen.tokens(), chosen.count);
  }

  Value gather(Value table, Value indices, Value count) {
    auto type = cast<RankedTensorType>(table.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[0] = kAny;
    Value out = empty(shape, count, type.getElementType());
    return nn::GatherRowsOp::create(rewriter, loc, out.getType(), table,
                                    indices, out)
        ->getResult(0);
  }

  SmallVector<Value> membersOf(ValueRange vectors, Chosen &chosen) {
    SmallVector<Value> members;
    for (Value vector : vectors)
      members.push_back(gather(vector, chosen.tokens(), chosen.count));
    return members;
  }

  /// The region on the rows of the tokens that are `chosen`; no plan: of all.
  Value region(int64_t r, Value input, ValueRange along, Chosen &chosen) {
    Block &body = op.getBodies()[r].front();
    for (TapOp tap : llvm::make_early_inc_range(body.getOps<TapOp>())) {
      if (tapNames.insert(tap.getName()).second)
        continue;
      Explain("moe-dispatch-recursions", "tap")
          .missed(tap, "tap '" + tap.getName() + "' dropped",
                  "another one has its name");
      rewriter.eraseOp(tap);
    }
    SmallVector<Value> values{input};
    llvm::append_range(values, along);
    llvm::append_range(values, op.getParams());
    Operation *before = op->getPrevNode();
    Value made = cloneBody(rewriter, loc, body, values);
    if (!chosen.plan)
      return made;
    for (auto it = before ? std::next(before->getIterator())
                          : op->getBlock()->begin();
         &*it != op; ++it)
      if (auto tap = dyn_cast<TapOp>(*it)) {
        OpBuilder::InsertionGuard guard(rewriter);
        rewriter.setInsertionPoint(tap);
        tap.getValueMutable().assign(ofAll(tap.getValue(), chosen));
      }
    return made;
  }

  /// Rows of some tokens as rows of all, which are 0 for the others; integers
  /// are -1 there.
  Value ofAll(Value rows, Chosen &chosen) {
    auto type = cast<RankedTensorType>(rows.getType());
    bool isIntegers = type.getElementType().isInteger();
    Type f32 = rewriter.getF32Type();
    auto one = [&]() -> Value {
      return arith::ConstantOp::create(rewriter, loc,
                                       rewriter.getF32FloatAttr(1));
    };
    // Ids are exact in f32, and 0 is left for those that are none.
    if (isIntegers)
      rows = each(rows, chosen.count, f32, [&](Value id) -> Value {
        Value number = arith::SIToFPOp::create(rewriter, loc, f32, id);
        return arith::AddFOp::create(rewriter, loc, number, one());
      });
    SmallVector<int64_t> shape(type.getShape());
    shape[0] = cast<RankedTensorType>(op.getX().getType()).getDimSize(0);
    Value out = empty(shape, all, f32);
    out =
        CombineOp::create(rewriter, loc, out.getType(), rows, chosen.tokenRow(),
                          chosen.tokenSlot(), op.getWeights(), /*ids=*/Value(),
                          /*locals=*/ValueRange(), /*addends=*/ValueRange(),
                          out, /*ranges=*/ArrayRef<int64_t>(),
                          /*unweighted=*/true)
            ->getResult(0);
    if (!isIntegers)
      return out;
    return each(out, all, type.getElementType(), [&](Value number) -> Value {
      Value id = arith::SubFOp::create(rewriter, loc, number, one());
      return arith::FPToSIOp::create(rewriter, loc, type.getElementType(), id);
    });
  }

  /// A computation of each element.
  Value each(Value rows, Value count, Type element,
             function_ref<Value(Value)> compute) {
    Value out = empty(cast<RankedTensorType>(rows.getType()).getShape(), count,
                      element);
    SmallVector<AffineMap> maps(2, rewriter.getMultiDimIdentityMap(2));
    SmallVector<utils::IteratorType> loops(2, utils::IteratorType::parallel);
    return linalg::GenericOp::create(
               rewriter, loc, out.getType(), rows, out, maps, loops,
               [&](OpBuilder &, Location, ValueRange elements) {
                 linalg::YieldOp::create(rewriter, loc, compute(elements[0]));
               })
        .getResult(0);
  }

  Value combine(Value made, Chosen &chosen, Value y) {
    Value out = empty(cast<RankedTensorType>(op.getX().getType()).getShape(),
                      all, rewriter.getF32Type());
    return CombineOp::create(rewriter, loc, out.getType(), made,
                             chosen.tokenRow(), chosen.tokenSlot(),
                             op.getWeights(), /*ids=*/Value(),
                             /*locals=*/ValueRange(), /*addends=*/y, out,
                             /*ranges=*/ArrayRef<int64_t>(),
                             /*unweighted=*/false)
        ->getResult(0);
  }

  Value empty(ArrayRef<int64_t> shape, ValueRange sizes, Type element) {
    if (!ShapedType::isDynamicShape(shape))
      sizes = {};
    return tensor::EmptyOp::create(rewriter, loc, shape, element, sizes);
  }

  IRRewriter &rewriter;
  RecurseOp op;
  Location loc;
  int64_t regions;
  StringSet<> &tapNames;
  /// The tokens of the step.
  Value all;
  /// What the region before made; null in front of the first one.
  Value rows;
  /// The tokens that have a row there; no plan: all of them.
  Chosen reached;
};

struct DispatchRecursions
    : moec::impl::DispatchRecursionsPassBase<DispatchRecursions> {
  void runOnOperation() override {
    // Inner ones first: outer ones copy what these became.
    SmallVector<RecurseOp> ops;
    getOperation().walk([&](RecurseOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    StringSet<> tapNames;
    getOperation().walk([&](TapOp tap) {
      if (!tap->getParentOfType<RecurseOp>())
        tapNames.insert(tap.getName());
    });
    for (RecurseOp op : ops)
      Recursion(rewriter, op, tapNames).run();
  }
};
} // namespace
