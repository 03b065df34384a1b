//===- Utf8Test.cpp - Text as bytes ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The repair of broken text against the examples of the Unicode standard.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Utf8.h"

#include <gtest/gtest.h>

using namespace moec::runtime;

namespace {

std::string repaired(std::string_view bytes, size_t pieceSize) {
  Utf8Repair repair;
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += pieceSize)
    repair.push(bytes.substr(at, pieceSize), text);
  repair.finish(text);
  return text;
}

TEST(Utf8RepairTest, ReplacesMaximalParts) {
#define R "\xEF\xBF\xBD"
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\xE6\x97\xA5\xF0\x9F\x98\x80", "\xE6\x97\xA5\xF0\x9F\x98\x80"},
      {"\x80", R},
      {"\xC3", R},
      {"\xC3(", R "("},
      {"\xC0\xAF", R R},
      {"\xE0\x80\x80", R R R},
      {"\xED\xA0\x80", R R R},
      {"\xF4\x90\x80\x80", R R R R},
      {"\xF0\x9F\x98", R},
      {"\xF0\x9F\x98x", R "x"},
      {"\xF0\x9F\xF0\x9F\x98\x80", R "\xF0\x9F\x98\x80"},
      {"\xFE\xFF", R R},
      // Table 3-8 of the Unicode standard.
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", R R R R "A"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", R R R R R "A" R R "B"},
  };
#undef R
  for (const auto &[bytes, expected] : cases)
    for (size_t pieceSize : {size_t(1), size_t(2), size_t(3), size_t(100)})
      EXPECT_EQ(repaired(bytes, pieceSize), expected);
}

TEST(Utf8Test, FindsTheFirstInvalidByte) {
  EXPECT_EQ(findInvalidUtf8("abc\u00E9\u65E5\U0001F600"), std::string::npos);
  EXPECT_EQ(findInvalidUtf8("ab\xFF"), 2u);
  EXPECT_EQ(findInvalidUtf8("a\xE6\x97"), 1u);
}

TEST(Utf8Test, CharactersRoundTrip) {
  for (char32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 257) {
    if (c >= 0xD800 && c <= 0xDFFF)
      continue;
    std::string text;
    appendCharacter(text, c);
    EXPECT_EQ(findInvalidUtf8(text), std::string::npos);
    std::string_view rest = text;
    EXPECT_EQ(takeCharacter(rest), c);
    EXPECT_TRUE(rest.empty());
  }
}

TEST(Utf8Test, Properties) {
  EXPECT_TRUE(isNumeric(U'7'));
  EXPECT_TRUE(isNumeric(U'\u00BD'));
  EXPECT_TRUE(isNumeric(U'\u2167'));
  EXPECT_FALSE(isNumeric(U'a'));
  EXPECT_FALSE(isNumeric(U'\u4E09'));
  EXPECT_TRUE(isWhiteSpace(U'\u3000'));
  EXPECT_TRUE(isWhiteSpace(U'\u0085'));
  EXPECT_FALSE(isWhiteSpace(U'\u180E'));
  EXPECT_FALSE(isWhiteSpace(U'\u200B'));
}

TEST(Utf8Test, Composes) {
  EXPECT_EQ(*composed("e\u0301 \u212B"), "\u00E9 \u00C5");
  EXPECT_EQ(*composed(""), "");
  EXPECT_EQ(*composed(std::string("a\0b", 3)), std::string("a\0b", 3));
}

} // namespace
