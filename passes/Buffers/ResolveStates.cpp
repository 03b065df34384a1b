//===- ResolveStates.cpp - States become buffers --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pool of a session holds, one after another, the key pool and the value
// pool of every state; the block table is shared by all of them.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/Calls.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

namespace moec {
#define GEN_PASS_DEF_RESOLVESTATESPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

static constexpr int64_t kAlignment = 4096;

static int64_t bytesOf(MemRefType type) {
  return type.getNumElements() * type.getElementTypeBitWidth() / 8;
}

static SmallVector<Type> resolvedTypes(nn::StateType type) {
  return {type.getKeyPoolType(), type.getValuePoolType(), type.getTableType()};
}

namespace {
/// Where the pools of each state lie.
struct Pool {
  struct Place {
    nn::StateType type;
    int64_t keys = 0, values = 0;
  };
  std::map<int64_t, Place> states;
  int64_t bytes = 0;

  void place() {
    for (auto &[index, state] : states) {
      state.keys = bytes;
      bytes = llvm::alignTo(bytes + bytesOf(state.type.getKeyPoolType()),
                            kAlignment);
      state.values = bytes;
      bytes = llvm::alignTo(bytes + bytesOf(state.type.getValuePoolType()),
                            kAlignment);
    }
  }

  DictionaryAttr describe(Builder &builder) const {
    SmallVector<Attribute> buffers;
    auto add = [&](int64_t offset, MemRefType type) {
      buffers.push_back(builder.getDictionaryAttr(
          {builder.getNamedAttr("offset", builder.getI64IntegerAttr(offset)),
           builder.getNamedAttr("block_bytes",
                                builder.getI64IntegerAttr(
                                    bytesOf(type) / type.getDimSize(0)))}));
    };
    int64_t blocks = 0;
    for (auto &[index, state] : states) {
      add(state.keys, state.type.getKeyPoolType());
      add(state.values, state.type.getValuePoolType());
      blocks = state.type.getBlocks();
    }
    return builder.getDictionaryAttr(
        {builder.getNamedAttr("bytes", builder.getI64IntegerAttr(bytes)),
         builder.getNamedAttr("blocks", builder.getI64IntegerAttr(blocks)),
         builder.getNamedAttr("buffers", builder.getArrayAttr(buffers))});
  }
};

struct ResolveStates : moec::impl::ResolveStatesPassBase<ResolveStates> {
  void runOnOperation() override {
    Pool pool;
    if (failed(collect(pool)))
      return signalPassFailure();
    pool.place();
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (!func.isExternal())
        resolveArguments(func);
    for (auto func : getOperation().getOps<func::FuncOp>())
      resolveReferences(func, pool);
    spreadOperands();
    Builder builder(&getContext());
    getOperation()->setAttr("moe.state", pool.describe(builder));
  }

  LogicalResult collect(Pool &pool) {
    WalkResult result = getOperation().walk([&](nn::StateOp op) {
      nn::StateType type = op.getType();
      auto [it, inserted] =
          pool.states.try_emplace(op.getIndex(), Pool::Place{type});
      if (!inserted && it->second.type != type) {
        op.emitError("state ")
            << op.getIndex() << " is " << type << " here and "
            << it->second.type << " elsewhere";
        return WalkResult::interrupt();
      }
      nn::StateType first = pool.states.begin()->second.type;
      if (type.getSequences() != first.getSequences() ||
          type.getPositions() != first.getPositions()) {
        op.emitError("state ")
            << op.getIndex() << " has " << type.getSequences()
            << " sequences of " << type.getPositions()
            << " positions, others have " << first.getSequences() << " of "
            << first.getPositions() << ": they share one block table";
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// The buffers of each state value.
  DenseMap<Value, SmallVector<Value>> buffers;

  void resolveArguments(func::FuncOp func) {
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      auto type = dyn_cast<nn::StateType>(func.getArgument(i).getType());
      if (!type)
        continue;
      SmallVector<Value> list;
      for (auto [j, buffer] : llvm::enumerate(resolvedTypes(type)))
        addArgument(func, i + 1 + j, buffer);
      for (unsigned j = 1; j <= 3; ++j)
        list.push_back(func.getArgument(i + j));
      buffers[func.getArgument(i)] = list;
      i += 3;
    }
  }

  void resolveReferences(func::FuncOp func, Pool &pool) {
    SmallVector<nn::StateOp> refs;
    func.walk([&](nn::StateOp op) { refs.push_back(op); });
    if (refs.empty())
      return;
    OpBuilder builder(&getContext());
    auto env = [&](StringRef name) {
      return builder.getDictionaryAttr(
          builder.getNamedAttr("moe.env", builder.getStringAttr(name)));
    };
    auto bytes = MemRefType::get({pool.bytes}, builder.getI8Type());
    Value base = addArgument(func, func.getNumArguments(), bytes, env("state"));
    Value table =
        addArgument(func, func.getNumArguments(),
                    refs.front().getType().getTableType(), env("block_table"));
    for (nn::StateOp op : refs) {
      const Pool::Place &place = pool.states[op.getIndex()];
      builder.setInsertionPoint(op);
      auto view = [&](int64_t offset, MemRefType type) -> Value {
        Value shift =
            arith::ConstantIndexOp::create(builder, op.getLoc(), offset);
        return memref::ViewOp::create(builder, op.getLoc(), type, base, shift,
                                      ValueRange());
      };
      buffers[op] = {view(place.keys, place.type.getKeyPoolType()),
                     view(place.values, place.type.getValuePoolType()), table};
    }
  }

  /// Replaces state operands, then removes the states.
  void spreadOperands() {
    getOperation().walk([&](Operation *op) {
      for (unsigned i = 0; i < op->getNumOperands(); ++i) {
        auto it = buffers.find(op->getOperand(i));
        if (it == buffers.end())
          continue;
        ValueRange list = it->second;
        if (auto append = dyn_cast<nn::AppendOp>(op))
          append.getStateMutable().assign(list);
        else if (auto attention = dyn_cast<nn::AttentionOp>(op))
          attention.getStateMutable().assign(list);
        else
          op->setOperands(i, 1, list);
        i += list.size() - 1;
      }
    });
    for (auto &[value, list] : buffers) {
      if (Operation *op = value.getDefiningOp()) {
        op->erase();
        continue;
      }
      auto arg = cast<BlockArgument>(value);
      auto func = cast<func::FuncOp>(arg.getOwner()->getParentOp());
      (void)func.eraseArgument(arg.getArgNumber());
    }
  }
};
} // namespace
