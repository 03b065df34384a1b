//===- ManifestTargets.cpp - The targets of a manifest --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes here are affine in the tokens, sequences and rows of a step. Every
// coefficient is bounded so that no evaluation within the limits overflows,
// and an affine function over a box is least at a corner of it: that decides
// for all steps at once whether a tap lies within the arena.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/ManifestTargets.h"

#include <algorithm>
#include <array>
#include <set>

namespace moec::runtime {

namespace {

// 2^36 times 2^20 tokens, and four such terms, stay below 2^63.
constexpr int64_t largestCoefficient = int64_t(1) << 36;
constexpr int64_t largestDimension = int64_t(1) << 24;

constexpr struct {
  const char *name;
  moec_dtype dtype;
} dtypes[] = {{"f32", MOEC_F32}, {"f16", MOEC_F16}, {"bf16", MOEC_BF16},
              {"i32", MOEC_I32}, {"i64", MOEC_I64}, {"i8", MOEC_I8},
              {"u8", MOEC_U8}};

moec_dtype readDtype(JsonObject &object) {
  std::string name = object.text("dtype");
  for (const auto &known : dtypes)
    if (name == known.name)
      return known.dtype;
  object.errors().fail(object.where("dtype"), "unknown type " + inQuotes(name));
  return MOEC_F32;
}

Affine readAffine(JsonObject object) {
  Affine result;
  auto read = [&](const char *name, int64_t &into, int64_t most) {
    into = static_cast<int64_t>(object.number(name, 0, most));
    if (into % 64)
      object.errors().fail(object.where(name), "is not a multiple of 64");
  };
  read("const", result.constant, largestSize);
  read("T", result.tokens, largestCoefficient);
  read("S", result.sequences, largestCoefficient);
  read("R", result.rows, largestCoefficient);
  object.refuseOthers();
  return result;
}

/// A number, "T", "S", "S+1" or "R".
Affine readDimension(const Json &value, const std::string &where,
                     JsonErrors &errors) {
  if (value == "T")
    return {.tokens = 1};
  if (value == "S")
    return {.sequences = 1};
  if (value == "S+1")
    return {.constant = 1, .sequences = 1};
  if (value == "R")
    return {.rows = 1};
  if (value.is_string())
    errors.fail(where,
                "expected T, S, S+1, R or a number, found " + describe(value));
  return {.constant = static_cast<int64_t>(
              jsonNumber(value, where, 0, largestDimension, errors))};
}

bool isConstant(const Affine &value) {
  return !value.tokens && !value.sequences && !value.rows;
}

TensorType readTensor(JsonObject &object) {
  TensorType type;
  type.name = object.text("name");
  type.dtype = readDtype(object);
  const auto &shape = object.array("shape", MOEC_MAX_RANK);
  for (size_t i = 0; i < shape.size(); ++i)
    type.shape.push_back(
        readDimension(shape[i], object.where("shape", i), object.errors()));
  if (type.shape.size() -
          std::count_if(type.shape.begin(), type.shape.end(), isConstant) >
      1)
    object.errors().fail(object.where("shape"),
                         "at most one dimension may vary");
  return type;
}

std::vector<TensorType> readTensors(JsonObject &entry, const char *name) {
  std::vector<TensorType> types;
  const auto &elements = entry.array(name, 256);
  for (size_t i = 0; i < elements.size(); ++i) {
    JsonObject object(elements[i], entry.where(name, i), entry.errors());
    types.push_back(readTensor(object));
    if (object.optional("below"))
      types.back().below = object.number("below", 1, largestDimension);
    if (types.back().below && types.back().dtype != MOEC_I32)
      object.errors().fail(object.where("below"), "bounds i32 tensors only");
    object.refuseOthers();
  }
  return types;
}

/// Bytes of a tensor, when they are below largestSize per unit.
std::optional<Affine> bytesOf(const TensorType &type) {
  int64_t unit = sizeOf(type.dtype);
  Affine varying{.constant = 1};
  for (const Affine &dimension : type.shape) {
    if (!isConstant(dimension)) {
      varying = dimension;
      continue;
    }
    if (__builtin_mul_overflow(unit, dimension.constant, &unit) ||
        unit > largestCoefficient)
      return std::nullopt;
  }
  return Affine{varying.constant * unit, varying.tokens * unit,
                varying.sequences * unit, varying.rows * unit};
}

bool fitsAtEveryStep(const Affine &offset, const Affine &bytes,
                     const Affine &arena, const Limits &limits) {
  for (int corner = 0; corner < 8; ++corner) {
    StepSize size = {corner & 1 ? limits.stepTokens : 1,
                     corner & 2 ? limits.sequences : 1,
                     corner & 4 ? limits.stepTokens : 0};
    if (offset.at(size) + bytes.at(size) > arena.at(size))
      return false;
  }
  return true;
}

std::vector<Tap> readTaps(JsonObject &entry, const Affine &arena,
                          const Limits &limits) {
  std::vector<Tap> taps;
  std::set<std::string> names;
  const auto &elements = entry.array("taps", size_t(1) << 20);
  for (size_t i = 0; i < elements.size() && entry.errors().ok(); ++i) {
    JsonObject object(elements[i], entry.where("taps", i), entry.errors());
    Tap tap;
    tap.type = readTensor(object);
    tap.offset = readAffine(object.object("offset"));
    object.refuseOthers();
    if (!names.insert(tap.type.name).second)
      entry.errors().fail(object.here(), "a second tap of the name " +
                                             inQuotes(tap.type.name));
    std::optional<Affine> bytes = bytesOf(tap.type);
    if (!bytes || !fitsAtEveryStep(tap.offset, *bytes, arena, limits))
      entry.errors().fail(object.here(), "reaches beyond the arena");
    taps.push_back(std::move(tap));
  }
  return taps;
}

bool isSymbol(const std::string &name) {
  return !name.empty() && name.size() <= 256 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '_' || c == '.';
         });
}

Entry readEntry(JsonObject object, const std::string &name,
                const Limits &limits) {
  Entry entry;
  entry.name = name;
  entry.symbol = object.text("symbol");
  if (!isSymbol(entry.symbol))
    object.errors().fail(object.where("symbol"),
                         inQuotes(entry.symbol) + " is not a symbol");
  entry.inputs = readTensors(object, "inputs");
  entry.outputs = readTensors(object, "outputs");
  entry.arena = readAffine(object.object("arena"));
  if (object.errors().ok())
    entry.taps = readTaps(object, entry.arena, limits);
  object.refuseOthers();
  return entry;
}

Target readTarget(JsonObject object, const Limits &limits) {
  Target target;
  target.name = object.text("name");
  if (!isPlainRelative(target.name))
    object.errors().fail(object.where("name"),
                         inQuotes(target.name) + " is not a target's name");
  target.code = readFileEntry(object);
  target.rank = object.number("rank", 0, UINT32_MAX);
  const auto &features = object.array("requires", 256);
  for (size_t i = 0; i < features.size(); ++i)
    target.features.push_back(
        jsonText(features[i], object.where("requires", i), object.errors()));
  JsonObject entries = object.object("entries");
  for (const auto &[name, value] :
       entries.json().get_ref<const Json::object_t &>()) {
    if (!object.errors().ok())
      break;
    target.entries.push_back(readEntry(
        JsonObject(value, entries.where(name), object.errors()), name, limits));
  }
  if (target.entries.empty())
    object.errors().fail(object.where("entries"), "expected at least one");
  object.refuseOthers();
  return target;
}

} // namespace

std::string readChecksum(JsonObject &object) {
  std::string checksum = object.text("checksum");
  bool good = checksum.size() == 32 &&
              checksum.find_first_not_of("0123456789abcdef") == checksum.npos;
  if (!good)
    object.errors().fail(
        object.where("checksum"),
        "expected 32 hexadecimal digits in lower case, found " +
            inQuotes(checksum));
  return checksum;
}

FileEntry readFileEntry(JsonObject &object) {
  FileEntry file;
  file.name = object.text("file");
  file.bytes = object.number("bytes", 0, largestSize);
  file.checksum = readChecksum(object);
  if (!isPlainRelative(file.name))
    object.errors().fail(MOEC_E_PATH, object.where("file"),
                         inQuotes(file.name) + " is not a plain relative path");
  return file;
}

std::vector<Target> readTargets(JsonObject &manifest, const Limits &limits) {
  std::vector<Target> targets;
  const auto &elements = manifest.array("targets", 64);
  if (elements.empty())
    manifest.errors().fail("targets", "expected at least one");
  std::set<std::string> names;
  for (size_t i = 0; i < elements.size() && manifest.errors().ok(); ++i) {
    targets.push_back(
        readTarget(JsonObject(elements[i], manifest.where("targets", i),
                              manifest.errors()),
                   limits));
    if (!names.insert(targets.back().name).second)
      manifest.errors().fail(manifest.where("targets", i),
                             "a second target of the name " +
                                 inQuotes(targets.back().name));
  }
  return targets;
}

const Entry *Target::entry(std::string_view wanted) const {
  for (const Entry &entry : entries)
    if (entry.name == wanted)
      return &entry;
  return nullptr;
}

} // namespace moec::runtime
