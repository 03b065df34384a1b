//===- WeightSource.h - Where the reference gets weights --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The weights of a model by name.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_REFERENCE_WEIGHTSOURCE_H
#define MOEC_LIB_REFERENCE_WEIGHTSOURCE_H

#include "lib/Reference/Tensor.h"
#include "lib/Weights/Status.h"

#include <memory>

namespace moec::reference {

class WeightSource {
public:
  virtual ~WeightSource() = default;

  /// The weight of this name; of a bank, the member of one expert.
  virtual weights::Result<std::shared_ptr<const Weight>>
  load(const std::string &name, int64_t expert) = 0;
};

} // namespace moec::reference

#endif // MOEC_LIB_REFERENCE_WEIGHTSOURCE_H
