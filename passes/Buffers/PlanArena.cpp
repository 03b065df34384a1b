//===- PlanArena.cpp - Every temporary in one arena -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: sizes depend on T, S and R, which are known only when a step runs,
// so places must not overlap for any of their values. Idea: buffers with
// disjoint lifetimes share a slot; a slot is as large as the largest of its
// buffers, coefficient by coefficient, and slots lie one after another, so that
// an offset is a sum of slot sizes and affine too.
//
// Steps, for each function after its callees: (1) lifetimes from the order of
// the ops, through views; taps live to the end; (2) buffers in order of birth
// take the free slot that grows least, or a new one; (3) allocations become
// views; callees get what lies behind the function's own slots. Cost: buffers
// times slots. Source: linear-scan register allocation (Poletto and Sarkar,
// 1999) with affine sizes.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Buffers/Affine.h"
#include "passes/Calls.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace moec {
#define GEN_PASS_DEF_PLANARENAPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static constexpr int64_t kLine = 64;

namespace {
struct Buffer {
  memref::AllocOp alloc;
  StepSize size;
  unsigned birth = 0, death = 0;
  unsigned slot = 0;
};

struct Slot {
  StepSize size, offset;
  unsigned busyUntil = 0;
};

/// All ops that use a buffer, also through views of it.
SmallVector<OpOperand *> usesThroughViews(Value buffer) {
  SmallVector<OpOperand *> uses;
  SmallVector<Value> work{buffer};
  while (!work.empty()) {
    Value value = work.pop_back_val();
    for (OpOperand &use : value.getUses()) {
      uses.push_back(&use);
      if (isa<ViewLikeOpInterface>(use.getOwner()))
        llvm::append_range(work, use.getOwner()->getResults());
    }
  }
  return uses;
}

Value rootOf(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewLikeOpInterface>())
    buffer = view.getViewSource();
  return buffer;
}

/// Whether an op may write the memory of one of its operands.
bool writes(OpOperand &use) {
  Operation *op = use.getOwner();
  if (auto call = dyn_cast<func::CallOp>(op)) {
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
        op, call.getCalleeAttr());
    return !callee || callee.getArgAttr(use.getOperandNumber(), "moe.output");
  }
  auto effects = dyn_cast<MemoryEffectOpInterface>(op);
  return effects && effects.getEffectOnValue<MemoryEffects::Write>(use.get());
}

class FunctionPlan {
public:
  explicit FunctionPlan(func::FuncOp func) : func(func) {}

  LogicalResult run(Calls &calls) {
    protectTaps();
    if (failed(collect()))
      return failure();
    assignSlots();
    StepSize own = placeSlots();
    recordTaps();
    StepSize callees = StepSize::constant(0);
    func.walk([&](func::CallOp call) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
          call, call.getCalleeAttr());
      if (auto attr = callee->getAttrOfType<DictionaryAttr>("moe.arena"))
        callees = callees.max(StepSize::fromAttr(attr));
    });
    materialize(own);
    func->setAttr("moe.arena", (own + callees).toAttr(func.getContext()));
    return success();
  }

private:
  /// A tapped buffer must hold its value at the end of the step: where a later
  /// op reuses it, or it is no temporary, the tap gets a copy.
  void protectTaps() {
    for (auto tap : llvm::make_early_inc_range(func.getOps<moe::TapOp>())) {
      Value root = rootOf(tap.getValue());
      bool kept =
          root == tap.getValue() && root.getDefiningOp<memref::AllocOp>() &&
          llvm::none_of(usesThroughViews(root), [&](OpOperand *use) {
            return tap->isBeforeInBlock(use->getOwner()) && writes(*use);
          });
      if (kept)
        continue;
      OpBuilder builder(tap);
      auto type = cast<MemRefType>(tap.getValue().getType());
      SmallVector<Value> sizes;
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (type.isDynamicDim(i))
          sizes.push_back(
              memref::DimOp::create(builder, tap.getLoc(), tap.getValue(), i));
      Value copy = memref::AllocOp::create(
          builder, tap.getLoc(),
          MemRefType::get(type.getShape(), type.getElementType()), sizes);
      linalg::CopyOp::create(builder, tap.getLoc(), tap.getValue(), copy);
      tap.getValueMutable().assign(copy);
    }
  }

  LogicalResult collect() {
    unsigned position = 0;
    for (Operation &op : func.front())
      order[&op] = position++;
    WalkResult result = func.walk([&](memref::AllocOp alloc) {
      if (alloc->getParentOp() != func) {
        alloc.emitError("allocates inside a region: temporaries need a place "
                        "known before");
        return WalkResult::interrupt();
      }
      MemRefType type = alloc.getType();
      StepSize size = StepSize::constant(
          llvm::divideCeilSigned(type.getElementTypeBitWidth(), 8));
      for (int64_t i = 0, dynamic = 0; i < type.getRank(); ++i) {
        std::optional<StepSize> dim =
            type.isDynamicDim(i)
                ? stepSizeOf(func, alloc.getDynamicSizes()[dynamic++])
                : StepSize::constant(type.getDimSize(i));
        bool product = dim && (dim->isConstant() || size.isConstant());
        if (!product) {
          alloc.emitError("allocates ")
              << type << ", whose size is not affine in the tokens, sequences "
              << "and rows of a step";
          return WalkResult::interrupt();
        }
        size = dim->isConstant() ? size * dim->coefficients[0]
                                 : *dim * size.coefficients[0];
      }
      Buffer buffer{alloc, size.alignTo(kLine), order[alloc], order[alloc]};
      for (OpOperand *use : usesThroughViews(alloc)) {
        Operation *user = func.front().findAncestorOpInBlock(*use->getOwner());
        unsigned last = isa<moe::TapOp>(user) ? position : order[user];
        buffer.death = std::max(buffer.death, last);
      }
      buffers.push_back(buffer);
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  void assignSlots() {
    for (Buffer &buffer : buffers) {
      Slot *best = nullptr;
      int64_t leastGrowth = buffer.size.typical();
      for (Slot &slot : slots) {
        if (slot.busyUntil >= buffer.birth)
          continue;
        int64_t growth =
            slot.size.max(buffer.size).typical() - slot.size.typical();
        if (growth < leastGrowth) {
          leastGrowth = growth;
          best = &slot;
        }
      }
      if (!best)
        best = &slots.emplace_back();
      best->size = best->size.max(buffer.size);
      best->busyUntil = buffer.death;
      buffer.slot = best - slots.begin();
    }
  }

  StepSize placeSlots() {
    StepSize end = StepSize::constant(0);
    for (Slot &slot : slots) {
      slot.offset = end;
      end = end + slot.size;
    }
    return end;
  }

  void recordTaps() {
    Builder builder(func.getContext());
    SmallVector<Attribute> taps;
    for (auto tap : llvm::make_early_inc_range(func.getOps<moe::TapOp>())) {
      Buffer *buffer = llvm::find_if(buffers, [&](Buffer &b) {
        return b.alloc.getResult() == tap.getValue();
      });
      auto type = cast<MemRefType>(tap.getValue().getType());
      SmallVector<Attribute> shape;
      for (int64_t i = 0; i < type.getRank(); ++i)
        shape.push_back(
            type.isDynamicDim(i)
                ? Attribute(builder.getStringAttr(dimensionName(*buffer, i)))
                : builder.getI64IntegerAttr(type.getDimSize(i)));
      taps.push_back(builder.getDictionaryAttr(
          {builder.getNamedAttr("name", tap.getNameAttr()),
           builder.getNamedAttr("element",
                                TypeAttr::get(type.getElementType())),
           builder.getNamedAttr("shape", builder.getArrayAttr(shape)),
           builder.getNamedAttr("offset", slots[buffer->slot].offset.toAttr(
                                              func.getContext()))}));
      tap.erase();
    }
    if (!taps.empty())
      func->setAttr("moe.taps", builder.getArrayAttr(taps));
  }

  StringRef dimensionName(Buffer &buffer, int64_t dim) {
    unsigned dynamic = buffer.alloc.getType().getDynamicDimIndex(dim);
    auto size = stepSizeOf(func, buffer.alloc.getDynamicSizes()[dynamic]);
    for (size_t i = 1; i < StepSize::kNames.size(); ++i)
      if (size && size->coefficients[i])
        return StepSize::kNames[i];
    return StepSize::kNames[0];
  }

  void materialize(const StepSize &own) {
    OpBuilder builder(func.getContext());
    auto type = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
    DictionaryAttr attrs = builder.getDictionaryAttr(
        builder.getNamedAttr("moe.env", builder.getStringAttr("arena")));
    Value arena = addArgument(func, func.getNumArguments(), type, attrs);
    for (Buffer &buffer : buffers) {
      builder.setInsertionPoint(buffer.alloc);
      Value offset = emitStepSize(builder, func, slots[buffer.slot].offset);
      Value view = memref::ViewOp::create(builder, buffer.alloc.getLoc(),
                                          buffer.alloc.getType(), arena, offset,
                                          buffer.alloc.getDynamicSizes());
      buffer.alloc.replaceAllUsesWith(view);
      buffer.alloc.erase();
    }
    func.walk([&](func::CallOp call) {
      builder.setInsertionPoint(call);
      Location loc = call.getLoc();
      Value offset = emitStepSize(builder, func, own);
      Value size = memref::DimOp::create(builder, loc, arena, 0);
      Value rest = arith::SubIOp::create(builder, loc, size, offset);
      Value view =
          memref::ViewOp::create(builder, loc, type, arena, offset, rest);
      call->insertOperands(call.getNumOperands(), view);
    });
  }

  func::FuncOp func;
  DenseMap<Operation *, unsigned> order;
  SmallVector<Buffer> buffers;
  SmallVector<Slot> slots;
};

struct PlanArena : moec::impl::PlanArenaPassBase<PlanArena> {
  void runOnOperation() override {
    Calls calls = collectCalls(getOperation());
    for (func::FuncOp func : calleesFirst(getOperation()))
      if (failed(FunctionPlan(func).run(calls)))
        return signalPassFailure();
  }
};
} // namespace
