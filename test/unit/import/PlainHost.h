//===- PlainHost.h - A host without functions -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_IMPORT_PLAINHOST_H
#define MOEC_TEST_UNIT_IMPORT_PLAINHOST_H

#include "lib/Import/Evaluator.h"

namespace moec::importer::test {

/// What has only variables, which a derived class names.
class PlainHost : public Host {
public:
  bool hasFunction(std::string_view) const override { return false; }
  std::optional<Datum> call(const std::string &, Arguments) override {
    return std::nullopt;
  }
  std::optional<Datum> arithmetic(const std::string &, const Datum &,
                                  const Datum &) override {
    return std::nullopt;
  }
  std::optional<Datum> named(const Datum &value) override { return value; }
};

} // namespace moec::importer::test

#endif // MOEC_TEST_UNIT_IMPORT_PLAINHOST_H
