//===- RecurrentTest.cpp - Sessions of models with recurrent states -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Version 3 of the fake model keeps its hash in a recurrent state.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <gtest/gtest.h>

using namespace moec::runtime;
using namespace moec::runtime::testing;

namespace {

using Tokens = std::vector<int32_t>;

class RecurrentTest : public ::testing::Test {
protected:
  RecurrentTest() : artifact(3) {
    artifact.manifest["state"]["recurrent"] = {
        {{"offset", 3072}, {"slot_bytes", 4}}};
    artifact.manifest["state"]["bytes"] = 3136;
    artifact.write();
    model = openModel(artifact);
    session = createSession(model.get());
  }

  /// Appends tokens to a slot, which then must hold `all`.
  void append(int32_t slot, const Tokens &tokens, const Tokens &all) {
    const float *logits = nullptr;
    ASSERT_TRUE(succeeds(moec_session_prefill(
        session.get(), slot, tokens.data(), tokens.size(), &logits)));
    EXPECT_EQ(Tokens::size_type(moec_session_length(session.get(), slot)),
              all.size());
    EXPECT_EQ(std::vector<float>(logits, logits + FakeArtifact::vocabulary),
              fakeLogits(all, 3));
  }

  FakeArtifact artifact;
  Handle<moec_model> model;
  Handle<moec_session> session;
};

TEST_F(RecurrentTest, SlotsHaveStatesOfTheirOwn) {
  append(0, {1, 2, 3}, {1, 2, 3});
  append(3, {7}, {7});
  append(0, {4}, {1, 2, 3, 4});
  append(3, {8, 9}, {7, 8, 9});
}

TEST_F(RecurrentTest, ResetForgets) {
  append(0, {1, 2, 3}, {1, 2, 3});
  ASSERT_TRUE(succeeds(moec_session_reset(session.get(), 0)));
  append(0, {5}, {5});
  ASSERT_TRUE(succeeds(moec_session_truncate(session.get(), 0, 0)));
  append(0, {6}, {6});
}

TEST_F(RecurrentTest, ForksCopyTheState) {
  append(1, {9, 9}, {9, 9});
  append(0, {1, 2}, {1, 2});
  ASSERT_TRUE(succeeds(moec_session_fork(session.get(), 0, 1, -1)));
  ASSERT_TRUE(succeeds(moec_session_fork(session.get(), 0, 2, 2)));
  ASSERT_TRUE(succeeds(moec_session_fork(session.get(), 0, 3, 0)));
  append(1, {3}, {1, 2, 3});
  append(2, {4}, {1, 2, 4});
  append(3, {5}, {5});
  append(0, {6}, {1, 2, 6});
}

TEST_F(RecurrentTest, KeepsAllOrNothing) {
  append(0, {1, 2, 3}, {1, 2, 3});
  EXPECT_TRUE(
      fails(moec_session_truncate(session.get(), 0, 2), MOEC_E_ARGUMENT,
            "slot 0 cannot keep 2 of 3 tokens: the model has layers that "
            "remember a sequence only as it is now; keep all, or none"));
  EXPECT_TRUE(fails(moec_session_fork(session.get(), 0, 1, 1), MOEC_E_ARGUMENT,
                    "a fork of slot 0 cannot keep 1 of 3 tokens"));
  EXPECT_EQ(moec_session_length(session.get(), 1), 0);
  ASSERT_TRUE(succeeds(moec_session_truncate(session.get(), 0, 3)));
  append(0, {4}, {1, 2, 3, 4});
}

TEST_F(RecurrentTest, CountsAsMemory) {
  artifact.manifest["state"]["recurrent"] = {
      {{"offset", 4096}, {"slot_bytes", uint32_t(1) << 31}},
      {{"offset", uint64_t(1) << 40}, {"slot_bytes", uint32_t(1) << 31}}};
  artifact.manifest["state"]["bytes"] = uint64_t(1) << 41;
  artifact.manifest["limits"]["sequences"] = 256;
  artifact.manifest["state"]["blocks"] = 256 * 3;
  artifact.manifest["state"]["buffers"] = nlohmann::json::array();
  artifact.write();
  Handle<moec_model> large = openModel(artifact);
  moec_session *none = nullptr;
  EXPECT_TRUE(fails(moec_session_create(large.get(), nullptr, &none),
                    MOEC_E_MEMORY, "the session can need 10995116"));
}

} // namespace
