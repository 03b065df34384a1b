//===- ConfigHost.h - A host of programs without models ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives programs the keys of a configuration and no functions.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_FUZZ_IMPORT_CONFIGHOST_H
#define MOEC_TEST_FUZZ_IMPORT_CONFIGHOST_H

#include "lib/Import/Config.h"
#include "test/unit/import/PlainHost.h"

namespace moec::importer::test {

class ConfigHost final : public PlainHost {
public:
  ConfigHost(Config &config, Diagnostics &diagnostics)
      : config(config),
        evaluator(config.family().definitions, *this, diagnostics) {}

  bool variable(const std::string &name, std::optional<Datum> &value) override {
    if (!config.family().keys.count(name))
      return false;
    value = config.get(name, evaluator);
    return true;
  }

  Config &config;
  Evaluator evaluator;
};

/// A failure must be reported, and what is reported must be a failure.
inline void require(bool condition) {
  if (!condition)
    __builtin_trap();
}

/// Evaluates everything that a family says about this configuration.
inline void evaluateAll(Config &config, Diagnostics &diagnostics) {
  ConfigHost host(config, diagnostics);
  auto check = [&](auto evaluate) {
    size_t before = diagnostics.numErrors();
    bool succeeded = evaluate().has_value();
    require(!succeeded || diagnostics.numErrors() == before);
    require(succeeded || diagnostics.hasErrors());
  };
  for (const auto &[name, key] : config.family().keys)
    check([&, &name = name] { return config.get(name, host.evaluator); });
  for (const Check &each : config.family().checks)
    check([&] { return host.evaluator.evaluate(each.condition, "check"); });
  for (const auto &[name, definition] : config.family().definitions)
    if (!definition.signature.isFunction)
      check([&, &body = definition.body] {
        return host.evaluator.run(body, "define");
      });
}

} // namespace moec::importer::test

#endif // MOEC_TEST_FUZZ_IMPORT_CONFIGHOST_H
