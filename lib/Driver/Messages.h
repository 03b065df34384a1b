//===- Messages.h - Collects what a compilation says ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_DRIVER_MESSAGES_H
#define MOEC_LIB_DRIVER_MESSAGES_H

#include "lib/Driver/Compiler.h"
#include "lib/Weights/Status.h"

#include "mlir/IR/Diagnostics.h"

namespace moec::driver {

/// Turns the diagnostics and remarks of a context, and the messages of other
/// rooms, into those of a report.
class Messages {
public:
  Messages(mlir::MLIRContext &context, CompileReport &report,
           CompileListener &listener);

  /// A text may begin with its code: "[MOE0301] ...".
  void add(CompileReport::Message::Kind kind, llvm::StringRef text,
           llvm::StringRef location = "");
  void add(const importer::Diagnostic &diagnostic);

  /// While a user's module is judged: the code of errors that come without one.
  /// Messages then begin with their place. Empty: no module is judged.
  std::string codeForErrors;

private:
  CompileReport &report;
  mlir::ScopedDiagnosticHandler handler;
};

/// The code of a failure to read or write weights and other files.
llvm::StringRef codeOf(const weights::Status &status);
/// "[MOE0110] message".
std::string textOf(const weights::Status &status);

/// The exit code that an error with this code calls for: 1 user input, 2 usage,
/// 3 unsupported, 4 resources, 5 mismatch, 70 a bug.
int exitCodeOf(llvm::StringRef code);

} // namespace moec::driver

#endif // MOEC_LIB_DRIVER_MESSAGES_H
