//===- SafetensorsHeaderTest.cpp - Which headers are accepted -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a header may look like, and damage wherever it may strike. Rules of the
// format one by one: SafetensorsRejectionTest.cpp.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsHeader.h"

#include "test/unit/weights/TestFiles.h"

namespace moec::weights::test {
namespace {

Result<Header> parse(std::string_view json, std::string_view data = "") {
  std::string file = safetensors(json, data);
  return parseHeader(asBytes(file));
}

Result<Header> parse(std::string_view json, size_t dataSize) {
  return parse(json, std::string(dataSize, '\0'));
}

std::string nested(size_t depth) {
  std::string open, close;
  for (size_t i = 0; i < depth; ++i) {
    open += '[';
    close += ']';
  }
  return open + close;
}

/// A header with one tensor 'w' that has these members.
std::string one(const std::string &members) {
  return "{\"w\":{" + members + "}}";
}

TEST(SafetensorsHeader, LengthMustBeThere) {
  for (size_t size = 0; size < 8; ++size) {
    std::string file(size, '\0');
    Result<Header> header = parseHeader(asBytes(file));
    ASSERT_FALSE(header);
    EXPECT_TRUE(failsWith(header.status(), ErrorCode::HeaderTooSmall,
                          {"8 bytes", std::to_string(size)}));
  }
}

TEST(SafetensorsHeader, LengthHasALimit) {
  std::string file("\x01\xe1\xf5\x05\0\0\0\0{}", 10); // 100,000,001
  Result<Header> header = parseHeader(asBytes(file));
  ASSERT_FALSE(header);
  EXPECT_TRUE(failsWith(header.status(), ErrorCode::HeaderTooLarge,
                        {"100000001", "100000000"}));
  // At the limit it is not too large, but longer than the file.
  file[0] = 0;
  header = parseHeader(asBytes(file));
  ASSERT_FALSE(header);
  EXPECT_TRUE(failsWith(header.status(), ErrorCode::HeaderTruncated,
                        {"byte 100000008", "10 bytes"}));
}

TEST(SafetensorsHeader, LengthOfAllOnesDoesNotWrap) {
  std::string file(16, '\xff');
  Result<Header> header = parseHeader(asBytes(file));
  ASSERT_FALSE(header);
  EXPECT_TRUE(failsWith(header.status(), ErrorCode::HeaderTooLarge,
                        {"18446744073709551615"}));
}

TEST(SafetensorsHeader, EveryTruncationIsRefused) {
  std::string file =
      safetensors(R"({"__metadata__":{"format":"pt"},)"
                  R"("a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},)"
                  R"("b":{"dtype":"F32","shape":[],"data_offsets":[8,12]}} )",
                  "0123456789ab");
  ASSERT_TRUE(parseHeader(asBytes(file)));
  for (size_t size = 0; size < file.size(); ++size) {
    // A heap copy of the exact size, so that a sanitizer sees each overrun.
    std::vector<char> prefix(file.begin(), file.begin() + size);
    Result<Header> header = parseHeader(std::as_bytes(std::span(prefix)));
    EXPECT_FALSE(header) << size;
    if (header)
      continue;
    ErrorCode expected = size < 8 ? ErrorCode::HeaderTooSmall
                         : size < file.size() - 12
                             ? ErrorCode::HeaderTruncated
                             : ErrorCode::IncompleteBuffer;
    EXPECT_EQ(header.status().code(), expected) << size;
  }
}

TEST(SafetensorsHeader, EveryFlippedBitIsRefusedOrConsistent) {
  const std::string file = safetensors(
      R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", "abcd");
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    std::string damaged = file;
    damaged[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    Result<Header> header = parseHeader(asBytes(damaged));
    if (!header)
      continue;
    ASSERT_EQ(header->tensors.size(), 1u);
    EXPECT_EQ(header->tensors[0].numBytes(), 4u);
    EXPECT_EQ(header->dataOffset, file.size() - 4);
  }
}

TEST(SafetensorsHeader, TensorsComeInOrderOfTheirData) {
  Result<Header> header =
      parse(R"({"late":{"data_offsets":[2,6],"shape":[1],"dtype":"F32"},)"
            R"("early":{"dtype":"U8","data_offsets":[0,2],"shape":[2,1]},)"
            R"("__metadata__":{"format":"pt","":"\u00e9"}})"
            " \t\r\n",
            6);
  ASSERT_TRUE(header) << header.status().message();
  ASSERT_EQ(header->tensors.size(), 2u);
  const TensorInfo &early = header->tensors[0];
  EXPECT_EQ(early.name, "early");
  EXPECT_EQ(early.dtype, DType::U8);
  EXPECT_EQ(early.shape, (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(early.numElements(), 2u);
  EXPECT_EQ(header->tensors[1].name, "late");
  EXPECT_EQ(header->tensors[1].begin, 2u);
  EXPECT_EQ(header->tensors[1].end, 6u);
  EXPECT_EQ(header->metadata, (std::map<std::string, std::string>{
                                  {"format", "pt"}, {"", "\xc3\xa9"}}));
}

TEST(SafetensorsHeader, NoTensorsIsAFile) {
  Result<Header> header = parse("{}");
  ASSERT_TRUE(header) << header.status().message();
  EXPECT_TRUE(header->tensors.empty());
  EXPECT_EQ(header->dataOffset, 10u);
}

TEST(SafetensorsHeader, ScalarsAndEmptyTensorsHaveTheirPlace) {
  Result<Header> header =
      parse(R"({"scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
            R"("before":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
            R"("after":{"dtype":"F32","shape":[7,0],"data_offsets":[4,4]},)"
            R"("huge":{"dtype":"F32","shape":[0,4294967296,4294967296],)"
            R"("data_offsets":[4,4]}})",
            4);
  ASSERT_TRUE(header) << header.status().message();
  ASSERT_EQ(header->tensors.size(), 4u);
  EXPECT_EQ(header->tensors[0].name, "before");
  EXPECT_EQ(header->tensors[1].name, "scalar");
  EXPECT_EQ(header->tensors[1].numElements(), 1u);
  EXPECT_EQ(header->tensors[2].numElements(), 0u);
}

TEST(SafetensorsHeader, UnknownMembersAreIgnored) {
  Result<Header> header =
      parse(one(R"("dtype":"U8","x":{"dtype":[1,{"shape":null}]},"shape":[1],)"
                R"("y":-1.5,"z":)" +
                nested(126) + R"(,"data_offsets":[0,1])"),
            1);
  ASSERT_TRUE(header) << header.status().message();
  EXPECT_EQ(header->tensors.size(), 1u);
}

TEST(SafetensorsHeader, EveryTypeOfTheFormatHasItsSize) {
  const std::pair<const char *, unsigned> types[] = {
      {"BOOL", 8},        {"U8", 8},         {"I8", 8},      {"F8_E4M3", 8},
      {"F8_E5M2", 8},     {"F8_E8M0", 8},    {"I16", 16},    {"U16", 16},
      {"F16", 16},        {"BF16", 16},      {"I32", 32},    {"U32", 32},
      {"F32", 32},        {"C64", 64},       {"F64", 64},    {"I64", 64},
      {"U64", 64},        {"F4", 4},         {"F6_E2M3", 6}, {"F6_E3M2", 6},
      {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
  for (auto [spelling, bits] : types) {
    size_t size = 12 * bits / 8;
    Result<Header> header =
        parse(one("\"dtype\":\"" + std::string(spelling) +
                  "\",\"shape\":[3,4],\"data_offsets\":[0," +
                  std::to_string(size) + "]"),
              size);
    ASSERT_TRUE(header) << header.status().message();
    EXPECT_EQ(name(header->tensors[0].dtype), spelling);
    EXPECT_EQ(bitWidth(header->tensors[0].dtype), bits);
    EXPECT_EQ(header->tensors[0].numElements(), 12u);
  }
}

TEST(SafetensorsHeader, NamesInMessagesAreHarmless) {
  Result<Header> header = parse(R"({"\u001b[31m)" + std::string(5000, 'x') +
                                R"(":{"dtype":"F32"}})");
  ASSERT_FALSE(header);
  const std::string &message = header.status().message();
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_NE(message.find("\\x1b"), std::string::npos);
  EXPECT_LT(message.size(), 300u);
}

TEST(SafetensorsHeader, LongTokensDoNotReachMessages) {
  Result<Header> header = parse("{\"" + std::string(100000, 'x'));
  ASSERT_FALSE(header);
  EXPECT_TRUE(failsWith(header.status(), ErrorCode::JsonSyntax, {"quote"}));
  EXPECT_LT(header.status().message().size(), 300u);
}

TEST(SafetensorsHeader, RenderingIsTheInverse) {
  std::vector<TensorInfo> tensors = {
      {"a \"quoted\" name \xc3\xa9", DType::F64, {2}, 0, 16},
      {"", DType::F4, {1, 2, 3}, 16, 19},
      {"scalar", DType::BOOL, {}, 19, 20}};
  std::map<std::string, std::string> metadata = {{"k", "v\n"}};
  Result<std::string> rendered = renderHeader(tensors, metadata);
  ASSERT_TRUE(rendered) << rendered.status().message();
  EXPECT_EQ(rendered->size() % 8, 0u);
  std::string file = *rendered + std::string(20, '\0');
  Result<Header> header = parseHeader(asBytes(file));
  ASSERT_TRUE(header) << header.status().message();
  EXPECT_EQ(header->metadata, metadata);
  EXPECT_EQ(header->dataOffset, rendered->size());
  ASSERT_EQ(header->tensors.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(header->tensors[i].name, tensors[i].name);
    EXPECT_EQ(header->tensors[i].dtype, tensors[i].dtype);
    EXPECT_EQ(header->tensors[i].shape, tensors[i].shape);
    EXPECT_EQ(header->tensors[i].begin, tensors[i].begin);
    EXPECT_EQ(header->tensors[i].end, tensors[i].end);
  }
}

} // namespace
} // namespace moec::weights::test
