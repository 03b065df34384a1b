//===- Compiler.h - From a checkpoint to an artifact ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_COMPILER_H
#define MOEC_LIB_DRIVER_COMPILER_H

#include "lib/Import/Import.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace moec {

struct CompileOptions {
  /// A Hugging Face directory, or an .mlir file: a module that a user wrote, or
  /// one left by `compileTo`.
  std::string input;
  /// Where the tensors of an .mlir file are: a safetensors file or a directory.
  std::string params;
  /// The artifact to write, or with `compileTo` the .mlir file ("-": stdout).
  std::string output;
  importer::ImportOptions import;
  /// As `--target` spells them; empty: "cpu".
  std::vector<std::string> targets;
  /// Names of phases; empty: from the beginning, to the artifact.
  std::string compileFrom, compileTo;
  /// A folder for the module after each phase and the code of each target;
  /// empty: none.
  std::string dumpPhasesTo;
  /// Where a reproducer is written when a pass fails; empty: none.
  std::string reproducer;
  /// Round the inputs of bf16 products where the target multiplies bf16 pairs.
  bool narrowActivations = false;
  /// Every kernel by the generic lowering.
  bool fallback = false;
  /// Export every tap, for `verify`.
  bool taps = false;
  /// Print the time of every pass to stderr.
  bool timing = false;
};

/// Whether an input is a module, and no checkpoint.
inline bool isModuleFile(std::string_view input) {
  return input.ends_with(".mlir");
}

/// What a compilation found and made.
struct CompileReport {
  struct Message {
    enum class Kind { Error, Warning, Remark, Note } kind;
    /// "MOE0301", or empty.
    std::string code;
    std::string text;
    std::string location;
  };
  std::vector<Message> messages;
  /// Seconds of each phase, in order.
  std::vector<std::pair<std::string, double>> phases;
  uint64_t weightsBytes = 0, stateBytes = 0, codeBytes = 0;
  /// Scratch memory of a step of the most tokens, sequences and rows.
  uint64_t arenaBytes = 0;
  bool hasErrors() const;
  /// The exit code that the first error calls for; 0 without errors.
  int exitCode() const;
};

struct CompileListener {
  virtual ~CompileListener() = default;
  /// A phase (or "target cpu", "weights") begins; `done` of `total` bytes where
  /// bytes are counted, else 0.
  virtual void progress(const std::string &phase, const std::string &detail,
                        uint64_t done, uint64_t total) {}
  /// An optimization remark: passed, missed, analysis.
  virtual void remark(const std::string &kind, const std::string &pass,
                      const std::string &function, const std::string &text) {}
  virtual bool wantsRemarks() const { return false; }
};

/// The error to report when a process that compiles died by a signal.
CompileReport::Message endedBySignal(int signal);

/// Compiles; nothing is left behind when it fails. No exceptions, no output.
CompileReport compile(const CompileOptions &options,
                      CompileListener *listener = nullptr);

} // namespace moec

#endif // MOEC_LIB_DRIVER_COMPILER_H
