//===- LowerParallel.cpp - Parallel regions call the host -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The arguments of a region's tasks go into a struct on the caller's stack; a
// trampoline with the signature of `moec_task_fn` takes them out again and
// calls the task. Casts bridge to memrefs, which are lowered afterwards.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Passes.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_LOWERPARALLELPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static Value castTo(OpBuilder &builder, Location loc, Value value, Type type) {
  if (value.getType() == type)
    return value;
  return UnrealizedConversionCastOp::create(builder, loc, type, value)
      .getResult(0);
}

namespace {
struct LowerParallel : moec::impl::LowerParallelPassBase<LowerParallel> {
  void runOnOperation() override {
    LLVMTypeConverter converter(&getContext());
    converter.addConversion([](moe::HostType type) -> Type {
      return LLVM::LLVMPointerType::get(type.getContext());
    });
    SmallVector<moe::ParallelOp> regions;
    getOperation().walk([&](moe::ParallelOp op) { regions.push_back(op); });
    for (moe::ParallelOp op : regions)
      if (failed(lower(op, converter)))
        return signalPassFailure();
    replaceHostTypes();
  }

  LogicalResult lower(moe::ParallelOp op, LLVMTypeConverter &converter) {
    SmallVector<Type> fields;
    for (Type type : op.getArgs().getTypes()) {
      Type field = converter.convertType(type);
      if (!field)
        return op.emitError("cannot pass ") << type << " to a task";
      fields.push_back(field);
    }
    MLIRContext *context = &getContext();
    auto context_t = LLVM::LLVMStructType::getLiteral(context, fields);
    std::string trampoline = makeTrampoline(op, context_t);
    OpBuilder builder(op);
    Location loc = op.getLoc();
    auto ptr = LLVM::LLVMPointerType::get(context);
    auto i64 = builder.getI64Type();
    Value one = LLVM::ConstantOp::create(builder, loc, i64, 1);
    Value memory = LLVM::AllocaOp::create(builder, loc, ptr, context_t, one);
    for (auto [i, arg] : llvm::enumerate(op.getArgs())) {
      Value field = LLVM::GEPOp::create(
          builder, loc, ptr, context_t, memory,
          ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
      LLVM::StoreOp::create(builder, loc, castTo(builder, loc, arg, fields[i]),
                            field);
    }
    Value host = castTo(builder, loc, op.getHost(), ptr);
    Value handle = LLVM::LoadOp::create(builder, loc, ptr, host);
    Value slot = LLVM::GEPOp::create(builder, loc, ptr, ptr, host,
                                     ArrayRef<LLVM::GEPArg>{1});
    Value parallel = LLVM::LoadOp::create(builder, loc, ptr, slot);
    Value entry = LLVM::AddressOfOp::create(builder, loc, ptr, trampoline);
    Value tasks = castTo(
        builder, loc,
        arith::IndexCastOp::create(builder, loc, i64, op.getTasks()), i64);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                            {ptr, ptr, ptr, i64});
    LLVM::CallOp::create(builder, loc, type,
                         ValueRange{parallel, handle, entry, memory, tasks});
    op.erase();
    return success();
  }

  /// `void trampoline(ptr context, i64 task)`.
  std::string makeTrampoline(moe::ParallelOp op,
                             LLVM::LLVMStructType contextType) {
    MLIRContext *context = &getContext();
    OpBuilder builder(context);
    builder.setInsertionPointToEnd(getOperation().getBody());
    Location loc = op.getLoc();
    auto ptr = LLVM::LLVMPointerType::get(context);
    std::string name = (op.getCallee() + "_entry").str();
    auto func = LLVM::LLVMFuncOp::create(
        builder, loc, name,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                    {ptr, builder.getI64Type()}),
        LLVM::Linkage::Internal);
    Block *body = func.addEntryBlock(builder);
    builder.setInsertionPointToEnd(body);
    SmallVector<Value> args;
    for (auto [i, arg] : llvm::enumerate(op.getArgs())) {
      Value field = LLVM::GEPOp::create(
          builder, loc, ptr, contextType, body->getArgument(0),
          ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
      Value value =
          LLVM::LoadOp::create(builder, loc, contextType.getBody()[i], field);
      args.push_back(castTo(builder, loc, value, arg.getType()));
    }
    args.push_back(arith::IndexCastOp::create(
        builder, loc, builder.getIndexType(), body->getArgument(1)));
    func::CallOp::create(builder, loc, op.getCallee(), TypeRange(), args);
    LLVM::ReturnOp::create(builder, loc, ValueRange());
    return name;
  }

  /// The host is a plain pointer from here on.
  void replaceHostTypes() {
    auto ptr = LLVM::LLVMPointerType::get(&getContext());
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      SmallVector<Type> types(func.getArgumentTypes());
      for (auto [i, type] : llvm::enumerate(types)) {
        if (!isa<moe::HostType>(type))
          continue;
        type = ptr;
        if (!func.isExternal())
          func.getArgument(i).setType(ptr);
      }
      func.setType(
          FunctionType::get(&getContext(), types, func.getResultTypes()));
    }
    getOperation().walk([](UnrealizedConversionCastOp cast) {
      if (cast.getNumOperands() == 1 && cast.getNumResults() == 1 &&
          cast.getOperand(0).getType() == cast.getResult(0).getType()) {
        cast.getResult(0).replaceAllUsesWith(cast.getOperand(0));
        cast.erase();
      }
    });
  }
};
} // namespace
