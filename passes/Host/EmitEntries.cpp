//===- EmitEntries.cpp - The functions that an artifact exports -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Passes.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_EMITENTRIESPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// The fields of `moec_env`, in order.
static constexpr llvm::StringLiteral kEnvironment[] = {
    "host", "weights", "arena", "state", "block_table"};

namespace {
/// Emits one entry around one function.
class EntryEmitter {
public:
  EntryEmitter(func::FuncOp func)
      : func(func), builder(func), loc(func.getLoc()),
        converter(func.getContext()),
        ptr(LLVM::LLVMPointerType::get(func.getContext())) {}

  LogicalResult emit(StringRef name) {
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(func.getContext()), {ptr, ptr, ptr});
    auto entry = LLVM::LLVMFuncOp::create(builder, loc,
                                          ("moec_entry_" + name).str(), type);
    Block *body = entry.addEntryBlock(builder);
    builder.setInsertionPointToEnd(body);
    SmallVector<Value> args;
    unsigned inputs = 0, outputs = 0;
    for (unsigned i = 0, e = func.getNumArguments(); i < e; ++i) {
      Value arg;
      if (auto env = func.getArgAttrOfType<StringAttr>(i, "moe.env"))
        arg = environment(body->getArgument(0), env.getValue(), i);
      else if (func.getArgAttr(i, "moe.output"))
        arg = tensor(body->getArgument(2), outputs++, i);
      else
        arg = tensor(body->getArgument(1), inputs++, i);
      if (!arg)
        return func.emitError("argument ")
               << i << " of the entry is neither a memref of the identity "
               << "layout nor part of the environment";
      args.push_back(arg);
    }
    func::CallOp::create(builder, loc, func, args);
    LLVM::ReturnOp::create(builder, loc, ValueRange());
    return success();
  }

private:
  Value loadPointer(Value base, int64_t index, Type type) {
    Value at = LLVM::GEPOp::create(
        builder, loc, ptr, ptr, base,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
    return LLVM::LoadOp::create(builder, loc, type, at);
  }

  Value environment(Value env, StringRef name, unsigned arg) {
    const auto *field = llvm::find(kEnvironment, name);
    if (field == std::end(kEnvironment))
      return {};
    Value pointer = loadPointer(env, field - kEnvironment, ptr);
    Type type = func.getArgumentTypes()[arg];
    if (type == ptr)
      return pointer;
    return memref(dyn_cast<MemRefType>(type), pointer, Value());
  }

  Value tensor(Value list, int64_t index, unsigned arg) {
    Value data = loadPointer(list, 2 * index, ptr);
    Value shape = loadPointer(list, 2 * index + 1, ptr);
    return memref(dyn_cast<MemRefType>(func.getArgumentTypes()[arg]), data,
                  shape);
  }

  /// A memref at `data`; dynamic sizes come from `shape`. The arena has no
  /// shape: its size is the caller's business, and any will do here.
  Value memref(MemRefType type, Value data, Value shape) {
    if (!type || !type.getLayout().isIdentity())
      return {};
    auto descriptor =
        MemRefDescriptor::poison(builder, loc, converter.convertType(type));
    descriptor.setAllocatedPtr(builder, loc, data);
    descriptor.setAlignedPtr(builder, loc, data);
    descriptor.setConstantOffset(builder, loc, 0);
    auto i64 = builder.getI64Type();
    Value stride = LLVM::ConstantOp::create(builder, loc, i64, 1);
    for (int64_t i = type.getRank(); i-- > 0;) {
      Value size;
      if (!type.isDynamicDim(i)) {
        size = LLVM::ConstantOp::create(builder, loc, i64, type.getDimSize(i));
      } else if (shape) {
        Value at = LLVM::GEPOp::create(
            builder, loc, ptr, i64, shape,
            ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
        size = LLVM::LoadOp::create(builder, loc, i64, at);
      } else {
        size = LLVM::ConstantOp::create(builder, loc, i64,
                                        std::numeric_limits<int64_t>::max());
      }
      descriptor.setSize(builder, loc, i, size);
      descriptor.setStride(builder, loc, i, stride);
      stride = LLVM::MulOp::create(builder, loc, stride, size);
    }
    return UnrealizedConversionCastOp::create(builder, loc, type,
                                              Value(descriptor))
        .getResult(0);
  }

  func::FuncOp func;
  OpBuilder builder;
  Location loc;
  LLVMTypeConverter converter;
  LLVM::LLVMPointerType ptr;
};

struct EmitEntries : moec::impl::EmitEntriesPassBase<EmitEntries> {
  void runOnOperation() override {
    for (auto func :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      auto name = func->getAttrOfType<StringAttr>("moe.entry");
      if (!name)
        continue;
      if (failed(EntryEmitter(func).emit(name.getValue())))
        return signalPassFailure();
      func.setPrivate();
    }
  }
};
} // namespace
