//===- Testing.h - Checkpoints for the tests of the import ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The recorded fixtures, and copies of them with something wrong.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_IMPORT_TESTING_H
#define MOEC_TEST_UNIT_IMPORT_TESTING_H

#include "lib/Import/Import.h"
#include "lib/Import/JsonFile.h"
#include "test/unit/weights/TestFiles.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>

namespace moec::importer::test {

/// The directory of a recorded fixture ("olmoe-a").
std::string fixture(const std::string &name);

/// A copy of a fixture whose configuration can be changed. Its tensors are
/// those of the fixture until other ones are written.
class EditedFixture {
public:
  explicit EditedFixture(const std::string &name,
                         const std::string &configFile = "config.json");

  Json config;

  /// Writes `config` and returns the directory.
  std::string write();
  std::string write(const std::string &configText);
  void writeFile(const std::string &name, const std::string &text);
  /// Replaces the checkpoint by one whose header is that of the fixture,
  /// changed by `edit`; the data of the tensors is zeros.
  void editTensors(const std::function<void(Json &)> &edit);

private:
  std::string source;
  weights::test::TemporaryDirectory directory;
};

/// An import with everything that it said.
struct Imported {
  Imported(const std::string &directory, const ImportOptions &options = {});

  std::string text() const;
  /// Succeeds when the import failed with this code and exit code, and one
  /// message says all the facts.
  testing::AssertionResult failsWith(std::string_view code, int exitCode,
                                     std::vector<std::string> facts) const;
  std::string messages() const;

  mlir::MLIRContext context;
  Diagnostics diagnostics;
  ModelSummary summary;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace moec::importer::test

#endif // MOEC_TEST_UNIT_IMPORT_TESTING_H
