//===- FamilyFuzzer.cpp - Attacks family files and their programs ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An input is taken twice: as a family file, and as one expression. Whatever
// is accepted is evaluated, with a configuration that has no keys.
//
//===----------------------------------------------------------------------===//

#include "test/fuzz/import/ConfigHost.h"

using namespace moec::importer;
using namespace moec::importer::test;

static void tryFile(std::string_view text) {
  Diagnostics diagnostics;
  auto family = parseFamily(text, "fuzz.json", diagnostics);
  require(family.has_value() != diagnostics.hasErrors());
  if (!family)
    return;
  reachableNames(*family);
  Config config(Json::object(), "config.json", *family, diagnostics);
  evaluateAll(config, diagnostics);
}

static void tryExpression(std::string_view text) {
  std::string error;
  auto expression = parseExpression(text, error);
  require(expression.has_value() == error.empty());
  if (!expression)
    return;
  Diagnostics diagnostics;
  Family family;
  Config config(Json::object(), "config.json", family, diagnostics);
  ConfigHost host(config, diagnostics);
  auto value = host.evaluator.evaluate(*expression, "fuzz");
  require(value.has_value() != diagnostics.hasErrors());
  if (value)
    toText(*value);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  tryFile(text);
  tryExpression(text);
  return 0;
}
