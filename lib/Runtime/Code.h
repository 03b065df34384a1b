//===- Code.h - Generated code, loaded --------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Chooses the target of an artifact and loads its shared object.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_CODE_H
#define MOEC_LIB_RUNTIME_CODE_H

#include "lib/Runtime/CpuFeatures.h"
#include "lib/Runtime/Files.h"
#include "lib/Runtime/Manifest.h"
#include "moec/Artifact.h"

#include <memory>

namespace moec::runtime {

/// The target of the highest rank whose features are all there, or the one of
/// the name `wanted` when that is not empty.
Result<const Target *> chooseTarget(const Manifest &manifest,
                                    const CpuFeatures &cpu,
                                    std::string_view wanted);

/// "f32 [T, 64]".
std::string spell(const TensorType &type);

/// Fails unless `step` is the step function of a language model as this
/// runtime calls it.
Status checkStepSignature(const Entry &step, int32_t vocabulary);

/// A loaded shared object, and the file that it comes from.
class Code {
public:
  /// Checks size and checksum, then loads.
  static Result<Code> load(const Directory &directory, const FileEntry &file);

  Result<moec_entry_fn> entry(const std::string &symbol) const;

private:
  struct Unload {
    void operator()(void *library) const;
  };

  std::string name;
  Descriptor file;
  std::unique_ptr<void, Unload> library;
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_CODE_H
