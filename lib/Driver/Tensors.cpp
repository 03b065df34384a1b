//===- Tensors.cpp - Files of tensors, for the verbs ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Tensors.h"
#include "lib/Driver/Console.h"
#include "lib/Driver/Messages.h"

#include <cstring>

using namespace moec;
using namespace moec::driver;

void driver::require(const weights::Status &status) {
  if (status.ok())
    return;
  std::string code = codeOf(status).str();
  throw Failure{exitCodeOf(code), code, status.message()};
}

weights::SafetensorsFile driver::openTensors(const std::string &path) {
  auto file = weights::SafetensorsFile::open(path);
  if (!file)
    require(file.status());
  return std::move(*file);
}

const weights::TensorInfo &
driver::findTensor(const weights::SafetensorsFile &file,
                   const std::string &name) {
  const weights::TensorInfo *tensor = file.find(name);
  if (!tensor)
    throw Failure{1, std::string(importer::code::missingTensor),
                  file.path() + ": has no tensor '" + name + "'"};
  return *tensor;
}

std::vector<int32_t> driver::readIntegers(const weights::SafetensorsFile &file,
                                          const weights::TensorInfo &tensor,
                                          size_t rank) {
  if (tensor.dtype != weights::DType::I32 || tensor.shape.size() != rank)
    throw Failure{1, "MOE0142",
                  file.path() + ": tensor '" + tensor.name + "' is " +
                      std::string(weights::name(tensor.dtype)) + " of rank " +
                      std::to_string(tensor.shape.size()) +
                      "; expected I32 of rank " + std::to_string(rank)};
  std::vector<int32_t> values(tensor.numElements());
  std::memcpy(values.data(), file.bytes(tensor).data(), tensor.numBytes());
  return values;
}
