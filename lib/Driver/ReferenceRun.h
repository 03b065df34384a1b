//===- ReferenceRun.h - What a checkpoint computes by definition -*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_REFERENCERUN_H
#define MOEC_LIB_DRIVER_REFERENCERUN_H

#include "lib/Driver/Compiler.h"

#include <functional>
#include <map>
#include <optional>
#include <span>

namespace moec::driver {

/// A value of a model for some tokens, of which each is a row. One of the two
/// vectors holds it.
struct Rows {
  int64_t rows = 0;
  std::vector<float> reals;
  std::vector<int32_t> ints;

  int64_t width() const {
    int64_t count = reals.size() + ints.size();
    return rows ? count / rows : 0;
  }
};

/// How near another choice of experts was.
struct Margin {
  /// Between keys that would have to change places, in terms of the logits that
  /// they are made of (KeptChoice); infinity where none would do.
  double gap;
  double largestLogit;
};

/// The values of taps by name, and "logits".
struct Recorded {
  /// Names in the order in which the model computes them.
  std::vector<std::string> order;
  std::map<std::string, Rows> values;
  /// By the tap of the experts that were chosen: the margin to the choice of
  /// these experts by a token. Only of a reference.
  std::map<std::string,
           std::function<Margin(int64_t token, const std::vector<int32_t> &)>>
      margins;
};

/// Imports a checkpoint and evaluates it by definition, in f32, for one
/// sequence. Nothing, and errors in the report, when that fails.
std::optional<Recorded> runReference(const std::string &checkpoint,
                                     const importer::ImportOptions &options,
                                     std::span<const int32_t> ids,
                                     CompileReport &report);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_REFERENCERUN_H
