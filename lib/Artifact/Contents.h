//===- Contents.h - What goes into an artifact ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that an artifact's manifest says and that the writer cannot find
// out itself, as plain values. docs/artifact.md describes the fields.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_ARTIFACT_CONTENTS_H
#define MOEC_LIB_ARTIFACT_CONTENTS_H

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace moec::artifact {

/// JSON whose members stay in the order in which they were added.
using Json = nlohmann::ordered_json;

/// constant + tokens * T + sequences * S + rows * R.
struct Affine {
  int64_t constant = 0, tokens = 0, sequences = 0, rows = 0;
};

struct TensorType {
  std::string name;
  std::string dtype;
  /// Numbers and "T", "S", "S+1", "R".
  std::vector<Json> shape;
  /// Elements are from 0 to below it; 0: any.
  int64_t below = 0;
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

/// Code for one target.
struct Target {
  std::string name;
  std::string code; ///< A shared object.
  std::vector<std::string> features;
  uint64_t rank = 0;
  std::vector<Entry> entries;
};

/// One part of the pool: so many bytes for each block, or for each slot.
struct StateBuffer {
  uint64_t offset = 0, unitBytes = 0;
};

struct State {
  uint64_t bytes = 0, blocks = 0;
  std::vector<StateBuffer> buffers;   ///< By block.
  std::vector<StateBuffer> recurrent; ///< By slot.
};

struct Limits {
  int64_t context = 0, stepTokens = 0, sequences = 0;
};

/// A file that is copied into the artifact.
struct PassedFile {
  std::string name; ///< In the artifact.
  std::string path; ///< Where it is now.
};

struct Contents {
  std::vector<std::string> options;          ///< Of the compiler.
  std::map<std::string, std::string> source; ///< Checksums of inputs.
  Json model = Json::object();
  Limits limits;
  State state;
  /// Size of weights.bin, at least what the placed weights reach to.
  uint64_t weightsBytes = 0;
  std::vector<Target> targets;
  std::vector<PassedFile> files;
};

} // namespace moec::artifact

#endif // MOEC_LIB_ARTIFACT_CONTENTS_H
