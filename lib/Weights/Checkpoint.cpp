//===- Checkpoint.cpp - The tensors of a checkpoint -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which files make a checkpoint, and whether they agree with one another.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Checkpoint.h"

#include "lib/Weights/ShardIndex.h"

#include <algorithm>
#include <filesystem>
#include <new>
#include <set>

namespace moec::weights {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view singleName = "model.safetensors";
constexpr std::string_view indexName = "model.safetensors.index.json";

bool isPresent(const fs::path &path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// The one *.safetensors of a directory.
Result<std::string> onlySafetensors(const std::string &directory) {
  std::error_code error;
  std::set<std::string> found;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    if (entry->path().extension() == ".safetensors")
      found.insert(entry->path().string());
  if (error)
    return Status::fromErrno("list", error.value()).in(directory);
  if (found.empty())
    return Status::failure(ErrorCode::NotFound,
                           directory + ": no " + std::string(singleName) +
                               ", " + std::string(indexName) +
                               " or other *.safetensors; checkpoints of other "
                               "formats must be converted to safetensors");
  if (found.size() > 1)
    return Status::failure(ErrorCode::Ambiguous,
                           directory + ": " + std::to_string(found.size()) +
                               " safetensors files, of which none is " +
                               std::string(singleName) + ", and no " +
                               std::string(indexName) +
                               " that connects them; name one file instead");
  return *found.begin();
}

/// Whether the shard's file is in the directory, or in the store to which the
/// Hugging Face cache links from <model>/snapshots/<revision>: <model>/blobs.
Status checkShardPlace(const fs::path &directory, const std::string &shard) {
  std::error_code error;
  fs::path root = fs::canonical(directory, error);
  fs::path place;
  if (!error)
    place = fs::canonical(directory / shard, error).parent_path();
  if (error)
    return Status::fromErrno("open", error.value())
        .in((directory / shard).string());
  fs::path snapshots = root.parent_path();
  if (place == root || (snapshots.filename() == "snapshots" &&
                        place == snapshots.parent_path() / "blobs"))
    return {};
  return Status::failure(ErrorCode::ShardEscape,
                         (directory / shard).string() +
                             ": the shard is a symbolic link to " +
                             place.string() +
                             ", outside the checkpoint; put the file itself "
                             "into the directory");
}

std::string fileName(const SafetensorsFile &file) {
  return fs::path(file.path()).filename().string();
}

Status checkPromises(const WeightMap &weightMap,
                     const std::map<std::string, size_t> &shardNumbers,
                     std::span<const SafetensorsFile> shards) {
  for (const auto &[tensor, shard] : weightMap)
    if (!shards[shardNumbers.at(shard)].find(tensor))
      return Status::failure(ErrorCode::TensorMissing,
                             tensorText(tensor) + " is not in " +
                                 inQuotes(shard) +
                                 ", where weight_map says it is");
  return {};
}

/// A remark when the file holds tensors that the index does not name.
std::optional<std::string> unlistedRemark(const SafetensorsFile &file,
                                          const WeightMap &weightMap) {
  size_t count = 0;
  std::string first;
  for (const TensorInfo &tensor : file.tensors())
    if (!weightMap.contains(tensor.name) && ++count == 1)
      first = tensor.name;
  if (count == 0)
    return std::nullopt;
  return file.path() + ": " + std::to_string(count) +
         " tensors are not named in " + std::string(indexName) +
         ", for example " + inQuotes(first);
}

} // namespace

Result<Checkpoint> Checkpoint::open(const std::string &path) try {
  std::error_code error;
  fs::file_status kind = fs::status(path, error);
  if (error)
    return Status::fromErrno("open", error.value()).in(path);
  Checkpoint checkpoint(path);
  fs::path root(path);
  Status status;
  if (!fs::is_directory(kind)) {
    status = checkpoint.addFile(path);
  } else if (isPresent(root / singleName)) {
    status = checkpoint.addFile(root / singleName);
  } else if (isPresent(root / indexName)) {
    status = checkpoint.addShards(root / indexName);
  } else {
    Result<std::string> only = onlySafetensors(path);
    status = only ? checkpoint.addFile(*only) : std::move(only).status();
  }
  if (status.ok())
    status = checkpoint.sortTensors();
  if (!status.ok())
    return status;
  return checkpoint;
} catch (const std::bad_alloc &) {
  return Status::failure(ErrorCode::OutOfMemory,
                         "not enough memory for the tables of a checkpoint");
}

Status Checkpoint::addFile(const std::string &path) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file)
    return std::move(file).status();
  shards.push_back(std::move(*file));
  return {};
}

Status Checkpoint::addShards(const std::string &indexPath) {
  Result<MappedFile> file = MappedFile::open(indexPath);
  if (!file)
    return std::move(file).status();
  std::span<const std::byte> bytes = file->bytes();
  Result<WeightMap> weightMap = parseShardIndex(std::string_view(
      reinterpret_cast<const char *>(bytes.data()), bytes.size()));
  if (!weightMap)
    return std::move(weightMap).status().in(indexPath);

  std::map<std::string, size_t> shardNumbers;
  for (const auto &[tensor, shard] : *weightMap) {
    if (!shardNumbers.emplace(shard, shards.size()).second)
      continue;
    Status status = checkShardPlace(rootPath, shard);
    if (status.ok())
      status = addFile(fs::path(rootPath) / shard);
    if (!status.ok())
      return std::move(status).in(indexPath);
  }
  Status status = checkPromises(*weightMap, shardNumbers, shards);
  if (!status.ok())
    return std::move(status).in(indexPath);
  for (const SafetensorsFile &shard : shards)
    if (std::optional<std::string> remark = unlistedRemark(shard, *weightMap))
      oddities.push_back(std::move(*remark));
  return {};
}

Status Checkpoint::sortTensors() {
  for (const SafetensorsFile &file : shards)
    for (const TensorInfo &info : file.tensors())
      sorted.push_back({&info, &file});
  std::sort(sorted.begin(), sorted.end(), [](const Tensor &a, const Tensor &b) {
    return a.name() < b.name();
  });
  auto twin = std::adjacent_find(
      sorted.begin(), sorted.end(),
      [](const Tensor &a, const Tensor &b) { return a.name() == b.name(); });
  if (twin == sorted.end())
    return {};
  return Status::failure(ErrorCode::TensorDuplicated,
                         rootPath + ": " + tensorText(twin->name()) +
                             " is both in " + inQuotes(fileName(*twin->file)) +
                             " and in " +
                             inQuotes(fileName(*std::next(twin)->file)));
}

const Tensor *Checkpoint::find(std::string_view name) const {
  auto place =
      std::lower_bound(sorted.begin(), sorted.end(), name,
                       [](const Tensor &tensor, std::string_view wanted) {
                         return tensor.name() < wanted;
                       });
  return place != sorted.end() && place->name() == name ? &*place : nullptr;
}

Result<Tensor> Checkpoint::get(std::string_view name) const {
  if (const Tensor *tensor = find(name))
    return *tensor;
  return Status::failure(ErrorCode::TensorMissing,
                         rootPath + ": no " + tensorText(name) + " among the " +
                             std::to_string(sorted.size()) +
                             " of the checkpoint");
}

uint64_t Checkpoint::numBytes() const {
  uint64_t total = 0;
  for (const Tensor &tensor : sorted)
    total += tensor.info->numBytes();
  return total;
}

} // namespace moec::weights
