//===- Utf8.cpp - Text as bytes -------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The grammar of UTF-8 is in one place: the range of the second byte depends on
// the first (table 3-7 of the Unicode standard), the others are 80..BF.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Utf8.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

namespace moec::runtime {

namespace {

struct Lead {
  int length; ///< 0: cannot begin a character
  unsigned char low, high;
};

Lead leadOf(unsigned char byte) {
  if (byte < 0x80)
    return {1, 0, 0};
  if (byte < 0xC2 || byte > 0xF4)
    return {0, 0, 0};
  if (byte < 0xE0)
    return {2, 0x80, 0xBF};
  if (byte < 0xF0)
    return {3, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF)};
  return {4, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
          static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF)};
}

enum class Form { Whole, Broken, Cut };

/// Looks at the character at the start of non-empty `text`. `length` becomes
/// the number of its bytes; of a broken one, those to replace together.
Form examine(std::string_view text, size_t &length) {
  Lead lead = leadOf(static_cast<unsigned char>(text[0]));
  length = 1;
  if (lead.length == 0)
    return Form::Broken;
  for (; length < size_t(lead.length); ++length) {
    if (length == text.size())
      return Form::Cut;
    auto byte = static_cast<unsigned char>(text[length]);
    bool isSecond = length == 1;
    if (byte < (isSecond ? lead.low : 0x80) ||
        byte > (isSecond ? lead.high : 0xBF))
      return Form::Broken;
  }
  return Form::Whole;
}

constexpr std::string_view replacement = "\xEF\xBF\xBD";

} // namespace

char32_t takeCharacter(std::string_view &text) {
  auto lead = static_cast<unsigned char>(text[0]);
  int length = leadOf(lead).length;
  char32_t character = length == 1 ? lead : lead & (0x7F >> length);
  for (int i = 1; i < length; ++i)
    character = character << 6 | (text[i] & 0x3F);
  text.remove_prefix(length);
  return character;
}

void appendCharacter(std::string &text, char32_t character) {
  utf8proc_uint8_t bytes[4];
  auto count =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes);
  text.append(reinterpret_cast<const char *>(bytes), size_t(count));
}

size_t findInvalidUtf8(std::string_view text) {
  for (size_t at = 0, length; at < text.size(); at += length)
    if (examine(text.substr(at), length) != Form::Whole)
      return at;
  return std::string_view::npos;
}

bool isWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool isNumeric(char32_t character) {
  auto category = utf8proc_category(static_cast<utf8proc_int32_t>(character));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

Result<std::string> composed(std::string_view text) {
  utf8proc_uint8_t *bytes = nullptr;
  auto count = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t *>(text.data()),
      utf8proc_ssize_t(text.size()), &bytes,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(bytes,
                                                                std::free);
  if (count < 0)
    return Status(count == UTF8PROC_ERROR_NOMEM ? MOEC_E_MEMORY : MOEC_E_TEXT,
                  std::string("cannot normalize the text: ") +
                      utf8proc_errmsg(count));
  return std::string(reinterpret_cast<const char *>(bytes), size_t(count));
}

void Utf8Repair::push(std::string_view bytes, std::string &text) {
  pending.append(bytes);
  size_t at = 0;
  while (at < pending.size()) {
    size_t length;
    Form form = examine(std::string_view(pending).substr(at), length);
    if (form == Form::Cut)
      break;
    if (form == Form::Whole)
      text.append(pending, at, length);
    else
      text.append(replacement);
    at += length;
  }
  pending.erase(0, at);
}

void Utf8Repair::finish(std::string &text) {
  if (!pending.empty())
    text.append(replacement);
  pending.clear();
}

} // namespace moec::runtime
