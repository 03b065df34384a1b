//===- CheckpointTest.cpp - Directories with weights ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which files are taken, and what must agree between an index and its shards.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Checkpoint.h"

#include "test/unit/weights/TestFiles.h"

namespace moec::weights::test {
namespace {

namespace fs = std::filesystem;

/// A file with a tensor of each name, one byte long: its last letter.
std::string holding(const std::vector<std::string> &names) {
  std::string json = "{", data;
  for (const std::string &name : names) {
    json += (data.empty() ? "\"" : ",\"") + name +
            R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" +
            std::to_string(data.size()) + "," +
            std::to_string(data.size() + 1) + "]}";
    data += name.back();
  }
  return safetensors(json + "}", data);
}

/// The names of all tensors and their bytes.
std::string contents(const Checkpoint &checkpoint) {
  std::string text;
  for (const Tensor &tensor : checkpoint.tensors()) {
    text += (text.empty() ? "" : " ") + tensor.name() + "=";
    for (std::byte byte : tensor.bytes())
      text += static_cast<char>(byte);
  }
  return text;
}

constexpr const char *single = "model.safetensors";
constexpr const char *index = "model.safetensors.index.json";

Status failureOf(const std::string &path) {
  Result<Checkpoint> checkpoint = Checkpoint::open(path);
  EXPECT_FALSE(checkpoint) << path;
  return checkpoint.status();
}

TEST(Checkpoint, SingleFile) {
  TemporaryDirectory directory;
  directory.write(single, holding({"b", "a"}));
  directory.write("other.safetensors", "not read");
  for (std::string path : {directory.path(), directory / single}) {
    Result<Checkpoint> checkpoint = Checkpoint::open(path);
    ASSERT_TRUE(checkpoint) << checkpoint.status().message();
    EXPECT_EQ(contents(*checkpoint), "a=a b=b");
    EXPECT_EQ(checkpoint->numBytes(), 2u);
    EXPECT_TRUE(checkpoint->remarks().empty());
    EXPECT_EQ(checkpoint->path(), path);
  }
}

TEST(Checkpoint, TensorsAreFoundByName) {
  TemporaryDirectory directory;
  directory.write(single, holding({"m.b", "m.a"}));
  Result<Checkpoint> opened = Checkpoint::open(directory.path());
  ASSERT_TRUE(opened) << opened.status().message();
  Checkpoint checkpoint = std::move(*opened);
  ASSERT_NE(checkpoint.find("m.b"), nullptr);
  EXPECT_EQ(checkpoint.find("m.b")->dtype(), DType::U8);
  EXPECT_EQ(checkpoint.find("m.b")->shape().size(), 1u);
  EXPECT_EQ(checkpoint.find("m"), nullptr);
  EXPECT_EQ(checkpoint.find("m.c"), nullptr);
  Result<Tensor> tensor = checkpoint.get("m.a");
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->bytes()[0], std::byte('a'));
  tensor->release();
  EXPECT_EQ(tensor->bytes()[0], std::byte('a'));
  EXPECT_TRUE(failsWith(checkpoint.get("m.c").status(),
                        ErrorCode::TensorMissing,
                        {directory.path(), "'m.c'", "2"}));
}

TEST(Checkpoint, OnlyOtherFile) {
  TemporaryDirectory directory;
  directory.write("weights.safetensors", holding({"a"}));
  directory.write("config.json", "{}");
  Result<Checkpoint> checkpoint = Checkpoint::open(directory.path());
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  EXPECT_EQ(contents(*checkpoint), "a=a");
}

TEST(Checkpoint, SeveralOtherFilesAreAmbiguous) {
  TemporaryDirectory directory;
  directory.write("x.safetensors", holding({"a"}));
  directory.write("y.safetensors", holding({"b"}));
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::Ambiguous,
                        {directory.path(), "2 safetensors files", index}));
}

TEST(Checkpoint, NoFile) {
  TemporaryDirectory directory;
  directory.write("pytorch_model.bin", "pickle");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::NotFound,
                        {directory.path(), single, index, "converted"}));
  EXPECT_TRUE(failsWith(failureOf(directory / "absent"), ErrorCode::NotFound,
                        {directory / "absent", "open"}));
}

TEST(Checkpoint, BadFileIsNamed) {
  TemporaryDirectory directory;
  directory.write(single, "12345678");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::HeaderTooLarge,
                        {directory / single}));
}

/// Two shards: the first holds b and c, the second a.
class Sharded : public testing::Test {
protected:
  Sharded() {
    directory.write("m-1.safetensors", holding({"c", "b"}));
    directory.write("m-2.safetensors", holding({"a"}));
    writeIndex(R"("a":"m-2.safetensors","b":"m-1.safetensors",)"
               R"("c":"m-1.safetensors")");
  }

  void writeIndex(const std::string &map) {
    directory.write(index, R"({"metadata":{"total_size":3},"weight_map":{)" +
                               map + "}}");
  }

  TemporaryDirectory directory;
};

TEST_F(Sharded, TensorsOfAllShards) {
  // A file that the index does not name is not part of it.
  directory.write("adapter.safetensors", "not read");
  Result<Checkpoint> checkpoint = Checkpoint::open(directory.path());
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  EXPECT_EQ(contents(*checkpoint), "a=a b=b c=c");
  EXPECT_EQ(checkpoint->files().size(), 2u);
  EXPECT_TRUE(checkpoint->remarks().empty());
  Checkpoint moved = std::move(*checkpoint);
  EXPECT_EQ(contents(moved), "a=a b=b c=c");
}

TEST_F(Sharded, MissingShard) {
  fs::remove(directory / "m-2.safetensors");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::NotFound,
                        {index, directory / "m-2.safetensors"}));
}

TEST_F(Sharded, DamagedShard) {
  fs::resize_file(directory / "m-1.safetensors",
                  fs::file_size(directory / "m-1.safetensors") - 1);
  EXPECT_TRUE(failsWith(failureOf(directory.path()),
                        ErrorCode::IncompleteBuffer,
                        {directory / "m-1.safetensors", "'b'", "truncated"}));
}

TEST_F(Sharded, DamagedIndex) {
  directory.write(index, "{\"weight_map\":{\"a\":");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::JsonSyntax,
                        {directory / index, "byte"}));
  directory.write(index, "");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::JsonSyntax,
                        {directory / index}));
}

TEST_F(Sharded, PromisedTensorIsMissing) {
  writeIndex(R"("a":"m-2.safetensors","d":"m-1.safetensors")");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::TensorMissing,
                        {index, "'d'", "'m-1.safetensors'"}));
}

TEST_F(Sharded, TensorIsInAnotherShardThanPromised) {
  writeIndex(R"("a":"m-1.safetensors","b":"m-1.safetensors",)"
             R"("c":"m-2.safetensors")");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::TensorMissing,
                        {"'a'", "'m-1.safetensors'"}));
}

TEST_F(Sharded, TensorIsInTwoShards) {
  directory.write("m-2.safetensors", holding({"a", "b"}));
  EXPECT_TRUE(failsWith(failureOf(directory.path()),
                        ErrorCode::TensorDuplicated,
                        {"'b'", "m-1.safetensors", "m-2.safetensors"}));
}

TEST_F(Sharded, UnlistedTensorIsThereAndRemarkedUpon) {
  directory.write("m-2.safetensors", holding({"a", "y", "z"}));
  Result<Checkpoint> checkpoint = Checkpoint::open(directory.path());
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  EXPECT_EQ(contents(*checkpoint), "a=a b=b c=c y=y z=z");
  ASSERT_EQ(checkpoint->remarks().size(), 1u);
  const std::string &remark = checkpoint->remarks()[0];
  for (const char *fact : {"m-2.safetensors", "2 tensors", "'y'"})
    EXPECT_NE(remark.find(fact), std::string::npos) << remark;
}

TEST_F(Sharded, SingleFileComesFirst) {
  directory.write(single, holding({"s"}));
  Result<Checkpoint> checkpoint = Checkpoint::open(directory.path());
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  EXPECT_EQ(contents(*checkpoint), "s=s");
}

TEST_F(Sharded, ShardOutsideTheDirectoryIsRefused) {
  TemporaryDirectory elsewhere;
  elsewhere.write("m-2.safetensors", holding({"a"}));
  writeIndex(R"("a":"../m-2.safetensors")");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::ShardName,
                        {index, "'a'", "'../m-2.safetensors'"}));
}

TEST_F(Sharded, SymbolicLinkOutOfTheDirectoryIsRefused) {
  TemporaryDirectory elsewhere;
  elsewhere.write("secret", holding({"a"}));
  fs::remove(directory / "m-2.safetensors");
  fs::create_symlink(elsewhere / "secret", directory / "m-2.safetensors");
  EXPECT_TRUE(failsWith(failureOf(directory.path()), ErrorCode::ShardEscape,
                        {directory / "m-2.safetensors", elsewhere.path()}));
}

TEST_F(Sharded, SymbolicLinkWithinTheDirectoryIsFollowed) {
  fs::rename(directory / "m-2.safetensors", directory / "renamed");
  fs::create_symlink("renamed", directory / "m-2.safetensors");
  Result<Checkpoint> checkpoint = Checkpoint::open(directory.path());
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  EXPECT_EQ(contents(*checkpoint), "a=a b=b c=c");
}

TEST(CheckpointInCache, LinksIntoTheStoreAreFollowed) {
  // How huggingface_hub keeps a model: names of a revision link to contents.
  TemporaryDirectory cache;
  fs::create_directories(cache / "models--x/snapshots/1234");
  fs::create_directories(cache / "models--x/blobs");
  fs::create_directories(cache / "models--y/blobs");
  cache.write("models--x/blobs/f00", holding({"a"}));
  cache.write("models--y/blobs/f00", holding({"a"}));
  cache.write("models--x/blobs/baa", R"({"weight_map":{"a":"m.safetensors"}})");
  std::string model = cache / "models--x/snapshots/1234";
  fs::create_symlink("../../blobs/baa", model + "/" + index);
  fs::create_symlink("../../blobs/f00", model + "/m.safetensors");
  Result<Checkpoint> checkpoint = Checkpoint::open(model);
  ASSERT_TRUE(checkpoint) << checkpoint.status().message();
  EXPECT_EQ(contents(*checkpoint), "a=a");

  fs::remove(model + "/m.safetensors");
  fs::create_symlink("../../../models--y/blobs/f00", model + "/m.safetensors");
  EXPECT_TRUE(failsWith(failureOf(model), ErrorCode::ShardEscape,
                        {"m.safetensors", "models--y"}));
}

} // namespace
} // namespace moec::weights::test
