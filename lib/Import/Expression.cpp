//===- Expression.cpp - Parses the expressions of family files ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A recursive descent parser over a token at a time. Nesting is limited, so
// that no file can exhaust the stack.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Expression.h"
#include "lib/Import/Tokens.h"

#include <charconv>

using namespace moec::importer;

namespace {

class Parser {
public:
  Parser(std::string_view source, std::string &error)
      : source(source), error(error), tokens(source), token(tokens.next()) {}

  std::optional<Expression> expression();
  std::optional<Statement> statement();
  std::optional<Signature> signature();
  bool atEnd();

private:
  void advance() { token = tokens.next(); }
  std::nullopt_t fail(const std::string &what);
  bool isAt(std::string_view text) const {
    return (token.kind == Token::Kind::Symbol ||
            token.kind == Token::Kind::Name) &&
           token.text == text;
  }
  bool accept(std::string_view text);
  bool expect(std::string_view text);

  using Rule = std::optional<Expression> (Parser::*)();
  std::optional<Expression> leftAssociative(Rule operand,
                                            std::string (Parser::*op)());
  std::string orOperator() { return accept("or") ? "or" : ""; }
  std::string andOperator() { return accept("and") ? "and" : ""; }
  std::string comparison();
  std::string additive();
  std::string multiplicative();

  std::optional<Expression> disjunction();
  std::optional<Expression> conjunction();
  std::optional<Expression> negation();
  std::optional<Expression> relation();
  std::optional<Expression> sum();
  std::optional<Expression> product();
  std::optional<Expression> unary();
  std::optional<Expression> power();
  std::optional<Expression> postfix();
  std::optional<Expression> primary();
  std::optional<Expression> number();
  bool arguments(Expression &call);
  bool items(std::vector<Expression> &out);

  static constexpr unsigned maxDepth = 32;
  std::string_view source;
  std::string &error;
  Tokens tokens;
  Token token;
  unsigned depth = 0;
};

Expression binary(std::string op, Expression left, Expression right) {
  Expression result;
  result.kind = Expression::Kind::Binary;
  result.text = std::move(op);
  result.operands.push_back(std::move(left));
  result.operands.push_back(std::move(right));
  return result;
}

Expression unaryOf(std::string op, Expression operand) {
  Expression result;
  result.kind = Expression::Kind::Unary;
  result.text = std::move(op);
  result.operands.push_back(std::move(operand));
  return result;
}

} // namespace

std::nullopt_t Parser::fail(const std::string &what) {
  // The first failure is the one that explains the others.
  if (error.empty())
    error = what + " at column " + std::to_string(token.column + 1);
  return std::nullopt;
}

bool Parser::accept(std::string_view text) {
  if (!isAt(text))
    return false;
  advance();
  return true;
}

bool Parser::expect(std::string_view text) {
  if (accept(text))
    return true;
  fail("expected '" + std::string(text) + "'");
  return false;
}

bool Parser::atEnd() {
  if (token.kind == Token::Kind::End && error.empty())
    return true;
  fail("expected the end");
  return false;
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

std::optional<Expression> Parser::expression() {
  if (depth == maxDepth)
    return fail("nested too deeply");
  ++depth;
  auto value = disjunction();
  if (value && accept("if")) {
    Expression conditional;
    conditional.kind = Expression::Kind::Conditional;
    auto condition = disjunction();
    if (!condition || !expect("else"))
      return std::nullopt;
    auto otherwise = expression();
    if (!otherwise)
      return std::nullopt;
    conditional.operands.push_back(std::move(*condition));
    conditional.operands.push_back(std::move(*value));
    conditional.operands.push_back(std::move(*otherwise));
    value = std::move(conditional);
  }
  --depth;
  return value;
}

std::optional<Expression> Parser::leftAssociative(Rule operand,
                                                  std::string (Parser::*op)()) {
  auto left = (this->*operand)();
  // Each operator nests the tree once more, and trees are walked recursively.
  for (unsigned operators = 0; left; ++operators) {
    std::string name = (this->*op)();
    if (name.empty())
      return left;
    if (operators == maxDepth)
      return fail("too many operators in a row");
    auto right = (this->*operand)();
    if (!right)
      return std::nullopt;
    left = binary(std::move(name), std::move(*left), std::move(*right));
  }
  return std::nullopt;
}

std::string Parser::comparison() {
  for (std::string_view op : {"==", "!=", "<=", ">=", "<", ">", "in"})
    if (accept(op))
      return std::string(op);
  if (accept("not"))
    return expect("in") ? "not in" : "";
  return "";
}

std::string Parser::additive() {
  return accept("+") ? "+" : accept("-") ? "-" : "";
}

std::string Parser::multiplicative() {
  for (std::string_view op : {"*", "//", "/", "%"})
    if (accept(op))
      return std::string(op);
  return "";
}

std::optional<Expression> Parser::disjunction() {
  return leftAssociative(&Parser::conjunction, &Parser::orOperator);
}
std::optional<Expression> Parser::conjunction() {
  return leftAssociative(&Parser::negation, &Parser::andOperator);
}
std::optional<Expression> Parser::negation() {
  if (!accept("not"))
    return relation();
  if (depth == maxDepth)
    return fail("nested too deeply");
  ++depth;
  auto operand = negation();
  --depth;
  if (!operand)
    return std::nullopt;
  return unaryOf("not", std::move(*operand));
}
std::optional<Expression> Parser::relation() {
  return leftAssociative(&Parser::sum, &Parser::comparison);
}
std::optional<Expression> Parser::sum() {
  return leftAssociative(&Parser::product, &Parser::additive);
}
std::optional<Expression> Parser::product() {
  return leftAssociative(&Parser::unary, &Parser::multiplicative);
}

std::optional<Expression> Parser::unary() {
  if (!accept("-"))
    return power();
  if (depth == maxDepth)
    return fail("nested too deeply");
  ++depth;
  auto operand = unary();
  --depth;
  if (!operand)
    return std::nullopt;
  return unaryOf("-", std::move(*operand));
}

// Binds tighter than a sign on its left, not than one on its right.
std::optional<Expression> Parser::power() {
  auto base = postfix();
  if (!base || !accept("**"))
    return base;
  auto exponent = unary();
  if (!exponent)
    return std::nullopt;
  return binary("**", std::move(*base), std::move(*exponent));
}

std::optional<Expression> Parser::postfix() {
  auto value = primary();
  for (unsigned indices = 0; value && accept("["); ++indices) {
    if (indices == maxDepth)
      return fail("too many indices in a row");
    auto index = expression();
    if (!index || !expect("]"))
      return std::nullopt;
    Expression result;
    result.kind = Expression::Kind::Index;
    result.operands.push_back(std::move(*value));
    result.operands.push_back(std::move(*index));
    value = std::move(result);
  }
  return value;
}

static bool isReserved(std::string_view name) {
  for (std::string_view word : {"if", "else", "and", "or", "not", "in"})
    if (name == word)
      return true;
  return false;
}

std::optional<Expression> Parser::primary() {
  Expression result;
  if (token.kind == Token::Kind::Integer || token.kind == Token::Kind::Float)
    return number();
  if (token.kind == Token::Kind::String) {
    result.literal = token.text;
    advance();
    return result;
  }
  if (accept("(")) {
    auto inner = expression();
    if (!inner || !expect(")"))
      return std::nullopt;
    return inner;
  }
  if (accept("[")) {
    result.kind = Expression::Kind::List;
    if (!items(result.operands))
      return std::nullopt;
    return result;
  }
  if (token.kind == Token::Kind::Unclosed)
    return fail("a string is not closed");
  if (token.kind != Token::Kind::Name || isReserved(token.text))
    return fail("expected a value");
  std::string name = token.text;
  advance();
  if (name == "true" || name == "false") {
    result.literal = name == "true";
    return result;
  }
  if (name == "null")
    return result;
  result.text = std::move(name);
  result.kind = Expression::Kind::Name;
  if (!accept("("))
    return result;
  result.kind = Expression::Kind::Call;
  if (!arguments(result))
    return std::nullopt;
  return result;
}

std::optional<Expression> Parser::number() {
  Expression result;
  const char *begin = token.text.data(), *end = begin + token.text.size();
  std::from_chars_result parsed{};
  if (token.kind == Token::Kind::Integer) {
    int64_t integer = 0;
    parsed = std::from_chars(begin, end, integer);
    result.literal = integer;
  } else {
    double real = 0;
    parsed = std::from_chars(begin, end, real);
    result.literal = real;
  }
  if (parsed.ec != std::errc() || parsed.ptr != end)
    return fail("'" + token.text + "' is not a number that fits");
  advance();
  return result;
}

bool Parser::items(std::vector<Expression> &out) {
  while (!accept("]")) {
    if (!out.empty() && !expect(","))
      return false;
    auto item = expression();
    if (!item)
      return false;
    out.push_back(std::move(*item));
  }
  return true;
}

bool Parser::arguments(Expression &call) {
  while (!accept(")")) {
    if (!call.operands.empty() && !expect(","))
      return false;
    auto value = expression();
    if (value && value->kind == Expression::Kind::Name && accept("=")) {
      call.named.push_back(value->text);
      value = expression();
    } else if (value && !call.named.empty()) {
      fail("expected a named argument");
      return false;
    }
    if (!value)
      return false;
    call.operands.push_back(std::move(*value));
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Statements and signatures
//===----------------------------------------------------------------------===//

std::optional<Statement> Parser::statement() {
  Statement result;
  result.source = source;
  auto value = expression();
  if (value && value->kind == Expression::Kind::Name && accept("=")) {
    result.target = value->text;
    value = expression();
  }
  if (!value || !atEnd())
    return std::nullopt;
  result.value = std::move(*value);
  return result;
}

std::optional<Signature> Parser::signature() {
  Signature result;
  auto name = [&]() -> std::string {
    std::string text = token.text;
    if (token.kind != Token::Kind::Name || isReserved(text)) {
      fail("expected a name");
      return "";
    }
    advance();
    return text;
  };
  result.name = name();
  if (!result.name.empty() && accept("(")) {
    result.isFunction = true;
    while (error.empty() && !accept(")")) {
      if (!result.parameters.empty() && !expect(","))
        return std::nullopt;
      std::optional<Expression> fallback;
      std::string parameter = name();
      if (accept("=") && !(fallback = expression()))
        return std::nullopt;
      result.parameters.emplace_back(std::move(parameter), std::move(fallback));
    }
  }
  if (!atEnd())
    return std::nullopt;
  return result;
}

std::optional<Expression>
moec::importer::parseExpression(std::string_view source, std::string &error) {
  Parser parser(source, error);
  auto result = parser.expression();
  if (!result || !parser.atEnd())
    return std::nullopt;
  return result;
}

std::optional<Statement> moec::importer::parseStatement(std::string_view source,
                                                        std::string &error) {
  return Parser(source, error).statement();
}

std::optional<Signature> moec::importer::parseSignature(std::string_view source,
                                                        std::string &error) {
  return Parser(source, error).signature();
}

void moec::importer::collectNames(const Expression &expression,
                                  std::set<std::string> &names) {
  if (expression.kind == Expression::Kind::Name ||
      expression.kind == Expression::Kind::Call)
    names.insert(expression.text);
  for (const Expression &operand : expression.operands)
    collectNames(operand, names);
}
