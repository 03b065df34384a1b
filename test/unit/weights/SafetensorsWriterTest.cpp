//===- SafetensorsWriterTest.cpp - Writing files --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is written is read back; what fails leaves nothing behind, also when
// the disk is full.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsWriter.h"

#include "lib/Weights/Elements.h"
#include "lib/Weights/SafetensorsFile.h"
#include "test/unit/weights/TestFiles.h"

#include <csignal>
#include <functional>
#include <random>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace moec::weights::test {
namespace {

using Declaration = SafetensorsWriter::Declaration;

TEST(SafetensorsWriter, EveryTypeComesBack) {
  TemporaryDirectory directory;
  std::string path = directory / "all.safetensors";
  std::vector<Declaration> declarations;
  std::vector<std::vector<std::byte>> data;
  std::mt19937 random(7);
  for (int type = 0; type <= static_cast<int>(DType::U64); ++type) {
    DType dtype = static_cast<DType>(type);
    declarations.push_back({"t." + std::string(name(dtype)), dtype, {2, 4}});
    for (std::byte &byte : data.emplace_back(bitWidth(dtype)))
      byte = static_cast<std::byte>(random());
  }
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, declarations, {{"format", "pt"}});
  ASSERT_TRUE(writer) << writer.status().message();
  // Interleaved and in pieces.
  for (size_t piece = 0; piece < 2; ++piece)
    for (size_t i = data.size(); i-- > 0;) {
      std::span<const std::byte> all = data[i];
      size_t half = all.size() / 2;
      ASSERT_TRUE(
          writer->append(i, piece ? all.subspan(half) : all.first(half)).ok());
    }
  ASSERT_TRUE(writer->finish().ok());
  EXPECT_EQ(directory.entries(), std::vector<std::string>{"all.safetensors"});

  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file) << file.status().message();
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->tensors().size(), declarations.size());
  EXPECT_EQ(file->dataOffset() % 8, 0u);
  for (size_t i = 0; i < data.size(); ++i) {
    const TensorInfo *tensor = file->find(declarations[i].name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->dtype, declarations[i].dtype);
    EXPECT_EQ(tensor->shape, declarations[i].shape);
    EXPECT_EQ(tensor->begin * 8 % bitWidth(tensor->dtype), 0u);
    std::span<const std::byte> bytes = file->bytes(*tensor);
    EXPECT_TRUE(
        std::equal(bytes.begin(), bytes.end(), data[i].begin(), data[i].end()));
  }
}

TEST(SafetensorsWriter, FileIsByteForByteAsExpected) {
  TemporaryDirectory directory;
  std::string path = directory / "out";
  std::vector<Declaration> declarations = {{"h", DType::F16, {3}},
                                           {"f", DType::F32, {1}}};
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, declarations);
  ASSERT_TRUE(writer) << writer.status().message();
  ASSERT_TRUE(writer->append(0, asBytes("abcdef")).ok());
  ASSERT_TRUE(writer->append(1, asBytes("0123")).ok());
  ASSERT_TRUE(writer->finish().ok());
  EXPECT_EQ(
      readFile(path),
      safetensors(R"({"f":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                  R"("h":{"dtype":"F16","shape":[3],"data_offsets":[4,10]}})"
                  "    ",
                  "0123abcdef"));
}

TEST(SafetensorsWriter, FloatsAreConverted) {
  TemporaryDirectory directory;
  std::string path = directory / "out";
  std::vector<float> values(10000);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 0.001f * static_cast<float>(i);
  std::vector<Declaration> declarations;
  for (DType type : {DType::BF16, DType::F32, DType::F16, DType::I32})
    declarations.push_back({std::string(name(type)), type, {values.size()}});
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, declarations);
  ASSERT_TRUE(writer) << writer.status().message();
  for (size_t i = 0; i < 3; ++i)
    ASSERT_TRUE(writer->append(i, values).ok());
  EXPECT_TRUE(failsWith(writer->append(3, values), ErrorCode::UnsupportedType,
                        {"I32", "BF16"}));
  ASSERT_TRUE(writer->append(3, std::as_bytes(std::span(values))).ok());
  ASSERT_TRUE(writer->finish().ok());

  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file) << file.status().message();
  std::vector<float> back(values.size());
  for (const char *type : {"BF16", "F32", "F16"}) {
    const TensorInfo *tensor = file->find(type);
    ASSERT_TRUE(readFloats(tensor->dtype, file->bytes(*tensor), back).ok());
    float bound = tensor->dtype == DType::F32    ? 0.0f
                  : tensor->dtype == DType::BF16 ? 1.0f / 256
                                                 : 1.0f / 2048;
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(back[i], values[i], bound * values[i] + 1e-7f * (bound > 0));
  }
}

TEST(SafetensorsWriter, NoTensors) {
  TemporaryDirectory directory;
  std::vector<Declaration> none;
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(directory / "out", none);
  ASSERT_TRUE(writer) << writer.status().message();
  ASSERT_TRUE(writer->finish().ok());
  EXPECT_EQ(readFile(directory / "out"), safetensors("{}      "));
}

TEST(SafetensorsWriter, EmptyTensor) {
  TemporaryDirectory directory;
  std::vector<Declaration> empty = {{"e", DType::F32, {0, 5}}};
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(directory / "out", empty);
  ASSERT_TRUE(writer) << writer.status().message();
  ASSERT_TRUE(writer->finish().ok());
  Result<SafetensorsFile> file = SafetensorsFile::open(directory / "out");
  ASSERT_TRUE(file) << file.status().message();
  EXPECT_EQ(file->tensors().front().shape, (std::vector<uint64_t>{0, 5}));
}

TEST(SafetensorsWriter, WrongDeclarationsAreRefused) {
  TemporaryDirectory directory;
  constexpr uint64_t big = uint64_t(1) << 63;
  const struct {
    std::vector<Declaration> declarations;
    ErrorCode code;
    std::vector<std::string_view> facts;
  } cases[] = {
      {{{"w", DType::F32, {1}}, {"w", DType::F32, {1}}},
       ErrorCode::InvalidArgument,
       {"'w'", "taken"}},
      {{{"__metadata__", DType::F32, {1}}},
       ErrorCode::InvalidArgument,
       {"'__metadata__'"}},
      {{{"\xff", DType::F32, {1}}}, ErrorCode::InvalidArgument, {"UTF-8"}},
      {{{"w", DType::F32, {big, 2}}}, ErrorCode::SizeOverflow, {"'w'", "64"}},
      {{{"v", DType::U8, {big / 8}},
        {"w", DType::U8, {big / 8}},
        {"x", DType::F4, {3}}},
       ErrorCode::MisalignedSize,
       {"'x'", "12 bits"}},
  };
  for (const auto &c : cases) {
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(directory / "out", c.declarations);
    ASSERT_FALSE(writer);
    EXPECT_TRUE(failsWith(writer.status(), c.code, c.facts));
    EXPECT_TRUE(failsWith(writer.status(), c.code, {directory / "out"}));
  }
  EXPECT_TRUE(directory.entries().empty());
}

TEST(SafetensorsWriter, FileAppearsOnlyWhenFinished) {
  TemporaryDirectory directory;
  std::string path = directory.write("out", "what was there");
  std::vector<Declaration> declarations = {{"w", DType::U8, {4}}};
  {
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(path, declarations);
    ASSERT_TRUE(writer) << writer.status().message();
    ASSERT_TRUE(writer->append(0, asBytes("abc")).ok());
    EXPECT_TRUE(failsWith(writer->finish(), ErrorCode::InvalidArgument,
                          {path, "'w'", "1 bytes"}));
    EXPECT_EQ(readFile(path), "what was there");
    EXPECT_EQ(directory.entries().size(), 2u);
  }
  EXPECT_EQ(directory.entries(), std::vector<std::string>{"out"});
  EXPECT_EQ(readFile(path), "what was there");

  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, declarations);
  ASSERT_TRUE(writer) << writer.status().message();
  ASSERT_TRUE(writer->append(0, asBytes("abcd")).ok());
  ASSERT_TRUE(writer->finish().ok());
  EXPECT_TRUE(SafetensorsFile::open(path));
  EXPECT_EQ(directory.entries(), std::vector<std::string>{"out"});
}

TEST(SafetensorsWriter, MisuseIsRefused) {
  TemporaryDirectory directory;
  std::string path = directory / "out";
  std::vector<Declaration> declarations = {{"w", DType::U8, {4}}};
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, declarations);
  ASSERT_TRUE(writer) << writer.status().message();
  ASSERT_TRUE(writer->append(0, asBytes("abc")).ok());
  EXPECT_TRUE(failsWith(writer->append(0, asBytes("de")),
                        ErrorCode::InvalidArgument,
                        {path, "'w'", "2 more bytes", "the 1 that"}));
  EXPECT_TRUE(failsWith(writer->append(1, asBytes("d")),
                        ErrorCode::InvalidArgument, {"tensor 1"}));
  ASSERT_TRUE(writer->append(0, asBytes("d")).ok());
  ASSERT_TRUE(writer->finish().ok());
  EXPECT_TRUE(failsWith(writer->finish(), ErrorCode::InvalidArgument,
                        {path, "finished"}));
  EXPECT_TRUE(failsWith(writer->append(0, asBytes("")),
                        ErrorCode::InvalidArgument, {path, "finished"}));
}

TEST(SafetensorsWriter, MissingDirectoryIsReported) {
  TemporaryDirectory directory;
  std::vector<Declaration> declarations = {{"w", DType::U8, {4}}};
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(directory / "absent/out", declarations);
  ASSERT_FALSE(writer);
  EXPECT_TRUE(failsWith(writer.status(), ErrorCode::NotFound,
                        {directory / "absent/out", "create"}));
}

TEST(SafetensorsWriter, OccupiedNameIsReported) {
  TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "out/sub");
  std::vector<Declaration> none;
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(directory / "out", none);
  ASSERT_TRUE(writer) << writer.status().message();
  EXPECT_TRUE(failsWith(writer->finish(), ErrorCode::Io,
                        {directory / "out", "rename"}));
}

/// Runs `body` in a child process, where it may restrict itself, and returns
/// its result.
int inChild(const std::function<int()> &body) {
  pid_t child = fork();
  if (child == 0)
    _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

constexpr int passed = 0, failed = 1, unavailable = 2;

/// Whether a file of 1 MiB cannot be written to a directory for want of space,
/// and leaves no trace.
int spaceRunsOut(const TemporaryDirectory &directory) {
  std::vector<Declaration> declarations = {{"w", DType::U8, {1 << 20}}};
  std::vector<std::byte> data(1 << 20);
  Status status;
  {
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(directory / "out", declarations);
    status = writer ? writer->append(0, data) : writer.status();
  }
  auto verdict = failsWith(status, ErrorCode::NoSpace, {directory / "out"});
  if (!verdict)
    fprintf(stderr, "%s\n", verdict.message());
  return verdict && directory.entries().empty() ? passed : failed;
}

TEST(SafetensorsWriter, FileSizeLimitIsReported) {
  TemporaryDirectory directory;
  EXPECT_EQ(inChild([&] {
              signal(SIGXFSZ, SIG_IGN);
              rlimit limit = {65536, 65536};
              setrlimit(RLIMIT_FSIZE, &limit);
              return spaceRunsOut(directory);
            }),
            passed);
}

TEST(SafetensorsWriter, FullDiskIsReported) {
  TemporaryDirectory directory;
  int outcome = inChild([&] {
    // A small file system of its own, where the system lets us have one.
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
      return unavailable;
    mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (mount("none", directory.path().c_str(), "tmpfs", 0, "size=64k") != 0)
      return unavailable;
    return spaceRunsOut(directory);
  });
  if (outcome == unavailable)
    GTEST_SKIP() << "no private file system to be had";
  EXPECT_EQ(outcome, passed);
}

} // namespace
} // namespace moec::weights::test
