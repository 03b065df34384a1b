//===- State.cpp - Keys and values in storage -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/State.h"

using namespace mlir;
using namespace moec;

FailureOr<State> State::get(ValueRange operands, Value rows, int64_t heads) {
  bool prefix = operands.size() == 2;
  if ((!prefix && operands.size() != 3) ||
      !llvm::all_of(operands,
                    [](Value operand) { return isRowMajor(operand); }))
    return failure();
  auto keys = cast<MemRefType>(operands.front().getType());
  auto values = cast<MemRefType>(operands.drop_back().back().getType());
  auto table = cast<MemRefType>(operands.back().getType());
  auto width = cast<MemRefType>(rows.getType()).getDimSize(1);
  if (keys.getRank() != 4 || values.getRank() != 4 || table.getRank() != 2 ||
      values.getDimSize(2) != positions ||
      keys.getDimSize(1) != values.getDimSize(1) ||
      keys.getElementType() != values.getElementType() ||
      !table.getElementType().isInteger(32))
    return failure();
  int64_t key = keys.getDimSize(prefix ? 3 : 2);
  int64_t value = prefix ? width / heads : values.getDimSize(3);
  if (prefix ? value >= key : keys.getDimSize(3) != positions)
    return failure();
  return State{operands.front(),
               operands.drop_back().back(),
               operands.back(),
               keys.getDimSize(1),
               key,
               value,
               keys.getElementType(),
               prefix};
}

FailureOr<State> State::get(ValueRange operands, Value rows) {
  auto keys = dyn_cast<MemRefType>(operands.front().getType());
  if (!keys || keys.getRank() != 4)
    return failure();
  return get(operands, rows, keys.getDimSize(1));
}
