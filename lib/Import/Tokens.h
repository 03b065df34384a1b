//===- Tokens.h - Cuts expressions into tokens ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names, numbers, strings in single quotes (without escapes), and symbols.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_TOKENS_H
#define MOEC_LIB_IMPORT_TOKENS_H

#include <string>
#include <string_view>

namespace moec::importer {

struct Token {
  enum class Kind { End, Name, Integer, Float, String, Symbol, Unclosed };
  Kind kind = Kind::End;
  std::string text; ///< Of a string: without its quotes.
  size_t column = 0;
};

class Tokens {
public:
  explicit Tokens(std::string_view source) : source(source) {}
  Token next();

private:
  void skipDigits();
  Token::Kind number();
  void symbol();

  std::string_view source;
  size_t position = 0;
};

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_TOKENS_H
