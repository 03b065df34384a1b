//===- StoredTensor.h - How a checkpoint holds a weight ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a program says with tensor(): the name of a tensor, and how the weight
// lies in it. A plain name is a weight as it is.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_STOREDTENSOR_H
#define MOEC_LIB_IMPORT_STOREDTENSOR_H

#include "lib/Import/Datum.h"

#include <optional>

namespace moec::importer {

struct StoredTensor final : Object {
  explicit StoredTensor(std::string name = "")
      : Object(Kind::StoredTensor), name(std::move(name)) {}

  enum class Stacked { No, Experts, Rows };

  std::string name; ///< With {expert} for one tensor of each expert.
  std::string bias; ///< Of the tensor with the biases; empty: none is named.
  std::string scales;
  Stacked stacked = Stacked::No;
  bool transposed = false;
  /// The rows that are stored, and which of them are wanted: of every `group`
  /// the `size` ones from `begin` on. Without, those that are needed; all.
  std::optional<int64_t> rows, size, group;
  int64_t begin = 0;

  bool isSliced() const { return rows || size || group || begin; }
  /// A bias is stored like its matrix, but for what only matrices can be.
  StoredTensor ofBias() const {
    StoredTensor other = *this;
    other.name = bias;
    other.scales.clear();
    other.transposed = false;
    return other;
  }
};

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_STOREDTENSOR_H
