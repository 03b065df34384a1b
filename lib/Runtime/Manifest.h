//===- Manifest.h - What an artifact says about itself ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// manifest.json as checked values: whoever holds a Manifest need not check
// sizes, offsets or names again. docs/artifact.md describes the fields.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_MANIFEST_H
#define MOEC_LIB_RUNTIME_MANIFEST_H

#include "lib/Runtime/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moec::runtime {

/// The variable sizes of one step.
struct StepSize {
  int64_t tokens = 0, sequences = 0, rows = 0;
};

/// constant + tokens * T + sequences * S + rows * R. Evaluation at sizes within
/// the artifact's limits does not overflow.
struct Affine {
  int64_t constant = 0, tokens = 0, sequences = 0, rows = 0;

  int64_t at(const StepSize &size) const {
    return constant + tokens * size.tokens + sequences * size.sequences +
           rows * size.rows;
  }
};

struct TensorType {
  std::string name;
  moec_dtype dtype = MOEC_F32;
  std::vector<Affine> shape;    ///< At most one dimension is not constant.
  std::optional<int64_t> below; ///< Elements are from 0 to below it.
};

struct Tap {
  TensorType type;
  Affine offset; ///< Of its value in the arena.
};

struct Entry {
  std::string name;
  std::string symbol;
  std::vector<TensorType> inputs, outputs;
  Affine arena;
  std::vector<Tap> taps;
};

/// A file of the artifact. The name is relative and plain.
struct FileEntry {
  std::string name;
  uint64_t bytes = 0;
  std::string checksum;
};

struct Target {
  std::string name;
  FileEntry code;
  std::vector<std::string> features;
  uint64_t rank = 0;
  std::vector<Entry> entries;

  const Entry *entry(std::string_view wanted) const;
};

struct ModelFacts {
  std::string family, dtype;
  int32_t vocabulary = 0, layers = 0, hidden = 0;
  /// One of each for every layer of moeLayers.
  std::vector<int32_t> moeLayers, experts, expertsPerToken;
  std::vector<int32_t> eos;
  std::optional<int32_t> bos;
};

struct Limits {
  int32_t context = 0, stepTokens = 0, sequences = 0;
};

/// One part of the pool: so many bytes for each block, or for each slot.
struct StateBuffer {
  uint64_t offset = 0, unitBytes = 0;
};

struct StateLayout {
  uint64_t bytes = 0;
  int32_t blocks = 0;
  std::vector<StateBuffer> buffers;   ///< By block: keys and values.
  std::vector<StateBuffer> recurrent; ///< By slot.
};

struct Manifest {
  ModelFacts model;
  Limits limits;
  StateLayout state;
  FileEntry weights;
  std::vector<Target> targets;
  std::vector<FileEntry> files;

  const FileEntry *file(std::string_view name) const;
};

/// Checks everything that the bytes alone can tell.
Result<Manifest> parseManifest(std::string_view bytes);

/// Whether a name stays in the directory that it is relative to and is spelled
/// in one way only: components of [A-Za-z0-9._+-] without "." and "..".
bool isPlainRelative(std::string_view name);

/// "f32".
const char *nameOf(moec_dtype dtype);

/// Bytes of one element.
int64_t sizeOf(moec_dtype dtype);

/// Number of blocks that hold `positions`.
int64_t blocksFor(int64_t positions);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_MANIFEST_H
