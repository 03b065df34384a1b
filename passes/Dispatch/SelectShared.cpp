//===- SelectShared.cpp - Which shared experts become a wide one ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One wide network instead of several has as many multiplications, but fewer
// and larger products, and adds up in registers what would be written and added
// afterwards; so it pays wherever it may be done. The sum over the columns is
// then one chain: results differ by rounding in f32.
//
//===----------------------------------------------------------------------===//

#include "passes/Explain.h"
#include "passes/Passes.h"
#include "passes/WideShared.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace moec {
#define GEN_PASS_DEF_SELECTSHAREDPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

namespace {
struct SelectShared : moec::impl::SelectSharedPassBase<SelectShared> {
  void runOnOperation() override {
    // Those of the same rows, in their order.
    llvm::MapVector<Value, SmallVector<SharedOp>> sharers;
    getOperation().walk([&](SharedOp op) {
      if (isa<RankedTensorType>(op.getX().getType()))
        sharers[op.getX()].push_back(op);
    });
    int64_t number = 0;
    for (auto &[x, ops] : sharers)
      if (ops.size() > 1)
        number = select(ops, number);
  }

  static int64_t select(ArrayRef<SharedOp> ops, int64_t number) {
    const Explain explain("moe-select-shared", "shared");
    SmallVector<SharedOp> leaders;
    for (SharedOp op : ops) {
      std::string why = whyNotNetwork(op);
      bool isNetwork = why.empty();
      for (SharedOp leader : leaders) {
        why = whyNotOneNetwork(leader, op);
        if (!why.empty())
          continue;
        if (!leader.getWide())
          leader.setWide(number++);
        op.setWide(*leader.getWide());
        explain.passed(op, "shared expert made a part of a wide one");
        break;
      }
      if (op.getWide())
        continue;
      if (!why.empty())
        explain.missed(op, "shared expert not made a part of a wide one", why);
      if (isNetwork)
        leaders.push_back(op);
    }
    return number;
  }
};
} // namespace
