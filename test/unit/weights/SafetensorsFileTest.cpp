//===- SafetensorsFileTest.cpp - One file, mapped -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Opening, finding, reading in place, and giving pages back.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsFile.h"

#include "test/unit/weights/TestFiles.h"

#include <algorithm>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace moec::weights::test {
namespace {

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

const std::string small =
    safetensors(R"({"__metadata__":{"format":"pt"},)"
                R"("b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},)"
                R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                "0123abc");

TEST(SafetensorsFile, TensorsAreFoundAndReadInPlace) {
  TemporaryDirectory directory;
  Result<SafetensorsFile> file =
      SafetensorsFile::open(directory.write("small.safetensors", small));
  ASSERT_TRUE(file) << file.status().message();
  EXPECT_EQ(file->fileSize(), small.size());
  EXPECT_EQ(file->dataOffset(), small.size() - 7);
  EXPECT_EQ(file->metadata().at("format"), "pt");
  ASSERT_EQ(file->tensors().size(), 2u);
  const TensorInfo *a = file->find("a");
  const TensorInfo *b = file->find("b");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(text(file->bytes(*a)), "0123");
  EXPECT_EQ(text(file->bytes(*b)), "abc");
  for (const char *absent : {"", "A", "ab", "c", "__metadata__"})
    EXPECT_EQ(file->find(absent), nullptr) << absent;

  SafetensorsFile moved = std::move(*file);
  EXPECT_EQ(moved.find("a"), a);
  EXPECT_EQ(text(moved.bytes(*b)), "abc");
}

TEST(SafetensorsFile, FailuresNameTheFile) {
  TemporaryDirectory directory;
  std::string path = directory.write("bad.safetensors", "1234");
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_FALSE(file);
  EXPECT_TRUE(failsWith(file.status(), ErrorCode::HeaderTooSmall, {path, "4"}));

  path = directory.write("empty.safetensors", "");
  file = SafetensorsFile::open(path);
  ASSERT_FALSE(file);
  EXPECT_TRUE(failsWith(file.status(), ErrorCode::HeaderTooSmall, {path, "0"}));

  path = directory / "absent.safetensors";
  file = SafetensorsFile::open(path);
  ASSERT_FALSE(file);
  EXPECT_TRUE(failsWith(file.status(), ErrorCode::NotFound, {path, "open"}));
}

TEST(SafetensorsFile, WhatIsNoFileIsRefused) {
  TemporaryDirectory directory;
  Result<SafetensorsFile> file = SafetensorsFile::open(directory.path());
  ASSERT_FALSE(file);
  EXPECT_TRUE(failsWith(file.status(), ErrorCode::Io,
                        {directory.path(), "regular file"}));

  // Opening a pipe for reading waits for a writer unless told not to.
  std::string pipe = directory / "pipe.safetensors";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  file = SafetensorsFile::open(pipe);
  ASSERT_FALSE(file);
  EXPECT_TRUE(failsWith(file.status(), ErrorCode::Io, {pipe, "regular file"}));
}

TEST(SafetensorsFile, EveryTruncationOfTheFileIsRefused) {
  TemporaryDirectory directory;
  std::string path = directory.write("small.safetensors", small);
  for (size_t size = small.size(); size-- > 0;) {
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(size)), 0);
    EXPECT_FALSE(SafetensorsFile::open(path)) << size;
  }
}

/// How many pages of the tensor the process has mapped at this moment, from
/// the kernel's own account (field Rss of /proc/self/smaps).
size_t residentBytes(std::span<const std::byte> bytes) {
  FILE *maps = fopen("/proc/self/smaps", "r");
  auto wanted = reinterpret_cast<unsigned long>(bytes.data());
  char line[512];
  bool inside = false;
  size_t resident = 0;
  while (fgets(line, sizeof line, maps)) {
    unsigned long begin, end, kilobytes;
    if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
      inside = begin <= wanted && wanted < end;
    else if (inside && sscanf(line, "Rss: %lu kB", &kilobytes) == 1)
      resident = 1024 * kilobytes;
  }
  fclose(maps);
  return resident;
}

TEST(SafetensorsFile, ReleasedTensorsLeaveMemoryAndCanBeReadAgain) {
  TemporaryDirectory directory;
  constexpr size_t size = 8 << 20;
  std::string json = R"({"w":{"dtype":"U8","shape":[8388608],)"
                     R"("data_offsets":[0,8388608]}})";
  Result<SafetensorsFile> file = SafetensorsFile::open(directory.write(
      "big.safetensors", safetensors(json, std::string(size, 'x'))));
  ASSERT_TRUE(file) << file.status().message();
  const TensorInfo &tensor = file->tensors().front();
  std::span<const std::byte> bytes = file->bytes(tensor);
  auto isIntact = [&] {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](std::byte b) { return b == std::byte('x'); });
  };
  EXPECT_TRUE(isIntact());
  EXPECT_GE(residentBytes(bytes), size);
  file->release(bytes.first(size / 2));
  EXPECT_LE(residentBytes(bytes), size / 2 + 65536);
  file->release(tensor);
  EXPECT_LE(residentBytes(bytes), 65536u);
  EXPECT_TRUE(isIntact());
}

} // namespace
} // namespace moec::weights::test
