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
  Recursion(IRRewriter &rewriter, RecurseOp op)
      : rewriter(rewriter), op(op), loc(op.getLoc()),
        regions(op.getBodies().size()) {}

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
      rows = region(r, op.getX(), op.getAlong());
    else
      rows = region(
          r,
          gather(before ? before : op.getX(), sources(through), through.count),
          membersOf(op.getAlong(), through));
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

  Value region(int64_t r, Value input, ValueRange along) {
    Block &body = op.getBodies()[r].front();
    bool isOfAll = r == 0 && op.getAllFirst();
    for (TapOp tap : llvm::make_early_inc_range(body.getOps<TapOp>())) {
      if (isOfAll)
        continue;
      Explain("moe-dispatch-recursions", "tap")
          .missed(tap, "tap '" + tap.getName() + "' dropped",
                  "its rows are those of the tokens of one recursion");
      rewriter.eraseOp(tap);
    }
    SmallVector<Value> values{input};
    llvm::append_range(values, along);
    llvm::append_range(values, op.getParams());
    return cloneBody(rewriter, loc, body, values);
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
    for (RecurseOp op : ops)
      Recursion(rewriter, op).run();
  }
};
} // namespace
