//===- Testing.cpp - What the tests of the runtime share ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The manifest here is written by hand from docs/artifact.md.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include "lib/Runtime/Files.h"

#include <fstream>
#include <sstream>

namespace moec::runtime::testing {

namespace fs = std::filesystem;
using nlohmann::json;

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = fs::temp_directory_path() / "moec-runtime-XXXXXX";
  if (!::mkdtemp(pattern.data()))
    throw std::runtime_error("cannot create a temporary directory");
  place = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(place, ignored);
}

std::string readFile(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void writeFile(const fs::path &path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), std::streamsize(bytes.size()));
  if (!file.flush())
    throw std::runtime_error("cannot write " + path.string());
}

static std::string weightBytes() {
  std::string bytes;
  for (int i = 0; i < 5000; ++i)
    bytes += char(i * 7 % 10);
  return bytes;
}

static std::string codeBytes(int version) {
  return readFile(std::string(MOEC_FAKE_MODELS) + "/fake-model-" +
                  std::to_string(version) + ".so");
}

json validManifest() {
  json manifest = json::parse(R"({
    "schema": 2,
    "abi": 1,
    "compiler": {"name": "moec", "version": "0.1.0", "options": []},
    "source": {"config.json": "0"},
    "model": {"family": "qwen3_moe", "dtype": "bf16", "vocabulary": 50,
              "layers": 2, "hidden": 8, "moe_layers": [0, 1],
              "experts": [4, 6], "experts_per_token": [2, 3],
              "eos": [48, 49], "bos": 0},
    "limits": {"context": 96, "step_tokens": 40, "sequences": 4},
    "state": {"bytes": 3072, "blocks": 12,
              "buffers": [{"offset": 0, "block_bytes": 128},
                          {"offset": 1536, "block_bytes": 128}],
              "recurrent": []},
    "weights": {"file": "weights/weights.bin",
                "segments": [{"name": "bytes", "offset": 64, "bytes": 10,
                              "role": "other"}]},
    "targets": [{
      "name": "baseline", "file": "code/baseline.so",
      "requires": [], "rank": 1,
      "entries": {"step": {
        "symbol": "moec_entry_step",
        "inputs": [{"name": "ids", "dtype": "i32", "shape": ["T"]},
                   {"name": "positions", "dtype": "i32", "shape": ["T"]},
                   {"name": "seq_offsets", "dtype": "i32", "shape": ["S+1"]},
                   {"name": "slots", "dtype": "i32", "shape": ["S"]},
                   {"name": "rows", "dtype": "i32", "shape": ["R"]}],
        "outputs": [{"name": "logits", "dtype": "f32", "shape": ["R", 50]}],
        "arena": {"const": 0, "T": 64, "S": 64, "R": 0},
        "taps": [{"name": "hashes", "dtype": "i32", "shape": ["T"],
                  "offset": {"const": 0, "T": 0, "S": 0, "R": 0}},
                 {"name": "control", "dtype": "i32", "shape": ["S", 1],
                  "offset": {"const": 0, "T": 64, "S": 0, "R": 0}}]}}
    }],
    "files": {}
  })");
  std::string weights = weightBytes(), code = codeBytes(1);
  manifest["weights"]["bytes"] = weights.size();
  manifest["weights"]["checksum"] = checksumOf(weights);
  manifest["targets"][0]["bytes"] = code.size();
  manifest["targets"][0]["checksum"] = checksumOf(code);
  return manifest;
}

FakeArtifact::FakeArtifact(int version) : manifest(validManifest()) {
  writeFile(file("weights/weights.bin"), weightBytes());
  setCode(version);
  write();
}

void FakeArtifact::write() const {
  std::string text = manifest.dump();
  writeFile(file("manifest.json"), text);
  writeFile(file("manifest.json.xxh3"), checksumOf(text) + "\n");
}

void FakeArtifact::setCode(int version) {
  std::string code = codeBytes(version);
  // A new file, as a compiler that writes and renames makes one: the old one
  // may be mapped.
  fs::remove(file("code/baseline.so"));
  writeFile(file("code/baseline.so"), code);
  target()["bytes"] = code.size();
  target()["checksum"] = checksumOf(code);
}

void FakeArtifact::addFile(const std::string &name, std::string_view bytes) {
  writeFile(file(name), bytes);
  manifest["files"][name] = {{"bytes", bytes.size()},
                             {"checksum", checksumOf(bytes)}};
}

uint32_t fakeHash(const std::vector<int32_t> &tokens, int version) {
  auto hash = uint32_t(version);
  for (int32_t id : tokens)
    hash = hash * 31 + uint32_t(id) + 7 * uint32_t(3 * id + 1);
  return hash;
}

std::vector<float> fakeLogits(const std::vector<int32_t> &tokens, int version) {
  std::string weights = weightBytes();
  std::vector<float> logits;
  uint32_t hash = fakeHash(tokens, version);
  for (uint32_t v = 0; v < uint32_t(FakeArtifact::vocabulary); ++v)
    logits.push_back(
        float((hash ^ (v * 2654435761u)) % 1000 + uint32_t(weights[v])));
  return logits;
}

int32_t fakeGreedy(const std::vector<int32_t> &tokens) {
  std::vector<float> logits = fakeLogits(tokens);
  return int32_t(std::max_element(logits.begin(), logits.end()) -
                 logits.begin());
}

Handle<moec_model> openModel(const FakeArtifact &artifact) {
  moec_model *model = nullptr;
  EXPECT_TRUE(
      succeeds(moec_model_open(artifact.path().c_str(), nullptr, &model)));
  return Handle<moec_model>(model);
}

Handle<moec_session> createSession(const moec_model *model,
                                   moec_session_options options) {
  moec_session *session = nullptr;
  EXPECT_TRUE(succeeds(moec_session_create(model, &options, &session)));
  return Handle<moec_session>(session);
}

::testing::AssertionResult succeeds(moec_error *error) {
  Handle<moec_error> owner(error);
  if (!error)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "error " << moec_error_code(error)
                                       << ": " << moec_error_message(error);
}

::testing::AssertionResult fails(const Status &status, moec_code code,
                                 std::string_view text) {
  if (status.code() == code && status.message().find(text) != std::string::npos)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "expected code " << code << " and \"" << text << "\", found code "
         << status.code() << " and \"" << status.message() << "\"";
}

::testing::AssertionResult fails(moec_error *error, moec_code code,
                                 std::string_view text) {
  Handle<moec_error> owner(error);
  return fails(Status(moec_error_code(error), moec_error_message(error)), code,
               text);
}

} // namespace moec::runtime::testing
