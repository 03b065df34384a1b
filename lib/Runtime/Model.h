//===- Model.h - An artifact, opened ----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Immutable once opened: any number of sessions and threads share one.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_MODEL_H
#define MOEC_LIB_RUNTIME_MODEL_H

#include "lib/Runtime/Code.h"
#include "lib/Runtime/Files.h"
#include "lib/Runtime/Manifest.h"

#include <memory>
#include <mutex>
#include <string>

namespace moec::runtime {

class Tokenizer;

class Model {
public:
  struct Options {
    bool inspectOnly = false;
    std::string target; ///< Empty: the best one.
  };

  static Result<std::shared_ptr<Model>>
  open(const std::string &path, const Options &options, const CpuFeatures &cpu);
  ~Model();

  const Manifest &manifest() const { return facts; }
  const std::string &manifestText() const { return text; }

  /// Null when the model was opened to inspect it only.
  const Target *target() const { return chosen; }
  /// Null when the artifact is no language model.
  const Entry *step() const { return stepEntry; }
  /// The code of an entry of the target.
  moec_entry_fn function(const Entry &entry) const;
  const unsigned char *weights() const { return weightBytes.data(); }

  /// Compares the checksums of the files that open() does not read.
  Status checkFiles() const;

  /// Read at the first call.
  Result<std::shared_ptr<const Tokenizer>> tokenizer() const;

private:
  Model() = default;

  Status readManifest();
  Status checkSizes() const;
  Status loadCode(const Options &options, const CpuFeatures &cpu);
  Status mapWeights();

  Directory directory;
  std::string text;
  Manifest facts;
  const Target *chosen = nullptr;
  const Entry *stepEntry = nullptr;
  std::vector<moec_entry_fn> functions; ///< Of the target's entries.
  std::optional<Code> code;
  Mapping weightBytes;

  mutable std::mutex tokenizerGuard;
  mutable std::shared_ptr<const Tokenizer> tokenizerRead;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_MODEL_H
