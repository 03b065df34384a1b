//===- State.cpp - Keys and values in storage -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Cpu/State.h"

using namespace mlir;
using namespace moec;

FailureOr<State> State::get(ValueRange operands) {
  if (operands.size() != 3 || !llvm::all_of(operands, [](Value operand) {
        return isRowMajor(operand);
      }))
    return failure();
  auto keys = cast<MemRefType>(operands[0].getType());
  auto values = cast<MemRefType>(operands[1].getType());
  auto table = cast<MemRefType>(operands[2].getType());
  if (keys.getRank() != 4 || values.getRank() != 4 || table.getRank() != 2 ||
      keys.getDimSize(3) != positions || values.getDimSize(2) != positions ||
      keys.getDimSize(1) != values.getDimSize(1) ||
      keys.getElementType() != values.getElementType() ||
      !table.getElementType().isInteger(32))
    return failure();
  return State{operands[0],          operands[1],        operands[2],
               keys.getDimSize(1),   keys.getDimSize(2), values.getDimSize(3),
               keys.getElementType()};
}
