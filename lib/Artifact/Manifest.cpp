//===- Manifest.cpp - The text of manifest.json ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One function for each object of the manifest. Nothing here depends on time,
// place or the order of a hash table: the same contents give the same bytes.
//
//===----------------------------------------------------------------------===//

#include "lib/Artifact/Manifest.h"

#include "moec/Artifact.h"
#include "llvm/Config/llvm-config.h"

namespace moec::artifact {

static Json toJson(const Affine &affine) {
  return {{"const", affine.constant},
          {"T", affine.tokens},
          {"S", affine.sequences},
          {"R", affine.rows}};
}

static Json toJson(const TensorType &type) {
  Json shape = Json::array();
  for (const Json &dimension : type.shape)
    shape.push_back(dimension);
  Json json = {{"name", type.name}, {"dtype", type.dtype}, {"shape", shape}};
  if (type.below)
    json["below"] = type.below;
  return json;
}

static Json toJson(const Tap &tap) {
  Json json = toJson(tap.type);
  json["offset"] = toJson(tap.offset);
  return json;
}

template <typename T> static Json toJson(const std::vector<T> &values) {
  Json json = Json::array();
  for (const T &value : values)
    json.push_back(toJson(value));
  return json;
}

static Json toJson(const Entry &entry) {
  return {{"symbol", entry.symbol},
          {"inputs", toJson(entry.inputs)},
          {"outputs", toJson(entry.outputs)},
          {"arena", toJson(entry.arena)},
          {"taps", toJson(entry.taps)}};
}

static Json toJson(const WrittenFile &file) {
  return {
      {"file", file.name}, {"bytes", file.bytes}, {"checksum", file.checksum}};
}

static Json toJson(const Target &target, const WrittenFile &code) {
  Json json = {{"name", target.name}};
  json.update(toJson(code));
  json["requires"] = target.features;
  json["rank"] = target.rank;
  json["entries"] = Json::object();
  for (const Entry &entry : target.entries)
    json["entries"][entry.name] = toJson(entry);
  return json;
}

static Json toJson(const Segment &segment) {
  return {{"name", segment.name},
          {"offset", segment.offset},
          {"bytes", segment.bytes},
          {"role", segment.role}};
}

static Json toJson(const std::vector<StateBuffer> &buffers, const char *unit) {
  Json json = Json::array();
  for (const StateBuffer &buffer : buffers)
    json.push_back({{"offset", buffer.offset}, {unit, buffer.unitBytes}});
  return json;
}

static Json toJson(const State &state) {
  return {{"bytes", state.bytes},
          {"blocks", state.blocks},
          {"buffers", toJson(state.buffers, "block_bytes")},
          {"recurrent", toJson(state.recurrent, "slot_bytes")}};
}

static Json toJson(const Limits &limits) {
  return {{"context", limits.context},
          {"step_tokens", limits.stepTokens},
          {"sequences", limits.sequences}};
}

static Json compilerJson(const Contents &contents) {
  return {{"name", "moec"},
          {"version", MOEC_VERSION},
          {"llvm", LLVM_VERSION_STRING},
          {"options", contents.options}};
}

std::string renderManifest(const Contents &contents,
                           const WrittenWeights &weights,
                           const std::vector<WrittenFile> &code,
                           const std::vector<WrittenFile> &files) {
  Json manifest = {{"schema", MOEC_SCHEMA_VERSION}, {"abi", MOEC_ABI_VERSION}};
  manifest["compiler"] = compilerJson(contents);
  manifest["source"] = contents.source;
  manifest["model"] = contents.model;
  manifest["limits"] = toJson(contents.limits);
  manifest["state"] = toJson(contents.state);
  manifest["weights"] = toJson(weights.file);
  manifest["weights"]["segments"] = toJson(weights.segments);
  manifest["targets"] = Json::array();
  for (size_t i = 0; i < contents.targets.size(); ++i)
    manifest["targets"].push_back(toJson(contents.targets[i], code[i]));
  manifest["files"] = Json::object();
  for (const WrittenFile &file : files)
    manifest["files"][file.name] = {{"bytes", file.bytes},
                                    {"checksum", file.checksum}};
  // Text from a checkpoint need not be UTF-8.
  return manifest.dump(1, ' ', /*ensure_ascii=*/false,
                       Json::error_handler_t::replace) +
         "\n";
}

} // namespace moec::artifact
