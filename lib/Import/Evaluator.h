//===- Evaluator.h - Evaluates the programs of family files -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Evaluates expressions and bodies. What a program does not define itself (the
// keys of a configuration, functions that build IR) a host provides.
//
// Every evaluation ends: there are no loops, and both the depth of calls and
// the number of steps are limited. A failure is reported where it happens and
// an empty result leads out of everything around it.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_EVALUATOR_H
#define MOEC_LIB_IMPORT_EVALUATOR_H

#include "lib/Import/Diagnostics.h"
#include "lib/Import/Expression.h"

#include <map>

namespace moec::importer {

struct Definition {
  Signature signature;
  Body body;
};
using Definitions = std::map<std::string, Definition>;

struct Arguments {
  std::vector<Datum> positional;
  std::vector<std::pair<std::string, Datum>> named;
};

class Evaluator;

/// What surrounds a program.
class Host {
public:
  virtual ~Host() = default;

  /// A variable of the host. Returns false when there is none of this name; an
  /// empty `value` means that it exists and that its failure is reported.
  virtual bool variable(const std::string &name,
                        std::optional<Datum> &value) = 0;
  virtual bool hasFunction(std::string_view name) const = 0;
  virtual std::optional<Datum> call(const std::string &name,
                                    Arguments arguments) = 0;
  /// + - * / of which at least one operand is an object.
  virtual std::optional<Datum>
  arithmetic(const std::string &op, const Datum &left, const Datum &right) = 0;
  /// A value gets a name.
  virtual std::optional<Datum> named(const Datum &value) = 0;
};

class Evaluator {
public:
  Evaluator(const Definitions &definitions, Host &host,
            Diagnostics &diagnostics)
      : definitions(definitions), host(host), diagnostics(diagnostics) {}

  /// Evaluates with `locals` as variables; `what` says in messages where the
  /// text stands, for example "olmoe.json, layer".
  std::optional<Datum> run(const Body &body, const std::string &what,
                           std::map<std::string, Datum> locals = {});
  std::optional<Datum> evaluate(const Expression &expression,
                                const std::string &what);
  /// Calls a function of the program or of the host.
  std::optional<Datum> call(const std::string &name, Arguments arguments);

  /// Reports an error of the program at the place being evaluated.
  std::nullopt_t fail(const std::string &message,
                      std::string_view code = code::badProgram);
  /// The statement being evaluated; empty between programs.
  std::string place() const { return places.empty() ? "" : places.back(); }

private:
  using Locals = std::map<std::string, Datum>;

  std::optional<Datum> evaluate(const Expression &expression, Locals &locals);
  std::optional<Datum> evaluateName(const Expression &expression,
                                    Locals &locals);
  std::optional<Datum> evaluateUnary(const Expression &expression,
                                     Locals &locals);
  std::optional<Datum> evaluateBinary(const Expression &expression,
                                      Locals &locals);
  std::optional<Datum> pick(const std::vector<Datum> &list, const Datum &index);
  std::optional<Datum> evaluateIndex(const Expression &expression,
                                     Locals &locals);
  std::optional<Datum> evaluateCall(const Expression &expression,
                                    Locals &locals);
  std::optional<Datum> evaluateList(const Expression &expression,
                                    Locals &locals);
  std::optional<bool> evaluateCondition(const Expression &expression,
                                        Locals &locals);
  std::optional<Datum> runBody(const Body &body, const std::string &what,
                               Locals &locals);
  std::optional<Datum> enter(const Definition &definition, Arguments arguments);
  std::optional<Locals> bind(const Definition &definition,
                             Arguments &arguments);

  static constexpr unsigned maxDepth = 32;
  static constexpr uint64_t maxSteps = 10'000'000;

  const Definitions &definitions;
  Host &host;
  Diagnostics &diagnostics;
  std::vector<std::string> places;
  unsigned depth = 0;
  uint64_t steps = 0;
};

/// The arithmetic of the language on plain values, with Python's meaning of //
/// and %. On failure, `error` says why.
std::optional<Datum> arithmetic(const std::string &op, const Datum &left,
                                const Datum &right, std::string &error);

/// A function on plain values (min, max, sqrt, len, is_list and so on), or
/// false when there is none of this name.
bool callPlainFunction(std::string_view name, const Arguments &arguments,
                       std::optional<Datum> &result, std::string &error);
bool isPlainFunction(std::string_view name);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_EVALUATOR_H
