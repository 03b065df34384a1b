//===- LowerMatmul.cpp - Matrix products as tasks of register tiles -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: a step gives every expert another number of rows, from one to
// hundreds; weights are read from memory when there are few, and the multiplier
// is the limit when there are many.
//
// Idea: a task is one expert (or one block of rows of a dense product) times
// one chunk of columns, whose weights fit half of a core's own cache. Its rows
// are cut into tiles of equal size, at most that of the variant for this number
// of rows; equal tiles waste less than full ones and a thin rest.
//
// Steps of a task: (1) pick the variant by the number of rows; (2) for each
// tile of rows, copy its input rows side by side (which gathers them, pads K,
// and keeps rows that lie a power of two apart from fighting for a cache set);
// one or two rows are read in place; (3) walk the columns by register tiles.
// No task splits K, and all variants reduce in the same order.
//
// Cost: copying is 1 / (columns of a chunk) of the multiplications.
//
// Where a combine makes the rows of a dense product, many rows are combined by
// tasks of their own, in front. Few would be one such task, for which all other
// threads wait; instead, the tasks of the product begin at once. The first one
// combines the rows where all others look for them, and says so; a task that
// comes too early makes them for itself. So one thread makes them once, and
// several make them while they would have waited.
//
//===----------------------------------------------------------------------===//

#include "passes/Combined.h"
#include "passes/Cpu/CombineRows.h"
#include "passes/Cpu/MatmulTile.h"
#include "passes/Explain.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace moec {
#define GEN_PASS_DEF_LOWERMATMULPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// Tiles of rows that one task of a dense product takes.
static constexpr int64_t kTilesPerBlock = 16;
/// What the copy of a tile's input rows may take of the stack.
static constexpr int64_t kCopyBytes = 1 << 20;
/// Elements between copied rows, so that they fall into different cache sets.
static constexpr int64_t kCopyPadding = 32;

namespace {
/// The tasks of one product, and of the combine that makes its rows, if there
/// is one.
class Emitter {
public:
  Emitter(OpBuilder &builder, moe::GroupedMatmulOp op, moe::TargetAttr target,
          moe::CombineOp combine = {})
      : builder(builder), loc(op.getLoc()), op(op), combine(combine),
        tile(builder, op, target), x(op.getX()), out(op.getOuts()[0]) {
    int64_t lanes = tile.lanes();
    fullUnits = op.getN() / lanes;
    tailWidth = op.getN() % lanes;
    // Four bytes a lane and step: an f32, or two bf16.
    int64_t bytesPerUnit = tile.steps() * lanes * tile.banks() * 4;
    int64_t widest = 1;
    for (moe::VariantAttr variant : op.getVariants()->getList())
      widest = std::max(widest, unitsOf(variant));
    int64_t units = target.getL2Bytes() / 2 / bytesPerUnit;
    chunkUnits = std::max(units / widest, int64_t(1)) * widest;
    chunks =
        std::max(llvm::divideCeilSigned(fullUnits, chunkUnits), int64_t(1));
  }

  void emit() {
    Value rowsOfBlock, tasks;
    Value numChunks = index(chunks);
    if (op.getOffsets()) {
      Value end = index(op.getGroups());
      Value active = toIndex(memref::LoadOp::create(
          builder, loc, op.getActive(), ValueRange{end}));
      tasks = arith::MulIOp::create(builder, loc, active, numChunks);
    } else {
      int64_t most = 0;
      for (moe::VariantAttr variant : op.getVariants()->getList())
        most = std::max(most, variant.getTileRows());
      rowsOfBlock = index(most * kTilesPerBlock);
      rows = memref::DimOp::create(builder, loc, op.getOuts()[0], 0);
      if (combine)
        combineInFront(most * kTilesPerBlock);
      blocks = arith::CeilDivUIOp::create(builder, loc, rows, rowsOfBlock);
      tasks = arith::MulIOp::create(
          builder, loc, blocks,
          op.getSideBySide() ? index(chunks * op.getGroups()) : numChunks);
    }
    auto loop = scf::ForallOp::create(
        builder, loc, ArrayRef<OpFoldResult>{OpFoldResult(tasks)}, ValueRange(),
        std::nullopt);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    emitTask(loop.getInductionVar(0), rowsOfBlock);
  }

  /// Rows up to which the tasks of the product make them.
  int64_t mostInTask() const { return fewRows; }

private:
  int64_t unitsOf(moe::VariantAttr variant) {
    return std::max(variant.getTileVectors() / tile.banks(), int64_t(1));
  }

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  Value toIndex(Value i32) {
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                      i32);
  }
  Value minimum(Value a, Value b) {
    return arith::MinUIOp::create(builder, loc, a, b);
  }

  /// Columns `first` to `first + size` of a matrix.
  Value columnsOf(Value matrix, Value first, int64_t size) {
    auto dim = memref::DimOp::create(builder, loc, matrix, 0);
    return memref::SubViewOp::create(
        builder, loc, matrix,
        ArrayRef<OpFoldResult>{builder.getIndexAttr(0), first},
        ArrayRef<OpFoldResult>{dim.getResult(), builder.getIndexAttr(size)},
        ArrayRef<OpFoldResult>{builder.getIndexAttr(1),
                               builder.getIndexAttr(1)});
  }

  /// Finds the rows, the expert and the columns of a task.
  void emitTask(Value task, Value rowsOfBlock) {
    Value chunk;
    if (op.getOffsets()) {
      Value n = index(chunks);
      Value position = arith::DivUIOp::create(builder, loc, task, n);
      chunk = arith::RemUIOp::create(builder, loc, task, n);
      group = toIndex(memref::LoadOp::create(builder, loc, op.getActive(),
                                             ValueRange{position}));
      Value next = arith::AddIOp::create(builder, loc, group, index(1));
      begin = toIndex(memref::LoadOp::create(builder, loc, op.getOffsets(),
                                             ValueRange{group}));
      end = toIndex(memref::LoadOp::create(builder, loc, op.getOffsets(),
                                           ValueRange{next}));
    } else {
      // Neighbouring tasks share weights.
      chunk = arith::DivUIOp::create(builder, loc, task, blocks);
      if (op.getSideBySide()) {
        group = arith::DivUIOp::create(builder, loc, chunk, index(chunks));
        chunk = arith::RemUIOp::create(builder, loc, chunk, index(chunks));
        auto part = [&](Value matrix, int64_t size) {
          Value first = arith::MulIOp::create(builder, loc, group, index(size));
          return columnsOf(matrix, first, size);
        };
        x = part(x, op.getK());
        out = part(out, op.getN());
      }
      Value block = arith::RemUIOp::create(builder, loc, task, blocks);
      begin = arith::MulIOp::create(builder, loc, block, rowsOfBlock);
      end = minimum(arith::AddIOp::create(builder, loc, begin, rowsOfBlock),
                    rows);
    }
    firstUnit = arith::MulIOp::create(builder, loc, chunk, index(chunkUnits));
    lastUnit = minimum(
        arith::AddIOp::create(builder, loc, firstUnit, index(chunkUnits)),
        index(fullUnits));
    lastChunk = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                      chunk, index(chunks - 1));
    if (combine)
      combineInTask(task);
    Value count = arith::SubIOp::create(builder, loc, end, begin);
    emitVariants(op.getVariants()->getList(), count);
  }

  /// Combines more rows than tasks of the product are to; these are one block
  /// of rows at most.
  void combineInFront(int64_t block) {
    VectorBuilder b(loc, builder, tile.lanes());
    CombineRows rowsOf(combine);
    fewRows = std::min(rowsOf.tokensOfTask(), block);
    areReady = memref::AllocaOp::create(b, MemRefType::get({1}, b.getI32Type()),
                                        b.getI64IntegerAttr(64));
    memref::StoreOp::create(b, b.i32(0), areReady, ValueRange{b.index(0)});
    areFew = b.compare(arith::CmpIPredicate::ule, rows, b.index(fewRows));
    auto choice = scf::IfOp::create(b, areFew, /*withElseRegion=*/true);
    b.setInsertionPointToStart(choice.elseBlock());
    rowsOf.emitTasks(b);
  }

  /// Lets x be the rows of the first task where they are ready, and those that
  /// this one combines where they are not.
  void combineInTask(Value task) {
    VectorBuilder b(loc, builder, tile.lanes());
    Value none = b.index(0);
    // Reads what all tasks may change, in order with the rows.
    Value ready = memref::AtomicRMWOp::create(
        b, b.getI32Type(), arith::AtomicRMWKind::ori, b.i32(0), areReady, none);
    Value wants = arith::AndIOp::create(
        b, areFew, b.compare(arith::CmpIPredicate::eq, ready, b.i32(0)));
    Value isFirst = b.compare(arith::CmpIPredicate::eq, task, none);
    auto y = cast<MemRefType>(x.getType());
    // Where y has no gaps between rows, neither has the buffer.
    auto anywhere =
        MemRefType::get({ShapedType::kDynamic, op.getK()}, y.getElementType());
    if (!y.getLayout().isIdentity())
      anywhere = MemRefType::get(
          anywhere.getShape(), y.getElementType(),
          StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic,
                                 {ShapedType::kDynamic, 1}));
    auto own = MemRefType::get({fewRows, op.getK()}, y.getElementType());
    Value buffer = memref::AllocaOp::create(b, own, b.getI64IntegerAttr(64));
    Value common = memref::CastOp::create(b, anywhere, x);
    buffer = memref::CastOp::create(b, anywhere, buffer);
    Value first = arith::SelectOp::create(b, isFirst, common, buffer);
    x = arith::SelectOp::create(b, wants, first, common);
    b.ifThen(wants, [&] {
      auto onto = cast<moe::CombineOp>(b.clone(*combine));
      onto.getOutsMutable().assign(x);
      CombineRows(onto).emit(b, none, rows);
      onto.erase();
      b.ifThen(isFirst, [&] {
        memref::AtomicRMWOp::create(b, b.getI32Type(),
                                    arith::AtomicRMWKind::assign, b.i32(1),
                                    areReady, none);
      });
    });
  }

  void emitVariants(ArrayRef<moe::VariantAttr> variants, Value count) {
    moe::VariantAttr variant = variants.front();
    if (variants.size() == 1)
      return emitRowTiles(variant, count);
    Value few = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ule,
                                      count, index(variant.getMaxRows()));
    auto choice = scf::IfOp::create(builder, loc, few, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(choice.thenBlock());
    emitRowTiles(variant, count);
    builder.setInsertionPointToStart(choice.elseBlock());
    emitVariants(variants.drop_front(), count);
  }

  /// Cuts the rows into tiles of equal size.
  void emitRowTiles(moe::VariantAttr variant, Value count) {
    OpBuilder::InsertionGuard guard(builder);
    int64_t most = variant.getTileRows();
    Value copy = makeCopy(variant);
    Value tiles = arith::CeilDivUIOp::create(builder, loc, count, index(most));
    Value atLeastOne = arith::MaxUIOp::create(builder, loc, tiles, index(1));
    Value size = arith::DivUIOp::create(builder, loc, count, atLeastOne);
    Value larger = arith::RemUIOp::create(builder, loc, count, atLeastOne);
    auto loop = scf::ForOp::create(builder, loc, index(0), tiles, index(1),
                                   ValueRange{begin});
    builder.setInsertionPointToStart(loop.getBody());
    Value row = loop.getRegionIterArg(0);
    Value isLarger =
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult,
                              loop.getInductionVar(), larger);
    Value mine = arith::AddIOp::create(
        builder, loc, size,
        arith::IndexCastUIOp::create(builder, loc, builder.getIndexType(),
                                     isLarger));
    emitBySize(variant, mine, row, copy);
    Value next = arith::AddIOp::create(builder, loc, row, mine);
    scf::YieldOp::create(builder, loc, next);
  }

  void emitBySize(moe::VariantAttr variant, Value size, Value row, Value copy) {
    OpBuilder::InsertionGuard guard(builder);
    int64_t most = variant.getTileRows();
    SmallVector<int64_t> cases = llvm::to_vector(llvm::seq<int64_t>(1, most));
    auto choice = scf::IndexSwitchOp::create(builder, loc, TypeRange(), size,
                                             cases, cases.size());
    for (int64_t n = 1; n <= most; ++n) {
      Region &region = n == most ? choice.getDefaultRegion()
                                 : choice.getCaseRegions()[n - 1];
      builder.createBlock(&region);
      emitTile(variant, n, row, copy);
      scf::YieldOp::create(builder, loc);
    }
  }

  /// Room for the input rows of a tile, or nothing when they are read in place.
  Value makeCopy(moe::VariantAttr variant) {
    auto x = cast<MemRefType>(op.getX().getType());
    int64_t width = tile.paddedK() + kCopyPadding;
    int64_t bytes =
        variant.getTileRows() * width * x.getElementTypeBitWidth() / 8;
    bool inPlace = variant.getTileRows() <= 2 || bytes > kCopyBytes;
    if (inPlace && !tile.needsPadding())
      return {};
    auto type =
        MemRefType::get({variant.getTileRows(), width}, x.getElementType());
    return memref::AllocaOp::create(builder, loc, type, ValueRange(),
                                    builder.getI64IntegerAttr(64));
  }

  void emitTile(moe::VariantAttr variant, int64_t size, Value row, Value copy) {
    MatmulTile::Input input;
    for (int64_t i = 0; i < size; ++i) {
      Value source = arith::AddIOp::create(builder, loc, row, index(i));
      if (op.getGather())
        source = toIndex(memref::LoadOp::create(builder, loc, op.getGather(),
                                                ValueRange{source}));
      input.rowIndex.push_back(source);
    }
    input.rows = x;
    if (copy)
      copyRows(input, copy);
    emitColumns(variant, input, row);
  }

  /// Copies the rows of a tile side by side and reads them there.
  void copyRows(MatmulTile::Input &input, Value copy) {
    auto element = cast<MemRefType>(copy.getType()).getElementType();
    int64_t width = op.getK(), padded = tile.paddedK();
    int64_t step = 16;
    auto move = [&](Value from, Value to, Value column, int64_t count) {
      auto type = VectorType::get({count}, element);
      Value part = vector::LoadOp::create(builder, loc, type, input.rows,
                                          ValueRange{from, column});
      vector::StoreOp::create(builder, loc, part, copy, ValueRange{to, column});
    };
    for (auto [i, source] : llvm::enumerate(input.rowIndex)) {
      Value to = index(i);
      int64_t whole = width / step * step;
      if (whole) {
        auto loop = scf::ForOp::create(builder, loc, index(0), index(whole),
                                       index(step));
        OpBuilder::InsertionGuard guard(builder);
        builder.setInsertionPointToStart(loop.getBody());
        move(source, to, loop.getInductionVar(), step);
      }
      if (whole != width)
        move(source, to, index(whole), width - whole);
      if (padded != width)
        memref::StoreOp::create(builder, loc,
                                arith::ConstantOp::create(
                                    builder, loc, builder.getZeroAttr(element)),
                                copy, ValueRange{to, index(width)});
      source = to;
    }
    input.rows = copy;
  }

  /// Walks the chunk's columns: by whole tiles, by single units, and the last
  /// columns that fill no vector.
  void emitColumns(moe::VariantAttr variant, const MatmulTile::Input &input,
                   Value row) {
    int64_t units = unitsOf(variant), lanes = tile.lanes();
    auto walk = [&](Value from, Value to, int64_t step) {
      auto loop = scf::ForOp::create(builder, loc, from, to, index(step));
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(loop.getBody());
      tile.emit(input, group, out, row, loop.getInductionVar(), step, lanes,
                variant.getPrefetch());
    };
    bool even = fullUnits % units == 0;
    Value split = lastUnit;
    if (!even) {
      Value n = index(units);
      Value span = arith::SubIOp::create(builder, loc, lastUnit, firstUnit);
      Value whole = arith::MulIOp::create(
          builder, loc, arith::DivUIOp::create(builder, loc, span, n), n);
      split = arith::AddIOp::create(builder, loc, firstUnit, whole);
    }
    if (fullUnits >= units)
      walk(firstUnit, split, units);
    if (!even)
      walk(split, lastUnit, 1);
    if (!tailWidth)
      return;
    auto last = scf::IfOp::create(builder, loc, lastChunk);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(last.thenBlock());
    tile.emit(input, group, out, row, index(fullUnits), 1, tailWidth,
              variant.getPrefetch());
  }

  OpBuilder &builder;
  Location loc;
  moe::GroupedMatmulOp op;
  moe::CombineOp combine; // may be null
  MatmulTile tile;
  int64_t fullUnits, tailWidth, chunkUnits, chunks;
  Value x, out; // of side-by-side groups, the columns of the task's group
  Value rows, blocks;
  int64_t fewRows; // that tasks of the product combine
  Value areFew, areReady;
  Value group, begin, end, firstUnit, lastUnit, lastChunk;
};

/// What a product is expected to be, to be emitted so, or an empty string.
StringRef refusal(Operation *op, const moe::ProductParts &parts,
                  std::optional<moe::VariantsAttr> variants) {
  auto x = dyn_cast<MemRefType>(parts.x.getType());
  if (!x)
    return "memrefs";
  if (!parts.isPacked())
    return "packed weights";
  if (!variants)
    return "kernel variants";
  auto target = moe::TargetAttr::of(op);
  if (!target)
    return "a target";
  if (x.getElementType().isBF16() &&
      (!target.getBf16Dot() || !parts.weightType().isBF16()))
    return "f32 rows, or bf16 rows and weights with a bf16 dot";
  return "";
}

struct LowerGroupedMatmul : OpRewritePattern<moe::GroupedMatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::GroupedMatmulOp op,
                                PatternRewriter &rewriter) const override {
    StringRef expected = refusal(op, op.getProduct(), op.getVariants());
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    Emitter(rewriter, op, moe::TargetAttr::of(op)).emit();
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerCombineMatmul : OpRewritePattern<moe::CombineMatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(moe::CombineMatmulOp op,
                                PatternRewriter &rewriter) const override {
    StringRef expected = refusal(op, op.getProduct(), op.getVariants());
    if (expected.empty())
      expected = CombineRows::refusal(op, op.getCombined());
    if (!expected.empty())
      return rewriter.notifyMatchFailure(op, "expected " + expected);
    auto [combine, product] = splitCombined(rewriter, op);
    rewriter.setInsertionPoint(op);
    Emitter emitter(rewriter, product, moe::TargetAttr::of(op), combine);
    emitter.emit();
    Explain("moe-cpu-lower-matmul", "projection")
        .passed(op, "combine and product: up to " +
                        Twine(emitter.mostInTask()) +
                        " rows are combined by the tasks that multiply them, "
                        "more in front");
    rewriter.eraseOp(product);
    rewriter.eraseOp(combine);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerMatmul : moec::impl::LowerMatmulPassBase<LowerMatmul> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerGroupedMatmul, LowerCombineMatmul>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
