//===- Compare.h - An artifact's values against the reference ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_COMPARE_H
#define MOEC_LIB_DRIVER_COMPARE_H

#include "lib/Driver/ReferenceRun.h"

namespace moec::driver {

struct CompareOptions {
  /// The weights are bf16, and so may be what the artifact computes with.
  bool narrow = false;
  /// On the relative Frobenius error of a value; an element may be off by ten
  /// times as much of the value's largest.
  double tolerance = 2e-5;
};

/// One value.
struct Comparison {
  std::string name;
  int64_t rows = 0; ///< That could be compared.
  double frobenius = 0, largest = 0;
  /// Tokens whose chosen experts differ, by a tie.
  int64_t ties = 0;
  /// Why it does not agree; empty: it does.
  std::string mismatch;
};

/// Compares what both have, in the order of the reference. A token whose
/// experts differ counts as a tie when its keys in the reference need no more
/// than a gap below 1e-5 (narrow: 2^-7) of its largest logit to choose so, by
/// bias, groups and all; its later values are not compared, and neither, unless
/// narrow, those of the tokens that attend to it.
std::vector<Comparison> compareValues(const Recorded &reference,
                                      const Recorded &artifact,
                                      const CompareOptions &options);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_COMPARE_H
