//===- ReplaceTest.cpp - Artifacts that take another's place --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ArtifactTesting.h"

#include "lib/Artifact/OutputDirectory.h"

#include <atomic>
#include <cstddef>
#include <thread>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace moec::artifact;
using namespace moec::artifact::test;
namespace fs = std::filesystem;

namespace {

class ReplaceTest : public ArtifactTest {
protected:
  using Names = std::vector<std::string>;

  /// A directory with what makes it an artifact, and this text.
  void makeArtifact(const std::string &name, const std::string &text) {
    fs::create_directory(output / name);
    output.write(name + "/manifest.json", text);
    output.write(name + "/manifest.json.xxh3", "");
  }

  /// Puts an artifact with this text at the place.
  Status replace(const std::string &text) {
    auto directory = OutputDirectory::create(place(), 0);
    if (!directory)
      return directory.status();
    for (const char *name : {"manifest.json", "manifest.json.xxh3"}) {
      auto file = OutputFile::create(*directory, name);
      if (!file)
        return file.status();
      Status status = file->write(std::as_bytes(std::span(text)));
      if (!status.ok())
        return status;
    }
    return directory->finish();
  }
};

/// From now on this process cannot exchange names, as on some file systems.
void forbidExchange() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[4])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RENAME_EXCHANGE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog filter{std::size(program), program};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/// Runs `body` in a child; whether it had no failure.
template <typename Body> bool passesInChild(Body body) {
  pid_t child = fork();
  if (child == 0) {
    body();
    _exit(testing::Test::HasFailure());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0;
}

TEST_F(ReplaceTest, ThereIsAnArtifactAtEveryMoment) {
  ASSERT_TRUE(replace("0").ok());
  std::atomic<bool> isOver = false;
  std::atomic<int> missing = 0;
  std::thread watcher([&] {
    struct stat info;
    while (!isOver)
      missing += stat((place() + "/manifest.json").c_str(), &info) != 0;
  });
  for (int i = 0; i < 500; ++i)
    ASSERT_TRUE(replace(std::to_string(i)).ok());
  isOver = true;
  watcher.join();
  EXPECT_EQ(missing, 0);
  EXPECT_EQ(read("manifest.json"), "499");
  EXPECT_EQ(output.entries(), Names{"m.moec"});
}

TEST_F(ReplaceTest, WithoutExchangeTheOldOneIsMovedAside) {
  ASSERT_TRUE(replace("old").ok());
  EXPECT_TRUE(passesInChild([&] {
    forbidExchange();
    Status status = replace("new");
    EXPECT_TRUE(status.ok()) << status.message();
  }));
  EXPECT_EQ(read("manifest.json"), "new");
  EXPECT_EQ(output.entries(), Names{"m.moec"});
}

TEST_F(ReplaceTest, WhatAKilledProcessLeftIsRemoved) {
  makeArtifact(".m.moec.tmp-12-0", "half");
  makeArtifact(".m.moec.old-12-1", "older");
  output.write(".m.moec.tmp-13-0", "a file");
  makeArtifact(".other.moec.tmp-12-0", "of another");
  output.write(".m.moec.tmp-mine", "of no process");
  ASSERT_TRUE(replace("new").ok());
  EXPECT_EQ(read("manifest.json"), "new");
  EXPECT_EQ(output.entries(),
            (Names{".m.moec.tmp-mine", ".other.moec.tmp-12-0", "m.moec"}));
}

TEST_F(ReplaceTest, WhatWasMovedAsideComesBack) {
  makeArtifact(".m.moec.old-12-1", "old");
  ASSERT_TRUE(OutputDirectory::create(place(), 0));
  EXPECT_EQ(read("manifest.json"), "old");
  EXPECT_EQ(output.entries(), Names{"m.moec"});
}

TEST_F(ReplaceTest, WhatIsNoArtifactDoesNotComeBack) {
  fs::create_directory(output / ".m.moec.old-12-1");
  ASSERT_TRUE(OutputDirectory::create(place(), 0));
  EXPECT_EQ(output.entries(), Names{});
}

TEST_F(ReplaceTest, WhatAnotherIsWritingStays) {
  auto first = OutputDirectory::create(place(), 0);
  ASSERT_TRUE(first);
  ASSERT_TRUE(replace("second").ok());
  EXPECT_TRUE(fs::exists(first->temporaryPath()));
  EXPECT_EQ(output.entries().size(), 2u);
}

} // namespace
