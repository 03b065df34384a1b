//===- Target.h - What the compiler generates code for ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_TARGET_TARGET_H
#define MOEC_LIB_TARGET_TARGET_H

#include "dialects/Moe/Moe.h"

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace moec {

/// A machine that code is generated for.
struct TargetSpec {
  /// Unique name of the code in an artifact: "x86-64-v3".
  std::string name;
  std::string triple;
  /// The instruction set (an LLVM CPU and added features) and the
  /// processor that instructions are scheduled for.
  std::string cpu, features, tune;
  /// CPU features that the loader must find, by LLVM's names.
  std::vector<std::string> required;
  /// Among the targets that a machine can run, the highest rank is taken.
  int rank = 0;
  /// What passes may know.
  int64_t vectorBits = 0, vectorRegisters = 0;
  bool bf16Dot = false, emulate = false;

  moe::TargetAttr describe(mlir::MLIRContext *context) const;
};

/// Parses `cpu` (x86-64 with AVX2 and FMA), `cpu:native`, `cpu:NAME` for a
/// processor of LLVM's (znver3, znver4, sapphirerapids, ...), `cpu:aarch64`;
/// with
/// `+emulate` behind it, code of the same form for a machine with AVX2 only.
llvm::Expected<TargetSpec> parseTarget(llvm::StringRef text);

/// What code generation leaves behind on the way.
struct CodegenListener {
  virtual ~CodegenListener() = default;
  virtual void llvmIr(llvm::StringRef text) {}
  virtual void assembly(llvm::StringRef text) {}
  virtual bool wantsText() const { return false; }
};

/// Compiles a module in the LLVM dialect to an object file. Only functions
/// whose name begins with `moec_entry_` are visible in it.
llvm::Expected<std::string> emitObject(mlir::ModuleOp module,
                                       const TargetSpec &target,
                                       CodegenListener *listener = nullptr);

/// Links an object file into a shared object without undefined symbols.
llvm::Expected<std::string> linkSharedObject(llvm::StringRef object,
                                             const TargetSpec &target);

} // namespace moec

#endif // MOEC_LIB_TARGET_TARGET_H
