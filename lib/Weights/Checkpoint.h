//===- Checkpoint.h - The tensors of a checkpoint ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All tensors of a model by name, whether they lie in one safetensors file or
// in many.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_WEIGHTS_CHECKPOINT_H
#define MOEC_LIB_WEIGHTS_CHECKPOINT_H

#include "lib/Weights/SafetensorsFile.h"
#include "lib/Weights/Status.h"

namespace moec::weights {

/// A tensor in its file; valid as long as the checkpoint lives, also when that
/// is moved.
struct Tensor {
  const TensorInfo *info;
  const SafetensorsFile *file;

  const std::string &name() const { return info->name; }
  DType dtype() const { return info->dtype; }
  std::span<const uint64_t> shape() const { return info->shape; }
  uint64_t numElements() const { return info->numElements(); }
  std::span<const std::byte> bytes() const { return file->bytes(*info); }
  void release() const { file->release(*info); }
};

class Checkpoint {
public:
  /// Opens a directory with model.safetensors, or else with
  /// model.safetensors.index.json and the shards that it names, or else with
  /// exactly one other *.safetensors; or opens one file.
  static Result<Checkpoint> open(const std::string &path);
  /// Without tensors.
  static Checkpoint none() { return Checkpoint(""); }

  const std::string &path() const { return rootPath; }

  /// Sorted by name.
  std::span<const Tensor> tensors() const { return sorted; }
  /// The tensor of this name, or null.
  const Tensor *find(std::string_view name) const;
  /// The tensor of this name, or a failure that says what was looked for.
  Result<Tensor> get(std::string_view name) const;

  /// Of the tensors, all together.
  uint64_t numBytes() const;
  std::span<const SafetensorsFile> files() const { return shards; }

  /// What is odd about the checkpoint, though it can be used: for example a
  /// tensor in a shard that the index does not name. One sentence each.
  std::span<const std::string> remarks() const { return oddities; }

private:
  explicit Checkpoint(std::string path) : rootPath(std::move(path)) {}

  Status addFile(const std::string &path);
  Status addShards(const std::string &indexPath);
  Status sortTensors();

  std::string rootPath;
  std::vector<SafetensorsFile> shards;
  std::vector<Tensor> sorted;
  std::vector<std::string> oddities;
};

} // namespace moec::weights

#endif // MOEC_LIB_WEIGHTS_CHECKPOINT_H
