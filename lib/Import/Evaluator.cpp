//===- Evaluator.cpp - Evaluates the programs of family files -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tree walk. Names are looked up in the locals of the body, then in the
// definitions of the program, then in the host.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Evaluator.h"

#include <algorithm>

using namespace moec::importer;

using Kind = Expression::Kind;

std::nullopt_t Evaluator::fail(const std::string &message,
                               std::string_view code) {
  std::string where = places.empty() ? "" : " (in " + places.back() + ")";
  return diagnostics.error(code, message + where);
}

std::optional<Datum> Evaluator::run(const Body &body, const std::string &what,
                                    std::map<std::string, Datum> locals) {
  return runBody(body, what, locals);
}

std::optional<Datum> Evaluator::evaluate(const Expression &expression,
                                         const std::string &what) {
  places.push_back(what);
  Locals locals;
  auto value = evaluate(expression, locals);
  places.pop_back();
  return value;
}

std::optional<Datum>
Evaluator::runBody(const Body &body, const std::string &what, Locals &locals) {
  std::optional<Datum> value;
  for (const Statement &statement : body) {
    places.push_back(what + ": " + statement.source);
    value = evaluate(statement.value, locals);
    if (value && !statement.target.empty())
      value = host.named(*value);
    places.pop_back();
    if (!value)
      return std::nullopt;
    if (!statement.target.empty())
      locals[statement.target] = *value;
  }
  return value;
}

std::optional<Datum> Evaluator::evaluate(const Expression &expression,
                                         Locals &locals) {
  if (++steps > maxSteps)
    return fail("the evaluation does not come to an end");
  switch (expression.kind) {
  case Kind::Literal:
    return expression.literal;
  case Kind::Name:
    return evaluateName(expression, locals);
  case Kind::List:
    return evaluateList(expression, locals);
  case Kind::Unary:
    return evaluateUnary(expression, locals);
  case Kind::Binary:
    return evaluateBinary(expression, locals);
  case Kind::Index:
    return evaluateIndex(expression, locals);
  case Kind::Call:
    return evaluateCall(expression, locals);
  case Kind::Conditional: {
    auto condition = evaluateCondition(expression.operands[0], locals);
    if (!condition)
      return std::nullopt;
    return evaluate(expression.operands[*condition ? 1 : 2], locals);
  }
  }
  return std::nullopt;
}

std::optional<Datum> Evaluator::evaluateName(const Expression &expression,
                                             Locals &locals) {
  const std::string &name = expression.text;
  auto local = locals.find(name);
  if (local != locals.end())
    return local->second;
  auto definition = definitions.find(name);
  if (definition != definitions.end()) {
    if (definition->second.signature.isFunction)
      return FunctionName{name};
    return enter(definition->second, {});
  }
  std::optional<Datum> value;
  if (host.variable(name, value))
    return value;
  if (host.hasFunction(name) || isPlainFunction(name))
    return FunctionName{name};
  return fail("nothing is called '" + name + "'");
}

std::optional<Datum> Evaluator::evaluateList(const Expression &expression,
                                             Locals &locals) {
  std::vector<Datum> items;
  for (const Expression &operand : expression.operands) {
    auto item = evaluate(operand, locals);
    if (!item)
      return std::nullopt;
    items.push_back(std::move(*item));
  }
  return std::make_shared<const std::vector<Datum>>(std::move(items));
}

std::optional<bool> Evaluator::evaluateCondition(const Expression &expression,
                                                 Locals &locals) {
  auto value = evaluate(expression, locals);
  if (!value)
    return std::nullopt;
  if (const bool *truth = value->as<bool>())
    return *truth;
  return fail("a condition must be a boolean, got " + toText(*value));
}

std::optional<Datum> Evaluator::evaluateUnary(const Expression &expression,
                                              Locals &locals) {
  if (expression.text == "not") {
    auto truth = evaluateCondition(expression.operands[0], locals);
    if (!truth)
      return std::nullopt;
    return !*truth;
  }
  auto value = evaluate(expression.operands[0], locals);
  if (!value)
    return std::nullopt;
  if (value->isObject())
    return host.arithmetic("-", Datum(int64_t(0)), *value);
  if (const double *real = value->as<double>())
    return -*real;
  std::string error;
  auto negated = arithmetic("-", Datum(int64_t(0)), *value, error);
  if (!negated)
    return fail(error);
  return negated;
}

static bool contains(const std::vector<Datum> &list, const Datum &value) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Datum &item) { return isEqual(item, value); });
}

std::optional<Datum> Evaluator::evaluateBinary(const Expression &expression,
                                               Locals &locals) {
  const std::string &op = expression.text;
  if (op == "and" || op == "or") {
    auto left = evaluateCondition(expression.operands[0], locals);
    if (!left)
      return std::nullopt;
    if (*left == (op == "or"))
      return *left;
    auto right = evaluateCondition(expression.operands[1], locals);
    if (!right)
      return std::nullopt;
    return *right;
  }
  auto left = evaluate(expression.operands[0], locals);
  if (!left)
    return std::nullopt;
  auto right = evaluate(expression.operands[1], locals);
  if (!right)
    return std::nullopt;
  bool comparesRows =
      (left->isObject() && (right->isObject() || right->isNumber())) ||
      (left->isNumber() && right->isObject());
  if ((op == "==" || op == "!=") && !comparesRows)
    return isEqual(*left, *right) == (op == "==");
  if (op == "in" || op == "not in") {
    const List *list = right->as<List>();
    if (!list)
      return fail("'" + op + "' needs a list on its right, got " +
                  toText(*right));
    return contains(**list, *left) == (op == "in");
  }
  if (left->isObject() || right->isObject())
    return host.arithmetic(op, *left, *right);
  std::string error;
  auto value = arithmetic(op, *left, *right, error);
  if (!value)
    return fail(error);
  return value;
}

/// The number of a list that rows of one element say, 0 outside of it: the sum
/// of what each one is where it is meant.
std::optional<Datum> Evaluator::pick(const std::vector<Datum> &list,
                                     const Datum &index) {
  constexpr size_t most = 64;
  if (list.empty() || list.size() > most)
    return fail("rows choose from a list of 1 to " + std::to_string(most) +
                " numbers, got " + std::to_string(list.size()));
  std::optional<Datum> sum;
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].isNumber())
      return fail("rows choose from a list of numbers, got " + toText(list[i]));
    auto part = host.arithmetic("==", index, static_cast<int64_t>(i));
    if (part)
      part = host.arithmetic("*", *part, list[i]);
    sum = part && sum ? host.arithmetic("+", *sum, *part) : part;
    if (!sum)
      return std::nullopt;
  }
  return sum;
}

std::optional<Datum> Evaluator::evaluateIndex(const Expression &expression,
                                              Locals &locals) {
  auto list = evaluate(expression.operands[0], locals);
  if (!list)
    return std::nullopt;
  auto index = evaluate(expression.operands[1], locals);
  if (!index)
    return std::nullopt;
  if (list->as<List>() && index->isObject())
    return pick(**list->as<List>(), *index);
  const auto *text = list->as<std::string>();
  if ((!list->as<List>() && !text) || !index->as<int64_t>())
    return fail("an index needs a list or a string, and an integer, got " +
                toText(*list) + " and " + toText(*index));
  size_t size = text ? text->size() : (*list->as<List>())->size();
  int64_t position = *index->as<int64_t>();
  if (position < 0 || position >= static_cast<int64_t>(size))
    return fail("index " + std::to_string(position) + " is outside a " +
                (text ? "string" : "list") + " of " + std::to_string(size));
  if (text)
    return text->substr(position, 1);
  return (**list->as<List>())[position];
}

std::optional<Datum> Evaluator::evaluateCall(const Expression &expression,
                                             Locals &locals) {
  Arguments arguments;
  size_t positional = expression.operands.size() - expression.named.size();
  for (const Expression &operand : expression.operands) {
    auto value = evaluate(operand, locals);
    if (!value)
      return std::nullopt;
    if (arguments.positional.size() < positional)
      arguments.positional.push_back(std::move(*value));
    else
      arguments.named.emplace_back(expression.named[arguments.named.size()],
                                   std::move(*value));
  }
  // A parameter may hold a function.
  auto local = locals.find(expression.text);
  if (local != locals.end()) {
    const auto *function = local->second.as<FunctionName>();
    if (!function)
      return fail("'" + expression.text + "' is not a function but " +
                  std::string(describe(local->second)));
    return call(function->name, std::move(arguments));
  }
  return call(expression.text, std::move(arguments));
}

std::optional<Datum> Evaluator::call(const std::string &name,
                                     Arguments arguments) {
  auto definition = definitions.find(name);
  if (definition != definitions.end()) {
    if (!definition->second.signature.isFunction)
      return fail("'" + name + "' is not a function");
    return enter(definition->second, std::move(arguments));
  }
  auto isObject = [](const Datum &value) { return value.isObject(); };
  bool onObjects = std::any_of(arguments.positional.begin(),
                               arguments.positional.end(), isObject);
  std::optional<Datum> result;
  std::string error;
  if (!onObjects && callPlainFunction(name, arguments, result, error)) {
    if (!result)
      return fail(name + "(): " + error);
    return result;
  }
  if (host.hasFunction(name))
    return host.call(name, std::move(arguments));
  return fail("no function is called '" + name + "'");
}

std::optional<Datum> Evaluator::enter(const Definition &definition,
                                      Arguments arguments) {
  if (depth == maxDepth)
    return fail("'" + definition.signature.name +
                "' is defined by itself, or calls nest too deeply");
  auto locals = bind(definition, arguments);
  if (!locals)
    return std::nullopt;
  ++depth;
  auto value = runBody(definition.body, definition.signature.name, *locals);
  --depth;
  return value;
}

std::optional<Evaluator::Locals> Evaluator::bind(const Definition &definition,
                                                 Arguments &arguments) {
  const auto &parameters = definition.signature.parameters;
  std::string call = definition.signature.name + "()";
  if (arguments.positional.size() > parameters.size())
    return fail(call + " takes " + std::to_string(parameters.size()) +
                " arguments, got " +
                std::to_string(arguments.positional.size()));
  Locals locals;
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    locals[parameters[i].first] = std::move(arguments.positional[i]);
  for (auto &[name, value] : arguments.named) {
    bool known = std::any_of(
        parameters.begin(), parameters.end(),
        [&, &name = name](const auto &each) { return each.first == name; });
    if (!known || locals.count(name))
      return fail(call + (known ? " got '" + name + "' twice"
                                : " has no parameter '" + name + "'"));
    locals[name] = std::move(value);
  }
  for (const auto &[name, fallback] : parameters) {
    if (locals.count(name))
      continue;
    if (!fallback)
      return fail(call + " needs '" + name + "'");
    Locals none;
    auto value = evaluate(*fallback, none);
    if (!value)
      return std::nullopt;
    locals[name] = std::move(*value);
  }
  return locals;
}
