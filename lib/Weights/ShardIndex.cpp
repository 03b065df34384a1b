//===- ShardIndex.cpp - The index of a sharded checkpoint -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An index is attacker's input and names files to open, hence the care with
// names.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/ShardIndex.h"

#include "lib/Weights/StrictJson.h"

#include <new>

namespace moec::weights {

namespace {

using Kind = JsonValue::Kind;

bool isPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

class IndexReader final : public JsonReader {
public:
  explicit IndexReader(WeightMap &weightMap) : weightMap(weightMap) {}

  bool hasWeightMap() const { return sawWeightMap; }

  Status key(std::string_view key) override {
    current = key;
    return {};
  }

  Status value(const JsonValue &value) override {
    if (inWeightMap)
      return addShard(value);
    if (depth == 0 && value.kind != Kind::Object)
      return unexpected("index", Kind::Object, value);
    if (depth == 1 && current == "weight_map") {
      if (value.kind != Kind::Object)
        return unexpected("weight_map", Kind::Object, value);
      inWeightMap = sawWeightMap = true;
    }
    depth += value.opens();
    return {};
  }

  Status close() override {
    inWeightMap = false;
    --depth;
    return {};
  }

private:
  static Status unexpected(std::string_view where, Kind wanted,
                           const JsonValue &found) {
    JsonValue expected{.kind = wanted};
    return Status::failure(ErrorCode::JsonField,
                           std::string(where) + ": expected " +
                               std::string(expected.describe()) + ", found " +
                               std::string(found.describe()));
  }

  Status addShard(const JsonValue &value) {
    if (value.kind != Kind::String)
      return unexpected("weight_map: tensor " + inQuotes(current), Kind::String,
                        value);
    if (!isPlainName(value.text))
      return Status::failure(ErrorCode::ShardName,
                             "weight_map: tensor " + inQuotes(current) + ": " +
                                 inQuotes(value.text) +
                                 " must be the plain name of a file in the "
                                 "same directory");
    weightMap.emplace(current, value.text);
    return {};
  }

  WeightMap &weightMap;
  std::string current;
  size_t depth = 0;
  bool inWeightMap = false;
  bool sawWeightMap = false;
};

} // namespace

Result<WeightMap> parseShardIndex(std::string_view text) try {
  if (text.size() > maxJsonBytes)
    return Status::failure(ErrorCode::IndexTooLarge,
                           "index length " + std::to_string(text.size()) +
                               " exceeds the limit of " +
                               std::to_string(maxJsonBytes) + " bytes");
  WeightMap weightMap;
  IndexReader reader(weightMap);
  Status status = readStrictJson(text, reader);
  if (!status.ok())
    return status;
  if (!reader.hasWeightMap())
    return Status::failure(ErrorCode::JsonField, "index: no weight_map");
  return weightMap;
} catch (const std::bad_alloc &) {
  return Status::failure(ErrorCode::OutOfMemory,
                         "not enough memory for the tables of the index");
}

} // namespace moec::weights
