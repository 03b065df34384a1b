//===- Diagnostics.h - What an import has to say ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Messages with stable codes, collected for whoever called. The first digits
// of a code say who must act: MOE01 the user (a wrong input), MOE02 nobody (a
// warning), MOE03 us (a construct that is not supported), MOE09 us (a bug).
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_DIAGNOSTICS_H
#define MOEC_LIB_IMPORT_DIAGNOSTICS_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moec::importer {

namespace code {
// Wrong input.
inline constexpr std::string_view unreadable = "MOE0101";
inline constexpr std::string_view notJson = "MOE0102";
inline constexpr std::string_view missingKey = "MOE0103";
inline constexpr std::string_view illTypedKey = "MOE0104";
inline constexpr std::string_view valueOutOfRange = "MOE0105";
inline constexpr std::string_view contradiction = "MOE0106";
inline constexpr std::string_view badOption = "MOE0107";
inline constexpr std::string_view badCheckpoint = "MOE0110";
inline constexpr std::string_view missingTensor = "MOE0111";
inline constexpr std::string_view unexpectedTensor = "MOE0112";
inline constexpr std::string_view wrongShape = "MOE0113";
inline constexpr std::string_view wrongElements = "MOE0114";
inline constexpr std::string_view badFamilyFile = "MOE0120";
inline constexpr std::string_view badProgram = "MOE0121";
// Worth knowing.
inline constexpr std::string_view ignoredKey = "MOE0201";
inline constexpr std::string_view oddity = "MOE0202";
inline constexpr std::string_view unusedDefinition = "MOE0212";
inline constexpr std::string_view withoutEffect = "MOE0214";
inline constexpr std::string_view leftOut = "MOE0213";
// Not supported.
inline constexpr std::string_view unknownModelType = "MOE0301";
inline constexpr std::string_view unsupportedValue = "MOE0302";
inline constexpr std::string_view unsupportedKey = "MOE0303";
inline constexpr std::string_view unsupportedElements = "MOE0304";
// Our mistake.
inline constexpr std::string_view internal = "MOE0901";
} // namespace code

enum class Severity { Remark, Warning, Error };

struct Diagnostic {
  Severity severity;
  std::string code;
  std::string message;

  /// "error: [MOE0103] config.json: ...".
  std::string text() const;
};

class Diagnostics {
public:
  /// Returns nothing, so that `return diags.error(...)` leaves a function that
  /// returns an optional value.
  std::nullopt_t error(std::string_view code, std::string message);
  void warning(std::string_view code, std::string message);
  void remark(std::string_view code, std::string message);

  const std::vector<Diagnostic> &list() const { return messages; }
  size_t numErrors() const { return errors; }
  bool hasErrors() const { return errors != 0; }

  /// 0, or what a tool exits with because of the first error: 1 for wrong
  /// input, 3 for what is not supported, 70 for a bug.
  int exitCode() const;

private:
  void report(Severity severity, std::string_view code, std::string message);

  std::vector<Diagnostic> messages;
  size_t errors = 0;
};

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_DIAGNOSTICS_H
