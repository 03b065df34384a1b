//===- ReferenceRun.h - What a checkpoint computes by definition -*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_REFERENCERUN_H
#define MOEC_LIB_DRIVER_REFERENCERUN_H

#include "lib/Driver/Compiler.h"

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

/// The values of taps by name, and "logits".
struct Recorded {
  /// Names in the order in which the model computes them.
  std::vector<std::string> order;
  std::map<std::string, Rows> values;
};

/// Imports a checkpoint and evaluates it by definition, in f32, for one
/// sequence. Nothing, and errors in the report, when that fails.
std::optional<Recorded> runReference(const std::string &checkpoint,
                                     const importer::ImportOptions &options,
                                     std::span<const int32_t> ids,
                                     CompileReport &report);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_REFERENCERUN_H
