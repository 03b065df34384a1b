//===- Tensors.h - Files of tensors, for the verbs --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_TENSORS_H
#define MOEC_LIB_DRIVER_TENSORS_H

#include "lib/Weights/SafetensorsFile.h"

namespace moec::driver {

/// Throws a Failure where reading or writing a file failed.
void require(const weights::Status &status);

weights::SafetensorsFile openTensors(const std::string &path);

/// Throws a Failure when the file has no such tensor.
const weights::TensorInfo &findTensor(const weights::SafetensorsFile &file,
                                      const std::string &name);

/// Throws a Failure for another type or rank.
std::vector<int32_t> readIntegers(const weights::SafetensorsFile &file,
                                  const weights::TensorInfo &tensor,
                                  size_t rank);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_TENSORS_H
