//===- SafetensorsHeaderTest.cpp - Which headers are accepted -------------===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every rule of the format has a header that breaks it and nothing else, and
// the message is checked for what a user needs to know.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsHeader.h"

#include "test/unit/weights/TestFiles.h"

namespace moec::weights::test {
namespace {

using Facts = std::vector<std::string_view>;

Result<Header> parse(std::string_view json, std::string_view data = "") {
  std::string file = safetensors(json, data);
  return parseHeader(asBytes(file));
}

Result<Header> parse(std::string_view json, size_t dataSize) {
  return parse(json, std::string(dataSize, '\0'));
}

struct Rejection {
  const char *what;
  std::string json;
  size_t dataSize;
  ErrorCode code;
  Facts facts;
};

class RejectedHeader : public testing::TestWithParam<Rejection> {};

TEST_P(RejectedHeader, SaysWhy) {
  const Rejection &c = GetParam();
  Result<Header> header = parse(c.json, c.dataSize);
  ASSERT_FALSE(header);
  EXPECT_TRUE(failsWith(header.status(), c.code, c.facts));
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

/// A header with one F32 tensor 'w' of this shape and these offsets.
std::string f32(const std::string &shape, const std::string &offsets) {
  return one("\"dtype\":\"F32\",\"shape\":" + shape +
             ",\"data_offsets\":" + offsets);
}

std::string two(const std::string &offsetsOfA, const std::string &offsetsOfB) {
  return "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" +
         offsetsOfA + "},\"b\":{\"dtype\":\"U8\",\"shape\":[4]," +
         "\"data_offsets\":" + offsetsOfB + "}}";
}

const Rejection syntax[] = {
    {"Empty", "", 0, ErrorCode::HeaderStart, {"empty", "'{'"}},
    {"NoBrace", "[]", 0, ErrorCode::HeaderStart, {"'{'", "'['"}},
    {"LeadingSpace", " {}", 0, ErrorCode::HeaderStart, {"'{'", "' '"}},
    {"ByteOrderMark", "\xef\xbb\xbf{}", 0, ErrorCode::HeaderStart, {"\\xef"}},
    {"Unfinished", "{", 0, ErrorCode::JsonSyntax, {"header", "byte 2"}},
    {"Comment", "{/* */}", 0, ErrorCode::JsonSyntax, {"byte 2"}},
    {"TrailingComma",
     R"({"__metadata__":{},})",
     0,
     ErrorCode::JsonSyntax,
     {"byte 20"}},
    {"SecondDocument", "{}{}", 0, ErrorCode::JsonSyntax, {"byte 3"}},
    {"AfterNul",
     std::string("{}\0{", 4),
     0,
     ErrorCode::JsonSyntax,
     {"byte 2", "NUL"}},
    {"BadUtf8", "{\"\xff\":{}}", 0, ErrorCode::JsonSyntax, {"UTF-8", "byte 3"}},
    {"OverlongUtf8", "{\"\xc0\xaf\":{}}", 0, ErrorCode::JsonSyntax, {"UTF-8"}},
    {"Surrogate", "{\"\xed\xa0\x80\":{}}", 0, ErrorCode::JsonSyntax, {"UTF-8"}},
    {"LoneEscape", R"({"\ud800":{}})", 0, ErrorCode::JsonSyntax, {"surrogate"}},
    {"ControlCharacter",
     "{\"a\nb\":{}}",
     0,
     ErrorCode::JsonSyntax,
     {"control character"}},
    {"HugeNumber", R"({"w":{"x":1e999}})", 0, ErrorCode::JsonSyntax, {"byte"}},
    {"TooDeep",
     one("\"x\":" + nested(127)),
     0,
     ErrorCode::JsonTooDeep,
     {"128 levels"}},
    {"MuchTooDeep",
     one("\"x\":" + nested(1000000)),
     0,
     ErrorCode::JsonTooDeep,
     {"128 levels"}},
};

const Rejection duplicates[] = {
    {"Tensor",
     R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
     R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
     1,
     ErrorCode::JsonDuplicateKey,
     {"'w'", "twice"}},
    {"EscapedTensor",
     R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
     R"("\u0077":{}})",
     0,
     ErrorCode::JsonDuplicateKey,
     {"'w'"}},
    {"Field",
     one(R"("dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1])"),
     1,
     ErrorCode::JsonDuplicateKey,
     {"'dtype'"}},
    {"MetadataEntry",
     R"({"__metadata__":{"k":"a","k":"b"}})",
     0,
     ErrorCode::JsonDuplicateKey,
     {"'k'"}},
    {"Metadata",
     R"({"__metadata__":{},"__metadata__":{}})",
     0,
     ErrorCode::JsonDuplicateKey,
     {"'__metadata__'"}},
    {"Ignored",
     one(R"("x":{"y":1,"y":2})"),
     0,
     ErrorCode::JsonDuplicateKey,
     {"'y'"}},
};

const Rejection fields[] = {
    {"TensorIsNumber",
     R"({"w":5})",
     0,
     ErrorCode::JsonField,
     {"'w'", "an object", "an unsigned integer"}},
    {"TensorIsArray",
     R"({"w":["U8",[1],[0,1]]})",
     1,
     ErrorCode::JsonField,
     {"'w'", "an object", "an array"}},
    {"TensorIsNull", R"({"w":null})", 0, ErrorCode::JsonField, {"null"}},
    {"NoDType",
     one(R"("shape":[1],"data_offsets":[0,1])"),
     1,
     ErrorCode::JsonField,
     {"'w'", "no dtype"}},
    {"NoShape",
     one(R"("dtype":"U8","data_offsets":[0,1])"),
     1,
     ErrorCode::JsonField,
     {"'w'", "no shape"}},
    {"NoOffsets",
     one(R"("dtype":"U8","shape":[1])"),
     1,
     ErrorCode::JsonField,
     {"'w'", "no data_offsets"}},
    {"DTypeIsNumber",
     one(R"("dtype":32)"),
     0,
     ErrorCode::JsonField,
     {"'w'", "dtype", "a string", "an unsigned integer"}},
    {"UnknownDType",
     one(R"("dtype":"F31")"),
     0,
     ErrorCode::UnknownType,
     {"'w'", "'F31'"}},
    {"LowerCaseDType",
     one(R"("dtype":"f32")"),
     0,
     ErrorCode::UnknownType,
     {"'f32'"}},
    {"ShapeIsString",
     one(R"("shape":"[1]")"),
     0,
     ErrorCode::JsonField,
     {"'w'", "shape", "an array", "a string"}},
    {"ShapeIsObject",
     one(R"("shape":{})"),
     0,
     ErrorCode::JsonField,
     {"shape", "an object"}},
    {"NegativeExtent",
     f32("[-1]", "[0,4]"),
     4,
     ErrorCode::JsonField,
     {"shape", "not an unsigned"}},
    {"NegativeZero", f32("[-0]", "[0,0]"), 0, ErrorCode::JsonField, {"shape"}},
    {"FractionalExtent",
     f32("[1.0]", "[0,4]"),
     4,
     ErrorCode::JsonField,
     {"shape", "not an unsigned"}},
    {"Beyond64Bits",
     f32("[18446744073709551616]", "[0,4]"),
     4,
     ErrorCode::JsonField,
     {"shape", "64-bit"}},
    {"StringExtent",
     f32("[\"1\"]", "[0,4]"),
     4,
     ErrorCode::JsonField,
     {"shape", "a string"}},
    {"NestedShape",
     f32("[[1]]", "[0,4]"),
     4,
     ErrorCode::JsonField,
     {"shape", "an array"}},
    {"OffsetsAreObject",
     f32("[1]", "{\"b\":0}"),
     4,
     ErrorCode::JsonField,
     {"data_offsets", "an array", "an object"}},
    {"NoOffset",
     f32("[1]", "[]"),
     4,
     ErrorCode::JsonField,
     {"data_offsets", "two integers", "found 0"}},
    {"OneOffset",
     f32("[1]", "[0]"),
     4,
     ErrorCode::JsonField,
     {"data_offsets", "two integers", "found 1"}},
    {"ThreeOffsets",
     f32("[1]", "[0,4,4]"),
     4,
     ErrorCode::JsonField,
     {"data_offsets", "two integers", "more"}},
    {"NegativeOffset",
     f32("[1]", "[-4,0]"),
     4,
     ErrorCode::JsonField,
     {"data_offsets", "not an unsigned"}},
    {"NullOffset",
     f32("[1]", "[0,null]"),
     4,
     ErrorCode::JsonField,
     {"data_offsets", "null"}},
    {"MetadataIsString",
     R"({"__metadata__":"pt"})",
     0,
     ErrorCode::JsonField,
     {"__metadata__", "an object", "a string"}},
    {"MetadataOfNumber",
     R"({"__metadata__":{"k":1}})",
     0,
     ErrorCode::JsonField,
     {"__metadata__", "'k'", "a string", "an unsigned integer"}},
    {"MetadataOfObject",
     R"({"__metadata__":{"k":{}}})",
     0,
     ErrorCode::JsonField,
     {"__metadata__", "'k'", "an object"}},
};

const Rejection layout[] = {
    {"Reversed",
     f32("[1]", "[4,0]"),
     4,
     ErrorCode::InvalidOffset,
     {"'w'", "[4, 0]", "before they begin"}},
    {"HoleAtStart",
     f32("[1]", "[4,8]"),
     8,
     ErrorCode::InvalidOffset,
     {"'w'", "[4, 8]", "hole", "byte 0"}},
    {"HoleBetween",
     two("[0,4]", "[5,9]"),
     9,
     ErrorCode::InvalidOffset,
     {"'b'", "[5, 9]", "hole", "byte 4"}},
    {"Overlap",
     two("[0,4]", "[3,7]"),
     7,
     ErrorCode::InvalidOffset,
     {"'b'", "[3, 7]", "overlap", "byte 4"}},
    {"SamePlace",
     two("[0,4]", "[0,4]"),
     4,
     ErrorCode::InvalidOffset,
     {"'b'", "[0, 4]", "overlap"}},
    {"TooShort",
     f32("[2]", "[0,4]"),
     4,
     ErrorCode::SizeMismatch,
     {"'w'", "[2]", "F32", "8 bytes", "[0, 4]", "hold 4"}},
    {"TooLong",
     f32("[1]", "[0,8]"),
     8,
     ErrorCode::SizeMismatch,
     {"'w'", "[1]", "4 bytes", "hold 8"}},
    {"MisTyped",
     one(R"("dtype":"F16","shape":[2],"data_offsets":[0,8])"),
     8,
     ErrorCode::SizeMismatch,
     {"F16", "4 bytes", "hold 8"}},
    {"EmptyButLong",
     f32("[3,0]", "[0,4]"),
     4,
     ErrorCode::SizeMismatch,
     {"[3, 0]", "0 bytes"}},
    {"ElementOverflow",
     f32("[2,18446744073709551614]", "[0,16]"),
     16,
     ErrorCode::SizeOverflow,
     {"'w'", "18446744073709551614", "64 bits"}},
    {"SizeOverflow",
     f32("[2,9223372036854775807]", "[0,16]"),
     16,
     ErrorCode::SizeOverflow,
     {"'w'", "9223372036854775807"}},
    {"OverflowBeforeZero",
     f32("[4294967296,4294967296,0]", "[0,0]"),
     0,
     ErrorCode::SizeOverflow,
     {"'w'"}},
    {"HalfByte",
     one(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])"),
     2,
     ErrorCode::MisalignedSize,
     {"'w'", "F4", "12 bits"}},
    {"Truncated",
     f32("[4]", "[0,16]"),
     15,
     ErrorCode::IncompleteBuffer,
     {"'w'", "[0, 16]", "15 bytes", "truncated"}},
    {"Trailing",
     f32("[4]", "[0,16]"),
     17,
     ErrorCode::IncompleteBuffer,
     {"byte 16", "17 bytes"}},
    {"DataOfNobody",
     "{}",
     1,
     ErrorCode::IncompleteBuffer,
     {"byte 0", "1 bytes"}},
    {"FarAway",
     f32("[4]", "[0,18446744073709551615]"),
     16,
     ErrorCode::IncompleteBuffer,
     {"18446744073709551615", "16 bytes"}},
};

std::string nameOf(const testing::TestParamInfo<Rejection> &info) {
  return info.param.what;
}

INSTANTIATE_TEST_SUITE_P(Syntax, RejectedHeader, testing::ValuesIn(syntax),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Duplicate, RejectedHeader,
                         testing::ValuesIn(duplicates), nameOf);
INSTANTIATE_TEST_SUITE_P(Field, RejectedHeader, testing::ValuesIn(fields),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Layout, RejectedHeader, testing::ValuesIn(layout),
                         nameOf);

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
