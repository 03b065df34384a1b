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
      "block table, or to a pool [blocks, heads, 32, key] of both and a table";

  mlir::Value keys;   // [blocks, heads, key, 32]
  mlir::Value values; // [blocks, heads, 32, value]
  mlir::Value table;  // [slots, blocks of the context]
  int64_t heads, key, value;
  mlir::Type element;
  /// The values are a prefix of the keys: keys and values are one pool
  /// [blocks, heads, 32, key].
  bool prefix;

  /// The state of an op that reads or writes values of `heads` heads as rows.
  static mlir::FailureOr<State> get(mlir::ValueRange operands, mlir::Value rows,
                                    int64_t heads);
  /// The same where these heads are the state's own.
  static mlir::FailureOr<State> get(mlir::ValueRange operands,
                                    mlir::Value rows);

  /// The block in storage of the `number`th block of a slot.
  mlir::Value block(VectorBuilder &b, mlir::Value slot,
                    mlir::Value number) const {
    return b.loadIndex(table, {slot, number});
  }
};

} // namespace moec

#endif // MOEC_PASSES_CPU_STATE_H
