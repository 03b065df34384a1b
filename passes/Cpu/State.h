//===- State.h - Keys and values in storage --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the ops on a state find what they store: position p of a slot lies in
// lane p % 32 of the block that the table names for p / 32.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_STATE_H
#define MOEC_PASSES_CPU_STATE_H

#include "dialects/Nn/Nn.h"
#include "passes/Cpu/VectorBuilder.h"

namespace moec {

struct State {
  static constexpr int64_t positions = nn::StateType::blockPositions;
  /// What `get` expects, for messages.
  static constexpr const char *expected =
      "expected a state resolved to a key pool [blocks, heads, key, 32], a "
      "value pool [blocks, heads, 32, value] of the same element type and a "
      "block table";

  mlir::Value keys;   // [blocks, heads, key, 32]
  mlir::Value values; // [blocks, heads, 32, value]
  mlir::Value table;  // [slots, blocks of the context]
  int64_t heads, key, value;
  mlir::Type element;

  /// The state of an op, from its operands.
  static mlir::FailureOr<State> get(mlir::ValueRange operands);

  /// The block in storage of the `number`th block of a slot.
  mlir::Value block(VectorBuilder &b, mlir::Value slot,
                    mlir::Value number) const {
    return b.loadIndex(table, {slot, number});
  }
};

} // namespace moec

#endif // MOEC_PASSES_CPU_STATE_H
