//===- Testing.cpp - Checkpoints for the tests of the import --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The recorded fixtures, and copies of them with something wrong.
//
//===----------------------------------------------------------------------===//

#include "test/unit/import/Testing.h"

#include "lib/Weights/Checkpoint.h"

#include <cstring>
#include <filesystem>

using namespace moec::importer;
using namespace moec::importer::test;

std::string moec::importer::test::fixture(const std::string &name) {
  return std::string(MOEC_TEST_DATA) + "/fixtures/" + name;
}

EditedFixture::EditedFixture(const std::string &name,
                             const std::string &configFile)
    : source(fixture(name)) {
  config = Json::parse(weights::test::readFile(source + "/" + configFile));
  std::filesystem::create_symlink(source + "/model.safetensors",
                                  directory / "model.safetensors");
}

std::string EditedFixture::write() { return write(config.dump(1)); }

std::string EditedFixture::write(const std::string &configText) {
  directory.write("config.json", configText);
  return directory.path();
}

void EditedFixture::writeFile(const std::string &name,
                              const std::string &text) {
  directory.write(name, text);
}

void EditedFixture::editTensors(const std::function<void(Json &)> &edit) {
  std::string file = weights::test::readFile(source + "/model.safetensors");
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  Json header = Json::parse(file.substr(sizeof length, length));
  header.erase("__metadata__");
  edit(header);
  // Whatever the edit did to shapes and types, the data is laid out anew.
  uint64_t end = 0;
  for (auto &[name, tensor] : header.items()) {
    auto type = weights::parseDType(tensor["dtype"].get<std::string>());
    uint64_t bytes = weights::bitWidth(*type) / 8;
    for (uint64_t size : tensor["shape"])
      bytes *= size;
    tensor["data_offsets"] = {end, end + bytes};
    end += bytes;
  }
  std::filesystem::remove(directory / "model.safetensors");
  directory.write(
      "model.safetensors",
      weights::test::safetensors(header.dump(), std::string(end, '\0')));
}

Imported::Imported(const std::string &directory, const ImportOptions &options)
    : context(mlir::MLIRContext::Threading::DISABLED),
      module(importCheckpoint(context, directory, options, diagnostics,
                              &summary)) {}

std::string Imported::text() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (module)
    mlir::ModuleOp(*module).print(stream);
  return text;
}

std::string Imported::messages() const {
  std::string text;
  for (const Diagnostic &diagnostic : diagnostics.list())
    text += diagnostic.text() + "\n";
  return text;
}

testing::AssertionResult
Imported::failsWith(std::string_view code, int exitCode,
                    std::vector<std::string> facts) const {
  if (module)
    return testing::AssertionFailure() << "the import succeeded";
  if (diagnostics.exitCode() != exitCode)
    return testing::AssertionFailure()
           << "exit code " << diagnostics.exitCode() << "\n"
           << messages();
  for (const Diagnostic &diagnostic : diagnostics.list()) {
    bool saysAll = diagnostic.code == code;
    for (const std::string &fact : facts)
      saysAll &= diagnostic.message.find(fact) != std::string::npos;
    if (saysAll && diagnostic.severity == Severity::Error)
      return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "said:\n" << messages();
}
