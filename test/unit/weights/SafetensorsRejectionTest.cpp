//===- SafetensorsRejectionTest.cpp - Which headers are refused -----------===//
//
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
  std::string file = safetensors(c.json, std::string(c.dataSize, '\0'));
  Result<Header> header = parseHeader(asBytes(file));
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
     R"("\u0077":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
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

} // namespace
} // namespace moec::weights::test
