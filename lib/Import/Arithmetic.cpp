//===- Arithmetic.cpp - Arithmetic and functions on plain values ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Integers are exact and overflow is an error; `/` and `**` give floats, `//`
// and `%` round towards minus infinity, as in Python.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Evaluator.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace moec::importer;

static std::optional<Datum> integerArithmetic(const std::string &op, int64_t a,
                                              int64_t b, std::string &error) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else {
    if (b == 0) {
      error = "division by zero";
      return std::nullopt;
    }
    overflow = a == std::numeric_limits<int64_t>::min() && b == -1;
    if (!overflow) {
      int64_t quotient = a / b, remainder = a % b;
      if (remainder != 0 && (remainder < 0) != (b < 0)) {
        --quotient;
        remainder += b;
      }
      result = op == "//" ? quotient : remainder;
    }
  }
  if (overflow) {
    error = "'" + op + "' of " + std::to_string(a) + " and " +
            std::to_string(b) + " does not fit into 64 bits";
    return std::nullopt;
  }
  return result;
}

static Datum compare(const std::string &op, double a, double b) {
  return op == "<" ? a < b : op == "<=" ? a <= b : op == ">" ? a > b : a >= b;
}

std::optional<Datum> moec::importer::arithmetic(const std::string &op,
                                                const Datum &left,
                                                const Datum &right,
                                                std::string &error) {
  const auto *leftText = left.as<std::string>();
  const auto *rightText = right.as<std::string>();
  if (op == "+" && leftText && rightText)
    return *leftText + *rightText;
  const List *leftList = left.as<List>(), *rightList = right.as<List>();
  if (op == "+" && leftList && rightList) {
    std::vector<Datum> joined = **leftList;
    joined.insert(joined.end(), (*rightList)->begin(), (*rightList)->end());
    return std::make_shared<const std::vector<Datum>>(std::move(joined));
  }
  if (!left.isNumber() || !right.isNumber()) {
    error = "'" + op + "' needs numbers, got " + toText(left) + " and " +
            toText(right);
    return std::nullopt;
  }
  double a = left.number(), b = right.number();
  if (op == "<" || op == "<=" || op == ">" || op == ">=")
    return compare(op, a, b);
  if (op == "**")
    return std::pow(a, b);
  if (op != "/" && left.as<int64_t>() && right.as<int64_t>())
    return integerArithmetic(op, *left.as<int64_t>(), *right.as<int64_t>(),
                             error);
  if (op == "+")
    return a + b;
  if (op == "-")
    return a - b;
  if (op == "*")
    return a * b;
  if (b == 0) {
    error = "division by zero";
    return std::nullopt;
  }
  if (op == "/")
    return a / b;
  return op == "//" ? std::floor(a / b) : a - b * std::floor(a / b);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {
struct PlainFunction {
  std::string_view name;
  double (*apply)(double);
};
} // namespace

static constexpr PlainFunction realFunctions[] = {
    {"sqrt", [](double x) { return std::sqrt(x); }},
    {"log", [](double x) { return std::log(x); }},
    {"exp", [](double x) { return std::exp(x); }},
    {"float", [](double x) { return x; }},
};

static constexpr PlainFunction integerFunctions[] = {
    {"floor", [](double x) { return std::floor(x); }},
    {"ceil", [](double x) { return std::ceil(x); }},
    {"int", [](double x) { return std::trunc(x); }},
};

template <size_t N>
static const PlainFunction *find(const PlainFunction (&table)[N],
                                 std::string_view name) {
  auto it = std::find_if(
      std::begin(table), std::end(table),
      [&](const PlainFunction &each) { return each.name == name; });
  return it == std::end(table) ? nullptr : it;
}

namespace {
struct TypeTest {
  std::string_view name;
  bool (*holds)(const Datum &);
};
} // namespace

static constexpr TypeTest typeTests[] = {
    {"is_list", [](const Datum &x) { return x.as<List>() != nullptr; }},
    {"is_int", [](const Datum &x) { return x.as<int64_t>() != nullptr; }},
    {"is_bool", [](const Datum &x) { return x.as<bool>() != nullptr; }},
    {"is_string",
     [](const Datum &x) { return x.as<std::string>() != nullptr; }},
};

static const TypeTest *findTest(std::string_view name) {
  auto it =
      std::find_if(std::begin(typeTests), std::end(typeTests),
                   [&](const TypeTest &each) { return each.name == name; });
  return it == std::end(typeTests) ? nullptr : it;
}

bool moec::importer::isPlainFunction(std::string_view name) {
  return name == "len" || name == "text" || name == "split" ||
         name == "range" || findTest(name) || name == "min" || name == "max" ||
         name == "abs" || find(realFunctions, name) ||
         find(integerFunctions, name);
}

static std::optional<Datum> extremum(bool largest, const Arguments &arguments,
                                     std::string &error) {
  const Datum *best = nullptr;
  const auto &given = arguments.positional;
  const List *list = given.size() == 1 ? given[0].as<List>() : nullptr;
  for (const Datum &value : list ? **list : given) {
    if (!value.isNumber()) {
      error = "needs numbers, got " + toText(value);
      return std::nullopt;
    }
    if (!best || (largest ? value.number() > best->number()
                          : value.number() < best->number()))
      best = &value;
  }
  if (best)
    return *best;
  error = "needs at least one number";
  return std::nullopt;
}

static std::optional<Datum> toInteger(double value, std::string &error) {
  // Both limits are powers of two, and as such exact.
  if (value >= -0x1p63 && value < 0x1p63)
    return static_cast<int64_t>(value);
  error = toText(Datum(value)) + " does not fit into 64 bits";
  return std::nullopt;
}

/// The parts of a text between separators.
static std::optional<Datum> split(const Arguments &arguments,
                                  std::string &error) {
  const auto &given = arguments.positional;
  const auto *text = given.size() == 2 ? given[0].as<std::string>() : nullptr;
  const auto *mark = given.size() == 2 ? given[1].as<std::string>() : nullptr;
  if (!text || !mark || mark->empty()) {
    error = "needs a string and a separator";
    return std::nullopt;
  }
  std::vector<Datum> parts;
  size_t begin = 0;
  for (size_t at = text->find(*mark); at != std::string::npos;
       at = text->find(*mark, begin)) {
    parts.emplace_back(text->substr(begin, at - begin));
    begin = at + mark->size();
  }
  parts.emplace_back(text->substr(begin));
  return std::make_shared<const std::vector<Datum>>(std::move(parts));
}

/// The integers from the first to the one before the second.
static std::optional<Datum> range(const Arguments &arguments,
                                  std::string &error) {
  constexpr int64_t most = 4096;
  const auto &given = arguments.positional;
  const auto *from = given.size() == 2 ? given[0].as<int64_t>() : nullptr;
  const auto *to = given.size() == 2 ? given[1].as<int64_t>() : nullptr;
  if (!from || !to || *from > *to || *from < -most || *to > most) {
    error = "needs two integers, of which the second is not the lesser one and "
            "neither is beyond " +
            std::to_string(most);
    return std::nullopt;
  }
  std::vector<Datum> integers;
  for (int64_t i = *from; i < *to; ++i)
    integers.emplace_back(i);
  return std::make_shared<const std::vector<Datum>>(std::move(integers));
}

static std::optional<Datum> callUnary(std::string_view name, const Datum &value,
                                      std::string &error) {
  if (const TypeTest *test = findTest(name))
    return test->holds(value);
  if (name == "text") {
    const auto *text = value.as<std::string>();
    return text ? *text : toText(value);
  }
  if (name == "len") {
    if (const List *list = value.as<List>())
      return static_cast<int64_t>((*list)->size());
    if (const auto *text = value.as<std::string>())
      return static_cast<int64_t>(text->size());
    error = "needs a list or a string, got " + toText(value);
    return std::nullopt;
  }
  if (!value.isNumber()) {
    error = "needs a number, got " + toText(value);
    return std::nullopt;
  }
  if (name == "abs")
    return value.number() < 0
               ? arithmetic("*", value, Datum(int64_t(-1)), error)
               : value;
  if (const PlainFunction *function = find(integerFunctions, name))
    return value.as<int64_t>()
               ? value
               : toInteger(function->apply(value.number()), error);
  return find(realFunctions, name)->apply(value.number());
}

bool moec::importer::callPlainFunction(std::string_view name,
                                       const Arguments &arguments,
                                       std::optional<Datum> &result,
                                       std::string &error) {
  if (!isPlainFunction(name))
    return false;
  if (!arguments.named.empty()) {
    error = "has no named parameters";
  } else if (name == "min" || name == "max") {
    result = extremum(name == "max", arguments, error);
  } else if (name == "split") {
    result = split(arguments, error);
  } else if (name == "range") {
    result = range(arguments, error);
  } else if (arguments.positional.size() != 1) {
    error =
        "takes 1 argument, got " + std::to_string(arguments.positional.size());
  } else {
    result = callUnary(name, arguments.positional[0], error);
  }
  return true;
}
