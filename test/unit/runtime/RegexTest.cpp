//===- RegexTest.cpp - Patterns of Oniguruma for PCRE2 --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is translated and how, and what is refused because it could mean
// something else.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include "lib/Runtime/Regex.h"

using namespace moec::runtime;
using namespace moec::runtime::testing;

namespace {

std::vector<std::string> matches(std::string_view pattern,
                                 std::string_view text) {
  Result<Regex> regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << regex.status().message();
  std::vector<TextPart> parts;
  std::vector<std::string> result;
  if (!regex || !regex->findAll(text, parts).ok())
    return {"failed"};
  size_t covered = 0;
  for (const TextPart &part : parts) {
    EXPECT_EQ(part.start, covered);
    covered = part.end;
    if (part.isMatch)
      result.emplace_back(text.substr(part.start, part.end - part.start));
  }
  EXPECT_EQ(covered, text.size());
  return result;
}

using Texts = std::vector<std::string>;

TEST(RegexTest, KeepsItsMeaning) {
  EXPECT_EQ(matches("a|b+", "abbc"), (Texts{"a", "bb"}));
  EXPECT_EQ(matches("(ab)+c?", "ababc"), (Texts{"ababc"}));
  EXPECT_EQ(matches("(?i:ab)", "aBAb"), (Texts{"aB", "Ab"}));
  EXPECT_EQ(matches("a(?=b)|c(?!d)", "abacdc"), (Texts{"a", "c"}));
  EXPECT_EQ(matches("(?<=a)b|(?<!a)c", "abcac"), (Texts{"b", "c"}));
  EXPECT_EQ(matches("\\p{N}{1,3}", "12345"), (Texts{"123", "45"}));
  EXPECT_EQ(matches("a{2}", "aaaaa"), (Texts{"aa", "aa"}));
  EXPECT_EQ(matches("a{2,}", "aaaaab"), (Texts{"aaaaa"}));
  EXPECT_EQ(matches("xa{,2}", "xaaa"), (Texts{"xaa"}));
  EXPECT_EQ(matches("a{x}", "a{x}"), (Texts{"a{x}"}));
  EXPECT_EQ(matches("a++b", "aab"), (Texts{"aab"}));
  EXPECT_EQ(matches("a+?", "aa"), (Texts{"a", "a"}));
  EXPECT_EQ(matches("[a-c\\-\\]]+", "ab-]d"), (Texts{"ab-]"}));
  EXPECT_EQ(matches("[^a-c]+", "abxyc"), (Texts{"xy"}));
  EXPECT_EQ(matches("[a-]+", "a-b"), (Texts{"a-"}));
  EXPECT_EQ(matches("[\\s\\d_]+", "x 1_"), (Texts{" 1_"}));
  EXPECT_EQ(matches("\\x41\\x{1F600}\\u65e5", "A\U0001F600\u65E5"),
            (Texts{"A\U0001F600\u65E5"}));
  EXPECT_EQ(matches("\\.\\+\\/", ".+/"), (Texts{".+/"}));
  EXPECT_EQ(matches("日+", "日日本"), (Texts{"日日"}));
  EXPECT_EQ(matches("[一-龥]+", "a日本b"), (Texts{"日本"}));
  EXPECT_EQ(matches("#.+", "a #b\nc"), (Texts{"#b"}));
}

TEST(RegexTest, SpacesAreUnicodes) {
  EXPECT_EQ(matches("\\s+", "a\u3000\u0085\vb\u180Ec"),
            (Texts{"\u3000\u0085\v"}));
  EXPECT_EQ(matches("[^\\S]+", "a\u180E \tb"), (Texts{" \t"}));
}

TEST(RegexTest, LinesBeginAndEndAtNewlines) {
  EXPECT_EQ(matches("^.|.$", "ab\ncd"), (Texts{"a", "b", "c", "d"}));
  EXPECT_EQ(matches("\\Aa|c\\z", "ac\nac"), (Texts{"a", "c"}));
}

TEST(RegexTest, PropertiesOfScriptsLeaveOutExtensions) {
  // U+30FC is common to Hiragana and Katakana.
  EXPECT_EQ(matches("\\p{Katakana}+", "カー"), (Texts{"カ"}));
  EXPECT_EQ(matches("\\p{^L}+", "a12b"), (Texts{"12"}));
  EXPECT_EQ(matches("\\P{^L}+", "a12b"), (Texts{"a", "b"}));
}

TEST(RegexTest, EmptyMatchesDoNotTouchTheOneBefore) {
  EXPECT_EQ(matches("x*", "axb"), (Texts{"", "x", ""}));
  EXPECT_EQ(matches("x*", "é"), (Texts{"", ""}));
  EXPECT_EQ(matches("", ""), (Texts{""}));
}

TEST(RegexTest, WhatCouldMeanSomethingElseIsRefused) {
  for (const char *pattern :
       {"\\h",   "\\R",     "\\X",           "\\K",         "\\G",
        "\\b",   "\\1",     "\\k<a>",        "\\pL",        "\\p{L",
        "\\p{}", "\\p{L&}", "\\p{Nonsense}", "\\x80",       "\\x{110000}",
        "\\xg",  "\\u12",   "\\uD800",       "\\",          "(?m:a)",
        "(?#a)", "(?<n>a)", "(?i)a",         "(*FAIL)",     "(?R)",
        "[a",    "[]",      "[]a]",          "[[:alpha:]]", "[a&&b]",
        "[\\W]", "[a-\\d]", "[\\d-a]",       "[a-",         "[a-[b]]",
        "a{2}+", "a{2}?",   "a**",           "a+++",        "*a",
        "(a",    "a)",      "a{99999}",      "[b-a]",       "(?<=a*)b"})
    EXPECT_TRUE(fails(Regex::compile(pattern).status(), MOEC_E_TOKENIZER_KIND,
                      "pattern "))
        << pattern;
  EXPECT_TRUE(fails(Regex::compile(std::string(70000, 'a')).status(),
                    MOEC_E_TOKENIZER_KIND, "the limit is 65536"));
}

TEST(RegexTest, PatternsThatTakeForeverEnd) {
  Result<Regex> regex = Regex::compile("(a|aa)+$");
  ASSERT_TRUE(regex);
  std::vector<TextPart> parts;
  EXPECT_TRUE(fails(regex->findAll(std::string(100, 'a') + "c", parts),
                    MOEC_E_TOKENIZER, "limit"));
}

} // namespace
