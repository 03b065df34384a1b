//===- WriterTest.cpp - Artifacts on disk ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is written, that it is the same each time, and what it may replace.
//
//===----------------------------------------------------------------------===//

#include "ArtifactTesting.h"
#include "lib/Artifact/Checksum.h"

#include <fstream>

using namespace moec;
using namespace moec::artifact;
using namespace moec::artifact::test;
namespace fs = std::filesystem;

namespace {

TEST(Checksum, IsXxh3Of128Bits) {
  // The published value for no bytes at all.
  EXPECT_EQ(checksumOf(""), "99aa06d3014798d86001c324468d497f");
  Checksum inParts;
  inParts.add(weights::test::asBytes("ab"));
  inParts.add(weights::test::asBytes("c"));
  EXPECT_EQ(inParts.digits(), checksumOf("abc"));
  EXPECT_NE(checksumOf("abc"), checksumOf("abd"));
}

TEST(Checksum, OfFiles) {
  weights::test::TemporaryDirectory directory;
  std::string path = directory.write("f", "abcdef");
  EXPECT_EQ(*checksumOfFile(path), checksumOf("abcdef"));
  EXPECT_EQ(*checksumOfFile(path, 3), checksumOf("abc"));
  EXPECT_FALSE(checksumOfFile(directory / "none"));
}

TEST_F(ArtifactTest, WritesAllFiles) {
  Status status = write();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(output.entries(), (std::vector<std::string>{"m.moec"}));
  std::vector<std::string> names;
  for (const auto &[name, contents] : everything())
    names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "code/x86-64-v3.so", "code/znver4.so", "empty.txt",
                       "manifest.json", "manifest.json.xxh3", "tokenizer.json",
                       "weights/weights.bin"}));
  EXPECT_EQ(read("code/znver4.so"), std::string("\0\1\2", 3));
  EXPECT_EQ(read("tokenizer.json"), "{\"a\": 1}");
  EXPECT_EQ(read("manifest.json.xxh3"),
            checksumOf(read("manifest.json")) + "\n");
}

TEST_F(ArtifactTest, PutsWeightsAtTheirOffsetsAndZerosBetween) {
  ASSERT_TRUE(write().ok());
  std::string bytes = read("weights/weights.bin");
  ASSERT_EQ(bytes.size(), contents.weightsBytes);
  auto floatsAt = [&](size_t offset, size_t count) {
    std::vector<float> values(count);
    std::memcpy(values.data(), bytes.data() + offset, 4 * count);
    return values;
  };
  EXPECT_EQ(floatsAt(0, 3), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(floatsAt(64, 4), (std::vector<float>{4, 5, 6, 7}));
  EXPECT_EQ(floatsAt(128, 4), (std::vector<float>{8, 9, 10, 11}));
  const weights::Tensor *big = checkpoint->find("big");
  EXPECT_EQ(std::memcmp(bytes.data() + 8192, big->bytes().data(),
                        big->bytes().size()),
            0);
  auto isZero = [&](size_t from, size_t to) {
    return bytes.substr(from, to - from).find_first_not_of('\0') ==
           std::string::npos;
  };
  EXPECT_TRUE(isZero(12, 64));
  EXPECT_TRUE(isZero(80, 128));
  EXPECT_TRUE(isZero(144, 8192));
  EXPECT_TRUE(isZero(8192 + 1400000, bytes.size()));
}

TEST_F(ArtifactTest, IsTheSameEachTime) {
  ASSERT_TRUE(write({.threads = 1}).ok());
  auto first = everything();
  for (unsigned threads : {2, 5}) {
    ASSERT_TRUE(write({.threads = threads}).ok());
    EXPECT_EQ(everything(), first);
  }
}

TEST_F(ArtifactTest, ReplacesAnArtifactAsAWhole) {
  ASSERT_TRUE(write().ok());
  contents.files.pop_back();
  ASSERT_TRUE(artifact::write(place() + "/", contents, *executor).ok());
  EXPECT_FALSE(fs::exists(place() + "/empty.txt"));
  EXPECT_EQ(output.entries(), (std::vector<std::string>{"m.moec"}));
}

TEST_F(ArtifactTest, WritesIntoTheCurrentDirectory) {
  fs::path before = fs::current_path();
  fs::current_path(output.path());
  Status status = artifact::write("here.moec", contents, *executor);
  fs::current_path(before);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(output.entries(), (std::vector<std::string>{"here.moec"}));
}

TEST_F(ArtifactTest, HonoursTheUmask) {
  mode_t before = umask(027);
  Status status = write();
  umask(before);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(fs::status(place()).permissions(), fs::perms(0750));
  EXPECT_EQ(fs::status(place() + "/manifest.json").permissions(),
            fs::perms(0640));
}

TEST_F(ArtifactTest, ReportsProgress) {
  std::vector<std::string> names;
  uint64_t last = 0;
  WriteOptions options;
  options.progress = [&](std::string_view name, uint64_t done, uint64_t total) {
    if (names.empty() || names.back() != name)
      names.emplace_back(name);
    EXPECT_GT(done, last);
    EXPECT_LE(done, total);
    EXPECT_EQ(total, contents.weightsBytes);
    last = done;
  };
  ASSERT_TRUE(write(options).ok());
  EXPECT_EQ(names, (std::vector<std::string>{"norm", "experts", "big"}));
  EXPECT_EQ(last, contents.weightsBytes);
}

TEST_F(ArtifactTest, SaysWhatItNeeds) {
  auto needed = bytesNeeded(contents, *executor);
  ASSERT_TRUE(needed);
  EXPECT_GE(*needed, contents.weightsBytes + 15 + 3 + 8);
  EXPECT_LE(*needed, contents.weightsBytes + (2 << 20));
}

} // namespace
