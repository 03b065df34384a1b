//===- Visible.h - What a token attends to ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES_CPU_VISIBLE_H
#define MOEC_PASSES_CPU_VISIBLE_H

#include "passes/Cpu/VectorBuilder.h"

namespace moec {

/// The first position that a token at `position` sees, of the last `window` and
/// of its own chunk of so many; 0: no limit.
inline mlir::Value firstVisible(VectorBuilder &b, mlir::Value position,
                                int64_t window, int64_t chunk) {
  mlir::Value first = b.index(0);
  if (window)
    first = b.max(b.sub(position, b.index(window - 1)), first);
  if (chunk)
    first = b.max(b.mul(b.div(position, chunk), chunk), first);
  return first;
}

} // namespace moec

#endif // MOEC_PASSES_CPU_VISIBLE_H
