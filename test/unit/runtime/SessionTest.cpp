//===- SessionTest.cpp - Steps, slots and limits --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The fake model's logits depend on every token of a slot as it lies in the
// state, so that they show what slots hold after each operation.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include "lib/Runtime/Memory.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <thread>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace moec::runtime;
using namespace moec::runtime::testing;

namespace {

constexpr int32_t vocabulary = FakeArtifact::vocabulary;
using Tokens = std::vector<int32_t>;

std::vector<float> row(const float *logits, int64_t index) {
  return {logits + index * vocabulary, logits + (index + 1) * vocabulary};
}

uint64_t residentPages() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident;
}

class SessionTest : public ::testing::Test {
protected:
  FakeArtifact artifact;
  Handle<moec_model> model = openModel(artifact);
  Handle<moec_session> session = createSession(model.get());
  const float *logits = nullptr;

  moec_error *prefill(int32_t slot, const Tokens &tokens) {
    return moec_session_prefill(session.get(), slot, tokens.data(),
                                tokens.size(), &logits);
  }

  struct Part {
    int32_t slot;
    Tokens tokens;
  };
  moec_error *step(const std::vector<Part> &parts, int32_t rowCount,
                   const int32_t *rows = nullptr) {
    std::vector<moec_sequence> sequences;
    for (const Part &part : parts)
      sequences.push_back(
          {part.slot, int32_t(part.tokens.size()), part.tokens.data()});
    moec_step step = {sizeof(step), sequences.data(), int32_t(sequences.size()),
                      rowCount, rows};
    return moec_session_step(session.get(), &step, &logits);
  }

  /// Appends one token and checks that the slot held `before`.
  ::testing::AssertionResult holds(int32_t slot, Tokens before) {
    if (moec_session_length(session.get(), slot) != int32_t(before.size()))
      return ::testing::AssertionFailure()
             << "slot " << slot << " holds "
             << moec_session_length(session.get(), slot) << " tokens";
    auto result = succeeds(prefill(slot, {7}));
    before.push_back(7);
    if (result && row(logits, 0) != fakeLogits(before))
      return ::testing::AssertionFailure()
             << "slot " << slot << " holds other tokens";
    return result;
  }
};

Tokens countUp(int32_t from, int32_t count) {
  Tokens tokens;
  for (int32_t i = 0; i < count; ++i)
    tokens.push_back((from + i * 3) % vocabulary);
  return tokens;
}

Tokens join(Tokens first, const Tokens &second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST_F(SessionTest, PrefillGivesTheLastTokensLogits) {
  Tokens tokens = countUp(1, 5);
  ASSERT_TRUE(succeeds(prefill(2, tokens)));
  EXPECT_EQ(row(logits, 0), fakeLogits(tokens));
  EXPECT_EQ(moec_session_length(session.get(), 2), 5);
  EXPECT_EQ(moec_session_length(session.get(), 0), 0);
}

TEST_F(SessionTest, LongPromptsAreSplit) {
  Tokens tokens = countUp(1, 96);
  ASSERT_TRUE(succeeds(prefill(1, tokens)));
  EXPECT_EQ(row(logits, 0), fakeLogits(tokens));
}

TEST_F(SessionTest, RaggedStepsMixPrefillAndDecode) {
  Tokens first = countUp(1, 33), second = countUp(9, 2);
  ASSERT_TRUE(succeeds(prefill(3, first)));
  ASSERT_TRUE(
      succeeds(step({{0, second}, {3, {5}}, {2, {6, 8}}}, MOEC_ROWS_LAST)));
  EXPECT_EQ(row(logits, 0), fakeLogits(second));
  EXPECT_EQ(row(logits, 1), fakeLogits(join(first, {5})));
  EXPECT_EQ(row(logits, 2), fakeLogits({6, 8}));
}

TEST_F(SessionTest, RowsAreChosen) {
  Tokens tokens = countUp(4, 3);
  ASSERT_TRUE(succeeds(step({{0, tokens}, {1, {9, 2}}}, MOEC_ROWS_ALL)));
  EXPECT_EQ(row(logits, 0), fakeLogits({4}));
  EXPECT_EQ(row(logits, 1), fakeLogits({4, 7}));
  EXPECT_EQ(row(logits, 2), fakeLogits(tokens));
  EXPECT_EQ(row(logits, 3), fakeLogits({9}));
  EXPECT_EQ(row(logits, 4), fakeLogits({9, 2}));
  const int32_t rows[] = {0, 4};
  ASSERT_TRUE(succeeds(step({{2, tokens}, {3, {9, 2}}}, 2, rows)));
  EXPECT_EQ(row(logits, 0), fakeLogits({4}));
  EXPECT_EQ(row(logits, 1), fakeLogits({9, 2}));
  ASSERT_TRUE(succeeds(step({{0, {1}}}, 0)));
  EXPECT_EQ(logits, nullptr);
}

TEST_F(SessionTest, ResetForgets) {
  ASSERT_TRUE(succeeds(prefill(0, countUp(1, 40))));
  ASSERT_TRUE(succeeds(moec_session_reset(session.get(), 0)));
  EXPECT_TRUE(holds(0, {}));
}

TEST_F(SessionTest, TruncateKeepsTheBeginning) {
  Tokens tokens = countUp(1, 70);
  for (int32_t kept : {70, 64, 63, 33, 32, 31, 1, 0}) {
    ASSERT_TRUE(succeeds(moec_session_reset(session.get(), 0)));
    ASSERT_TRUE(succeeds(prefill(0, tokens)));
    ASSERT_TRUE(succeeds(moec_session_truncate(session.get(), 0, kept)));
    EXPECT_TRUE(holds(0, Tokens(tokens.begin(), tokens.begin() + kept)))
        << kept;
  }
}

TEST_F(SessionTest, ForksGoSeparateWays) {
  Tokens tokens = countUp(1, 40);
  ASSERT_TRUE(succeeds(prefill(0, tokens)));
  ASSERT_TRUE(succeeds(prefill(2, {1, 2, 3})));
  ASSERT_TRUE(succeeds(moec_session_fork(session.get(), 0, 1, -1)));
  ASSERT_TRUE(succeeds(moec_session_fork(session.get(), 0, 2, 35)));
  Tokens shorter(tokens.begin(), tokens.begin() + 35);
  ASSERT_TRUE(succeeds(prefill(1, {11, 12})));
  EXPECT_EQ(row(logits, 0), fakeLogits(join(tokens, {11, 12})));
  ASSERT_TRUE(succeeds(prefill(2, {13})));
  EXPECT_EQ(row(logits, 0), fakeLogits(join(shorter, {13})));
  EXPECT_TRUE(holds(0, tokens));
  EXPECT_TRUE(holds(1, join(tokens, {11, 12})));
  EXPECT_TRUE(holds(2, join(shorter, {13})));
}

TEST_F(SessionTest, AppendingToASharedBlockAfterTruncatingCopiesIt) {
  Tokens tokens = countUp(1, 64);
  ASSERT_TRUE(succeeds(prefill(0, tokens)));
  ASSERT_TRUE(succeeds(moec_session_fork(session.get(), 0, 1, -1)));
  ASSERT_TRUE(succeeds(moec_session_truncate(session.get(), 1, 10)));
  EXPECT_TRUE(holds(1, Tokens(tokens.begin(), tokens.begin() + 10)));
  EXPECT_TRUE(holds(0, tokens));
}

TEST_F(SessionTest, RandomOperationsMatchAModel) {
  std::mt19937 random(5);
  auto below = [&](size_t limit) { return int32_t(random() % limit); };
  std::vector<Tokens> expected(4);
  for (int round = 0; round < 400; ++round) {
    int32_t slot = below(4), other = below(4);
    Tokens &content = expected[size_t(slot)];
    switch (below(4)) {
    case 0: {
      int32_t count = std::min(1 + below(45), 95 - int32_t(content.size()));
      if (count < 1)
        break;
      Tokens more = countUp(below(50), count);
      content = join(content, more);
      ASSERT_TRUE(succeeds(prefill(slot, more)));
      ASSERT_EQ(row(logits, 0), fakeLogits(content));
      break;
    }
    case 1:
      content.resize(size_t(below(content.size() + 1)));
      ASSERT_TRUE(succeeds(
          moec_session_truncate(session.get(), slot, int32_t(content.size()))));
      break;
    case 2: {
      int32_t length = below(content.size() + 1);
      if (slot == other)
        break;
      ASSERT_TRUE(
          succeeds(moec_session_fork(session.get(), slot, other, length)));
      expected[size_t(other)] =
          Tokens(content.begin(), content.begin() + length);
      break;
    }
    case 3: {
      std::vector<Part> parts;
      for (int32_t i = 0; i < 4; ++i)
        if (expected[size_t(i)].size() < 90 && below(2)) {
          parts.push_back({i, countUp(below(50), 1 + below(6))});
          expected[size_t(i)] = join(expected[size_t(i)], parts.back().tokens);
        }
      if (parts.empty())
        break;
      ASSERT_TRUE(succeeds(step(parts, MOEC_ROWS_LAST)));
      for (size_t i = 0; i < parts.size(); ++i)
        ASSERT_EQ(row(logits, int64_t(i)),
                  fakeLogits(expected[size_t(parts[i].slot)]));
      break;
    }
    }
  }
}

TEST_F(SessionTest, BadStepsAreRefusedAndChangeNothing) {
  Tokens before = countUp(1, 35);
  ASSERT_TRUE(succeeds(prefill(0, before)));
  EXPECT_TRUE(fails(step({}, 0), MOEC_E_ARGUMENT, "at least one sequence"));
  EXPECT_TRUE(fails(step({{0, {}}}, 0), MOEC_E_ARGUMENT, "no tokens"));
  EXPECT_TRUE(fails(step({{4, {1}}}, 0), MOEC_E_SLOT, "slots 0 to 3"));
  EXPECT_TRUE(fails(step({{-1, {1}}}, 0), MOEC_E_SLOT, "slot -1"));
  EXPECT_TRUE(fails(step({{0, {1}}, {1, {1}}, {0, {2}}}, 0), MOEC_E_SLOT,
                    "slot 0 occurs twice"));
  EXPECT_TRUE(fails(step({{0, {1}}, {1, {2, 50}}}, 0), MOEC_E_TOKEN_ID,
                    "token 1 of slot 1 has id 50, the vocabulary is 0 to 49"));
  EXPECT_TRUE(fails(step({{0, {-1}}}, 0), MOEC_E_TOKEN_ID, "id -1"));
  EXPECT_TRUE(fails(step({{1, countUp(0, 41)}}, 0), MOEC_E_STEP,
                    "41 tokens, the limit is 40"));
  EXPECT_TRUE(fails(step({{1, countUp(0, 20)}, {2, countUp(0, 21)}}, 0),
                    MOEC_E_STEP, "41 tokens"));
  EXPECT_TRUE(fails(step({{0, {1}}, {1, {1}}, {2, {1}}, {3, {1}}, {3, {1}}}, 0),
                    MOEC_E_STEP, "5 sequences"));
  EXPECT_TRUE(holds(0, before));
  EXPECT_EQ(moec_session_length(session.get(), 1), 0);
}

TEST_F(SessionTest, BadRowsAreRefused) {
  for (auto rows : {Tokens{2}, Tokens{-1}, Tokens{1, 0}, Tokens{0, 0}})
    EXPECT_TRUE(fails(step({{0, {1, 2}}}, int32_t(rows.size()), rows.data()),
                      MOEC_E_ARGUMENT, "rows must ascend"));
  EXPECT_TRUE(fails(step({{0, {1}}}, 3), MOEC_E_ARGUMENT, "row_count is 3"));
  EXPECT_TRUE(fails(step({{0, {1}}}, -3), MOEC_E_ARGUMENT, "row_count is -3"));
  const int32_t one[] = {0};
  EXPECT_TRUE(
      fails(step({{0, {1}}}, -1, one), MOEC_E_ARGUMENT, "row_count is -1"));
  EXPECT_EQ(moec_session_length(session.get(), 0), 0);
}

TEST_F(SessionTest, TheContextEnds) {
  ASSERT_TRUE(succeeds(prefill(0, countUp(1, 90))));
  EXPECT_TRUE(fails(prefill(0, countUp(1, 7)), MOEC_E_CONTEXT,
                    "holds 90 tokens and would get 7 more, the context is 96"));
  EXPECT_TRUE(fails(prefill(1, countUp(1, 97)), MOEC_E_CONTEXT, "97 more"));
  ASSERT_TRUE(succeeds(prefill(0, countUp(1, 6))));
  EXPECT_TRUE(fails(step({{0, {1}}}, 0), MOEC_E_CONTEXT, "context is 96"));
}

TEST_F(SessionTest, ABadPromptIsRefusedAsAWhole) {
  Tokens tokens = countUp(1, 80);
  tokens.back() = 50;
  EXPECT_TRUE(fails(prefill(0, tokens), MOEC_E_TOKEN_ID, "token 79"));
  EXPECT_EQ(moec_session_length(session.get(), 0), 0);
  EXPECT_TRUE(fails(prefill(0, {}), MOEC_E_ARGUMENT, "no tokens"));
  EXPECT_TRUE(fails(prefill(9, {1}), MOEC_E_SLOT, "slot 9"));
}

TEST_F(SessionTest, BadSlotOperations) {
  ASSERT_TRUE(succeeds(prefill(0, {1, 2})));
  moec_session *s = session.get();
  EXPECT_TRUE(fails(moec_session_reset(s, 4), MOEC_E_SLOT, "slot 4"));
  EXPECT_TRUE(fails(moec_session_truncate(s, 0, 3), MOEC_E_ARGUMENT,
                    "holds 2 tokens and cannot keep 3"));
  EXPECT_TRUE(
      fails(moec_session_truncate(s, 0, -1), MOEC_E_ARGUMENT, "keep -1"));
  EXPECT_TRUE(fails(moec_session_fork(s, 0, 0, -1), MOEC_E_SLOT, "itself"));
  EXPECT_TRUE(fails(moec_session_fork(s, 0, 5, -1), MOEC_E_SLOT, "slot 5"));
  EXPECT_TRUE(fails(moec_session_fork(s, -1, 1, -1), MOEC_E_SLOT, "slot -1"));
  EXPECT_TRUE(
      fails(moec_session_fork(s, 0, 1, 3), MOEC_E_ARGUMENT, "cannot have 3"));
  EXPECT_TRUE(
      fails(moec_session_fork(s, 0, 1, -2), MOEC_E_ARGUMENT, "cannot have -2"));
  EXPECT_EQ(moec_session_length(s, 4), -1);
  EXPECT_TRUE(holds(0, {1, 2}));
}

TEST_F(SessionTest, Taps) {
  moec_view view = {};
  view.struct_size = sizeof(view);
  EXPECT_TRUE(fails(moec_session_tap(session.get(), "hashes", &view),
                    MOEC_E_ARGUMENT, "before the first step"));
  ASSERT_TRUE(succeeds(step({{0, {4, 7}}, {1, {9}}}, 0)));
  ASSERT_TRUE(succeeds(moec_session_tap(session.get(), "hashes", &view)));
  EXPECT_EQ(view.dtype, MOEC_I32);
  ASSERT_EQ(view.rank, 1);
  ASSERT_EQ(view.shape[0], 3);
  const auto *hashes = static_cast<const int32_t *>(view.data);
  EXPECT_EQ(uint32_t(hashes[0]), fakeHash({4}));
  EXPECT_EQ(uint32_t(hashes[1]), fakeHash({4, 7}));
  EXPECT_EQ(uint32_t(hashes[2]), fakeHash({9}));
  ASSERT_TRUE(succeeds(moec_session_tap(session.get(), "control", &view)));
  ASSERT_EQ(view.rank, 2);
  EXPECT_EQ(view.shape[0], 2);
  EXPECT_EQ(view.shape[1], 1);
  EXPECT_TRUE(fails(moec_session_tap(session.get(), "other", &view),
                    MOEC_E_ENTRY, "no tap \"other\""));
}

#if defined(__x86_64__)
TEST_F(SessionTest, CodeRunsInTheDefaultFloatEnvironment) {
  session =
      createSession(model.get(), {sizeof(moec_session_options), 2, 0, 0, 0});
  unsigned before = _mm_getcsr();
  unsigned strange = before | 0xE040; // flush denormals, round towards zero
  _mm_setcsr(strange);
  auto result = succeeds(step({{0, {4, 7}}, {1, {9}}}, 0));
  unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  ASSERT_TRUE(result);
  EXPECT_EQ(after & 0xFFC0, strange & 0xFFC0);
  moec_view view = {};
  view.struct_size = sizeof(view);
  ASSERT_TRUE(succeeds(moec_session_tap(session.get(), "control", &view)));
  const auto *control = static_cast<const int32_t *>(view.data);
  EXPECT_EQ(control[0], 0x1F80);
  EXPECT_EQ(control[1], 0x1F80);
}
#endif

TEST_F(SessionTest, OptionsLowerTheLimits) {
  session =
      createSession(model.get(), {sizeof(moec_session_options), 3, 50, 8, 2});
  int32_t threads, context, stepTokens, sequences;
  moec_session_limits(session.get(), &threads, &context, &stepTokens,
                      &sequences);
  EXPECT_EQ(threads, 3);
  EXPECT_EQ(context, 50);
  EXPECT_EQ(stepTokens, 8);
  EXPECT_EQ(sequences, 2);
  Tokens tokens = countUp(2, 50);
  ASSERT_TRUE(succeeds(prefill(1, tokens)));
  EXPECT_EQ(row(logits, 0), fakeLogits(tokens));
  EXPECT_TRUE(fails(prefill(1, {1}), MOEC_E_CONTEXT, "the context is 50"));
  EXPECT_TRUE(fails(prefill(2, {1}), MOEC_E_SLOT, "slots 0 to 1"));
  EXPECT_TRUE(fails(step({{0, countUp(1, 9)}}, 0), MOEC_E_STEP, "limit is 8"));

  uint64_t less = 0, all = 0;
  moec_session_options options = {sizeof(options), 3, 50, 8, 2};
  ASSERT_TRUE(succeeds(moec_session_memory(model.get(), &options, &less)));
  ASSERT_TRUE(succeeds(moec_session_memory(model.get(), nullptr, &all)));
  EXPECT_EQ(all, 3072u + 64 * 40 + 64 * 4);
  EXPECT_EQ(less, 2u * 2 * 2 * 128 + 64 * 8 + 64 * 2);
}

TEST_F(SessionTest, OptionsBeyondTheLimits) {
  moec_session *none = nullptr;
  auto create = [&](moec_session_options options) {
    options.struct_size = sizeof(options);
    return moec_session_create(model.get(), &options, &none);
  };
  EXPECT_TRUE(fails(create({0, 0, 97, 0, 0}), MOEC_E_ARGUMENT,
                    "context is 97, it must be from 0 (the limit) to 96"));
  EXPECT_TRUE(fails(create({0, 0, 0, 41, 0}), MOEC_E_ARGUMENT, "step_tokens"));
  EXPECT_TRUE(fails(create({0, 0, 0, 0, 5}), MOEC_E_ARGUMENT, "sequences"));
  EXPECT_TRUE(fails(create({0, -1, 0, 0, 0}), MOEC_E_ARGUMENT, "threads"));
  EXPECT_TRUE(fails(create({0, 1025, 0, 0, 0}), MOEC_E_ARGUMENT, "threads"));
  EXPECT_EQ(none, nullptr);
}

TEST_F(SessionTest, MoreStateThanMemoryIsRefused) {
  // 2^46 bytes: more than any machine has, less than an address space.
  artifact.manifest["state"]["buffers"] = {
      {{"offset", 0}, {"block_bytes", uint32_t(1) << 26}}};
  artifact.manifest["limits"]["context"] = 1 << 23;
  artifact.manifest["state"]["blocks"] = 1 << 20;
  artifact.manifest["state"]["bytes"] = uint64_t(1) << 46;
  artifact.write();
  Handle<moec_model> large = openModel(artifact);
  moec_session *none = nullptr;
  EXPECT_TRUE(fails(moec_session_create(large.get(), nullptr, &none),
                    MOEC_E_MEMORY, "the session can need 70368744"));
  EXPECT_EQ(none, nullptr);
  // A small part of it fits, and costs nothing before it is touched.
  createSession(large.get(), {sizeof(moec_session_options), 1, 32, 0, 1});
}

TEST_F(SessionTest, UntouchedStateCostsNothing) {
  artifact.manifest["state"]["buffers"] = {
      {{"offset", 0}, {"block_bytes", 128}},
      {{"offset", 1536}, {"block_bytes", 128}},
      {{"offset", 4096}, {"block_bytes", uint32_t(1) << 27}}};
  artifact.manifest["state"]["bytes"] = 4096 + (uint64_t(12) << 27);
  artifact.write();
  Handle<moec_model> large = openModel(artifact);
  uint64_t before = residentPages();
  Handle<moec_session> big = createSession(large.get());
  EXPECT_LT(residentPages() - before, 2000u);
}

TEST_F(SessionTest, SessionsRunInThreadsOfTheirOwn) {
  std::vector<int> good(4, 0);
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Handle<moec_session> mine = createSession(
          model.get(), {sizeof(moec_session_options), 1 + t % 3, 0, 0, 0});
      bool same = true;
      for (int round = 0; round < 30; ++round) {
        Tokens tokens = countUp(t + round, 1 + (round * 7) % 90);
        const float *out = nullptr;
        int32_t slot = round % 4;
        same &= succeeds(moec_session_reset(mine.get(), slot)) &&
                succeeds(moec_session_prefill(mine.get(), slot, tokens.data(),
                                              tokens.size(), &out)) &&
                row(out, 0) == fakeLogits(tokens);
      }
      good[size_t(t)] = same;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 1));
}

TEST_F(SessionTest, ASessionOutlivesItsModel) {
  model.reset();
  ASSERT_TRUE(succeeds(prefill(0, {1, 2})));
  EXPECT_EQ(row(logits, 0), fakeLogits({1, 2}));
}

TEST(MemoryTest, ReadsTheLeastOfWhatIsLeft) {
  TemporaryDirectory root;
  EXPECT_EQ(availableMemory(root.path()), UINT64_MAX);
  writeFile(root.path() / "proc/meminfo",
            "MemTotal:  100 kB\nMemAvailable:     80 kB\n");
  EXPECT_EQ(availableMemory(root.path()), 80u * 1024);
  auto group = root.path() / "sys/fs/cgroup";
  writeFile(group / "memory.max", "max\n");
  writeFile(group / "memory.current", "50000\n");
  EXPECT_EQ(availableMemory(root.path()), 80u * 1024);
  writeFile(group / "memory.max", "60000\n");
  EXPECT_EQ(availableMemory(root.path()), 10000u);
  // Cached files do not count as used.
  writeFile(group / "memory.stat", "anon 5\nfile 30000\n");
  EXPECT_EQ(availableMemory(root.path()), 40000u);
  writeFile(group / "memory.current", "100000\n");
  EXPECT_EQ(availableMemory(root.path()), 0u);
}

} // namespace
