//===- PlaceWeights.cpp - Offsets of weights in their file ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Calls.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

namespace moec {
#define GEN_PASS_DEF_PLACEWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static constexpr int64_t kPage = 4096;
static constexpr int64_t kLine = 64;

static int64_t bytesOf(ShapedType type) {
  return llvm::divideCeilSigned(
      type.getNumElements() * type.getElementTypeBitWidth(), 8);
}

/// Whole pages for what is at least one, cache lines for the rest.
static int64_t alignmentFor(int64_t bytes) {
  return bytes >= kPage ? kPage : kLine;
}

/// Bytes from one expert of a bank to the next.
static int64_t strideOf(moe::BankType bank) {
  int64_t bytes = bytesOf(bank.getMember());
  return llvm::alignTo(bytes, alignmentFor(bytes));
}

/// A bank in memory: its experts at a stride.
static MemRefType memoryType(moe::BankType bank) {
  RankedTensorType member = bank.getMember();
  SmallVector<int64_t> shape{bank.getExperts()};
  llvm::append_range(shape, member.getShape());
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size() - 1; i-- > 1;)
    strides[i] = strides[i + 1] * shape[i + 1];
  int64_t elementBytes = member.getElementTypeBitWidth() / 8;
  strides[0] = strideOf(bank) / elementBytes;
  return MemRefType::get(
      shape, member.getElementType(),
      StridedLayoutAttr::get(bank.getContext(), /*offset=*/0, strides));
}

namespace {
struct PlaceWeights : moec::impl::PlaceWeightsPassBase<PlaceWeights> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder builder(&getContext());
    int64_t end = 0;
    llvm::StringMap<moe::DefineOp> defines;
    module.walk([&](moe::DefineOp define) {
      place(define, end);
      defines[define.getName()] = define;
    });
    end = llvm::alignTo(end, kPage);
    module->setAttr("moe.weights_bytes", builder.getI64IntegerAttr(end));
    llvm::DenseSet<StringAttr> reading;
    for (func::FuncOp func : calleesFirst(module))
      if (failed(resolve(func, defines, end, reading)))
        return signalPassFailure();
    flattenBanks(module);
  }

  void place(moe::DefineOp define, int64_t &end) {
    Builder builder(&getContext());
    Type type = define.getValue().getType();
    int64_t bytes;
    if (auto bank = dyn_cast<moe::BankType>(type)) {
      define->setAttr("stride", builder.getI64IntegerAttr(strideOf(bank)));
      bytes = strideOf(bank) * bank.getExperts();
    } else {
      bytes = bytesOf(cast<ShapedType>(type));
    }
    end = llvm::alignTo(end, alignmentFor(bytes));
    define->setAttr("offset", builder.getI64IntegerAttr(end));
    end += bytes;
  }

  /// `reading` names the functions so far that read weights, or call one that
  /// does.
  LogicalResult resolve(func::FuncOp func,
                        llvm::StringMap<moe::DefineOp> &defines, int64_t bytes,
                        llvm::DenseSet<StringAttr> &reading) {
    SmallVector<moe::WeightOp> weights;
    SmallVector<func::CallOp> calls;
    func.walk([&](moe::WeightOp op) { weights.push_back(op); });
    func.walk([&](func::CallOp op) {
      if (reading.contains(op.getCalleeAttr().getAttr()))
        calls.push_back(op);
    });
    if (weights.empty() && calls.empty())
      return success();
    OpBuilder builder(&getContext());
    NamedAttribute env =
        builder.getNamedAttr("moe.env", builder.getStringAttr("weights"));
    Value base = addArgument(func, func.getNumArguments(),
                             MemRefType::get({bytes}, builder.getI8Type()),
                             func.isPrivate() ? DictionaryAttr()
                                              : builder.getDictionaryAttr(env));
    reading.insert(func.getSymNameAttr());
    for (func::CallOp call : calls)
      call->insertOperands(call.getNumOperands(), base);
    for (moe::WeightOp op : weights) {
      moe::DefineOp define = defines.lookup(op.getName());
      if (!define)
        return op.emitError("no recipe defines the weight '")
               << op.getName() << "'";
      if (!sameValue(define.getValue().getType(), op.getType()))
        return op.emitError("the weight '")
               << op.getName() << "' is " << op.getType()
               << " here, but its recipe makes " << define.getValue().getType();
      builder.setInsertionPoint(op);
      op.replaceAllUsesWith(view(builder, op, define, base));
      op.erase();
    }
    return success();
  }

  static bool sameValue(Type made, Type used) {
    auto tensor = dyn_cast<RankedTensorType>(made);
    auto memref = dyn_cast<MemRefType>(used);
    if (tensor && memref)
      return tensor.getShape() == memref.getShape() &&
             tensor.getElementType() == memref.getElementType();
    return made == used;
  }

  Value view(OpBuilder &builder, moe::WeightOp op, moe::DefineOp define,
             Value base) {
    Location loc = op.getLoc();
    int64_t offset = define->getAttrOfType<IntegerAttr>("offset").getInt();
    auto bank = dyn_cast<moe::BankType>(op.getType());
    MemRefType type = bank ? memoryType(bank) : cast<MemRefType>(op.getType());
    if (!bank) {
      Value shift = arith::ConstantIndexOp::create(builder, loc, offset);
      return memref::ViewOp::create(builder, loc, type, base, shift,
                                    ValueRange());
    }
    // A view must be contiguous: take all elements, then say how they lie.
    int64_t elementBytes = type.getElementTypeBitWidth() / 8;
    int64_t elements = strideOf(bank) * bank.getExperts() / elementBytes;
    auto flat = MemRefType::get({elements}, type.getElementType());
    Value shift = arith::ConstantIndexOp::create(builder, loc, offset);
    Value all =
        memref::ViewOp::create(builder, loc, flat, base, shift, ValueRange());
    auto [strides, zero] = type.getStridesAndOffset();
    return memref::ReinterpretCastOp::create(builder, loc, type, all, zero,
                                             type.getShape(), strides);
  }

  /// Banks that pass through arguments take their memory type.
  void flattenBanks(ModuleOp module) {
    for (auto func : module.getOps<func::FuncOp>()) {
      for (BlockArgument arg : func.getArguments())
        if (auto bank = dyn_cast<moe::BankType>(arg.getType()))
          arg.setType(memoryType(bank));
      if (!func.isExternal())
        func.setType(FunctionType::get(&getContext(),
                                       func.front().getArgumentTypes(),
                                       func.getResultTypes()));
    }
  }
};
} // namespace
