//===- FilesTest.cpp - Opening files strictly -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checksums, and everything that must not be opened.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include "lib/Runtime/Files.h"

#include <sys/stat.h>

using namespace moec::runtime;
using namespace moec::runtime::testing;
namespace fs = std::filesystem;

namespace {

TEST(ChecksumTest, KnownValues) {
  // From xxhsum -H2.
  EXPECT_EQ(checksumOf(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(checksumOf("a"), "a96faf705af16834e6c632b61e964e1f");
}

TEST(ChecksumTest, OfAFileEqualsOfItsBytes) {
  TemporaryDirectory directory;
  std::string bytes(3'000'001, 'x');
  bytes[2'000'000] = 'y';
  writeFile(directory.path() / "big", bytes);
  Result<Directory> opened = Directory::open(directory.path());
  ASSERT_TRUE(opened);
  Result<Descriptor> file = opened->openFile("big");
  ASSERT_TRUE(file);
  Result<std::string> checksum = checksumOf(*file, "big");
  ASSERT_TRUE(checksum);
  EXPECT_EQ(*checksum, checksumOf(bytes));
}

class DirectoryTest : public ::testing::Test {
protected:
  void SetUp() override {
    writeFile(outside.path() / "secret", "secret");
    writeFile(inside.path() / "sub/file", "hello");
    Result<Directory> opened = Directory::open(inside.path());
    ASSERT_TRUE(opened);
    directory = std::move(*opened);
  }

  TemporaryDirectory inside, outside;
  Directory directory;
};

TEST_F(DirectoryTest, OpensPlainFiles) {
  Result<Descriptor> file = directory.openFile("sub/file");
  ASSERT_TRUE(file) << file.status().message();
  Result<std::string> bytes = readAll(*file, "sub/file", 5);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, "hello");
  EXPECT_TRUE(fails(readAll(*file, "sub/file", 4).status(), MOEC_E_FILE,
                    "more than 4 bytes"));
}

TEST_F(DirectoryTest, RefusesNamesThatLeave) {
  EXPECT_TRUE(fails(directory.openFile("../x").status(), MOEC_E_PATH, "../x"));
  EXPECT_TRUE(fails(directory.openFile(outside.path() / "secret").status(),
                    MOEC_E_PATH, "secret"));
}

TEST_F(DirectoryTest, RefusesSymbolicLinks) {
  fs::create_symlink(outside.path() / "secret", inside.path() / "link");
  fs::create_directory_symlink(outside.path(), inside.path() / "linked");
  fs::create_symlink("sub/file", inside.path() / "harmless");
  for (const char *name : {"link", "linked/secret", "harmless"})
    EXPECT_TRUE(
        fails(directory.openFile(name).status(), MOEC_E_PATH, "symbolic link"))
        << name;
}

TEST_F(DirectoryTest, RefusesWhatIsNotAFile) {
  EXPECT_TRUE(
      fails(directory.openFile("sub").status(), MOEC_E_FILE, "not a regular"));
  EXPECT_TRUE(
      fails(directory.openFile("gone").status(), MOEC_E_FILE, "No such file"));
  EXPECT_TRUE(fails(directory.openFile("sub/file/more").status(), MOEC_E_FILE,
                    "Not a directory"));
  // This must not wait for somebody to write into it.
  ASSERT_EQ(::mkfifo((inside.path() / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(
      fails(directory.openFile("fifo").status(), MOEC_E_FILE, "not a regular"));
}

TEST_F(DirectoryTest, ComparesSizeAndChecksum) {
  FileEntry entry{"sub/file", 5, checksumOf("hello")};
  EXPECT_TRUE(openChecked(directory, entry));
  entry.bytes = 6;
  EXPECT_TRUE(fails(openChecked(directory, entry).status(), MOEC_E_FILE,
                    "has 5 bytes, the manifest says 6"));
  entry.bytes = 5;
  entry.checksum = checksumOf("hellp");
  EXPECT_TRUE(fails(openChecked(directory, entry).status(), MOEC_E_CHECKSUM,
                    "the checksum is " + checksumOf("hello")));
}

TEST(MappingTest, ReservesZeroedMemory) {
  Result<Mapping> mapping = Mapping::reserve(size_t(1) << 40, "a test");
  ASSERT_TRUE(mapping) << mapping.status().message();
  EXPECT_EQ(mapping->data()[(size_t(1) << 40) - 1], 0);
  Result<Mapping> nothing = Mapping::reserve(0, "nothing");
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->data(), nullptr);
  EXPECT_TRUE(fails(Mapping::reserve(size_t(1) << 62, "too much").status(),
                    MOEC_E_MEMORY, "too much"));
}

} // namespace
