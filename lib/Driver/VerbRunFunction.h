//===- VerbRunFunction.h - moec run --inputs --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_VERBRUNFUNCTION_H
#define MOEC_LIB_DRIVER_VERBRUNFUNCTION_H

#include <cstdint>
#include <string>

namespace moec::driver {

struct FunctionRun {
  std::string inputs, outputs; ///< Safetensors files.
  std::string name;            ///< Empty: the only function.
};

/// Calls a function of an artifact on the tensors of a file.
int runFunction(const std::string &artifact, const FunctionRun &options,
                int32_t threads);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_VERBRUNFUNCTION_H
