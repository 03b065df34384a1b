//===- VectorBuilder.cpp - Building vector code ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/VectorBuilder.h"
#include "dialects/Moe/Moe.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace moec;

using Values = VectorBuilder::Values;

SmallVector<Chunk> moec::chunksOf(int64_t width, int64_t lanes) {
  SmallVector<Chunk> chunks;
  int64_t offset = 0;
  for (; width - offset >= lanes; offset += lanes)
    chunks.push_back({offset, lanes});
  for (int64_t size = lanes / 2; size >= 1; size /= 2)
    if (width - offset >= size) {
      chunks.push_back({offset, size});
      offset += size;
    }
  return chunks;
}

VectorType VectorBuilder::f32Vector(int64_t size) {
  return VectorType::get({size}, getF32Type());
}

//===----------------------------------------------------------------------===//
// Constants and index arithmetic
//===----------------------------------------------------------------------===//

Value VectorBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, value);
}

Value VectorBuilder::i32(int64_t value) {
  return arith::ConstantIntOp::create(*this, value, 32);
}

Value VectorBuilder::f32(double value) {
  return arith::ConstantOp::create(*this, getF32FloatAttr(value));
}

Value VectorBuilder::f32Splat(double value, int64_t size) {
  return arith::ConstantOp::create(
      *this, DenseElementsAttr::get(f32Vector(size), float(value)));
}

Value VectorBuilder::broadcast(Value scalar, int64_t size) {
  return vector::BroadcastOp::create(
      *this, VectorType::get({size}, scalar.getType()), scalar);
}

Value VectorBuilder::add(Value lhs, Value rhs) {
  return createOrFold<arith::AddIOp>(lhs, rhs);
}

Value VectorBuilder::sub(Value lhs, Value rhs) {
  return createOrFold<arith::SubIOp>(lhs, rhs);
}

Value VectorBuilder::mul(Value lhs, int64_t rhs) {
  return createOrFold<arith::MulIOp>(lhs, index(rhs));
}

Value VectorBuilder::div(Value lhs, int64_t rhs) {
  return createOrFold<arith::DivUIOp>(lhs, index(rhs));
}

Value VectorBuilder::ceilDiv(Value lhs, int64_t rhs) {
  return div(add(lhs, rhs - 1), rhs);
}

Value VectorBuilder::rem(Value lhs, int64_t rhs) {
  return createOrFold<arith::RemUIOp>(lhs, index(rhs));
}

Value VectorBuilder::min(Value lhs, Value rhs) {
  return createOrFold<arith::MinSIOp>(lhs, rhs);
}

Value VectorBuilder::max(Value lhs, Value rhs) {
  return createOrFold<arith::MaxSIOp>(lhs, rhs);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static Type elementType(Value memref) {
  return cast<MemRefType>(memref.getType()).getElementType();
}

Value VectorBuilder::load(Value memref, ValueRange indices, int64_t size) {
  auto type = VectorType::get({size}, elementType(memref));
  Value loaded = vector::LoadOp::create(*this, type, memref, indices);
  if (type.getElementType().isF32())
    return loaded;
  return arith::ExtFOp::create(*this, f32Vector(size), loaded);
}

Value VectorBuilder::narrow(Value vector, Type element) {
  if (element.isF32())
    return vector;
  auto type = cast<VectorType>(vector.getType());
  return arith::TruncFOp::create(*this, type.clone(element), vector);
}

void VectorBuilder::store(Value vector, Value memref, ValueRange indices) {
  vector::StoreOp::create(*this, narrow(vector, elementType(memref)), memref,
                          indices);
}

Value VectorBuilder::loadIndex(Value memref, ValueRange indices) {
  Value number = memref::LoadOp::create(*this, memref, indices);
  return arith::IndexCastOp::create(*this, getIndexType(), number);
}

Value VectorBuilder::dim(Value memref, int64_t dimension) {
  return createOrFold<memref::DimOp>(memref, index(dimension));
}

Value VectorBuilder::stackBuffer(ArrayRef<int64_t> shape) {
  constexpr int64_t cacheLine = 64;
  return memref::AllocaOp::create(*this, MemRefType::get(shape, getF32Type()),
                                  getI64IntegerAttr(cacheLine));
}

Value VectorBuilder::compare(arith::CmpIPredicate predicate, Value lhs,
                             Value rhs) {
  return arith::CmpIOp::create(*this, predicate, lhs, rhs);
}

Value VectorBuilder::compare(arith::CmpFPredicate predicate, Value lhs,
                             Value rhs) {
  return arith::CmpFOp::create(*this, predicate, lhs, rhs);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value VectorBuilder::fma(Value a, Value b, Value c) {
  return vector::FMAOp::create(*this, a, b, c);
}

Value VectorBuilder::inverseRoot(Value sum, int64_t count, const APFloat &eps) {
  Value mean = arith::DivFOp::create(*this, sum, f32(count));
  Value root = math::SqrtOp::create(
      *this, arith::AddFOp::create(*this, mean, f32(eps.convertToDouble())));
  return arith::DivFOp::create(*this, f32(1.0), root);
}

Value VectorBuilder::larger(Value lhs, Value rhs) {
  Value greater =
      arith::CmpFOp::create(*this, arith::CmpFPredicate::OGT, lhs, rhs);
  return arith::SelectOp::create(*this, greater, lhs, rhs);
}

Value VectorBuilder::tree(ArrayRef<Value> values, Combine combine) {
  Values level(values);
  while (level.size() > 1) {
    Values next;
    for (size_t i = 0; i + 1 < level.size(); i += 2)
      next.push_back(combine(level[i], level[i + 1]));
    if (level.size() % 2)
      next.push_back(level.back());
    level = std::move(next);
  }
  return level[0];
}

Value VectorBuilder::reduce(ArrayRef<Value> vectors, Combine combine) {
  Value vector = tree(vectors, combine);
  int64_t size = cast<VectorType>(vector.getType()).getDimSize(0);
  for (int64_t half = size / 2; half >= 1; half /= 2) {
    auto part = [&](int64_t from) -> Value {
      auto lanes = llvm::to_vector(llvm::seq(from, from + half));
      return vector::ShuffleOp::create(*this, vector, vector, lanes);
    };
    Value low = part(0), high = part(half);
    vector = combine(low, high);
  }
  return vector::ExtractOp::create(*this, vector, ArrayRef<int64_t>{0});
}

//===----------------------------------------------------------------------===//
// Loops and tasks
//===----------------------------------------------------------------------===//

Values VectorBuilder::forLoop(Value from, Value to, int64_t step,
                              ValueRange inits, Carried body) {
  auto loop = scf::ForOp::create(*this, from, to, index(step), inits);
  OpBuilder::InsertionGuard guard(*this);
  // A loop that carries nothing already ends in a yield.
  setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!inits.empty())
    scf::YieldOp::create(*this, next);
  return Values(loop.getResults());
}

void VectorBuilder::forLoop(Value from, Value to, int64_t step, Body body) {
  forLoop(from, to, step, {}, [&](Value i, ValueRange) {
    body(i);
    return Values();
  });
}

void VectorBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

void VectorBuilder::forChunks(int64_t width, int64_t unroll,
                              llvm::function_ref<void(Value, int64_t)> body) {
  int64_t group = unroll * lanes;
  int64_t looped = width / group > 1 ? width / group * group : 0;
  if (looped)
    forLoop(index(0), index(looped), group, [&](Value from) {
      for (int64_t i = 0; i < unroll; ++i)
        body(add(from, i * lanes), lanes);
    });
  for (Chunk chunk : chunksOf(width - looped, lanes))
    body(index(looped + chunk.offset), chunk.size);
}

void VectorBuilder::tasks(Value count, Body body) {
  auto forall = scf::ForallOp::create(*this, ArrayRef<OpFoldResult>{count},
                                      /*outputs=*/ValueRange(),
                                      /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(forall.getBody());
  body(forall.getInductionVar(0));
}

void VectorBuilder::rowTasks(Value count, int64_t rows,
                             llvm::function_ref<void(Value, Value)> body) {
  tasks(ceilDiv(count, rows), [&](Value task) {
    Value from = mul(task, rows);
    body(from, min(add(from, rows), count));
  });
}

//===----------------------------------------------------------------------===//
// What a lowering asks
//===----------------------------------------------------------------------===//

int64_t moec::lanesFor(Operation *op) {
  moe::TargetAttr target = moe::TargetAttr::of(op);
  return target ? target.lanes() : 0;
}

bool moec::isRowMajor(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return type && type.getRank() >= 1 &&
         llvm::none_of(type.getShape().drop_front(), ShapedType::isDynamic) &&
         type.isLastDimUnitStride();
}

bool moec::isRowMajor(Value value, int64_t width) {
  return isRowMajor(value) &&
         cast<MemRefType>(value.getType()).getRank() == 2 &&
         cast<MemRefType>(value.getType()).getDimSize(1) == width;
}

int64_t moec::rowsPerTask(int64_t elements) {
  // About 10 microseconds at a few elements in each nanosecond: well above
  // what it costs to start a task.
  constexpr int64_t elementsPerTask = 32768;
  return std::max<int64_t>(1, elementsPerTask / std::max<int64_t>(1, elements));
}

namespace {
/// Remembers why patterns did not match, by location.
struct MatchFailures : RewriterBase::Listener {
  void
  notifyMatchFailure(Location loc,
                     function_ref<void(Diagnostic &)> reasonCallback) override {
    Diagnostic diagnostic(loc, DiagnosticSeverity::Remark);
    reasonCallback(diagnostic);
    reasons[loc] = diagnostic.str();
  }
  DenseMap<Location, std::string> reasons;
};
} // namespace

LogicalResult moec::lowerAll(Operation *root, RewritePatternSet &&patterns,
                             ArrayRef<StringRef> names) {
  MatchFailures failures;
  walkAndApplyPatterns(root, std::move(patterns), &failures);
  bool failed = false;
  root->walk([&](Operation *op) {
    if (!llvm::is_contained(names, op->getName().getStringRef()))
      return;
    op->emitOpError("cannot be lowered: ") << failures.reasons[op->getLoc()];
    failed = true;
  });
  return success(!failed);
}
