//===- ResolveStates.cpp - States become buffers --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The memory of a session holds the pools of all states one after another: of
// keys and values a pool of keys and one of values, of a recurrent state one
// pool. The block table is shared by all keys and values.
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

/// The pools that hold a state, empty for other types.
static SmallVector<MemRefType> poolsOf(Type type) {
  if (auto state = dyn_cast<nn::StateType>(type))
    return state.getPoolTypes();
  if (auto state = dyn_cast<nn::RecurrentType>(type))
    return {state.getPoolType()};
  return {};
}

namespace {
/// Where the pools of each state lie.
struct Pool {
  struct Place {
    Type type;
    SmallVector<int64_t> offsets = {};
  };
  std::map<int64_t, Place> states;
  int64_t bytes = 0;

  void place() {
    for (auto &[index, state] : states)
      for (MemRefType pool : poolsOf(state.type)) {
        state.offsets.push_back(bytes);
        bytes = llvm::alignTo(bytes + bytesOf(pool), kAlignment);
      }
  }

  DictionaryAttr describe(Builder &builder) const {
    SmallVector<Attribute> blocks, slots;
    auto number = [&](StringRef name, int64_t value) {
      return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
    };
    for (auto &[index, state] : states)
      for (auto [offset, pool] :
           llvm::zip_equal(state.offsets, poolsOf(state.type))) {
        bool isRecurrent = isa<nn::RecurrentType>(state.type);
        int64_t unit = bytesOf(pool) / pool.getDimSize(0);
        (isRecurrent ? slots : blocks)
            .push_back(builder.getDictionaryAttr(
                {number("offset", offset),
                 number(isRecurrent ? "slot_bytes" : "block_bytes", unit)}));
      }
    return builder.getDictionaryAttr(
        {number("bytes", bytes),
         builder.getNamedAttr("buffers", builder.getArrayAttr(blocks)),
         builder.getNamedAttr("recurrent", builder.getArrayAttr(slots))});
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
    nn::StateType first;
    WalkResult result = getOperation().walk([&](nn::StateOp op) {
      Type type = op.getType();
      auto [it, inserted] =
          pool.states.try_emplace(op.getIndex(), Pool::Place{type});
      if (!inserted && it->second.type != type) {
        op.emitError("state ")
            << op.getIndex() << " is " << type << " here and "
            << it->second.type << " elsewhere";
        return WalkResult::interrupt();
      }
      auto state = dyn_cast<nn::StateType>(type);
      if (!first)
        first = state;
      if (state && (state.getSequences() != first.getSequences() ||
                    state.getPositions() != first.getPositions())) {
        op.emitError("state ")
            << op.getIndex() << " has " << state.getSequences()
            << " sequences of " << state.getPositions()
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
      Type type = func.getArgument(i).getType();
      SmallVector<Type> types = llvm::to_vector_of<Type>(poolsOf(type));
      if (types.empty())
        continue;
      if (auto state = dyn_cast<nn::StateType>(type))
        types.push_back(state.getTableType());
      SmallVector<Value> list;
      for (auto [j, buffer] : llvm::enumerate(types))
        addArgument(func, i + 1 + j, buffer);
      for (unsigned j = 1; j <= types.size(); ++j)
        list.push_back(func.getArgument(i + j));
      buffers[func.getArgument(i)] = list;
      i += types.size();
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
    Value table;
    for (nn::StateOp op : refs) {
      const Pool::Place &place = pool.states[op.getIndex()];
      builder.setInsertionPoint(op);
      SmallVector<Value> &list = buffers[op];
      for (auto [offset, type] :
           llvm::zip_equal(place.offsets, poolsOf(place.type))) {
        Value shift =
            arith::ConstantIndexOp::create(builder, op.getLoc(), offset);
        list.push_back(memref::ViewOp::create(builder, op.getLoc(), type, base,
                                              shift, ValueRange()));
      }
      auto state = dyn_cast<nn::StateType>(place.type);
      if (!state)
        continue;
      if (!table)
        table = addArgument(func, func.getNumArguments(), state.getTableType(),
                            env("block_table"));
      list.push_back(table);
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
