//===- LayoutsTest.cpp - Weights that are stored in another way -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Stacked, transposed and quantized tensors, against numbers that are indexed
// by hand.
//
//===----------------------------------------------------------------------===//

#include "RecipeTesting.h"

#include <fstream>

using namespace moec;
using namespace moec::weights;
using namespace moec::weights::test;

namespace {

using Floats = std::vector<float>;

TEST_F(RecipeTest, StackedMembersWithADimensionOfTheirOwnOrWithout) {
  Floats values = noise(3 * 4 * 5, 1);
  store({{"a", DType::F32, {3, 4, 5}, values},
         {"b", DType::F32, {12, 5}, values}});
  recipes(R"(
    %0 = moe.load_bank "a" {stacked} : !moe.bank<3 x tensor<4x5xf32>>
    moe.define "a" role "experts", %0 : !moe.bank<3 x tensor<4x5xf32>>
    %1 = moe.load_bank "b" {stacked} : !moe.bank<3 x tensor<4x5xf32>>
    moe.define "b" role "experts", %1 : !moe.bank<3 x tensor<4x5xf32>>)");
  for (int expert = 0; expert < 3; ++expert) {
    Floats expected(values.begin() + expert * 20,
                    values.begin() + expert * 20 + 20);
    EXPECT_EQ(made("a", expert), expected);
    EXPECT_EQ(made("b", expert), expected);
  }
}

TEST_F(RecipeTest, StackedMembersThatDoNotFit) {
  store({{"a", DType::F32, {3, 4, 5}, noise(60, 1)}});
  Status status = tryRecipes(R"(
    %0 = moe.load_bank "a" {stacked} : !moe.bank<4 x tensor<3x5xf32>>
    moe.define "a" role "experts", %0 : !moe.bank<4 x tensor<3x5xf32>>)");
  EXPECT_TRUE(failsWith(status, ErrorCode::SizeMismatch,
                        {"F32 [3, 4, 5]", "4 times tensor<3x5xf32>"}));
}

TEST_F(RecipeTest, BanksBeginAtAnyExpert) {
  store({{"e.5", DType::F32, {1}, {5}}, {"e.6", DType::F32, {1}, {6}}});
  recipes(R"(
    %0 = moe.load_bank "e.{expert}" {first = 5} : !moe.bank<2 x tensor<1xf32>>
    moe.define "a" role "experts", %0 : !moe.bank<2 x tensor<1xf32>>)");
  EXPECT_EQ(made("a", 1), (Floats{6}));
}

// As gpt-oss has its experts: [experts, K, 2 N], gate and up taking turns.
TEST_F(RecipeTest, TransposedRowsThatTakeTurns) {
  // Larger than what is held of an input at a time.
  constexpr int64_t experts = 2, k = 700, n = 150;
  Floats values = noise(experts * k * 2 * n, 3);
  store({{"a", DType::F32, {experts, k, 2 * n}, values}});
  recipes(R"(
    %0 = moe.load_bank "a" {stacked} : !moe.bank<2 x tensor<700x300xf32>>
    %1 = moe.transpose %0 : !moe.bank<2 x tensor<700x300xf32>> to !moe.bank<2 x tensor<300x700xf32>>
    %2 = moe.slice %1 {group = 2, begin = 1, size = 1} : !moe.bank<2 x tensor<300x700xf32>> to !moe.bank<2 x tensor<150x700xf32>>
    moe.define "up" role "experts", %2 : !moe.bank<2 x tensor<150x700xf32>>
    %3 = moe.pack %2 : !moe.bank<2 x tensor<150x700xf32>> to !moe.bank<2 x tensor<10x700x16xf32>>
    moe.define "packed" role "experts", %3 : !moe.bank<2 x tensor<10x700x16xf32>>)");
  Floats expected(n * k), packed(10 * k * 16);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < k; ++column) {
      float value = values[(k + column) * 2 * n + 2 * row + 1];
      expected[row * k + column] = value;
      packed[(row / 16 * k + column) * 16 + row % 16] = value;
    }
  EXPECT_EQ(made("up", 1), expected);
  EXPECT_EQ(made("packed", 1), packed);
}

TEST_F(RecipeTest, MatricesBesideEachOther) {
  store({{"a", DType::F32, {2, 1}, {1, 2}},
         {"b", DType::F32, {2, 2}, {3, 4, 5, 6}}});
  recipes(R"(
    %0 = moe.load "a" : tensor<2x1xf32>
    %1 = moe.load "b" : tensor<2x2xf32>
    %2 = moe.concat %0, %1 {columns} : tensor<2x1xf32>, tensor<2x2xf32> to tensor<2x3xf32>
    moe.define "w" role "shared", %2 : tensor<2x3xf32>)");
  EXPECT_EQ(made("w"), (Floats{1, 3, 4, 2, 5, 6}));
}

/// A file of tensors whose bytes are given.
struct RawTensor {
  std::string name, dtype, shape;
  std::vector<uint8_t> bytes;
};

void writeRaw(const std::string &path, const std::vector<RawTensor> &tensors) {
  std::string header = "{", data;
  for (const RawTensor &tensor : tensors) {
    size_t begin = data.size();
    data.append(tensor.bytes.begin(), tensor.bytes.end());
    header += (begin ? ",\"" : "\"") + tensor.name + "\":{\"dtype\":\"" +
              tensor.dtype + "\",\"shape\":" + tensor.shape +
              ",\"data_offsets\":[" + std::to_string(begin) + "," +
              std::to_string(data.size()) + "]}";
  }
  header += "}";
  header.append(-header.size() & 7, ' ');
  uint64_t size = header.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(&size), sizeof(size));
  file << header << data;
}

TEST_F(RecipeTest, Fp8TimesTheScaleOfItsBlock) {
  // 1, 2, 0.5, 448, -1, 2^-9; scales 1 and 4 in the first rows, 0.5 and 3 in
  // the last.
  auto bytesOf = [](float value) {
    std::vector<uint8_t> bytes(4);
    std::memcpy(bytes.data(), &value, 4);
    return bytes;
  };
  std::vector<uint8_t> scales;
  for (float scale : {1.0f, 4.0f, 0.5f, 3.0f})
    for (uint8_t byte : bytesOf(scale))
      scales.push_back(byte);
  writeRaw(directory / "model.safetensors",
           {{"s", "F32", "[2,2]", scales},
            {"w",
             "F8_E4M3",
             "[3,3]",
             {0x38, 0x40, 0x30, 0x7e, 0xb8, 0x01, 0x38, 0x40, 0x30}}});
  open();
  recipes(R"(
    %0 = moe.load "w" : tensor<3x3xf8E4M3FN>
    %1 = moe.load "s" : tensor<2x2xf32>
    %2 = moe.dequantize %0, %1 {block = array<i64: 2, 2>} : tensor<3x3xf8E4M3FN>, tensor<2x2xf32> to tensor<3x3xf32>
    moe.define "w" role "mlp", %2 : tensor<3x3xf32>)");
  EXPECT_EQ(made("w"), (Floats{1, 2, 2, 448, -1, 0x1p-7f, 0.5f, 1, 1.5f}));
}

TEST_F(RecipeTest, Mxfp4OfStackedExperts) {
  // Of two experts, the first has all zeros; of the other the numbers 0 to 31
  // modulo 16, times 2^-2.
  std::vector<uint8_t> blocks(32);
  for (int i = 0; i < 16; ++i)
    blocks[16 + i] = (2 * i & 15) | (2 * i + 1 & 15) << 4;
  writeRaw(
      directory / "model.safetensors",
      {{"b", "U8", "[2,1,1,16]", blocks}, {"s", "U8", "[2,1,1]", {127, 125}}});
  open();
  recipes(R"(
    %0 = moe.load_bank "b" {stacked} : !moe.bank<2 x tensor<1x32xf4E2M1FN>>
    %1 = moe.load_bank "s" {stacked} : !moe.bank<2 x tensor<1x1xf8E8M0FNU>>
    %2 = moe.dequantize %0, %1 {block = array<i64: 1, 32>} : !moe.bank<2 x tensor<1x32xf4E2M1FN>>, !moe.bank<2 x tensor<1x1xf8E8M0FNU>> to !moe.bank<2 x tensor<1x32xbf16>>
    moe.define "w" role "experts", %2 : !moe.bank<2 x tensor<1x32xbf16>>)");
  const float numbers[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  Floats expected;
  for (int i = 0; i < 32; ++i)
    expected.push_back((i & 8 ? -1 : 1) * numbers[i & 7] * 0.25f);
  EXPECT_EQ(made("w", 1), expected);
  EXPECT_EQ(made("w", 0), Floats(32));
}

} // namespace
