//===- Model.cpp - An artifact, opened ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The order of the checks is the point: nothing of an artifact is trusted
// before what vouches for it is checked. Code is mapped when the manifest, the
// sizes of all files and the code's own checksum are known to be good; weights,
// of which only their size is checked, come last.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Model.h"

#include "lib/Runtime/Tokenizer.h"

#include <sys/mman.h>

namespace moec::runtime {

namespace {

constexpr size_t largestManifest = size_t(64) << 20;
constexpr size_t largestTokenizer = size_t(256) << 20;

} // namespace

Model::~Model() = default;

Result<std::shared_ptr<Model>> Model::open(const std::string &path,
                                           const Options &options,
                                           const CpuFeatures &cpu) {
  Result<Directory> directory = Directory::open(path);
  if (!directory)
    return directory.status();
  std::shared_ptr<Model> model(new Model());
  model->directory = std::move(*directory);
  Status status = model->readManifest();
  if (status.ok())
    status = model->checkSizes();
  if (status.ok() && !options.inspectOnly)
    status = model->loadCode(options, cpu);
  if (status.ok() && !options.inspectOnly)
    status = model->mapWeights();
  if (!status.ok())
    return status;
  return model;
}

Status Model::readManifest() {
  Result<Descriptor> file = directory.openFile("manifest.json");
  if (!file)
    return Status(file.status().code() == MOEC_E_PATH ? MOEC_E_PATH
                                                      : MOEC_E_NOT_FOUND,
                  file.status().message() + "; is this an artifact?");
  Result<std::string> bytes =
      readAll(*file, directory.describe("manifest.json"), largestManifest);
  if (!bytes)
    return bytes.status();

  const std::string checksumName = "manifest.json.xxh3";
  Result<Descriptor> checksumFile = directory.openFile(checksumName);
  if (!checksumFile)
    return checksumFile.status();
  Result<std::string> checksum =
      readAll(*checksumFile, directory.describe(checksumName), 64);
  if (!checksum)
    return checksum.status();
  std::string actual = checksumOf(*bytes);
  if (*checksum != actual + "\n")
    return Status(MOEC_E_CHECKSUM,
                  directory.describe("manifest.json") + ": the checksum is " +
                      actual + ", " + checksumName + " says " +
                      inQuotes(*checksum) +
                      "; the artifact is damaged, copy or compile it again");

  Result<Manifest> manifest = parseManifest(*bytes);
  if (!manifest)
    return Status(manifest.status().code(),
                  directory.describe(manifest.status().message()));
  text = std::move(*bytes);
  facts = std::move(*manifest);
  return Status();
}

/// What `open` says of the first file that it cannot open; it gives a Result.
template <typename Open>
static Status checkEach(const Manifest &facts, Open open) {
  auto check = [&](const FileEntry &entry) {
    auto file = open(entry);
    return file ? Status() : file.status();
  };
  Status status = check(facts.weights);
  for (const Target &target : facts.targets)
    if (status.ok())
      status = check(target.code);
  for (const FileEntry &entry : facts.files)
    if (status.ok())
      status = check(entry);
  return status;
}

Status Model::checkSizes() const {
  return checkEach(
      facts, [&](const FileEntry &entry) { return directory.openFile(entry); });
}

Status Model::loadCode(const Options &options, const CpuFeatures &cpu) {
  Result<const Target *> target = chooseTarget(facts, cpu, options.target);
  if (!target)
    return target.status();
  chosen = *target;
  stepEntry = chosen->entry("step");
  if (stepEntry) {
    Status signature = checkStepSignature(*stepEntry, facts.model.vocabulary);
    if (!signature.ok())
      return signature;
  }
  Result<Code> loaded = Code::load(directory, chosen->code);
  if (!loaded)
    return loaded.status();
  for (const Entry &entry : chosen->entries) {
    Result<moec_entry_fn> symbol = loaded->entry(entry.symbol);
    if (!symbol)
      return symbol.status();
    functions.push_back(*symbol);
  }
  code = std::move(*loaded);
  return Status();
}

moec_entry_fn Model::function(const Entry &entry) const {
  return functions[&entry - chosen->entries.data()];
}

Status Model::mapWeights() {
  Result<Descriptor> file = directory.openFile(facts.weights);
  if (!file)
    return file.status();
  Result<Mapping> mapping = Mapping::ofFile(
      *file, facts.weights.bytes, directory.describe(facts.weights.name));
  if (!mapping)
    return mapping.status();
  weightBytes = std::move(*mapping);
  // Huge pages spare most of the page table walks of a decode, which reads
  // every weight once; where the file system has none this changes nothing.
  if (weightBytes.size() > 0)
    ::madvise(weightBytes.data(), weightBytes.size(), MADV_HUGEPAGE);
  return Status();
}

Status Model::checkFiles() const {
  return checkEach(facts, [&](const FileEntry &entry) {
    return openChecked(directory, entry);
  });
}

Result<std::shared_ptr<const Tokenizer>> Model::tokenizer() const {
  std::lock_guard<std::mutex> lock(tokenizerGuard);
  if (tokenizerRead)
    return tokenizerRead;
  const FileEntry *entry = facts.file("tokenizer.json");
  if (!entry)
    return Status(MOEC_E_ENTRY, "the artifact has no tokenizer.json; give "
                                "token ids instead of text");
  Result<Descriptor> file = openChecked(directory, *entry);
  if (!file)
    return file.status();
  Result<std::string> bytes =
      readAll(*file, directory.describe(entry->name), largestTokenizer);
  if (!bytes)
    return bytes.status();
  Result<std::shared_ptr<const Tokenizer>> read = Tokenizer::parse(*bytes);
  if (read)
    tokenizerRead = *read;
  return read;
}

} // namespace moec::runtime
