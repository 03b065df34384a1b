//===- FuseShared.cpp - Several shared experts as a wide one --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"
#include "passes/WideShared.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/MapVector.h"

namespace moec {
#define GEN_PASS_DEF_FUSESHAREDPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// Both weights as one, along the width; what was made of several before takes
/// one more.
static Value concatenated(IRRewriter &rewriter, Location loc, Value first,
                          Value second, bool columns) {
  auto type = cast<RankedTensorType>(first.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[columns] +=
      cast<RankedTensorType>(second.getType()).getDimSize(columns);
  SmallVector<Value> inputs{first};
  auto before = first.getDefiningOp<ConcatOp>();
  if (before && before.getColumns() == columns)
    inputs = before.getInputs();
  inputs.push_back(second);
  return ConcatOp::create(rewriter, loc,
                          RankedTensorType::get(shape, type.getElementType()),
                          inputs, columns);
}

/// Drops an input that the body does not read; an op that then only passes on
/// another one goes.
static void dropInput(IRRewriter &rewriter, linalg::GenericOp op, unsigned i) {
  Block *body = op.getBody();
  auto passed = dyn_cast<BlockArgument>(body->getTerminator()->getOperand(0));
  if (passed && readsWhole(op, passed.getArgNumber()))
    return rewriter.replaceOp(op, op.getInputs()[passed.getArgNumber()]);
  SmallVector<Value> inputs(op.getInputs());
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  inputs.erase(inputs.begin() + i);
  maps.erase(maps.begin() + i);
  rewriter.setInsertionPoint(op);
  auto rest = linalg::GenericOp::create(
      rewriter, op.getLoc(), op.getResultTypes(), inputs, op.getOutputs(), maps,
      op.getIteratorTypesArray());
  body->eraseArgument(i);
  rest.getRegion().takeBody(op.getRegion());
  rewriter.replaceOp(op, rest);
}

namespace {
/// The body of a network, written again for another width.
class WideBody {
public:
  WideBody(OpBuilder &builder, Block &body, Block &wide, Operation *last)
      : builder(builder), wide(wide), last(last) {
    map.map(body.getArguments(), wide.getArguments());
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(&wide);
    for (Operation &op : body)
      add(op);
  }

private:
  void add(Operation &op) {
    if (isa<linalg::MatmulOp>(op))
      return addProduct(op);
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      return addColumns(generic);
    if (isa<arith::ConstantOp, YieldOp>(op))
      builder.clone(op, map);
    // Sizes and first values are made where they are needed.
  }

  Value empty(Type like, int64_t columns) {
    auto type = cast<RankedTensorType>(like);
    return emptyRows(builder, last->getLoc(),
                     RankedTensorType::get({type.getDimSize(0), columns},
                                           type.getElementType()),
                     wide.getArgument(0));
  }

  /// The same op with another output, into which its result fits.
  void addOnto(Operation &op, Value init) {
    map.map(cast<DestinationStyleOpInterface>(op).getDpsInits()[0], init);
    Operation *clone = builder.clone(op, map);
    clone->getResult(0).setType(cast<RankedTensorType>(init.getType()));
  }

  void addProduct(Operation &op) {
    auto product = cast<linalg::MatmulOp>(op);
    Value weight = map.lookup(productWeight(product));
    Value init = empty(op.getResult(0).getType(),
                       cast<RankedTensorType>(weight.getType()).getDimSize(0));
    Value zero = arith::ConstantOp::create(
        builder, op.getLoc(),
        builder.getFloatAttr(getElementTypeOrSelf(init), 0.0));
    addOnto(
        op,
        linalg::FillOp::create(builder, op.getLoc(), zero, init).getResult(0));
  }

  void addColumns(linalg::GenericOp op) {
    int64_t width = 0;
    for (Value input : op.getInputs())
      width =
          cast<RankedTensorType>(map.lookup(input).getType()).getShape().back();
    addOnto(*op, empty(op.getResult(0).getType(), width));
  }

  OpBuilder &builder;
  Block &wide;
  Operation *last;
  IRMapping map;
};

struct FuseShared : moec::impl::FuseSharedPassBase<FuseShared> {
  void runOnOperation() override {
    llvm::MapVector<int64_t, SmallVector<SharedOp>> groups;
    getOperation().walk([&](SharedOp op) {
      if (op.getWide())
        groups[*op.getWide()].push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (auto &[number, ops] : groups)
      if (failed(fuse(rewriter, ops)))
        return signalPassFailure();
  }

  static LogicalResult fuse(IRRewriter &rewriter, ArrayRef<SharedOp> ops) {
    SharedOp wide = ops.front();
    std::string why = whyNotNetwork(wide);
    for (SharedOp op : ops.drop_front()) {
      if (why.empty())
        why = whyNotNetwork(op);
      if (why.empty())
        why = whyNotOneNetwork(wide, op);
      if (!why.empty())
        return op.emitError("[MOE0331] shared experts with one number wide do "
                            "not make one: ")
               << why;
      wide = join(rewriter, wide, op);
    }
    wide.removeWideAttr();
    const Explain explain("moe-fuse-shared", "shared");
    explain.passed(wide,
                   Twine(ops.size()) + " shared experts as one of a width of " +
                       Twine(cast<RankedTensorType>(
                                 lastProduct(wide)->getOperand(0).getType())
                                 .getDimSize(1)));
    return success();
  }

  /// One of two, in the place of the first; what added the second goes on
  /// without it.
  static SharedOp join(IRRewriter &rewriter, SharedOp first, SharedOp second) {
    dropAddend(rewriter, additionOf(first, second), second->getResult(0));
    Block &body = first.getBody().front();
    Operation *last = lastProduct(first);
    SmallVector<Value> params;
    SmallVector<Operation *> replaced;
    for (auto [argument, a, b] :
         llvm::zip(body.getArguments().drop_front(), first.getParams(),
                   second.getParams())) {
      if (Operation *weight = b.getDefiningOp<WeightOp>())
        rewriter.moveOpBefore(weight, first);
      rewriter.setInsertionPoint(first);
      params.push_back(concatenated(rewriter, first.getLoc(), a, b,
                                    *argument.user_begin() == last));
      if (Operation *before = a.getDefiningOp<ConcatOp>())
        replaced.push_back(before);
    }
    auto wide = SharedOp::create(rewriter, first.getLoc(),
                                 first.getResultTypes(), first.getX(), params,
                                 first.getOuts(), first.getWideAttr());
    Block &to = wide.getBody().emplaceBlock();
    to.addArgument(body.getArgument(0).getType(), first.getLoc());
    for (Value param : params)
      to.addArgument(param.getType(), first.getLoc());
    WideBody(rewriter, body, to, last);
    rewriter.replaceOp(first, wide);
    rewriter.eraseOp(second);
    for (Operation *op : replaced)
      rewriter.eraseOp(op);
    return wide;
  }

  static void dropAddend(IRRewriter &rewriter, arith::AddFOp addition,
                         Value addend) {
    OpOperand &use = *addend.use_begin();
    auto reader = cast<linalg::GenericOp>(use.getOwner());
    Value argument = reader.getMatchingBlockArgument(&use);
    rewriter.replaceOp(addition, addition.getLhs() == argument
                                     ? addition.getRhs()
                                     : addition.getLhs());
    dropInput(rewriter, reader, use.getOperandNumber());
  }
};
} // namespace
