//===- Tokens.cpp - Cuts expressions into tokens --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The lexer of the expressions of family files.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Tokens.h"

#include <array>

using namespace moec::importer;

static bool isDigit(char c) { return c >= '0' && c <= '9'; }
static bool isLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

Token Tokens::next() {
  while (position < source.size() && source[position] == ' ')
    ++position;
  Token token;
  token.column = position;
  if (position == source.size())
    return token;
  size_t begin = position;
  if (isLetter(source[begin])) {
    while (position < source.size() &&
           (isLetter(source[position]) || isDigit(source[position])))
      ++position;
    token.kind = Token::Kind::Name;
  } else if (isDigit(source[begin])) {
    token.kind = number();
  } else if (source[begin] == '\'') {
    size_t end = source.find('\'', begin + 1);
    bool closed = end != std::string_view::npos;
    position = closed ? end + 1 : source.size();
    token.kind = closed ? Token::Kind::String : Token::Kind::Unclosed;
    token.text = source.substr(begin + 1, end - begin - 1);
    return token;
  } else {
    token.kind = Token::Kind::Symbol;
    symbol();
  }
  token.text = source.substr(begin, position - begin);
  return token;
}

void Tokens::skipDigits() {
  while (position < source.size() && isDigit(source[position]))
    ++position;
}

Token::Kind Tokens::number() {
  auto kind = Token::Kind::Integer;
  skipDigits();
  if (position < source.size() && source[position] == '.') {
    kind = Token::Kind::Float;
    ++position;
    skipDigits();
  }
  if (position < source.size() && source[position] == 'e') {
    kind = Token::Kind::Float;
    ++position;
    if (position < source.size() &&
        (source[position] == '-' || source[position] == '+'))
      ++position;
    skipDigits();
  }
  return kind;
}

void Tokens::symbol() {
  static constexpr std::array<std::string_view, 6> pairs = {
      "==", "!=", "<=", ">=", "//", "**"};
  for (std::string_view pair : pairs)
    if (source.substr(position, 2) == pair) {
      position += 2;
      return;
    }
  ++position;
}
