//===- ShardIndexTest.cpp - Which indices are accepted --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The JSON of model.safetensors.index.json, without files.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/ShardIndex.h"

#include "test/unit/weights/TestFiles.h"

namespace moec::weights::test {
namespace {

TEST(ShardIndex, WeightMapIsRead) {
  Result<WeightMap> map = parseShardIndex(
      R"({"metadata":{"total_size":12,"weight_map":{"no":"no"}},)"
      R"("weight_map":{"a.weight":"model-1.safetensors",)"
      R"("b":"model-2.safetensors","c":"..dots.safetensors"},)"
      R"("other":[{"weight_map":1}]})");
  ASSERT_TRUE(map) << map.status().message();
  EXPECT_EQ(*map, (WeightMap{{"a.weight", "model-1.safetensors"},
                             {"b", "model-2.safetensors"},
                             {"c", "..dots.safetensors"}}));
}

TEST(ShardIndex, EmptyMapIsAMap) {
  Result<WeightMap> map = parseShardIndex(R"({"weight_map":{}})");
  ASSERT_TRUE(map) << map.status().message();
  EXPECT_TRUE(map->empty());
}

struct Rejection {
  const char *what;
  std::string json;
  ErrorCode code;
  std::vector<std::string_view> facts;
};

std::string shard(const std::string &name) {
  return R"({"weight_map":{"w":")" + name + "\"}}";
}

const Rejection rejections[] = {
    {"Empty", "", ErrorCode::JsonSyntax, {"byte 1"}},
    {"NotJson", "weights", ErrorCode::JsonSyntax, {"byte 1"}},
    {"Nul",
     std::string("{\"weight_map\":{}}\0", 18),
     ErrorCode::JsonSyntax,
     {"NUL", "byte 17"}},
    {"Array", "[]", ErrorCode::JsonField, {"an object", "an array"}},
    {"String", "\"x\"", ErrorCode::JsonField, {"an object", "a string"}},
    {"NoMap", R"({"metadata":{}})", ErrorCode::JsonField, {"no weight_map"}},
    {"MapElsewhere",
     R"({"metadata":{"weight_map":{}}})",
     ErrorCode::JsonField,
     {"no weight_map"}},
    {"MapIsArray",
     R"({"weight_map":[]})",
     ErrorCode::JsonField,
     {"weight_map", "an object", "an array"}},
    {"MapIsString",
     R"({"weight_map":"model.safetensors"})",
     ErrorCode::JsonField,
     {"weight_map", "a string"}},
    {"ShardIsNumber",
     R"({"weight_map":{"w":1}})",
     ErrorCode::JsonField,
     {"'w'", "a string", "an unsigned integer"}},
    {"ShardIsObject",
     R"({"weight_map":{"w":{}}})",
     ErrorCode::JsonField,
     {"'w'", "an object"}},
    {"TensorTwice",
     R"({"weight_map":{"w":"a","w":"b"}})",
     ErrorCode::JsonDuplicateKey,
     {"'w'", "twice"}},
    {"MapTwice",
     R"({"weight_map":{},"weight_map":{}})",
     ErrorCode::JsonDuplicateKey,
     {"'weight_map'"}},
    {"TooDeep",
     R"({"weight_map":{},"x":)" + std::string(200, '['),
     ErrorCode::JsonTooDeep,
     {"128"}},
    {"Absolute",
     shard("/etc/passwd"),
     ErrorCode::ShardName,
     {"'w'", "'/etc/passwd'", "plain name"}},
    {"Parent",
     shard("../model.safetensors"),
     ErrorCode::ShardName,
     {"'../model.safetensors'"}},
    {"Subdirectory",
     shard("sub/model.safetensors"),
     ErrorCode::ShardName,
     {"sub/"}},
    {"Backslash", shard(R"(..\\x)"), ErrorCode::ShardName, {"'w'"}},
    {"EscapedSlash", shard(R"(..\u002fx)"), ErrorCode::ShardName, {"'../x'"}},
    {"EscapedNul",
     shard(R"(a\u0000.safetensors)"),
     ErrorCode::ShardName,
     {"\\x00"}},
    {"NoName", shard(""), ErrorCode::ShardName, {"'w'", "''"}},
    {"Dot", shard("."), ErrorCode::ShardName, {"'.'"}},
    {"DotDot", shard(".."), ErrorCode::ShardName, {"'..'"}},
};

class RejectedIndex : public testing::TestWithParam<Rejection> {};

TEST_P(RejectedIndex, SaysWhy) {
  Result<WeightMap> map = parseShardIndex(GetParam().json);
  ASSERT_FALSE(map);
  EXPECT_TRUE(failsWith(map.status(), GetParam().code, GetParam().facts));
}

INSTANTIATE_TEST_SUITE_P(Rules, RejectedIndex, testing::ValuesIn(rejections),
                         [](const testing::TestParamInfo<Rejection> &info) {
                           return std::string(info.param.what);
                         });

TEST(ShardIndex, LengthHasALimit) {
  std::string index = R"({"weight_map":{}})";
  index.resize(100'000'000, ' ');
  EXPECT_TRUE(parseShardIndex(index));
  index += ' ';
  Result<WeightMap> map = parseShardIndex(index);
  ASSERT_FALSE(map);
  EXPECT_TRUE(failsWith(map.status(), ErrorCode::IndexTooLarge,
                        {"100000001", "100000000"}));
}

} // namespace
} // namespace moec::weights::test
