//===- Manifest.cpp - What an artifact says about itself ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the manifest but for its targets, see ManifestTargets.cpp.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Manifest.h"

#include "lib/Runtime/Json.h"
#include "lib/Runtime/ManifestTargets.h"
#include "moec/Artifact.h"

#include <algorithm>
#include <set>

namespace moec::runtime {

namespace {

constexpr JsonLimits manifestLimits = {.bytes = size_t(64) << 20, .depth = 16};
constexpr int32_t largestVocabulary = 1 << 24;
constexpr int32_t mostLayers = 1 << 16;
constexpr int32_t mostExperts = 1 << 20;
constexpr int32_t longestContext = 1 << 24;
constexpr int32_t mostStepTokens = 1 << 20;
constexpr int32_t mostSequences = 1 << 16;
constexpr uint64_t mostBlocks = (uint64_t(1) << 31) - 1;

std::vector<int32_t> readIntegers(JsonObject &object, const char *name,
                                  size_t most, int32_t below) {
  std::vector<int32_t> result;
  const auto &elements = object.array(name, most);
  for (size_t i = 0; i < elements.size(); ++i)
    result.push_back(static_cast<int32_t>(jsonNumber(
        elements[i], object.where(name, i), 0, below - 1, object.errors())));
  return result;
}

void readExperts(JsonObject &object, ModelFacts &facts) {
  size_t layers = facts.moeLayers.size();
  facts.experts = readIntegers(object, "experts", layers, mostExperts + 1);
  facts.expertsPerToken =
      readIntegers(object, "experts_per_token", layers, mostExperts + 1);
  for (const auto &[name, list] :
       {std::pair("experts", &facts.experts),
        std::pair("experts_per_token", &facts.expertsPerToken)})
    if (object.errors().ok() && list->size() != layers)
      object.errors().fail(object.where(name),
                           "expected a number for each of the " +
                               std::to_string(layers) + " layers of " +
                               "moe_layers, found " +
                               std::to_string(list->size()));
  for (size_t i = 0; object.errors().ok() && i < layers; ++i)
    if (facts.expertsPerToken[i] > facts.experts[i])
      object.errors().fail(object.where("experts_per_token", i),
                           "expected an integer from 0 to " +
                               std::to_string(facts.experts[i]) + ", found " +
                               std::to_string(facts.expertsPerToken[i]));
}

// Tools may want to say more about the model, so unknown fields are fine here
// and in "compiler" and "source", of which nothing depends.
ModelFacts readModel(JsonObject object) {
  ModelFacts facts;
  facts.family = object.text("family");
  facts.dtype = object.text("dtype");
  facts.vocabulary =
      static_cast<int32_t>(object.number("vocabulary", 0, largestVocabulary));
  facts.layers = static_cast<int32_t>(object.number("layers", 0, mostLayers));
  facts.hidden = static_cast<int32_t>(object.number("hidden", 0, 1 << 24));
  facts.moeLayers =
      readIntegers(object, "moe_layers", facts.layers, facts.layers);
  if (!std::is_sorted(facts.moeLayers.begin(), facts.moeLayers.end(),
                      std::less_equal<>()))
    object.errors().fail(object.where("moe_layers"),
                         "expected ascending layer numbers");
  readExperts(object, facts);
  facts.eos = readIntegers(object, "eos", 4096, facts.vocabulary);
  const Json *bos = object.optional("bos");
  if (bos && !bos->is_null())
    facts.bos = static_cast<int32_t>(jsonNumber(
        *bos, object.where("bos"), 0, facts.vocabulary - 1, object.errors()));
  return facts;
}

Limits readLimits(JsonObject object) {
  Limits limits;
  limits.context =
      static_cast<int32_t>(object.number("context", 1, longestContext));
  limits.stepTokens =
      static_cast<int32_t>(object.number("step_tokens", 1, mostStepTokens));
  limits.sequences =
      static_cast<int32_t>(object.number("sequences", 1, mostSequences));
  object.refuseOthers();
  return limits;
}

void checkBufferPlaces(const StateLayout &state, const Limits &limits,
                       JsonObject &object) {
  struct Place {
    uint64_t offset, end;
  };
  std::vector<Place> sorted;
  // Nothing overflows: offset < 2^48, units < 2^31, bytes of one < 2^32.
  auto add = [&](const std::vector<StateBuffer> &buffers, int32_t units) {
    for (const StateBuffer &buffer : buffers)
      sorted.push_back(
          {buffer.offset, buffer.offset + buffer.unitBytes * uint64_t(units)});
  };
  add(state.buffers, state.blocks);
  add(state.recurrent, limits.sequences);
  std::sort(sorted.begin(), sorted.end(),
            [](const Place &a, const Place &b) { return a.offset < b.offset; });
  uint64_t end = 0;
  for (const Place &place : sorted) {
    if (place.offset < end)
      return object.errors().fail(object.where("buffers"),
                                  "the buffer at offset " +
                                      std::to_string(place.offset) +
                                      " overlaps the one before it, which ends "
                                      "at " +
                                      std::to_string(end));
    end = place.end;
  }
  if (end > state.bytes)
    object.errors().fail(object.where("buffers"),
                         "reach to byte " + std::to_string(end) +
                             " of a pool of " + std::to_string(state.bytes));
}

/// A list of parts of the pool, whose units are of a multiple of `alignment`
/// bytes.
std::vector<StateBuffer> readBuffers(JsonObject &object, const char *list,
                                     const char *unit, uint64_t alignment) {
  std::vector<StateBuffer> buffers;
  const auto &items = object.array(list, size_t(8) * mostLayers);
  for (size_t i = 0; i < items.size(); ++i) {
    JsonObject buffer(items[i], object.where(list, i), object.errors());
    StateBuffer read;
    read.offset = buffer.number("offset", 0, largestSize);
    read.unitBytes = buffer.number(unit, alignment, UINT32_MAX);
    if (read.offset % 64 || read.unitBytes % alignment)
      object.errors().fail(buffer.here(), "offset must be a multiple of 64, " +
                                              std::string(unit) + " one of " +
                                              std::to_string(alignment));
    buffer.refuseOthers();
    buffers.push_back(read);
  }
  return buffers;
}

StateLayout readState(JsonObject object, const Limits &limits) {
  StateLayout state;
  state.bytes = object.number("bytes", 0, largestSize);
  uint64_t blocks = uint64_t(limits.sequences) * blocksFor(limits.context);
  if (blocks > mostBlocks)
    object.errors().fail(object.where("blocks"),
                         "the limits ask for " + std::to_string(blocks) +
                             " blocks, at most " + std::to_string(mostBlocks) +
                             " can be numbered");
  state.blocks = static_cast<int32_t>(object.number(
      "blocks", std::min(blocks, mostBlocks), std::min(blocks, mostBlocks)));
  state.buffers = readBuffers(object, "buffers", "block_bytes", 64);
  state.recurrent = readBuffers(object, "recurrent", "slot_bytes", 4);
  object.refuseOthers();
  checkBufferPlaces(state, limits, object);
  return state;
}

void checkSegments(JsonObject &weights, uint64_t bytes) {
  const auto &segments = weights.array("segments", size_t(1) << 22);
  for (size_t i = 0; i < segments.size(); ++i) {
    JsonObject segment(segments[i], weights.where("segments", i),
                       weights.errors());
    segment.text("name");
    segment.text("role");
    uint64_t offset = segment.number("offset", 0, largestSize);
    uint64_t size = segment.number("bytes", 0, largestSize);
    segment.refuseOthers();
    if (offset % 64)
      weights.errors().fail(segment.here(), "offset is not a multiple of 64");
    if (offset > bytes || size > bytes - offset)
      weights.errors().fail(
          segment.here(), "bytes " + std::to_string(offset) + " to " +
                              std::to_string(offset + size) +
                              " are not in a file of " + std::to_string(bytes));
    if (!weights.errors().ok())
      return;
  }
}

FileEntry readWeights(JsonObject object) {
  FileEntry file = readFileEntry(object);
  checkSegments(object, file.bytes);
  object.refuseOthers();
  return file;
}

std::vector<FileEntry> readFiles(JsonObject object) {
  std::vector<FileEntry> files;
  for (const auto &[name, value] :
       object.json().get_ref<const Json::object_t &>()) {
    JsonObject fields(value, object.where(inQuotes(name)), object.errors());
    FileEntry file;
    file.name = name;
    file.bytes = fields.number("bytes", 0, largestSize);
    file.checksum = readChecksum(fields);
    fields.refuseOthers();
    if (!isPlainRelative(name))
      object.errors().fail(MOEC_E_PATH, object.here(),
                           inQuotes(name) + " is not a plain relative path");
    files.push_back(std::move(file));
  }
  return files;
}

/// The versions come first: of another version, nothing else can be judged.
void checkVersions(JsonObject &manifest) {
  auto check = [&](const char *name, uint64_t mine) {
    uint64_t found = manifest.number(name, 0, UINT32_MAX);
    if (found != mine)
      manifest.errors().fail(
          MOEC_E_VERSION, name,
          "the artifact has version " + std::to_string(found) +
              ", this runtime reads version " + std::to_string(mine) +
              "; compile the model again with a matching "
              "moec");
  };
  check("schema", MOEC_SCHEMA_VERSION);
  check("abi", MOEC_ABI_VERSION);
}

} // namespace

Result<Manifest> parseManifest(std::string_view bytes) {
  Result<Json> document =
      parseJson(bytes, "manifest.json", MOEC_E_MANIFEST, manifestLimits);
  if (!document)
    return document.status();
  JsonErrors errors("manifest.json", MOEC_E_MANIFEST);
  JsonObject root(*document, "", errors);
  checkVersions(root);
  if (!errors.ok())
    return errors.status();

  Manifest manifest;
  root.object("compiler");
  root.object("source");
  manifest.model = readModel(root.object("model"));
  manifest.limits = readLimits(root.object("limits"));
  if (!errors.ok())
    return errors.status();
  manifest.state = readState(root.object("state"), manifest.limits);
  manifest.weights = readWeights(root.object("weights"));
  manifest.targets = readTargets(root, manifest.limits);
  for (const Target &target : manifest.targets)
    if (target.entry("step") && !manifest.model.vocabulary)
      errors.fail("model.vocabulary", "must not be 0 beside an entry \"step\"");
  manifest.files = readFiles(root.object("files"));
  root.refuseOthers();
  if (!errors.ok())
    return errors.status();
  return manifest;
}

const FileEntry *Manifest::file(std::string_view name) const {
  for (const FileEntry &entry : files)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

bool isPlainRelative(std::string_view name) {
  if (name.empty() || name.size() > 1024)
    return false;
  auto isPlain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '+' ||
           c == '-';
  };
  for (size_t start = 0; start <= name.size();) {
    size_t end = std::min(name.find('/', start), name.size());
    std::string_view part = name.substr(start, end - start);
    if (part.empty() || part == "." || part == ".." ||
        !std::all_of(part.begin(), part.end(), isPlain))
      return false;
    start = end + 1;
  }
  return true;
}

const char *nameOf(moec_dtype dtype) {
  switch (dtype) {
  case MOEC_F32:
    return "f32";
  case MOEC_F16:
    return "f16";
  case MOEC_BF16:
    return "bf16";
  case MOEC_I32:
    return "i32";
  case MOEC_I64:
    return "i64";
  case MOEC_I8:
    return "i8";
  case MOEC_U8:
    return "u8";
  }
  return "unknown type";
}

int64_t sizeOf(moec_dtype dtype) {
  switch (dtype) {
  case MOEC_F32:
  case MOEC_I32:
    return 4;
  case MOEC_F16:
  case MOEC_BF16:
    return 2;
  case MOEC_I64:
    return 8;
  case MOEC_I8:
  case MOEC_U8:
    return 1;
  }
  return 1;
}

int64_t blocksFor(int64_t positions) {
  return (positions + MOEC_STATE_BLOCK - 1) / MOEC_STATE_BLOCK;
}

} // namespace moec::runtime
