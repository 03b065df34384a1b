//===- Expression.h - The expressions of family files -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The syntax, a part of Python's:
//
//   expression := disjunction ['if' disjunction 'else' expression]
//   and, or, not; == != < <= > >= in, not in; + -; * / // %; unary -; **
//   f(a, b, name=c), a[i], [a, b], (a), 12, 1.5e-3, 'text', true, false, null
//
// A statement is an expression, or `name = expression`.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_EXPRESSION_H
#define MOEC_LIB_IMPORT_EXPRESSION_H

#include "lib/Import/Datum.h"

#include <optional>
#include <set>
#include <utility>

namespace moec::importer {

struct Expression {
  enum class Kind {
    Literal,
    Name,        ///< text
    List,        ///< of the operands
    Unary,       ///< text: "-" or "not"
    Binary,      ///< text: the operator
    Conditional, ///< operands: condition, then, else
    Call,        ///< text: the function
    Index,       ///< operands: list, index
  };

  Kind kind = Kind::Literal;
  Datum literal;
  std::string text;
  std::vector<Expression> operands;
  std::vector<std::string> named; ///< Names of the last operands of a call.
};

struct Statement {
  std::string target; ///< Empty when the value has no name.
  Expression value;
  std::string source;
};

/// Statements one after another; the last one's value is the result.
using Body = std::vector<Statement>;

/// On failure, `error` says what was expected and at which column.
std::optional<Expression> parseExpression(std::string_view source,
                                          std::string &error);
std::optional<Statement> parseStatement(std::string_view source,
                                        std::string &error);

/// `name` or `name(parameter, parameter=default, ...)`, the head of a
/// definition. Defaults are missing where there are none.
struct Signature {
  std::string name;
  bool isFunction = false;
  std::vector<std::pair<std::string, std::optional<Expression>>> parameters;
};
std::optional<Signature> parseSignature(std::string_view source,
                                        std::string &error);

/// Adds all names that the expression mentions, functions among them.
void collectNames(const Expression &expression, std::set<std::string> &names);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_EXPRESSION_H
