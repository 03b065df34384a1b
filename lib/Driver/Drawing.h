//===- Drawing.h - A model as a page --------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_DRAWING_H
#define MOEC_LIB_DRIVER_DRAWING_H

#include "lib/Driver/Outline.h"

namespace moec::driver {

/// How often each expert was chosen, by sparse layer.
struct ExpertCounts {
  int64_t positions = 0;
  std::vector<std::vector<int64_t>> layers;
};

/// Counts the choices in a file of `moec run --experts`, which must fit the
/// model; throws a Failure otherwise.
ExpertCounts countExperts(const std::string &path,
                          const importer::ModelSummary &model);

/// A page of HTML that stands alone: no script, nothing from elsewhere. It is
/// well-formed XML too. `counts` may be null.
std::string drawPage(const std::string &name,
                     const importer::ModelSummary &model,
                     const Outline &outline, const ExpertCounts *counts);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_DRAWING_H
