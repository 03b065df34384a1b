//===- ElementsTest.cpp - Conversions between element types ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Widening is compared with the definition of the formats for all 65,536
// patterns; narrowing with the distances to both neighbours, at every boundary
// between two of them.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Elements.h"

#include "test/unit/weights/TestFiles.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace moec::weights::test {
namespace {

/// A 16-bit floating point format, by the definition of IEEE 754.
struct Format {
  DType type;
  int exponentBits;
  int mantissaBits;
  float (*widen)(uint16_t);
  uint16_t (*narrow)(float);

  int bias() const { return (1 << (exponentBits - 1)) - 1; }
  uint16_t infinity() const {
    return static_cast<uint16_t>(((1 << exponentBits) - 1) << mantissaBits);
  }

  /// The value of a pattern that is neither infinity nor NaN.
  double value(uint16_t pattern) const {
    int exponent = (pattern >> mantissaBits) & ((1 << exponentBits) - 1);
    int mantissa = pattern & ((1 << mantissaBits) - 1);
    if (exponent == 0)
      exponent = 1;
    else
      mantissa |= 1 << mantissaBits;
    double magnitude = std::ldexp(mantissa, exponent - bias() - mantissaBits);
    return pattern & 0x8000 ? -magnitude : magnitude;
  }
};

const Format formats[] = {
    {DType::F16, 5, 10, f16ToFloat, floatToF16},
    {DType::BF16, 8, 7, bf16ToFloat, floatToBf16},
};

class Elements : public testing::TestWithParam<Format> {};

TEST_P(Elements, WideningIsExactForEveryPattern) {
  const Format &format = GetParam();
  for (uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    uint16_t element = static_cast<uint16_t>(pattern);
    uint16_t magnitude = element & 0x7fff;
    float wide = format.widen(element);
    ASSERT_EQ(std::signbit(wide), (element & 0x8000) != 0) << pattern;
    if (magnitude == format.infinity())
      ASSERT_TRUE(std::isinf(wide)) << pattern;
    else if (magnitude > format.infinity())
      ASSERT_TRUE(std::isnan(wide)) << pattern;
    else
      ASSERT_EQ(static_cast<double>(wide), format.value(element)) << pattern;
  }
}

TEST_P(Elements, NarrowingIsTheInverseForEveryPattern) {
  const Format &format = GetParam();
  for (uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    uint16_t element = static_cast<uint16_t>(pattern);
    uint16_t back = format.narrow(format.widen(element));
    if ((element & 0x7fff) <= format.infinity())
      ASSERT_EQ(back, element) << pattern;
    else // A NaN may become quiet, and keeps its sign and payload.
      ASSERT_EQ(back, element | 1 << (format.mantissaBits - 1)) << pattern;
  }
}

TEST_P(Elements, NarrowingRoundsToNearestTiesToEven) {
  const Format &format = GetParam();
  // The last pair is the largest finite value and what would follow it: from
  // there on it is infinity.
  for (uint32_t lower = 0; lower < format.infinity(); ++lower) {
    uint16_t below = static_cast<uint16_t>(lower);
    uint16_t above = static_cast<uint16_t>(lower + 1);
    float middle =
        static_cast<float>((format.value(below) + format.value(above)) / 2);
    uint16_t even = below & 1 ? above : below;
    float less = std::nextafter(middle, 0.0f);
    float more = std::nextafter(middle, std::numeric_limits<float>::infinity());
    ASSERT_EQ(format.narrow(less), below) << lower;
    ASSERT_EQ(format.narrow(middle), even) << lower;
    ASSERT_EQ(format.narrow(more), above) << lower;
    ASSERT_EQ(format.narrow(-less), below | 0x8000) << lower;
    ASSERT_EQ(format.narrow(-middle), even | 0x8000) << lower;
    ASSERT_EQ(format.narrow(-more), above | 0x8000) << lower;
  }
}

TEST_P(Elements, EveryNanStaysOne) {
  const Format &format = GetParam();
  for (uint32_t payload = 1; payload < 1u << 23; payload += 97)
    for (uint32_t sign : {0u, 0x80000000u}) {
      uint16_t narrow =
          format.narrow(std::bit_cast<float>(0x7f800000u | payload | sign));
      ASSERT_GT(narrow & 0x7fff, format.infinity()) << payload;
      ASSERT_EQ(narrow >> 15, sign >> 31) << payload;
    }
}

TEST_P(Elements, SpansAreConvertedAtAnyAlignment) {
  const Format &format = GetParam();
  std::array<float, 5> values = {1.0f, -2.5f, 0.0f, 1e-6f, 100.0f};
  std::vector<std::byte> buffer(2 * values.size() + 1);
  std::span<std::byte> odd = std::span(buffer).subspan(1);
  ASSERT_TRUE(writeFloats(format.type, values, odd).ok());
  std::array<float, 5> back;
  ASSERT_TRUE(readFloats(format.type, odd, back).ok());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(back[i], format.widen(format.narrow(values[i])));
}

INSTANTIATE_TEST_SUITE_P(Formats, Elements, testing::ValuesIn(formats),
                         [](const testing::TestParamInfo<Format> &info) {
                           return std::string(name(info.param.type));
                         });

TEST(ElementSpans, F32IsCopied) {
  std::array<float, 3> values = {1.0f, -0.0f, 3e38f};
  std::array<std::byte, 12> bytes;
  ASSERT_TRUE(writeFloats(DType::F32, values, bytes).ok());
  std::array<float, 3> back;
  ASSERT_TRUE(readFloats(DType::F32, bytes, back).ok());
  EXPECT_EQ(std::memcmp(values.data(), back.data(), 12), 0);
}

TEST(ElementSpans, NothingIsConvertedToNothing) {
  EXPECT_TRUE(readFloats(DType::BF16, {}, {}).ok());
  EXPECT_TRUE(writeFloats(DType::F32, {}, {}).ok());
}

TEST(ElementSpans, CountsMustAgree) {
  std::array<std::byte, 7> bytes;
  std::array<float, 3> values = {};
  EXPECT_TRUE(failsWith(readFloats(DType::BF16, bytes, values),
                        ErrorCode::InvalidArgument, {"7", "3", "BF16"}));
  EXPECT_TRUE(failsWith(writeFloats(DType::F32, values, bytes),
                        ErrorCode::InvalidArgument, {"7", "3", "F32"}));
}

TEST(ElementSpans, OtherTypesAreRefused) {
  std::array<std::byte, 3> bytes;
  std::array<float, 3> values;
  for (DType type : {DType::I8, DType::F8_E5M2, DType::F64}) {
    EXPECT_FALSE(isFloatConvertible(type));
    EXPECT_TRUE(failsWith(readFloats(type, bytes, values),
                          ErrorCode::UnsupportedType, {name(type), "BF16"}));
  }
}

TEST(ElementSpans, QuantizedTypesAreOnlyRead) {
  std::array<std::byte, 3> bytes;
  std::array<float, 3> values = {};
  for (DType type : {DType::F8_E4M3, DType::F8_E8M0, DType::F4}) {
    EXPECT_TRUE(isFloatReadable(type));
    EXPECT_TRUE(failsWith(writeFloats(type, values, bytes),
                          ErrorCode::UnsupportedType, {name(type)}));
  }
}

TEST(ElementSpans, EveryF8E4M3) {
  for (int bits = 0; bits < 256; ++bits) {
    int exponent = bits >> 3 & 15, mantissa = bits & 7;
    float expected = exponent ? std::ldexp(1 + mantissa / 8.0f, exponent - 7)
                              : std::ldexp(mantissa / 8.0f, -6);
    float actual = f8E4M3ToFloat(bits);
    EXPECT_EQ(std::signbit(actual), bits >= 128) << bits;
    if (exponent == 15 && mantissa == 7)
      EXPECT_TRUE(std::isnan(actual));
    else
      EXPECT_EQ(std::fabs(actual), expected) << bits;
  }
  EXPECT_EQ(f8E4M3ToFloat(0x7e), 448.0f);
}

TEST(ElementSpans, EveryExponent) {
  for (int bits = 0; bits < 255; ++bits)
    EXPECT_EQ(f8E8M0ToFloat(bits), std::ldexp(1.0f, bits - 127)) << bits;
  EXPECT_TRUE(std::isnan(f8E8M0ToFloat(255)));
}

TEST(ElementSpans, LowerHalvesOfBytesComeFirst) {
  std::array<std::byte, 8> bytes;
  for (int i = 0; i < 8; ++i)
    bytes[i] = std::byte(2 * i | (2 * i + 1) << 4);
  std::array<float, 16> values;
  ASSERT_TRUE(readFloats(DType::F4, bytes, values).ok());
  EXPECT_EQ(values, (std::array<float, 16>{0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f,
                                           -0.5f, -1, -1.5f, -2, -3, -4, -6}));
}

} // namespace
} // namespace moec::weights::test
