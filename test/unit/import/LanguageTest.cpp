//===- LanguageTest.cpp - Expressions and bodies of family files ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What expressions mean, and what is said about those that mean nothing.
//
//===----------------------------------------------------------------------===//

#include "test/unit/import/PlainHost.h"

#include <gtest/gtest.h>

using namespace moec::importer;

namespace {

/// Knows the variable `seven` and no objects.
class SevenHost : public test::PlainHost {
public:
  bool variable(const std::string &name, std::optional<Datum> &value) override {
    if (name == "seven")
      value = int64_t(7);
    return name == "seven";
  }
};

class LanguageTest : public testing::Test {
protected:
  void define(const std::string &head, std::vector<std::string> lines) {
    std::string error;
    auto signature = parseSignature(head, error);
    ASSERT_TRUE(signature) << error;
    std::string name = signature->name;
    definitions[name] = {std::move(*signature), body(lines)};
  }

  Body body(const std::vector<std::string> &lines) {
    Body result;
    for (const std::string &line : lines) {
      std::string error;
      auto statement = parseStatement(line, error);
      EXPECT_TRUE(statement) << line << ": " << error;
      if (statement)
        result.push_back(std::move(*statement));
    }
    return result;
  }

  /// The value as text, or the error.
  std::string run(const std::vector<std::string> &lines) {
    SevenHost host;
    Diagnostics diagnostics;
    Evaluator evaluator(definitions, host, diagnostics);
    auto value = evaluator.run(body(lines), "test");
    EXPECT_EQ(value.has_value(), !diagnostics.hasErrors());
    return value ? toText(*value) : diagnostics.list().front().message;
  }

  std::string parseError(const std::string &line) {
    std::string error;
    EXPECT_FALSE(parseStatement(line, error)) << line;
    return error;
  }

  Definitions definitions;
};

} // namespace

TEST_F(LanguageTest, Evaluates) {
  const std::pair<const char *, const char *> cases[] = {
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"7 // 2", "3"},
      {"-7 // 2", "-4"},
      {"-7 % 3", "2"},
      {"7 / 2", "3.5"},
      {"7.5 // 2", "3.0"},
      {"2 ** -1", "0.5"},
      {"-2 ** 2", "-4.0"},
      {"10 - 3 - 2", "5"},
      {"1e-3 * 1000", "1.0"},
      {"'a' + 'b'", "'ab'"},
      {"1 == 1.0", "true"},
      {"null == null", "true"},
      {"0 == null", "false"},
      {"'1' != 1", "true"},
      {"2 in [1, 2]", "true"},
      {"3 not in [1, 2]", "true"},
      {"[1, 'a', null][2]", "null"},
      {"1 if false else 2 if false else 3", "3"},
      {"not 1 > 2 and true", "true"},
      {"true or nothing", "true"},
      {"false and nothing", "false"},
      {"seven % 4", "3"},
      {"min(3, 1.5)", "1.5"},
      {"max([4, 9, 2])", "9"},
      {"len([])", "0"},
      {"int(2.9) + int(-2.9)", "0"},
      {"ceil(2.1) * floor(2.9)", "6"},
      {"abs(-3) + abs(2)", "5"},
      {"sqrt(16)", "4.0"},
      {"float(2)", "2.0"},
      {"[1, [2, 3]] == [1, [2, 3]]", "true"},
      {"range(-1, 3)", "[-1, 0, 1, 2]"},
      {"range(2, 2) + range(0, 1)", "[0]"},
      {"len(range(0, 4096))", "4096"},
  };
  for (const auto &[source, expected] : cases)
    EXPECT_EQ(run({source}), expected) << source;
}

TEST_F(LanguageTest, RunsBodies) {
  define("double(x)", {"2 * x"});
  define("poly(x, a, b=seven)", {"y = a * x", "y + b"});
  define("apply(f, x)", {"f(f(x))"});
  define("answer", {"poly(2, 3)"});
  EXPECT_EQ(run({"x = 3", "y = double(x)", "x + y"}), "9");
  EXPECT_EQ(run({"poly(2, b=1, a=5)"}), "11");
  EXPECT_EQ(run({"apply(double, 3)"}), "12");
  EXPECT_EQ(run({"answer"}), "13");
}

// A function sees its parameters and what is global, not its caller's names.
TEST_F(LanguageTest, BodiesHaveTheirOwnNames) {
  define("leak(y)", {"x + y"});
  EXPECT_NE(run({"x = 1", "leak(2)"}).find("nothing is called 'x'"),
            std::string::npos);
}

TEST_F(LanguageTest, ReportsWhatCannotBeEvaluated) {
  define("f(x)", {"x"});
  define("loop", {"1"});
  const std::pair<const char *, const char *> cases[] = {
      {"1 // 0", "division by zero"},
      {"1 % 0", "division by zero"},
      {"1.0 / 0", "division by zero"},
      {"9223372036854775807 + 1", "64 bits"},
      {"int(1e30)", "64 bits"},
      {"'a' + 1", "needs numbers"},
      {"-'a'", "needs numbers"},
      {"missing", "nothing is called 'missing'"},
      {"missing(1)", "no function is called 'missing'"},
      {"1 if 1 else 2", "a condition must be a boolean, got 1"},
      {"not 1", "a condition must be a boolean"},
      {"[1][1]", "index 1 is outside a list of 1"},
      {"[1][-1]", "outside"},
      {"1[0]", "an index needs a list"},
      {"1 in 2", "needs a list on its right"},
      {"f()", "f() needs 'x'"},
      {"f(1, 2)", "takes 1 arguments, got 2"},
      {"f(1, x=2)", "got 'x' twice"},
      {"f(y=2)", "no parameter 'y'"},
      {"loop(1)", "is not a function"},
      {"len(1)", "needs a list"},
      {"min()", "at least one number"},
      {"sqrt(1, 2)", "takes 1 argument"},
      {"sqrt(x=1)", "no named parameters"},
      {"range(3, 2)", "the second is not the lesser one"},
      {"range(0, 4097)", "neither is beyond 4096"},
      {"range(0, 1.5)", "needs two integers"},
      {"range(4)", "needs two integers"},
  };
  for (const auto &[source, expected] : cases) {
    std::string message = run({source});
    EXPECT_NE(message.find(expected), std::string::npos)
        << source << " said: " << message;
    EXPECT_NE(message.find(source), std::string::npos)
        << "the place is missing: " << message;
  }
}

TEST_F(LanguageTest, LimitsRecursion) {
  define("loop", {"loop + 1"});
  define("forever(x)", {"forever(x)"});
  EXPECT_NE(run({"loop"}).find("'loop' is defined by itself"),
            std::string::npos);
  EXPECT_NE(run({"forever(1)"}).find("nest too deeply (in forever"),
            std::string::npos);
}

// Doubling at every level takes 2 to the 30 steps, far below the depth limit.
TEST_F(LanguageTest, EndsWhateverIsDefined) {
  define("f0(x)", {"x"});
  for (int i = 1; i <= 30; ++i) {
    std::string inner = "f" + std::to_string(i - 1) + "(x)";
    define("f" + std::to_string(i) + "(x)", {inner + " + " + inner});
  }
  EXPECT_NE(run({"f30(1)"}).find("does not come to an end"), std::string::npos);
}

TEST_F(LanguageTest, ReportsBadSyntax) {
  const std::pair<const char *, const char *> cases[] = {
      {"", "expected a value at column 1"},
      {"1 +", "expected a value at column 4"},
      {"(1", "expected ')' at column 3"},
      {"[1 2]", "expected ',' at column 4"},
      {"'abc", "a string is not closed at column 1"},
      {"1 2", "expected the end at column 3"},
      {"f(a=1, 2)", "expected a named argument"},
      {"1 = 2", "expected the end"},
      {"a = b = c", "expected the end"},
      {"1 if 2", "expected 'else'"},
      {"a not b", "expected 'in'"},
      {"in", "expected a value"},
      {"99999999999999999999", "not a number that fits"},
      {"1e999", "not a number that fits"},
      {"1e", "not a number that fits"},
      {"\x80", "expected a value"},
      {"a $ b", "expected the end"},
  };
  for (const auto &[source, expected] : cases)
    EXPECT_NE(parseError(source).find(expected), std::string::npos)
        << source << " said: " << parseError(source);
}

TEST_F(LanguageTest, LimitsNesting) {
  for (const char *open : {"(", "[", "-", "not ", "f(", "1 if true else ("}) {
    std::string source;
    for (int i = 0; i < 100000; ++i)
      source += open;
    std::string error = parseError(source);
    EXPECT_NE(error.find("too deeply"), std::string::npos) << open << error;
  }
  std::string sum = "1", indices = "a";
  for (int i = 0; i < 100000; ++i) {
    sum += "+1";
    indices += "[0]";
  }
  EXPECT_NE(parseError(sum).find("too many operators"), std::string::npos);
  EXPECT_NE(parseError(indices).find("too many indices"), std::string::npos);
}

TEST_F(LanguageTest, ReadsSignatures) {
  std::string error;
  auto signature = parseSignature("f(a, b=1 + 2)", error);
  ASSERT_TRUE(signature) << error;
  EXPECT_EQ(signature->name, "f");
  ASSERT_EQ(signature->parameters.size(), 2u);
  EXPECT_FALSE(signature->parameters[0].second);
  EXPECT_TRUE(signature->parameters[1].second);
  for (const char *bad : {"", "f(", "f(1)", "f(a b)", "if", "f(a,)", "f() x"}) {
    error.clear();
    EXPECT_FALSE(parseSignature(bad, error)) << bad;
    EXPECT_FALSE(error.empty()) << bad;
  }
}
