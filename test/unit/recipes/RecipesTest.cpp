//===- RecipesTest.cpp - What recipes make --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every operation of recipes against its definition, and recipes that do not
// fit the checkpoint.
//
//===----------------------------------------------------------------------===//

#include "RecipeTesting.h"

#include <cmath>

using namespace moec;
using namespace moec::weights;
using namespace moec::weights::test;

namespace {

using Floats = std::vector<float>;

TEST_F(RecipeTest, LoadAndDefine) {
  store({{"a", DType::F32, {2, 3}, {1, 2, 3, 4, 5, 6}},
         {"scalar", DType::BF16, {}, {7}},
         {"none", DType::F32, {0, 3}, {}}});
  recipes(R"(
    %0 = moe.load "a" : tensor<2x3xf32>
    moe.define "w" role "attention", %0 {offset = 128 : i64} : tensor<2x3xf32>
    %1 = moe.load "scalar" : tensor<bf16>
    moe.define "s" role "norm", %1 : tensor<bf16>
    %2 = moe.load "none" : tensor<0x3xf32>
    moe.define "n" role "norm", %2 : tensor<0x3xf32>)");
  EXPECT_EQ(made("w"), (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(made("s"), (Floats{7}));
  EXPECT_EQ(made("n"), (Floats{}));
  ASSERT_EQ(executor->weights().size(), 3u);
  const DefinedWeight &weight = executor->weights()[0];
  EXPECT_EQ(weight.name, "w");
  EXPECT_EQ(weight.role, "attention");
  EXPECT_FALSE(weight.isBank);
  EXPECT_EQ(weight.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(weight.memberBytes, 24u);
  EXPECT_EQ(weight.offset, 128u);
  EXPECT_FALSE(weight.stride);
  EXPECT_FALSE(executor->weights()[1].offset);
  EXPECT_EQ(executor->find("other"), nullptr);
}

TEST_F(RecipeTest, BanksTakeOneTensorForEachExpert) {
  store({{"e.0.w", DType::BF16, {1, 2}, {1, 2}},
         {"e.1.w", DType::BF16, {1, 2}, {3, 4}},
         {"e.2.w", DType::BF16, {1, 2}, {5, 6}}});
  recipes(R"(
    %0 = moe.load_bank "e.{expert}.w" : !moe.bank<3 x tensor<1x2xbf16>>
    moe.define "w" role "experts", %0 {stride = 64 : i64} : !moe.bank<3 x tensor<1x2xbf16>>)");
  EXPECT_EQ(made("w", 0), (Floats{1, 2}));
  EXPECT_EQ(made("w", 2), (Floats{5, 6}));
  EXPECT_TRUE(executor->weights()[0].isBank);
  EXPECT_EQ(executor->weights()[0].experts, 3);
  EXPECT_EQ(executor->weights()[0].stride, 64u);
}

TEST_F(RecipeTest, AVectorMayLieInSeveralDimensions) {
  store({{"a", DType::F32, {2, 1, 3}, {1, 2, 3, 4, 5, 6}}});
  recipes("%0 = moe.load \"a\" : tensor<6xf32>\n"
          "moe.define \"v\" role \"norm\", %0 : tensor<6xf32>");
  EXPECT_EQ(made("v"), (Floats{1, 2, 3, 4, 5, 6}));
}

TEST_F(RecipeTest, CastsWidenExactlyAndRoundOnce) {
  // Just above the middle of two bf16, a tie, and a number that f16 holds.
  Floats values = {1 + 0x1p-8f + 0x1p-20f, 1 + 0x1p-8f, 0.0999755859375f,
                   70000.f};
  store({{"a", DType::F32, {4}, values},
         {"h", DType::F16, {3}, {0.0999755859375f, 65504.f, 0x1p-24f}}});
  recipes(R"(
    %0 = moe.load "a" : tensor<4xf32>
    %1 = moe.cast %0 : tensor<4xf32> to tensor<4xbf16>
    %2 = moe.cast %0 : tensor<4xf32> to tensor<4xf16>
    %3 = moe.cast %1 : tensor<4xbf16> to tensor<4xf32>
    %4 = moe.load "h" : tensor<3xf16>
    %5 = moe.cast %4 : tensor<3xf16> to tensor<3xf32>
    %6 = moe.cast %4 : tensor<3xf16> to tensor<3xbf16>
    moe.define "bf16" role "norm", %1 : tensor<4xbf16>
    moe.define "f16" role "norm", %2 : tensor<4xf16>
    moe.define "back" role "norm", %3 : tensor<4xf32>
    moe.define "wide" role "norm", %5 : tensor<3xf32>
    moe.define "half" role "norm", %6 : tensor<3xbf16>)");
  EXPECT_EQ(made("bf16"), (Floats{1 + 0x1p-7f, 1, 0.10009765625f, 70144.f}));
  EXPECT_EQ(made("f16"),
            (Floats{1 + 0x1p-8f, 1 + 0x1p-8f, 0.0999755859375f, INFINITY}));
  EXPECT_EQ(made("back"), made("bf16"));
  EXPECT_EQ(made("wide"), (Floats{0.0999755859375f, 65504.f, 0x1p-24f}));
  EXPECT_EQ(made("half"), (Floats{0.10009765625f, 65536.f, 0x1p-24f}));
}

TEST_F(RecipeTest, ConcatPutsRowsBelowEachOther) {
  store({{"a", DType::F32, {2, 2}, {1, 2, 3, 4}},
         {"b", DType::F32, {1, 2}, {5, 6}},
         {"e.0", DType::F32, {1, 2}, {7, 8}},
         {"e.1", DType::F32, {1, 2}, {9, 10}}});
  recipes(R"(
    %0 = moe.load "a" : tensor<2x2xf32>
    %1 = moe.load "b" : tensor<1x2xf32>
    %2 = moe.concat %0, %1, %0 : tensor<2x2xf32>, tensor<1x2xf32>, tensor<2x2xf32> to tensor<5x2xf32>
    %3 = moe.load_bank "e.{expert}" : !moe.bank<2 x tensor<1x2xf32>>
    %4 = moe.concat %3, %3 : !moe.bank<2 x tensor<1x2xf32>>, !moe.bank<2 x tensor<1x2xf32>> to !moe.bank<2 x tensor<2x2xf32>>
    moe.define "w" role "attention", %2 : tensor<5x2xf32>
    moe.define "v" role "experts", %4 : !moe.bank<2 x tensor<2x2xf32>>)");
  EXPECT_EQ(made("w"), (Floats{1, 2, 3, 4, 5, 6, 1, 2, 3, 4}));
  EXPECT_EQ(made("v", 1), (Floats{9, 10, 9, 10}));
  // Any part of it is the same as that part of all.
  Floats all = made("w");
  for (uint64_t first = 0; first <= 5; ++first)
    for (uint64_t count = 0; first + count <= 5; ++count) {
      Floats part(2 * count);
      ASSERT_TRUE(RecipeExecutor::read(*executor->find("w"), 0, first, count,
                                       std::as_writable_bytes(std::span(part)))
                      .ok());
      EXPECT_EQ(part, Floats(all.begin() + 2 * first,
                             all.begin() + 2 * (first + count)));
    }
}

TEST_F(RecipeTest, SliceTakesRowsOfEveryGroup) {
  store({{"a", DType::F32, {6, 1}, {1, 2, 3, 4, 5, 6}}});
  recipes(R"(
    %0 = moe.load "a" : tensor<6x1xf32>
    %1 = moe.slice %0 {group = 3 : i64, begin = 1 : i64, size = 2 : i64} : tensor<6x1xf32> to tensor<4x1xf32>
    %2 = moe.slice %0 {group = 6 : i64, begin = 5 : i64, size = 1 : i64} : tensor<6x1xf32> to tensor<1x1xf32>
    moe.define "w" role "attention", %1 : tensor<4x1xf32>
    moe.define "v" role "attention", %2 : tensor<1x1xf32>)");
  EXPECT_EQ(made("w"), (Floats{2, 3, 5, 6}));
  EXPECT_EQ(made("v"), (Floats{6}));
  // Any part of it is the same as that part of all.
  for (uint64_t first = 0; first <= 4; ++first)
    for (uint64_t count = 0; first + count <= 4; ++count) {
      Floats part(count), all = made("w");
      ASSERT_TRUE(RecipeExecutor::read(*executor->find("w"), 0, first, count,
                                       std::as_writable_bytes(std::span(part)))
                      .ok());
      EXPECT_EQ(part, Floats(all.begin() + first, all.begin() + first + count));
    }
}

TEST_F(RecipeTest, SplitMakesABankOfTheRowsOfAMatrix) {
  store({{"a", DType::F32, {6, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}});
  recipes(R"(
    %0 = moe.load "a" : tensor<6x2xf32>
    %1 = moe.split %0 : tensor<6x2xf32> to !moe.bank<2 x tensor<3x2xf32>>
    %2 = moe.slice %1 {group = 3 : i64, begin = 1 : i64, size = 2 : i64} : !moe.bank<2 x tensor<3x2xf32>> to !moe.bank<2 x tensor<2x2xf32>>
    %3 = moe.transpose %2 : !moe.bank<2 x tensor<2x2xf32>> to !moe.bank<2 x tensor<2x2xf32>>
    moe.define "w" role "attention", %1 : !moe.bank<2 x tensor<3x2xf32>>
    moe.define "t" role "attention", %3 : !moe.bank<2 x tensor<2x2xf32>>)");
  EXPECT_EQ(made("w", 0), (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(made("w", 1), (Floats{7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(made("t", 0), (Floats{3, 5, 4, 6}));
  EXPECT_EQ(made("t", 1), (Floats{9, 11, 10, 12}));
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

struct MatrixSize {
  int64_t n, k;
};

class PackTest : public RecipeTest,
                 public ::testing::WithParamInterface<MatrixSize> {};

/// Every element is where the layout says, and all else is zero.
TEST_P(PackTest, PutsEveryElementInItsPanel) {
  auto [n, k] = GetParam();
  int64_t panels = (n + 15) / 16, pairs = (k + 1) / 2;
  Floats values = asStored(DType::BF16, noise(n * k, 5));
  store({{"a", DType::BF16, {uint64_t(n), uint64_t(k)}, values}});
  auto text = [](std::initializer_list<int64_t> shape, const char *element) {
    std::string out = "tensor<";
    for (int64_t size : shape)
      out += std::to_string(size) + "x";
    return out + element + ">";
  };
  std::string plain = text({n, k}, "bf16"), wide = text({n, k}, "f32");
  std::string f32 = text({panels, k, 16}, "f32");
  std::string bf16 = text({panels, pairs, 16, 2}, "bf16");
  recipes("%0 = moe.load \"a\" : " + plain + "\n%1 = moe.cast %0 : " + plain +
          " to " + wide + "\n%2 = moe.pack %1 : " + wide + " to " + f32 +
          "\n%3 = moe.pack %0 : " + plain + " to " + bf16 +
          "\nmoe.define \"f32\" role \"r\", %2 : " + f32 +
          "\nmoe.define \"bf16\" role \"r\", %3 : " + bf16);
  Floats expectedF32(panels * k * 16), expectedBf16(panels * pairs * 32);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t i = 0; i < k; ++i) {
      expectedF32[(row / 16 * k + i) * 16 + row % 16] = values[row * k + i];
      expectedBf16[((row / 16 * pairs + i / 2) * 16 + row % 16) * 2 + i % 2] =
          values[row * k + i];
    }
  EXPECT_EQ(made("f32"), expectedF32);
  EXPECT_EQ(made("bf16"), expectedBf16);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PackTest,
                         ::testing::Values(MatrixSize{1, 1}, MatrixSize{16, 2},
                                           MatrixSize{17, 3}, MatrixSize{15, 8},
                                           MatrixSize{48, 64},
                                           MatrixSize{50, 33}));

TEST_F(RecipeTest, PacksEveryMemberOfABank) {
  Floats one = asStored(DType::BF16, noise(17 * 3, 1));
  Floats two = asStored(DType::BF16, noise(17 * 3, 2));
  store(
      {{"e.0", DType::BF16, {17, 3}, one}, {"e.1", DType::BF16, {17, 3}, two}});
  recipes(R"(
    %0 = moe.load_bank "e.{expert}" : !moe.bank<2 x tensor<17x3xbf16>>
    %1 = moe.pack %0 : !moe.bank<2 x tensor<17x3xbf16>> to !moe.bank<2 x tensor<2x2x16x2xbf16>>
    moe.define "w" role "experts", %1 : !moe.bank<2 x tensor<2x2x16x2xbf16>>)");
  // Row 16, column 2: panel 1, pair 1, lane 0, first of the pair.
  EXPECT_EQ(made("w", 0)[(1 * 2 + 1) * 32], one[16 * 3 + 2]);
  EXPECT_EQ(made("w", 1)[(1 * 2 + 1) * 32], two[16 * 3 + 2]);
  EXPECT_EQ(made("w", 1)[(1 * 2 + 1) * 32 + 1], 0);
}

//===----------------------------------------------------------------------===//
// Rotary embedding
//===----------------------------------------------------------------------===//

TEST_F(RecipeTest, RopeTableRoundsTheAngleToFloat) {
  store({{"a", DType::F32, {1}, {0}}});
  recipes(R"(
    %0 = moe.rope_table {frequencies = array<f64: 1.0, 0.1>, attention_factor = 1.5 : f64} : tensor<4097x2x2xf32>
    moe.define "rope" role "rope", %0 : tensor<4097x2x2xf32>)");
  Floats table = made("rope");
  ASSERT_EQ(table.size(), 4097u * 4);
  EXPECT_EQ(table[0], 1.5f);
  EXPECT_EQ(table[2], 0.0f);
  // The angle of position 4093 by 0.1 differs between double and float: 0.1f
  // is above 0.1, and the product is rounded again.
  float angle = 0.1f * 4093.0f;
  EXPECT_NE(double(angle), 0.1 * 4093);
  EXPECT_EQ(table[4093 * 4 + 1], float(std::cos(double(angle))) * 1.5f);
  EXPECT_EQ(table[4093 * 4 + 3], float(std::sin(double(angle))) * 1.5f);
  EXPECT_NEAR(table[4096 * 4], std::cos(4096.0) * 1.5, 1e-7);
  EXPECT_NEAR(table[4096 * 4 + 2], std::sin(4096.0) * 1.5, 1e-7);
}

//===----------------------------------------------------------------------===//
// Recipes that do not fit
//===----------------------------------------------------------------------===//

class RecipeInvalidTest : public RecipeTest {
protected:
  RecipeInvalidTest() {
    store({{"a", DType::F32, {2, 3}, {1, 2, 3, 4, 5, 6}},
           {"e.0", DType::F32, {1}, {1}},
           {"e.1", DType::F32, {2}, {1, 2}}});
  }
};

TEST_F(RecipeInvalidTest, Tensors) {
  EXPECT_TRUE(failsWith(tryRecipes("%0 = moe.load \"b\" : tensor<2x3xf32>"),
                        ErrorCode::TensorMissing, {"'b'"}));
  EXPECT_TRUE(failsWith(
      tryRecipes("%0 = moe.load \"a\" : tensor<3x2xf32>"),
      ErrorCode::SizeMismatch,
      {"tensor 'a' is F32 [2, 3], the recipe expects tensor<3x2xf32>"}));
  EXPECT_TRUE(failsWith(tryRecipes("%0 = moe.load \"a\" : tensor<7xf32>"),
                        ErrorCode::SizeMismatch, {"tensor<7xf32>"}));
  EXPECT_TRUE(failsWith(tryRecipes("%0 = moe.load \"a\" : tensor<2x3xbf16>"),
                        ErrorCode::SizeMismatch, {"F32 [2, 3]", "bf16"}));
  EXPECT_TRUE(failsWith(tryRecipes("%0 = moe.load \"a\" : tensor<2x3xi32>"),
                        ErrorCode::SizeMismatch, {"F32 [2, 3]", "i32"}));
  EXPECT_TRUE(failsWith(tryRecipes("%0 = moe.load \"a\" : tensor<2x3xi16>"),
                        ErrorCode::InvalidArgument, {"tensor<2x3xi16>"}));
  EXPECT_TRUE(failsWith(
      tryRecipes("%0 = moe.load \"a\" : tensor<2x3xf32>\n"
                 "%1 = moe.cast %0 : tensor<2x3xf32> to tensor<2x3xi32>"),
      ErrorCode::InvalidArgument, {"of integers, i64 can become i32"}));
}

TEST_F(RecipeInvalidTest, Banks) {
  EXPECT_TRUE(failsWith(
      tryRecipes(
          "%0 = moe.load_bank \"e.{expert}\" : !moe.bank<2 x tensor<1xf32>>"),
      ErrorCode::SizeMismatch, {"'e.1'", "F32 [2]"}));
  EXPECT_TRUE(failsWith(
      tryRecipes(
          "%0 = moe.load_bank \"f.{expert}\" : !moe.bank<2 x tensor<1xf32>>"),
      ErrorCode::TensorMissing, {"'f.0'"}));
}

TEST_F(RecipeInvalidTest, NamesTwice) {
  EXPECT_TRUE(
      failsWith(tryRecipes("%0 = moe.load \"a\" : tensor<2x3xf32>\n"
                           "moe.define \"w\" role \"r\", %0 : tensor<2x3xf32>\n"
                           "moe.define \"w\" role \"r\", %0 : tensor<2x3xf32>"),
                ErrorCode::InvalidArgument, {"two recipes define weight 'w'"}));
}

TEST_F(RecipeInvalidTest, RowsThatDoNotExist) {
  recipes("%0 = moe.load \"a\" : tensor<2x3xf32>\n"
          "moe.define \"w\" role \"r\", %0 : tensor<2x3xf32>");
  const DefinedWeight &weight = executor->weights()[0];
  std::vector<std::byte> bytes(24);
  auto read = [&](int64_t expert, uint64_t first, uint64_t count) {
    return RecipeExecutor::read(weight, expert, first, count, bytes);
  };
  EXPECT_TRUE(read(0, 0, 2).ok());
  EXPECT_TRUE(failsWith(read(0, 1, 2), ErrorCode::InvalidArgument,
                        {"weight 'w' has 1 members of 2 rows"}));
  EXPECT_FALSE(read(1, 0, 2).ok());
  EXPECT_FALSE(read(-1, 0, 2).ok());
  EXPECT_FALSE(read(0, UINT64_MAX, 2).ok());
  EXPECT_FALSE(read(0, 0, 1).ok()); // the wrong number of bytes
}

} // namespace
