//===- ProduceTest.cpp - All weights in order, by several threads ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The order and the bytes do not depend on the threads, failures end the work,
// and memory does not grow with the weights.
//
//===----------------------------------------------------------------------===//

#include "RecipeTesting.h"

#include <fstream>

using namespace moec;
using namespace moec::weights;
using namespace moec::weights::test;

namespace {

/// What a sink was given, one string for each member.
struct Collected {
  std::vector<std::string> names;
  std::vector<std::string> members;
  int calls = 0;
};

class ProduceTest : public RecipeTest {
protected:
  void storeLayers() {
    std::vector<StoredTensor> tensors;
    for (int e = 0; e < 5; ++e)
      tensors.push_back({"e." + std::to_string(e),
                         DType::BF16,
                         {300, 700},
                         noise(300 * 700, e)});
    tensors.push_back({"a", DType::BF16, {1500, 512}, noise(1500 * 512, 9)});
    tensors.push_back({"n", DType::BF16, {17}, noise(17, 8)});
    store(tensors);
    recipes(R"(
      %0 = moe.load_bank "e.{expert}" : !moe.bank<5 x tensor<300x700xbf16>>
      %1 = moe.pack %0 : !moe.bank<5 x tensor<300x700xbf16>> to !moe.bank<5 x tensor<19x350x16x2xbf16>>
      moe.define "experts" role "experts", %1 : !moe.bank<5 x tensor<19x350x16x2xbf16>>
      %2 = moe.load "a" : tensor<1500x512xbf16>
      %3 = moe.cast %2 : tensor<1500x512xbf16> to tensor<1500x512xf32>
      %4 = moe.concat %3, %3 : tensor<1500x512xf32>, tensor<1500x512xf32> to tensor<3000x512xf32>
      moe.define "a" role "attention", %4 : tensor<3000x512xf32>
      %5 = moe.load "n" : tensor<17xbf16>
      moe.define "n" role "norm", %5 : tensor<17xbf16>)");
    for (const DefinedWeight &weight : executor->weights())
      order.push_back(&weight);
  }

  Collected collect(unsigned threads) {
    Collected result;
    Status status = RecipeExecutor::produce(
        order, threads,
        [&](const DefinedWeight &weight, int64_t expert, uint64_t offset,
            std::span<const std::byte> bytes) -> Status {
          ++result.calls;
          if (offset == 0) {
            result.names.push_back(weight.name + "." + std::to_string(expert));
            result.members.emplace_back();
          }
          EXPECT_EQ(result.members.back().size(), offset);
          result.members.back().append(
              reinterpret_cast<const char *>(bytes.data()), bytes.size());
          return {};
        });
    EXPECT_TRUE(status.ok()) << status.message();
    return result;
  }

  std::vector<const DefinedWeight *> order;
};

TEST_F(ProduceTest, GivesTheSameOnAnyNumberOfThreads) {
  storeLayers();
  Collected alone = collect(1);
  EXPECT_EQ(alone.names,
            (std::vector<std::string>{"experts.0", "experts.1", "experts.2",
                                      "experts.3", "experts.4", "a.0", "n.0"}));
  EXPECT_GT(alone.calls, 7); // the large matrix comes in pieces
  EXPECT_EQ(alone.members[1].size(), executor->find("experts")->memberBytes);
  for (unsigned threads : {2, 3, 16, 0}) {
    Collected other = collect(threads);
    EXPECT_EQ(other.names, alone.names);
    EXPECT_EQ(other.members, alone.members);
    EXPECT_EQ(other.calls, alone.calls);
  }
}

TEST_F(ProduceTest, FollowsTheOrderThatIsAskedFor) {
  storeLayers();
  order = {executor->find("n"), executor->find("experts")};
  Collected collected = collect(2);
  EXPECT_EQ(collected.names.front(), "n.0");
  EXPECT_EQ(collected.names.size(), 6u);
  order.clear();
  EXPECT_EQ(collect(2).calls, 0);
}

TEST_F(ProduceTest, EndsWithTheFailureOfTheSink) {
  storeLayers();
  for (unsigned threads : {1, 3}) {
    int calls = 0;
    Status status = RecipeExecutor::produce(
        order, threads,
        [&](const DefinedWeight &, int64_t, uint64_t,
            std::span<const std::byte>) {
          return ++calls == 3 ? Status::failure(ErrorCode::NoSpace, "full")
                              : Status();
        });
    EXPECT_TRUE(failsWith(status, ErrorCode::NoSpace, {"full"}));
    EXPECT_EQ(calls, 3);
  }
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// A line of /proc/self/status, in bytes.
uint64_t memoryOf(const std::string &field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field + ":", 0) == 0)
      return std::stoull(line.substr(field.size() + 1)) * 1024;
  ADD_FAILURE() << "no " << field << " in /proc/self/status";
  return 0;
}

TEST_F(ProduceTest, MemoryDoesNotGrowWithTheWeights) {
  // 768 MiB that take no place on the disk.
  constexpr uint64_t rows = 49152, columns = 4096;
  std::string header = R"({"a":{"dtype":"BF16","shape":[49152,4096],)"
                       R"("data_offsets":[0,402653184]},)"
                       R"("b":{"dtype":"BF16","shape":[49152,4096],)"
                       R"("data_offsets":[402653184,805306368]}})";
  std::string path =
      directory.write("model.safetensors", safetensors(header, ""));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) +
                                         4 * rows * columns);
  open();
  recipes(R"(
    %0 = moe.load "a" : tensor<49152x4096xbf16>
    %1 = moe.pack %0 : tensor<49152x4096xbf16> to tensor<3072x2048x16x2xbf16>
    moe.define "packed" role "experts", %1 : tensor<3072x2048x16x2xbf16>
    %2 = moe.load "b" : tensor<49152x4096xbf16>
    %3 = moe.cast %2 : tensor<49152x4096xbf16> to tensor<49152x4096xf32>
    moe.define "wide" role "embedding", %3 : tensor<49152x4096xf32>)");
  for (const DefinedWeight &weight : executor->weights())
    order.push_back(&weight);
  uint64_t anonymousBefore = memoryOf("RssAnon");
  uint64_t fileBefore = memoryOf("RssFile");
  uint64_t anonymous = 0, file = 0, made = 0;
  Status status =
      RecipeExecutor::produce(order, 4,
                              [&](const DefinedWeight &, int64_t, uint64_t,
                                  std::span<const std::byte> bytes) -> Status {
                                anonymous =
                                    std::max(anonymous, memoryOf("RssAnon"));
                                file = std::max(file, memoryOf("RssFile"));
                                made += bytes.size();
                                return {};
                              });
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(made, rows * columns * 6);
  EXPECT_LT(anonymous - anonymousBefore, uint64_t(48) << 20);
  EXPECT_LT(file - std::min(file, fileBefore), uint64_t(48) << 20);
}

} // namespace
