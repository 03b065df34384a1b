//===- FailureTest.cpp - Artifacts that cannot be written -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// After a failure, everything is as it was before.
//
//===----------------------------------------------------------------------===//

#include "ArtifactTesting.h"

#include <csignal>
#include <fstream>

#include <sys/resource.h>

using namespace moec;
using namespace moec::artifact;
using namespace moec::artifact::test;
namespace fs = std::filesystem;

namespace {

class FailureTest : public ArtifactTest {
protected:
  /// Writing fails, and leaves nothing in the directory.
  void expectFailure(ErrorCode code, std::vector<std::string_view> facts) {
    std::vector<std::string> before = output.entries();
    EXPECT_TRUE(failsWith(write(), code, std::move(facts)));
    EXPECT_EQ(output.entries(), before);
  }
};

//===----------------------------------------------------------------------===//
// Places of weights
//===----------------------------------------------------------------------===//

TEST_F(FailureTest, WeightsWithoutAPlace) {
  recipes("%0 = moe.load \"norm\" : tensor<3xf32>\n"
          "moe.define \"norm\" role \"norm\", %0 : tensor<3xf32>");
  expectFailure(ErrorCode::InvalidArgument, {"weight 'norm' has no offset"});
  recipes("%0 = moe.load_bank \"e.{expert}\" : !moe.bank<2 x tensor<2x2xf32>>\n"
          "moe.define \"e\" role \"experts\", %0 {offset = 0 : i64} : "
          "!moe.bank<2 x tensor<2x2xf32>>");
  expectFailure(ErrorCode::InvalidArgument,
                {"weight 'e' is a bank without a stride"});
}

TEST_F(FailureTest, WeightsAtBadPlaces) {
  placed(8200, 64, 64);
  expectFailure(ErrorCode::InvalidArgument,
                {"'big'", "offset 8200", "no multiple of 64"});
  placed(8192, 64, 0);
  expectFailure(ErrorCode::InvalidArgument, {"'experts'", "stride 0"});
  placed(8192, 64, 96);
  expectFailure(ErrorCode::InvalidArgument, {"'experts'", "stride 96"});
  placed(8192, 0, 64);
  expectFailure(ErrorCode::InvalidArgument,
                {"'norm' begins at byte 0, the one before it ends at 128"});
  placed(128, 64, 64);
  expectFailure(ErrorCode::InvalidArgument,
                {"'big' begins at byte 128, the one before it ends at 192"});
  placed(16384, 64, 64);
  expectFailure(ErrorCode::InvalidArgument,
                {"reach to byte 1416384 of a file of 1409024"});
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

TEST_F(FailureTest, Names) {
  for (const char *name : {"", "../x", "a/b", "manifest.json", "code",
                           "tokenizer.json", ".hidden", "a b"}) {
    contents = small();
    contents.files.push_back({name, contents.files[0].path});
    expectFailure(ErrorCode::InvalidArgument,
                  {"cannot be the name of a file of the artifact"});
  }
  contents = small();
  contents.targets[1].name = "x86-64-v3";
  expectFailure(ErrorCode::InvalidArgument,
                {"'x86-64-v3' cannot be the name of a target"});
  contents.targets[1].name = "../../x";
  expectFailure(ErrorCode::InvalidArgument, {"cannot be the name of a target"});
}

TEST_F(FailureTest, FilesThatAreNotThere) {
  contents.files.push_back({"more.json", inputs / "none.json"});
  expectFailure(ErrorCode::NotFound, {"none.json"});
}

TEST_F(FailureTest, PlacesThatAreNone) {
  for (const char *path : {"", "/", ".", ".."})
    EXPECT_TRUE(failsWith(artifact::write(path, contents, *executor),
                          ErrorCode::Occupied, {"is no name"}))
        << path;
  EXPECT_TRUE(
      failsWith(artifact::write(output / "none/m.moec", contents, *executor),
                ErrorCode::NotFound, {"cannot create", "none/m.moec"}));
}

//===----------------------------------------------------------------------===//
// What is not overwritten
//===----------------------------------------------------------------------===//

TEST_F(FailureTest, FilesAndForeignDirectoriesStay) {
  output.write("m.moec", "precious");
  expectFailure(ErrorCode::Occupied, {"exists and is no artifact"});
  EXPECT_EQ(weights::test::readFile(place()), "precious");
  fs::remove(place());

  fs::create_directory(place());
  expectFailure(ErrorCode::Occupied, {"exists and is no artifact"});
  output.write("m.moec/manifest.json", "{}");
  expectFailure(ErrorCode::Occupied, {"exists and is no artifact"});
  EXPECT_EQ(read("manifest.json"), "{}");
}

TEST_F(FailureTest, LinksAreNotFollowed) {
  ASSERT_TRUE(write().ok());
  fs::rename(place(), output / "real.moec");
  fs::create_symlink(output / "real.moec", place());
  expectFailure(ErrorCode::Occupied, {"exists and is no artifact"});
  fs::remove(place());
  fs::create_symlink(output / "nowhere", place());
  expectFailure(ErrorCode::Occupied, {"exists and is no artifact"});
}

TEST_F(FailureTest, AnArtifactStaysWhenItsSuccessorFails) {
  ASSERT_TRUE(write().ok());
  auto before = everything();
  contents.files.push_back({"more.json", inputs / "none.json"});
  expectFailure(ErrorCode::NotFound, {"none.json"});
  EXPECT_EQ(everything(), before);
}

//===----------------------------------------------------------------------===//
// Full disks
//===----------------------------------------------------------------------===//

TEST_F(FailureTest, NotEnoughSpaceIsSeenBeforehand) {
  contents.weightsBytes = uint64_t(1) << 55;
  expectFailure(ErrorCode::NoSpace,
                {"no room for the artifact", "needs 360287970", "available"});
}

/// Files cannot grow beyond a limit while it lives.
class FileSizeLimit {
public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit{bytes, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before); }

private:
  rlimit before;
};

// The default action of the signal that comes with it would end the program:
// the writer must take care of that.
TEST_F(FailureTest, NothingIsLeftWhenTheDiskFillsUp) {
  ASSERT_TRUE(write().ok());
  auto before = everything();
  for (rlim_t bytes : {0, 100, 8000, 1000000, 1409023}) {
    FileSizeLimit limit(bytes);
    expectFailure(ErrorCode::NoSpace, {"cannot write", "needs", "available"});
  }
  EXPECT_EQ(everything(), before);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_FALSE(sigismember(&pending, SIGXFSZ));
  EXPECT_TRUE(write().ok());
}

TEST_F(FailureTest, ParentsThatAreNoDirectories) {
  output.write("file", "precious");
  EXPECT_TRUE(
      failsWith(artifact::write(output / "file/m.moec", contents, *executor),
                ErrorCode::Io, {"cannot create", "Not a directory"}));
  EXPECT_EQ(output.entries(), (std::vector<std::string>{"file"}));
}

} // namespace
