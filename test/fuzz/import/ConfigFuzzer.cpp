//===- ConfigFuzzer.cpp - Attacks configurations --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An input is a config.json; every built-in family reads all it can of it.
//
//===----------------------------------------------------------------------===//

#include "test/fuzz/import/ConfigHost.h"

using namespace moec::importer;
using namespace moec::importer::test;

static std::vector<Family> families() {
  std::vector<Family> all;
  Diagnostics diagnostics;
  for (const std::string &name : builtinFamilies())
    all.push_back(*findFamily(name, diagnostics));
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const std::vector<Family> all = families();
  std::string_view text(reinterpret_cast<const char *>(data), size);
  Diagnostics parsing;
  auto json = parseJsonObject(text, "config.json", parsing);
  require(json.has_value() != parsing.hasErrors());
  if (!json)
    return 0;
  for (const Family &family : all) {
    Diagnostics diagnostics;
    Config config(*json, "config.json", family, diagnostics);
    require(config.checkPresent() != diagnostics.hasErrors());
    config.checkUnread();
    evaluateAll(config, diagnostics);
  }
  return 0;
}
