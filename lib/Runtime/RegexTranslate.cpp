//===- RegexTranslate.cpp - Patterns of Oniguruma for PCRE2 ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Problem: tokenizer.json holds patterns for Oniguruma in the syntax of Ruby.
// PCRE2 reads nearly the same, but where it does not, the difference is silent:
// \h is a hexadecimal digit in one and a space in the other, \s differs in
// U+180E, \w in marks, \v in everything, {,n} and {n}+ in meaning, && inside a
// class exists in one only, \p{Han} means the script in one and its extensions
// in the other.
//
// Idea: go through the pattern once and spell out again what is understood;
// characters become \x{..}, classes become properties. Whatever is not on the
// list is refused by name. PCRE2 then checks the rest (parentheses, ranges).
//
// Cost: linear. Source: Oniguruma's doc/RE and doc/SYNTAX.md, pcre2pattern(3).
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Regex.h"
#include "lib/Runtime/Utf8.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

namespace moec::runtime {

namespace {

constexpr std::string_view categories[] = {
    "C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo",
    "Lt", "Lu", "M",  "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No",
    "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S",  "Sc",
    "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};

// Outside of a class, Oniguruma looks characters below U+0100 up in a table of
// its own, which counts superscript digits and fractions as well.
constexpr std::string_view wordClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}",
                           wordOutside = "\\xB2\\xB3\\xB9\\xBC-\\xBE";

constexpr std::string_view space = "\\p{White_Space}",
                           notSpace = "\\P{White_Space}";

bool isDigit(char32_t c) { return c >= '0' && c <= '9'; }
bool isLetter(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Translator {
public:
  explicit Translator(std::string_view pattern)
      : pattern(pattern), rest(pattern) {}

  Result<std::string> run() {
    while (!rest.empty() && problem.empty())
      translateOne();
    if (problem.empty())
      return std::move(out);
    return Status(MOEC_E_TOKENIZER_KIND,
                  "pattern " + inQuotes(pattern) + ": " + problem);
  }

private:
  /// One escape: either a single character or a set.
  struct Escape {
    std::optional<char32_t> character = std::nullopt;
    std::string set = {};
    std::string classSet = set; ///< Empty: it cannot stand in a class.
  };

  std::string_view pattern, rest;
  std::string out, problem;
  bool afterQuantifier = false;

  void refuse(std::string_view what) {
    if (problem.empty())
      problem = std::string(what) + " is not supported";
    rest = {};
  }

  bool skip(std::string_view prefix) {
    if (!rest.starts_with(prefix))
      return false;
    rest.remove_prefix(prefix.size());
    return true;
  }

  void emit(char32_t character) {
    char text[16];
    std::snprintf(text, sizeof(text), "\\x{%X}", unsigned(character));
    out += text;
  }

  void translateOne() {
    if (std::string_view("*+?").find(rest[0]) != std::string_view::npos)
      return quantifier(rest.substr(0, 1), 1);
    if (rest[0] == '{' && interval())
      return;
    afterQuantifier = false;
    switch (rest[0]) {
    case '(':
      return group();
    case '[':
      return characterClass();
    case '\\':
      return escapeOutside();
    case ')':
    case '|':
    case '.':
    case '^':
    case '$':
      out += rest[0];
      rest.remove_prefix(1);
      return;
    default:
      emit(takeCharacter(rest));
    }
  }

  /// `spelled` stands for the first `length` bytes of what is left.
  void quantifier(std::string_view spelled, size_t length) {
    if (afterQuantifier)
      return refuse("a quantifier after a quantifier");
    out += spelled;
    rest.remove_prefix(length);
    if (!rest.empty() && (rest[0] == '?' || rest[0] == '+')) {
      if (spelled[0] == '{')
        return refuse("'" + std::string(1, rest[0]) + "' after an interval");
      out += rest[0];
      rest.remove_prefix(1);
    }
    afterQuantifier = true;
  }

  /// {n}, {n,}, {,n} or {n,m}; otherwise the brace is a character.
  bool interval() {
    size_t close = rest.find('}');
    if (close == rest.npos)
      return false;
    std::string_view inside = rest.substr(1, close - 1);
    size_t comma = inside.find(',');
    std::string_view least = inside.substr(0, comma);
    std::string_view most =
        comma == inside.npos ? std::string_view() : inside.substr(comma + 1);
    auto isNumber = [](std::string_view text) {
      return std::all_of(text.begin(), text.end(),
                         [](char c) { return isDigit(c); });
    };
    if (!isNumber(least) || !isNumber(most) || (least.empty() && most.empty()))
      return false;
    std::string spelled = "{" + std::string(least.empty() ? "0" : least);
    if (comma != inside.npos)
      spelled += "," + std::string(most);
    quantifier(spelled + "}", close + 1);
    return true;
  }

  void group() {
    // Longest first where one begins another.
    constexpr std::string_view kinds[] = {
        "(?:", "(?i:", "(?-i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    for (std::string_view kind : kinds)
      if (skip(kind)) {
        out += kind;
        return;
      }
    if (rest.starts_with("(?") || rest.starts_with("(*"))
      return refuse("the group " + inQuotes(rest.substr(0, 4)));
    // Nothing refers to what a group captured.
    rest.remove_prefix(1);
    out += "(?:";
  }

  void escapeOutside() {
    for (std::string_view anchor : {"\\A", "\\z", "\\Z"})
      if (skip(anchor)) {
        out += anchor;
        return;
      }
    Escape escape = readEscape();
    if (escape.character)
      emit(*escape.character);
    else
      out += escape.set;
  }

  Escape readEscape() {
    rest.remove_prefix(1);
    if (rest.empty()) {
      refuse("a backslash at the end");
      return {};
    }
    std::string_view from = rest;
    char32_t c = takeCharacter(rest);
    constexpr std::u32string_view names = U"nrtfvae",
                                  controls = U"\n\r\t\f\v\a\x1B";
    if (size_t at = names.find(c); at != names.npos)
      return {.character = controls[at]};
    switch (c) {
    case 's':
      return {.set = std::string(space)};
    case 'S':
      return {.set = std::string(notSpace)};
    case 'd':
      return {.set = "\\p{Nd}"};
    case 'D':
      return {.set = "\\P{Nd}"};
    case 'w':
      return {.set =
                  "[" + std::string(wordClass) + std::string(wordOutside) + "]",
              .classSet = std::string(wordClass)};
    case 'W':
      return {.set = "[^" + std::string(wordClass) + std::string(wordOutside) +
                     "]",
              .classSet = ""};
    case 'p':
    case 'P':
      return property(c == 'P');
    case 'x':
    case 'u':
      return codePoint(c == 'u');
    default:
      break;
    }
    if (isLetter(c) || isDigit(c)) {
      refuse("\\" + std::string(from.substr(0, 1)));
      return {};
    }
    return {.character = c};
  }

  Escape property(bool isNegated) {
    size_t close = rest.find('}');
    if (!skip("{") || close == rest.npos) {
      refuse("\\p without a name in braces");
      return {};
    }
    std::string_view name = rest.substr(0, close - 1);
    rest.remove_prefix(close);
    if (name.starts_with("^")) {
      isNegated = !isNegated;
      name.remove_prefix(1);
    }
    if (name.empty() || name.size() > 64 ||
        !std::all_of(name.begin(), name.end(),
                     [](char c) { return isLetter(c) || c == '_'; })) {
      refuse("the property " + inQuotes(name));
      return {};
    }
    bool isCategory = std::find(std::begin(categories), std::end(categories),
                                name) != std::end(categories);
    return {.set = (isNegated ? "\\P{" : "\\p{") +
                   std::string(isCategory ? "" : "sc:") + std::string(name) +
                   "}"};
  }

  Escape codePoint(bool isFourDigits) {
    bool isBraced = !isFourDigits && skip("{");
    size_t most = isFourDigits ? 4 : isBraced ? 6 : 2;
    size_t count = 0;
    char32_t value = 0;
    while (count < most && count < rest.size()) {
      char c = rest[count];
      int digit = isDigit(c)             ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
      if (digit < 0)
        break;
      value = value << 4 | char32_t(digit);
      ++count;
    }
    rest.remove_prefix(count);
    bool isWhole =
        count > 0 && (!isFourDigits || count == 4) && (!isBraced || skip("}"));
    // Without braces and above 7F, \x is a byte and not a character.
    bool isCharacter = value <= 0x10FFFF &&
                       (value < 0xD800 || value > 0xDFFF) &&
                       (isFourDigits || isBraced || value < 0x80);
    if (!isWhole || !isCharacter) {
      refuse("this use of \\x or \\u");
      return {};
    }
    return {.character = value};
  }

  void characterClass() {
    rest.remove_prefix(1);
    out += '[';
    if (skip("^"))
      out += '^';
    if (rest.starts_with("]"))
      return refuse("']' at the start of a class");
    while (!skip("]")) {
      if (rest.empty())
        return refuse("a class without an end");
      classItem();
      if (!problem.empty())
        return;
    }
    out += ']';
  }

  void classItem() {
    if (rest[0] == '[')
      return refuse("'[' inside a class");
    if (rest.starts_with("&&"))
      return refuse("'&&' inside a class");
    Escape item = classMember();
    if (!item.character) {
      if (item.classSet.empty())
        return refuse("\\W inside a class");
      out += item.classSet;
      if (rest.starts_with("-") && !rest.starts_with("-]"))
        refuse("a range that begins with a set");
      return;
    }
    emit(*item.character);
    if (!rest.starts_with("-") || rest.starts_with("-]"))
      return;
    rest.remove_prefix(1);
    if (rest.empty() || rest[0] == '[' || rest.starts_with("&&"))
      return refuse("this range");
    Escape end = classMember();
    if (!end.character)
      return refuse("a range that ends with a set");
    out += '-';
    emit(*end.character);
  }

  Escape classMember() {
    if (rest[0] == '\\')
      return readEscape();
    return {.character = takeCharacter(rest)};
  }
};

} // namespace

Result<std::string> translateRegex(std::string_view pattern) {
  return Translator(pattern).run();
}

} // namespace moec::runtime
