//===- GroupedTest.cpp - Experts before and after dispatch ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// moe.grouped_matmul by hand, and one layer in both of its forms: the region
// that an import leaves, and plan, grouped products and combine.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <cmath>

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

TEST_F(EvaluatorTest, GroupedMatmulOfOneGroupWithExtras) {
  parse(R"(
func.func @main(%x: tensor<?x2xf32>, %w: tensor<3x2xf32>, %full: tensor<?x3xf32>, %row: tensor<?x1xf32>, %column: tensor<3xf32>, %e: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = moe.grouped_matmul ins(%x : tensor<?x2xf32>) banks(%w : tensor<3x2xf32>)
      extras(%full, %row, %column : tensor<?x3xf32>, tensor<?x1xf32>, tensor<3xf32>) outs(%e : tensor<?x3xf32>) {
  ^bb0(%acc: f32, %f: f32, %r: f32, %c: f32):
    %1 = arith.mulf %acc, %r : f32
    %2 = arith.addf %1, %c : f32
    %3 = arith.addf %2, %f : f32
    moe.yield %3 : f32
  } -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
})");
  auto out = run(
      {reals({2, 2}, {1., 2., 3., 4.}), reals({3, 2}, {1., 0., 0., 1., 1., 1.}),
       reals({2, 3}, {.1, .2, .3, .4, .5, .6}), reals({2, 1}, {10., 100.}),
       reals({3}, {1., 2., 3.}), realTensor<double>({2, 3})});
  expectNear(out[0], {2, 3}, {11.1, 22.2, 33.3, 301.4, 402.5, 703.6});
}

TEST_F(EvaluatorTest, GroupedMatmulOfGroupsSideBySide) {
  parse(R"(
func.func @main(%x: tensor<?x4xf32>, %e: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = moe.weight "w" : !moe.bank<2 x tensor<1x2xf32>>
  %0 = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x4xf32>) banks(%w : !moe.bank<2 x tensor<1x2xf32>>) outs(%e : tensor<?x2xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
})");
  weights.add("w", weight(weights::DType::F32, {1, 2}, {1, 10}), 0);
  weights.add("w", weight(weights::DType::F32, {1, 2}, {100, 1000}), 1);
  auto out = run({reals({2, 4}, {1., 2., 3., 4., 5., 6., 7., 8.}),
                  realTensor<double>({2, 2})});
  expectNear(out[0], {2, 2}, {21., 4300., 65., 8700.});
}

TEST_F(EvaluatorTest, GroupedMatmulGathersRowsOfTwoBanks) {
  parse(R"(
func.func @main(%x: tensor<?x1xf32>, %offsets: tensor<4xi32>, %active: tensor<4xi32>, %gather: tensor<?xi32>, %e: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %g = moe.weight "g" : !moe.bank<3 x tensor<1x1xf32>>
  %u = moe.weight "u" : !moe.bank<3 x tensor<1x1xf32>>
  %0 = moe.grouped_matmul ins(%x : tensor<?x1xf32>) banks(%g, %u : !moe.bank<3 x tensor<1x1xf32>>, !moe.bank<3 x tensor<1x1xf32>>)
      offsets(%offsets : tensor<4xi32>) active(%active : tensor<4xi32>) gather(%gather : tensor<?xi32>) outs(%e : tensor<?x1xf32>) {
  ^bb0(%a: f32, %b: f32):
    %1 = arith.subf %a, %b : f32
    moe.yield %1 : f32
  } -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
})");
  for (int e = 0; e < 3; ++e) {
    weights.add("g", weight(weights::DType::F32, {1, 1}, {float(10 * e)}), e);
    weights.add("u", weight(weights::DType::F32, {1, 1}, {1}), e);
  }
  auto out = run({reals({2, 1}, {2., 3.}), ints({4}, {0, 1, 1, 3}),
                  ints({4}, {0, 2, -1, 2}), ints({4}, {1, 0, 1, -1}),
                  realTensor<double>({4, 1})});
  ASSERT_EQ(out.size(), 1u);
  // Expert 0 has no weight, expert 2 multiplies by 20; each subtracts x.
  EXPECT_EQ(out[0].reals[0], -3);
  EXPECT_EQ(out[0].reals[1], 38);
  EXPECT_EQ(out[0].reals[2], 57);
  EXPECT_TRUE(std::isnan(out[0].reals[3]));
  EXPECT_EQ(weights.loads, 4); // nothing of expert 1
}

//===----------------------------------------------------------------------===//
// Both forms of a layer
//===----------------------------------------------------------------------===//

constexpr int64_t kTokens = 11, kHidden = 7, kWidth = 19, kExperts = 6, kK = 2;

const char *kImported = R"(
#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#bt = affine_map<(d0, d1, d2) -> (d1, d2)>
#c = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: tensor<?x7xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %addend: tensor<?x7xf32>) -> tensor<?x7xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x7xf32>
  %gate = moe.weight "gate" : !moe.bank<6 x tensor<19x7xbf16>>
  %up = moe.weight "up" : !moe.bank<6 x tensor<19x7xbf16>>
  %down = moe.weight "down" : !moe.bank<6 x tensor<7x19xbf16>>
  %e = tensor.empty(%t) : tensor<?x7xf32>
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x7xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%gate, %up, %down : !moe.bank<6 x tensor<19x7xbf16>>, !moe.bank<6 x tensor<19x7xbf16>>, !moe.bank<6 x tensor<7x19xbf16>>) outs(%e : tensor<?x7xf32>) {
  ^bb0(%rows: tensor<?x7xf32>, %g: tensor<19x7xbf16>, %u: tensor<19x7xbf16>, %d: tensor<7x19xbf16>):
    %i0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %rows, %i0 : tensor<?x7xf32>
    %f = tensor.empty(%n) : tensor<?x19xf32>
    %z = linalg.fill ins(%zero : f32) outs(%f : tensor<?x19xf32>) -> tensor<?x19xf32>
    %p = linalg.matmul indexing_maps = [#a, #bt, #c] ins(%rows, %g : tensor<?x7xf32>, tensor<19x7xbf16>) outs(%z : tensor<?x19xf32>) -> tensor<?x19xf32>
    %q = linalg.matmul indexing_maps = [#a, #bt, #c] ins(%rows, %u : tensor<?x7xf32>, tensor<19x7xbf16>) outs(%z : tensor<?x19xf32>) -> tensor<?x19xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%p, %q : tensor<?x19xf32>, tensor<?x19xf32>) outs(%f : tensor<?x19xf32>) {
    ^bb1(%r: f32, %s: f32, %o: f32):
      %one = arith.constant 1.0 : f32
      %1 = arith.negf %r : f32
      %2 = math.exp %1 : f32
      %3 = arith.addf %2, %one : f32
      %4 = arith.divf %r, %3 : f32
      %5 = arith.mulf %4, %s : f32
      linalg.yield %5 : f32
    } -> tensor<?x19xf32>
    %o7 = tensor.empty(%n) : tensor<?x7xf32>
    %z7 = linalg.fill ins(%zero : f32) outs(%o7 : tensor<?x7xf32>) -> tensor<?x7xf32>
    %out = linalg.matmul indexing_maps = [#a, #bt, #c] ins(%h, %d : tensor<?x19xf32>, tensor<7x19xbf16>) outs(%z7 : tensor<?x7xf32>) -> tensor<?x7xf32>
    moe.yield %out : tensor<?x7xf32>
  } -> tensor<?x7xf32>
  %sum = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%y, %addend : tensor<?x7xf32>, tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) {
  ^bb0(%r: f32, %s: f32, %o: f32):
    %1 = arith.addf %r, %s : f32
    linalg.yield %1 : f32
  } -> tensor<?x7xf32>
  return %sum : tensor<?x7xf32>
})";

/// In which the members may have any of their forms.
const char *kDispatched = R"(
func.func @main(%x: tensor<?x7xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %addend: tensor<?x7xf32>) -> tensor<?x7xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?x7xf32>
  %r = arith.muli %t, %c2 : index
  %gate = moe.weight "gate" : !moe.bank<6 x WIDE>
  %up = moe.weight "up" : !moe.bank<6 x WIDE>
  %down = moe.weight "down" : !moe.bank<6 x NARROW>
  %o = tensor.empty() : tensor<7xi32>
  %rt = tensor.empty(%r) : tensor<?xi32>
  %tk = tensor.empty(%t) : tensor<?x2xi32>
  %p:5 = moe.plan ins(%ids : tensor<?x2xi32>) outs(%o, %o, %rt, %tk, %tk : tensor<7xi32>, tensor<7xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>) -> tensor<7xi32>, tensor<7xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  %he = tensor.empty(%r) : tensor<?x19xf32>
  %h = moe.grouped_matmul ins(%x : tensor<?x7xf32>) banks(%gate, %up : !moe.bank<6 x WIDE>, !moe.bank<6 x WIDE>)
      offsets(%p#0 : tensor<7xi32>) active(%p#1 : tensor<7xi32>) gather(%p#2 : tensor<?xi32>) outs(%he : tensor<?x19xf32>) {
  ^bb0(%g: f32, %u: f32):
    %one = arith.constant 1.0 : f32
    %1 = arith.negf %g : f32
    %2 = math.exp %1 : f32
    %3 = arith.addf %2, %one : f32
    %4 = arith.divf %g, %3 : f32
    %5 = arith.mulf %4, %u : f32
    moe.yield %5 : f32
  } -> tensor<?x19xf32>
  %de = tensor.empty(%r) : tensor<?x7xf32>
  %d = moe.grouped_matmul ins(%h : tensor<?x19xf32>) banks(%down : !moe.bank<6 x NARROW>)
      offsets(%p#0 : tensor<7xi32>) active(%p#1 : tensor<7xi32>) outs(%de : tensor<?x7xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x7xf32>
  %ye = tensor.empty(%t) : tensor<?x7xf32>
  %y = moe.combine ins(%d, %p#3, %p#4, %weights : tensor<?x7xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) addends(%addend : tensor<?x7xf32>) outs(%ye : tensor<?x7xf32>) -> tensor<?x7xf32>
  return %y : tensor<?x7xf32>
})";

std::string dispatched(const std::string &wide, const std::string &narrow) {
  std::string text = kDispatched;
  auto replace = [&](const std::string &from, const std::string &to) {
    for (size_t at; (at = text.find(from)) != std::string::npos;)
      text.replace(at, from.size(), to);
  };
  replace("WIDE", wide);
  replace("NARROW", narrow);
  return text;
}

class LayerTest : public EvaluatorTest {
protected:
  LayerTest() {
    for (int e = 0; e < kExperts; ++e) {
      members["gate"].push_back(noise<float>(kWidth * kHidden, 10 + e));
      members["up"].push_back(noise<float>(kWidth * kHidden, 20 + e));
      members["down"].push_back(noise<float>(kWidth * kHidden, 30 + e));
    }
    // -1 is no expert; expert 3 is never chosen; one token chooses one twice.
    ids = {0, 1, 5, 0, 2, 4, 1, 0, 4, -1, -1, -1, 2, 1, 5, 5, 0, 2, 4, 0, 1, 2};
    inputs = {reals({kTokens, kHidden}, noise(kTokens * kHidden, 1)),
              ints({kTokens, kK}, ids),
              reals({kTokens, kK}, noise(kTokens * kK, 2)),
              reals({kTokens, kHidden}, noise(kTokens * kHidden, 3))};
  }

  void addPlain() {
    weights = {};
    for (auto &[name, list] : members)
      for (int e = 0; e < kExperts; ++e) {
        int64_t n = name == "down" ? kHidden : kWidth;
        weights.add(
            name,
            weight(weights::DType::BF16, {n, kWidth * kHidden / n}, list[e]),
            e);
      }
  }

  void addPacked() {
    weights = {};
    for (auto &[name, list] : members)
      for (int e = 0; e < kExperts; ++e) {
        int64_t n = name == "down" ? kHidden : kWidth;
        int64_t k = kWidth * kHidden / n, panels = (n + 15) / 16;
        std::vector<float> packed(panels * ((k + 1) / 2) * 32);
        for (int64_t row = 0; row < n; ++row)
          for (int64_t i = 0; i < k; ++i)
            packed[((row / 16 * ((k + 1) / 2) + i / 2) * 16 + row % 16) * 2 +
                   i % 2] = list[e][row * k + i];
        weights.add(
            name,
            weight(weights::DType::BF16, {panels, (k + 1) / 2, 16, 2}, packed),
            e);
      }
  }

  /// The layer as nested loops.
  std::vector<double> expected() {
    auto stored = [](float value) -> double {
      return weights::bf16ToFloat(weights::floatToBf16(value));
    };
    std::vector<double> y = inputs[3].reals;
    for (int64_t t = 0; t < kTokens; ++t)
      for (int64_t j = 0; j < kK; ++j) {
        int64_t e = ids[t * kK + j];
        if (e < 0)
          continue;
        std::vector<double> h(kWidth);
        for (int64_t n = 0; n < kWidth; ++n) {
          double g = 0, u = 0;
          for (int64_t i = 0; i < kHidden; ++i) {
            double x = inputs[0].reals[t * kHidden + i];
            g += x * stored(members["gate"][e][n * kHidden + i]);
            u += x * stored(members["up"][e][n * kHidden + i]);
          }
          h[n] = g / (1 + std::exp(-g)) * u;
        }
        for (int64_t n = 0; n < kHidden; ++n)
          for (int64_t i = 0; i < kWidth; ++i)
            y[t * kHidden + n] += inputs[2].reals[t * kK + j] * h[i] *
                                  stored(members["down"][e][n * kWidth + i]);
      }
    return y;
  }

  std::map<std::string, std::vector<std::vector<float>>> members;
  std::vector<int64_t> ids;
  std::vector<Tensor<double>> inputs;
};

TEST_F(LayerTest, ImportForm) {
  parse(kImported);
  addPlain();
  expectNear(run(inputs)[0], {kTokens, kHidden}, expected());
  EXPECT_EQ(weights.loads, 3 * 5); // nothing of expert 3
}

TEST_F(LayerTest, AfterDispatch) {
  parse(dispatched("tensor<19x7xbf16>", "tensor<7x19xbf16>"));
  addPlain();
  expectNear(run(inputs)[0], {kTokens, kHidden}, expected());
}

TEST_F(LayerTest, AfterDispatchPacked) {
  parse(dispatched("tensor<2x4x16x2xbf16>", "tensor<1x10x16x2xbf16>"));
  addPacked();
  expectNear(run(inputs)[0], {kTokens, kHidden}, expected());
}

TEST_F(LayerTest, NoTokens) {
  std::vector<Tensor<double>> none = {reals({0, kHidden}, {}),
                                      ints({0, kK}, {}), reals({0, kK}, {}),
                                      reals({0, kHidden}, {})};
  for (const std::string &form :
       {std::string(kImported),
        dispatched("tensor<19x7xbf16>", "tensor<7x19xbf16>")}) {
    parse(form);
    addPlain();
    auto out = run(none);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].shape, (Shape{0, kHidden}));
  }
}

TEST_F(LayerTest, RefusesExpertsThatDoNotExist) {
  parse(kImported);
  addPlain();
  inputs[1].ints[3] = kExperts;
  EXPECT_TRUE(mlir::failed(tryRun(inputs)));
  EXPECT_NE(complaint.find("expert 6 is not below 6"), std::string::npos);
}

} // namespace
