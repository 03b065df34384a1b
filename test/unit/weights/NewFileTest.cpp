//===- NewFileTest.cpp - Files that appear as a whole ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/NewFile.h"
#include "TestFiles.h"

#include <csignal>

#include <sys/resource.h>

using namespace moec::weights;
using namespace moec::weights::test;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

TEST(NewFile, AppearsWhenItIsFinished) {
  TemporaryDirectory directory;
  std::string path = directory.write("out", "old");
  auto file = NewFile::create(path);
  ASSERT_TRUE(file) << file.status().message();
  ASSERT_TRUE(file->writeAt(2, asBytes("cd")).ok());
  ASSERT_TRUE(file->writeAt(0, asBytes("ab")).ok());
  EXPECT_EQ(readFile(path), "old");
  ASSERT_TRUE(file->finish().ok());
  EXPECT_EQ(readFile(path), "abcd");
  EXPECT_EQ(directory.entries(), Names{"out"});
}

TEST(NewFile, LeavesNothingUnlessItIsFinished) {
  TemporaryDirectory directory;
  std::string path = directory.write("out", "old");
  {
    auto file = NewFile::create(path);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->writeAt(0, asBytes("new")).ok());
    EXPECT_EQ(directory.entries().size(), 2u);
  }
  EXPECT_EQ(readFile(path), "old");
  EXPECT_EQ(directory.entries(), Names{"out"});
}

TEST(NewFile, AFullDiskLeavesWhatWasThere) {
  TemporaryDirectory directory;
  std::string path = directory.write("out", "old");
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit limit{100, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  Status status = writeFile(path, std::string(200, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(
      failsWith(status, ErrorCode::NoSpace, {"cannot write " + path, "100"}));
  EXPECT_EQ(readFile(path), "old");
  EXPECT_EQ(directory.entries(), Names{"out"});
}

TEST(NewFile, ALinkStaysALink) {
  TemporaryDirectory directory;
  std::string target = directory.write("target", "old");
  fs::create_symlink("target", directory / "link");
  ASSERT_TRUE(writeFile(directory / "link", "new").ok());
  EXPECT_TRUE(fs::is_symlink(directory / "link"));
  EXPECT_EQ(readFile(target), "new");
}

TEST(NewFile, DevicesAreWrittenToAndStay) {
  EXPECT_TRUE(writeFile("/dev/null", "gone").ok());
  EXPECT_TRUE(failsWith(writeFile("/dev/full", "more"), ErrorCode::NoSpace,
                        {"cannot write /dev/full"}));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(NewFile, PlacesThatAreNone) {
  TemporaryDirectory directory;
  EXPECT_TRUE(failsWith(writeFile(directory / "none/out", "x"),
                        ErrorCode::NotFound,
                        {"cannot create " + (directory / "none/out")}));
  directory.write("file", "x");
  EXPECT_TRUE(failsWith(writeFile(directory / "file/out", "x"), ErrorCode::Io,
                        {"cannot create", "Not a directory"}));
  fs::create_directories(directory / "full/sub");
  EXPECT_TRUE(failsWith(writeFile(directory / "full", "x"), ErrorCode::Io,
                        {"rename", directory / "full"}));
  EXPECT_EQ(directory.entries(), (Names{"file", "full"}));
}

TEST(NewFile, WhatAKilledProcessLeftIsRemoved) {
  TemporaryDirectory directory;
  directory.write(".out.tmp-12-0", "half");
  directory.write(".outer.tmp-12-0", "of another");
  ASSERT_TRUE(writeFile(directory / "out", "x").ok());
  EXPECT_EQ(directory.entries(), (Names{".outer.tmp-12-0", "out"}));
}

TEST(NewFile, WhatAnotherIsWritingStays) {
  TemporaryDirectory directory;
  auto first = NewFile::create(directory / "out");
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->writeAt(0, asBytes("first")).ok());
  ASSERT_TRUE(writeFile(directory / "out", "second").ok());
  ASSERT_TRUE(first->finish().ok());
  EXPECT_EQ(readFile(directory / "out"), "first");
}

} // namespace
