//===- Testing.h - What the tests of the runtime share ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A directory that goes away, an artifact that is written from a manifest one
// can change, and the numbers that its model computes.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_TEST_UNIT_RUNTIME_TESTING_H
#define MOEC_TEST_UNIT_RUNTIME_TESTING_H

#include "lib/Runtime/Status.h"
#include "moec/Runtime.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moec::runtime::testing {

class TemporaryDirectory {
public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory &) = delete;

  const std::filesystem::path &path() const { return place; }

private:
  std::filesystem::path place;
};

std::string readFile(const std::filesystem::path &path);
void writeFile(const std::filesystem::path &path, std::string_view bytes);

/// The artifact of FakeModel.c.
class FakeArtifact {
public:
  static constexpr int32_t vocabulary = 50, context = 96, stepTokens = 40,
                           sequences = 4;

  /// `version` 1, 2 or 3: which build of FakeModel.c.
  explicit FakeArtifact(int version = 1);

  /// Change it, then write().
  nlohmann::json manifest;
  /// The first target of the manifest.
  nlohmann::json &target() { return manifest["targets"][0]; }
  nlohmann::json &step() { return target()["entries"]["step"]; }

  std::string path() const { return directory.path() / "fake.moec"; }
  std::filesystem::path file(const std::string &name) const {
    return std::filesystem::path(path()) / name;
  }

  /// Writes the manifest as it is now, and its checksum.
  void write() const;
  /// Replaces a file and what the manifest says about it.
  void setCode(int version);
  void addFile(const std::string &name, std::string_view bytes);

private:
  TemporaryDirectory directory;
};

/// The text of the manifest that FakeArtifact begins with.
nlohmann::json validManifest();

/// What FakeModel.c computes after these tokens.
uint32_t fakeHash(const std::vector<int32_t> &tokens, int version = 1);
std::vector<float> fakeLogits(const std::vector<int32_t> &tokens,
                              int version = 1);
/// The token of the highest logit.
int32_t fakeGreedy(const std::vector<int32_t> &tokens);

struct Close {
  void operator()(moec_model *model) const { moec_model_close(model); }
  void operator()(moec_session *session) const {
    moec_session_destroy(session);
  }
  void operator()(moec_sampler *sampler) const {
    moec_sampler_destroy(sampler);
  }
  void operator()(moec_tokenizer *tokenizer) const {
    moec_tokenizer_destroy(tokenizer);
  }
  void operator()(moec_decoder *decoder) const {
    moec_decoder_destroy(decoder);
  }
  void operator()(moec_error *error) const { moec_error_free(error); }
};
template <typename T> using Handle = std::unique_ptr<T, Close>;

Handle<moec_model> openModel(const FakeArtifact &artifact);
Handle<moec_session> createSession(const moec_model *model,
                                   moec_session_options options = {
                                       sizeof(options), 1, 0, 0, 0});

/// Succeeds when a call of the C interface did.
::testing::AssertionResult succeeds(moec_error *error);
/// Succeeds when it failed with this code and a message that has this text.
::testing::AssertionResult fails(moec_error *error, moec_code code,
                                 std::string_view text);
::testing::AssertionResult fails(const Status &status, moec_code code,
                                 std::string_view text);

} // namespace moec::runtime::testing

#endif // MOEC_TEST_UNIT_RUNTIME_TESTING_H
