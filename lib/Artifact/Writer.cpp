//===- Writer.cpp - Writes an artifact ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything is checked before anything is written. The weights are made in the
// order of their offsets, so that one pass writes them and sums them up.
//
//===----------------------------------------------------------------------===//

#include "lib/Artifact/Writer.h"

#include "lib/Artifact/Manifest.h"
#include "lib/Artifact/OutputDirectory.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace moec::artifact {

using weights::DefinedWeight;
using weights::ErrorCode;
using weights::RecipeExecutor;
using weights::Result;
using weights::Status;

namespace {

constexpr char weightsFile[] = "weights/weights.bin";
/// Room for the manifest, directories and the file system's own data.
constexpr uint64_t sparedBytes = uint64_t(1) << 20;

Status invalid(std::string message) {
  return Status::failure(ErrorCode::InvalidArgument, std::move(message));
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// Bytes from one member to the next.
uint64_t strideOf(const DefinedWeight &weight) {
  return weight.isBank ? *weight.stride : weight.memberBytes;
}

uint64_t bytesOf(const DefinedWeight &weight) {
  return strideOf(weight) * uint64_t(weight.experts);
}

Status checkPlaced(const DefinedWeight &weight) {
  if (!weight.offset)
    return invalid(weight.text() + " has no offset");
  if (*weight.offset % 64)
    return invalid(weight.text() + " is at offset " +
                   std::to_string(*weight.offset) +
                   ", which is no multiple of 64");
  if (!weight.isBank)
    return {};
  if (!weight.stride)
    return invalid(weight.text() + " is a bank without a stride");
  if (*weight.stride < weight.memberBytes || *weight.stride % 64)
    return invalid(weight.text() + " has the stride " +
                   std::to_string(*weight.stride) +
                   ", which is no multiple of 64 of at least " +
                   std::to_string(weight.memberBytes));
  return {};
}

/// The weights by ascending offset; every one has its place.
Result<std::vector<const DefinedWeight *>>
inOrder(const RecipeExecutor &weights, uint64_t fileBytes) {
  std::vector<const DefinedWeight *> order;
  for (const DefinedWeight &weight : weights.weights()) {
    Status status = checkPlaced(weight);
    if (!status.ok())
      return status;
    order.push_back(&weight);
  }
  std::sort(order.begin(), order.end(),
            [](const DefinedWeight *a, const DefinedWeight *b) {
              return std::pair(*a->offset, a->name) <
                     std::pair(*b->offset, b->name);
            });
  uint64_t end = 0;
  for (const DefinedWeight *weight : order) {
    if (*weight->offset < end)
      return invalid(weight->text() + " begins at byte " +
                     std::to_string(*weight->offset) +
                     ", the one before it ends at " + std::to_string(end));
    end = *weight->offset + bytesOf(*weight);
  }
  if (end > fileBytes)
    return invalid("the weights reach to byte " + std::to_string(end) +
                   " of a file of " + std::to_string(fileBytes));
  return order;
}

/// Whether a name is that of a file directly in the artifact.
bool isPlainName(const std::string &name) {
  return !name.empty() && name.front() != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789._+-") == std::string::npos;
}

Status checkNames(const Contents &contents) {
  std::set<std::string> names = {"code", "weights", "manifest.json",
                                 "manifest.json.xxh3"};
  for (const PassedFile &file : contents.files)
    if (!isPlainName(file.name) || !names.insert(file.name).second)
      return invalid("'" + file.name +
                     "' cannot be the name of a file of the artifact, or is it "
                     "already");
  std::set<std::string> targets;
  for (const Target &target : contents.targets)
    if (!isPlainName(target.name) || !targets.insert(target.name).second)
      return invalid("'" + target.name +
                     "' cannot be the name of a target, or is it already");
  return {};
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

class Writer {
public:
  Writer(OutputDirectory &directory, const Contents &contents,
         const WriteOptions &options)
      : directory(directory), contents(contents), options(options) {}

  Status write(std::span<const DefinedWeight *const> order);

private:
  Result<WrittenFile> writeText(const std::string &name, std::string_view text);
  Result<WrittenFile> copy(const PassedFile &file);
  Result<WrittenWeights>
  writeWeights(std::span<const DefinedWeight *const> order);
  Status writeManifest(const WrittenWeights &weights);

  OutputDirectory &directory;
  const Contents &contents;
  const WriteOptions &options;
  std::vector<WrittenFile> code, files;
};

Result<WrittenFile> finished(OutputFile &file, const std::string &name) {
  Status status = file.close();
  if (!status.ok())
    return status;
  return WrittenFile{name, file.size(), file.checksum()};
}

Result<WrittenFile> Writer::writeText(const std::string &name,
                                      std::string_view text) {
  Result<OutputFile> file = OutputFile::create(directory, name);
  if (!file)
    return std::move(file).status();
  Status status = file->write(std::as_bytes(std::span(text)));
  if (!status.ok())
    return status;
  return finished(*file, name);
}

Result<WrittenFile> Writer::copy(const PassedFile &passed) {
  auto source = weights::MappedFile::open(passed.path);
  if (!source)
    return std::move(source).status();
  std::span<const std::byte> bytes = source->bytes();
  return writeText(passed.name, {reinterpret_cast<const char *>(bytes.data()),
                                 bytes.size()});
}

Result<WrittenWeights>
Writer::writeWeights(std::span<const DefinedWeight *const> order) {
  Result<OutputFile> file = OutputFile::create(directory, weightsFile);
  if (!file)
    return std::move(file).status();
  uint64_t total = contents.weightsBytes;
  Status status = RecipeExecutor::produce(
      order, options.threads,
      [&](const DefinedWeight &weight, int64_t expert, uint64_t offset,
          std::span<const std::byte> bytes) {
        Status status =
            file->fillTo(*weight.offset + expert * strideOf(weight) + offset);
        if (status.ok())
          status = file->write(bytes);
        if (status.ok() && options.progress)
          options.progress(weight.name, file->size(), total);
        return status;
      });
  bool hasTail = file->size() < total;
  if (status.ok())
    status = file->fillTo(total);
  if (!status.ok())
    return status;
  if (hasTail && options.progress)
    options.progress(order.empty() ? "" : order.back()->name, total, total);
  Result<WrittenFile> written = finished(*file, weightsFile);
  if (!written)
    return std::move(written).status();
  WrittenWeights weights{*written, {}};
  for (const DefinedWeight *weight : order)
    weights.segments.push_back(
        {weight->name, weight->role, *weight->offset, bytesOf(*weight)});
  return weights;
}

Status Writer::writeManifest(const WrittenWeights &weights) {
  Result<WrittenFile> manifest = writeText(
      "manifest.json", renderManifest(contents, weights, code, files));
  if (!manifest)
    return std::move(manifest).status();
  Result<WrittenFile> sum =
      writeText("manifest.json.xxh3", manifest->checksum + "\n");
  return sum ? Status() : std::move(sum).status();
}

Status Writer::write(std::span<const DefinedWeight *const> order) {
  for (const char *name : {"code", "weights"}) {
    Status status = directory.makeDirectory(name);
    if (!status.ok())
      return status;
  }
  for (const Target &target : contents.targets) {
    auto written = writeText("code/" + target.name + ".so", target.code);
    if (!written)
      return std::move(written).status();
    code.push_back(*written);
  }
  for (const PassedFile &file : contents.files) {
    auto written = copy(file);
    if (!written)
      return std::move(written).status();
    files.push_back(*written);
  }
  Result<WrittenWeights> weights = writeWeights(order);
  if (!weights)
    return std::move(weights).status();
  return writeManifest(*weights);
}

} // namespace

Result<uint64_t> bytesNeeded(const Contents &contents,
                             const RecipeExecutor &weights) {
  Status status = checkNames(contents);
  if (!status.ok())
    return status;
  auto order = inOrder(weights, contents.weightsBytes);
  if (!order)
    return std::move(order).status();
  uint64_t bytes = contents.weightsBytes + sparedBytes;
  for (const Target &target : contents.targets)
    bytes += target.code.size();
  for (const PassedFile &file : contents.files) {
    std::error_code error;
    uint64_t size = std::filesystem::file_size(file.path, error);
    if (error)
      return Status::failure(ErrorCode::NotFound, "cannot read " + file.path +
                                                      ": " + error.message());
    bytes += size;
  }
  return bytes;
}

Status write(const std::string &path, const Contents &contents,
             const RecipeExecutor &weights, const WriteOptions &options) {
  Result<uint64_t> needed = bytesNeeded(contents, weights);
  if (!needed)
    return std::move(needed).status();
  auto order = inOrder(weights, contents.weightsBytes);
  if (!order)
    return std::move(order).status();
  Result<OutputDirectory> directory = OutputDirectory::create(path, *needed);
  if (!directory)
    return std::move(directory).status();
  Status status = Writer(*directory, contents, options).write(*order);
  if (!status.ok())
    return directory->explained(std::move(status));
  return directory->finish();
}

} // namespace moec::artifact
