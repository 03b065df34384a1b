//===- Matmul.cpp - Generic lowering of matrix products -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A task is 16 columns of all experts: a panel of a packed matrix. For each row
// the accumulators lie in a small buffer, one linalg.generic adds up along K, a
// second one is the epilogue.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Fallback/Fallback.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace moec;
using namespace moec::fallback;

void fallback::applyEpilogue(VectorBuilder &b, const moe::ProductParts &parts,
                             ValueRange sums, Value group, Value row,
                             Slice columns, Value out) {
  AffineMap each = b.getDimIdentityMap();
  AffineMap once = AffineMap::get(1, 0, b.getAffineConstantExpr(0));
  Values ins(sums);
  SmallVector<AffineMap> maps(ins.size(), each);
  for (Value extra : parts.extras) {
    auto type = cast<MemRefType>(extra.getType());
    bool isOne = type.getShape().back() == 1 && parts.n() != 1;
    if (type.getRank() == 1)
      ins.push_back(isOne ? extra : view(b, extra, columns));
    else if (isOne)
      ins.push_back(rowOf(b, extra, row));
    else
      ins.push_back(view(b, extra, {Slice::at(row), columns}));
    maps.push_back(isOne ? once : each);
  }
  for (Value extra : parts.groupExtras) {
    ins.push_back(view(b, extra, {Slice::at(group), columns}));
    maps.push_back(each);
  }
  maps.push_back(each);
  generic(b, ins, out, maps, 0, [&](VectorBuilder &inner, ValueRange args) {
    Block &body = parts.epilogue->front();
    IRMapping mapping;
    mapping.map(body.getArguments(), args.drop_back());
    for (Operation &nested : body.without_terminator())
      inner.clone(nested, mapping);
    return Values{mapping.lookup(body.getTerminator()->getOperand(0))};
  });
}

namespace {
class Product {
public:
  Product(VectorBuilder &b, moe::GroupedMatmulOp op) : b(b), op(op) {}

  void emit() {
    int64_t panels = llvm::divideCeilSigned(op.getN(), kPanelColumns);
    b.tasks(b.index(panels), [&](Value task) {
      first = b.mul(task, kPanelColumns);
      columns = panelColumns(b, first, op.getN());
      for (size_t i = 0; i < op.getBanks().size(); ++i)
        sums.push_back(buffer(b, {kPanelColumns}, b.getF32Type()));
      if (!op.isGrouped())
        return emitRows(op.getBanks(), {}, b.index(0),
                        b.dim(op.getOuts()[0], 0));
      b.forLoop(b.index(0), b.index(op.getGroups()), 1,
                [&](Value group) { emitGroup(group); });
    });
  }

private:
  void emitGroup(Value group) {
    Values matrices;
    for (Value bank : op.getBanks()) {
      SmallVector<Slice> slices{Slice::at(group)};
      for (int64_t i = 1; i < cast<MemRefType>(bank.getType()).getRank(); ++i)
        slices.push_back(Slice::all(b, bank, i));
      matrices.push_back(view(b, bank, slices));
    }
    if (op.getSideBySide())
      return emitRows(matrices, group, b.index(0), b.dim(op.getOuts()[0], 0));
    emitRows(matrices, group, b.loadIndex(op.getOffsets(), group),
             b.loadIndex(op.getOffsets(), b.add(group, 1)));
  }

  void emitRows(ValueRange matrices, Value group, Value begin, Value end) {
    Slice used = Slice::from(b.getIndexAttr(0), columns.size);
    b.forLoop(begin, end, 1, [&](Value row) {
      Value source = op.getGather() ? b.loadIndex(op.getGather(), row) : row;
      Value x = op.getSideBySide()
                    ? partOfRow(b, op.getX(), source, b.mul(group, op.getK()),
                                op.getK())
                    : rowOf(b, op.getX(), source);
      Values accs;
      for (auto [matrix, sum] : llvm::zip(matrices, sums)) {
        Value acc = view(b, sum, used);
        fill(b, acc, b.f32(0.0));
        accumulateColumns(b, x, matrix, first, acc);
        accs.push_back(acc);
      }
      emitEpilogue(accs, group, row);
    });
  }

  void emitEpilogue(ValueRange sums, Value group, Value row) {
    Slice written = columns;
    if (op.getSideBySide())
      written.offset = b.add(b.mul(group, op.getN()), first);
    Value out = view(b, op.getOuts()[0], {Slice::at(row), written});
    applyEpilogue(b, op.getProduct(), sums, group, row, columns, out);
  }

  VectorBuilder &b;
  moe::GroupedMatmulOp op;
  Values sums;
  Value first;
  Slice columns;
};

/// The type of one expert's matrix.
MemRefType matrixOf(moe::GroupedMatmulOp op) {
  auto type = cast<MemRefType>(op.getBanks().front().getType());
  if (!op.isGrouped())
    return type;
  return MemRefType::get(type.getShape().drop_front(), type.getElementType());
}

struct GroupedMatmulToLinalg : OpRewritePattern<moe::GroupedMatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::GroupedMatmulOp op,
                                PatternRewriter &rewriter) const override {
    if (!isa<MemRefType>(op.getX().getType()))
      return rewriter.notifyMatchFailure(op, "expected memrefs");
    if (!isMatrix(matrixOf(op), op.getN(), op.getK()))
      return rewriter.notifyMatchFailure(
          op, "expected matrices of static size, packed or not");
    VectorBuilder b(op.getLoc(), rewriter, 1);
    Product(b, op).emit();
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void fallback::populateMatmul(RewritePatternSet &patterns) {
  patterns.add<GroupedMatmulToLinalg>(patterns.getContext());
}
