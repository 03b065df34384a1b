//===- Utf8.h - Text as bytes -----------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks, takes apart and repairs UTF-8; the few properties of characters that
// tokenizers ask for.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_UTF8_H
#define MOEC_LIB_RUNTIME_UTF8_H

#include "lib/Runtime/Status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace moec::runtime {

/// Takes the first character off valid, non-empty UTF-8.
char32_t takeCharacter(std::string_view &text);

void appendCharacter(std::string &text, char32_t character);

/// Offset of the first byte that is not part of valid UTF-8, or npos.
size_t findInvalidUtf8(std::string_view text);

/// Unicode's White_Space.
bool isWhiteSpace(char32_t character);

/// General category Nd, Nl or No.
bool isNumeric(char32_t character);

/// Normalization form C of valid UTF-8.
Result<std::string> composed(std::string_view text);

/// Turns bytes that arrive in pieces into valid UTF-8. What cannot become valid
/// is replaced by U+FFFD, one for each maximal part of a character, as Rust's
/// from_utf8_lossy and the Unicode standard (3.9) do it.
class Utf8Repair {
public:
  /// Appends to `text` what is certain by now.
  void push(std::string_view bytes, std::string &text);
  /// Appends what is left; nothing will follow.
  void finish(std::string &text);

private:
  std::string pending; ///< The beginning of a character, at most 3 bytes.
};

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_UTF8_H
