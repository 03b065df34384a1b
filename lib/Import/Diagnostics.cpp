//===- Diagnostics.cpp - What an import has to say ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Collects messages and derives the exit code of a tool from them.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Diagnostics.h"

using namespace moec::importer;

std::string Diagnostic::text() const {
  std::string_view label = severity == Severity::Error     ? "error"
                           : severity == Severity::Warning ? "warning"
                                                           : "remark";
  return std::string(label) + ": [" + code + "] " + message;
}

void Diagnostics::report(Severity severity, std::string_view code,
                         std::string message) {
  messages.push_back({severity, std::string(code), std::move(message)});
}

std::nullopt_t Diagnostics::error(std::string_view code, std::string message) {
  report(Severity::Error, code, std::move(message));
  ++errors;
  return std::nullopt;
}

void Diagnostics::warning(std::string_view code, std::string message) {
  report(Severity::Warning, code, std::move(message));
}

void Diagnostics::remark(std::string_view code, std::string message) {
  report(Severity::Remark, code, std::move(message));
}

int Diagnostics::exitCode() const {
  for (const Diagnostic &diagnostic : messages) {
    if (diagnostic.severity != Severity::Error)
      continue;
    std::string_view area = std::string_view(diagnostic.code).substr(0, 5);
    return area == "MOE01" ? 1 : area == "MOE03" ? 3 : 70;
  }
  return 0;
}
