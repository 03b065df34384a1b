//===- EvaluatorTest.cpp - Functions, weights, states and taps ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ties operations together, and the operations of nn and moe as they are
// written in modules.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <cmath>

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

TEST_F(EvaluatorTest, CallsLayersAndTaps) {
  parse(R"(
func.func private @layer(%x: tensor<?x2xf32>, %w: tensor<2xf32>) -> tensor<?x2xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x2xf32>
  %e = tensor.empty(%t) : tensor<?x2xf32>
  %0 = nn.rms_norm {size = 2 : i64, eps = 0.0 : f64} ins(%x : tensor<?x2xf32>) weight(%w : tensor<2xf32>) outs(%e : tensor<?x2xf32>) -> tensor<?x2xf32>
  moe.tap "layers.{layer}.out", %0 : tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}
func.func @step(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {moe.entry = "main"} {
  %a = moe.weight "a" : tensor<2xf32>
  %b = moe.weight "b" : tensor<2xf32>
  moe.tap "embed", %x : tensor<?x2xf32>
  %0 = call @layer(%x, %a) {layer = 3 : i64} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %1 = call @layer(%0, %b) {layer = 12 : i64} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %1 : tensor<?x2xf32>
})");
  weights.add("a", weight(weights::DType::F32, {2}, {1, 1}));
  weights.add("b", weight(weights::DType::F32, {2}, {2, 3}));
  auto out = run({reals({1, 2}, {5., -5.})});
  expectNear(out[0], {1, 2}, {2, -3});
  ASSERT_EQ(taps.size(), 3u);
  expectNear(taps["embed"], {1, 2}, {5, -5});
  expectNear(taps["layers.3.out"], {1, 2}, {1, -1});
  expectNear(taps["layers.12.out"], {1, 2}, {2, -3});
}

TEST_F(EvaluatorTest, RopeAndGatherFromABf16Weight) {
  parse(R"(
func.func @main(%ids: tensor<?xi32>, %table: tensor<2x2x1xf32>) -> tensor<?x2xf32> {
  %w = moe.weight "embed" : tensor<3x2xbf16>
  %c0 = arith.constant 0 : index
  %t = tensor.dim %ids, %c0 : tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?x2xf32>
  %0 = nn.gather_rows ins(%w, %ids : tensor<3x2xbf16>, tensor<?xi32>) outs(%e : tensor<?x2xf32>) -> tensor<?x2xf32>
  %f = tensor.empty(%t) : tensor<?x2xf32>
  %1 = nn.rope {size = 2 : i64} ins(%0, %table, %ids : tensor<?x2xf32>, tensor<2x2x1xf32>, tensor<?xi32>) outs(%f : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %1 : tensor<?x2xf32>
})");
  weights.add("embed",
              weight(weights::DType::BF16, {3, 2}, {1, 2, 3, 4, 5, 6}));
  auto out = run({ints({2}, {1, 0}), reals({2, 2, 1}, {1., 0., 0., 1.})});
  expectNear(out[0], {2, 2}, {-4, 3, 1, 2});
}

TEST_F(EvaluatorTest, GathersFromAPackedEmbedding) {
  parse(R"(
func.func @main(%ids: tensor<2xi32>, %e: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %w = moe.weight "embed" : tensor<2x2x16x2xbf16>
  %0 = nn.gather_rows ins(%w, %ids : tensor<2x2x16x2xbf16>, tensor<2xi32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
})");
  std::vector<float> packed(2 * 2 * 16 * 2);
  for (int row = 0; row < 20; ++row)
    for (int k = 0; k < 3; ++k)
      packed[((row / 16 * 2 + k / 2) * 16 + row % 16) * 2 + k % 2] =
          10 * row + k;
  weights.add("embed", weight(weights::DType::BF16, {2, 2, 16, 2}, packed));
  auto out = run({ints({2}, {17, 3}), realTensor<double>({2, 3})});
  expectNear(out[0], {2, 3}, {170, 171, 172, 30, 31, 32});
}

const char *kAttention = R"(
func.func @main(%x: tensor<?x2xf32>, %positions: tensor<?xi32>, %offsets: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x2xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x2xf32>
  %s = tensor.empty(%t) : tensor<?xi32>
  %ts = nn.token_slots ins(%offsets, %slots : tensor<?xi32>, tensor<?xi32>) outs(%s : tensor<?xi32>) -> tensor<?xi32>
  %kv = nn.state_ref 0 : !nn.state<heads = 1, key = 2, value = 2, element = ELEMENT, sequences = 3, positions = 64>
  nn.append ins(%x, %x, %positions, %ts : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 1, key = 2, value = 2, element = ELEMENT, sequences = 3, positions = 64>)
  %e = tensor.empty(%t) : tensor<?x2xf32>
  %0 = nn.attention {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64} ins(%x, %positions, %ts : tensor<?x2xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 1, key = 2, value = 2, element = ELEMENT, sequences = 3, positions = 64>) outs(%e : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
})";

std::string attentionOn(const std::string &element) {
  std::string text = kAttention;
  for (size_t at; (at = text.find("ELEMENT")) != std::string::npos;)
    text.replace(at, 7, element);
  return text;
}

TEST_F(EvaluatorTest, StatesLiveFromStepToStep) {
  parse(attentionOn("f32"));
  std::vector<double> values = noise(2 * 5, 9);
  auto whole = run({reals({5, 2}, values), ints({5}, {0, 1, 2, 3, 4}),
                    ints({2}, {0, 5}), ints({1}, {2})});
  evaluator->clearStates();
  // The same tokens one by one, beside those of another sequence.
  for (int64_t t = 0; t < 5; ++t) {
    std::vector<double> rows = {values[2 * t], values[2 * t + 1], 9, 9};
    auto part = run({reals({2, 2}, rows), ints({2}, {t, t}),
                     ints({3}, {0, 1, 2}), ints({2}, {1, 0})});
    EXPECT_EQ(part[0].reals[0], whole[0].reals[2 * t]);
    EXPECT_EQ(part[0].reals[1], whole[0].reals[2 * t + 1]);
  }
  evaluator->clearStates();
  EXPECT_TRUE(mlir::failed(tryRun({reals({1, 2}, {1., 1.}), ints({1}, {5}),
                                   ints({2}, {0, 1}), ints({1}, {1})})));
}

TEST_F(EvaluatorTest, StatesRoundToTheirElements) {
  parse(attentionOn("bf16"));
  auto out = run({reals({1, 2}, {1 + 0x1p-9, 3.}), ints({1}, {0}),
                  ints({2}, {0, 1}), ints({1}, {0})});
  expectNear(out[0], {1, 2}, {1, 3});
}

TEST_F(EvaluatorTest, ValuesMayBeAPrefixOfKeys) {
  parse(R"(
!both = !nn.state<heads = 2, key = 3, value = 2, element = f32, sequences = 1, positions = 64>
!once = !nn.state<heads = 2, key = 3, value = 2, element = f32, sequences = 1, positions = 64, prefix = true>
func.func @main(%q: tensor<3x12xf32>, %v: tensor<3x4xf32>, %rest: tensor<3x2xf32>, %p: tensor<3xi32>, %s: tensor<3xi32>) -> (tensor<3x8xf32>, tensor<3x8xf32>) {
  %e = tensor.empty() : tensor<3x6xf32>
  %k = nn.join_heads {heads = 2 : i64, sizes = array<i64: 2, 1>, offsets = array<i64: 0, 0>, counts = array<i64: 2, 1>}
      ins(%v, %rest : tensor<3x4xf32>, tensor<3x2xf32>) outs(%e : tensor<3x6xf32>) -> tensor<3x6xf32>
  %a = nn.state_ref 0 : !both
  nn.append ins(%k, %v, %p, %s : tensor<3x6xf32>, tensor<3x4xf32>, tensor<3xi32>, tensor<3xi32>) state(%a : !both)
  %b = nn.state_ref 1 : !once
  nn.append ins(%rest, %v, %p, %s : tensor<3x2xf32>, tensor<3x4xf32>, tensor<3xi32>, tensor<3xi32>) state(%b : !once)
  %o = tensor.empty() : tensor<3x8xf32>
  %0 = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 1.0 : f64} ins(%q, %p, %s : tensor<3x12xf32>, tensor<3xi32>, tensor<3xi32>) state(%a : !both) outs(%o : tensor<3x8xf32>) -> tensor<3x8xf32>
  %1 = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 1.0 : f64} ins(%q, %p, %s : tensor<3x12xf32>, tensor<3xi32>, tensor<3xi32>) state(%b : !once) outs(%o : tensor<3x8xf32>) -> tensor<3x8xf32>
  return %0, %1 : tensor<3x8xf32>, tensor<3x8xf32>
})");
  auto out = run({reals({3, 12}, noise(36, 1)), reals({3, 4}, noise(12, 2)),
                  reals({3, 2}, noise(6, 3)), ints({3}, {0, 1, 2}),
                  ints({3}, {0, 0, 0})});
  EXPECT_EQ(out[0].reals, out[1].reals);
}

TEST_F(EvaluatorTest, OutputsRoundToTheirElements) {
  parse(R"(
func.func @main(%x: tensor<1x2xf32>) -> tensor<1x2xbf16> {
  %e = tensor.empty() : tensor<1x2xbf16>
  %0 = nn.rms_norm {size = 2 : i64, eps = 0.0 : f64} ins(%x : tensor<1x2xf32>) outs(%e : tensor<1x2xbf16>) -> tensor<1x2xbf16>
  return %0 : tensor<1x2xbf16>
})");
  // 3 / sqrt(12.5) = 0.84852..., whose neighbours in bf16 are 2^-8 apart.
  auto out = run({reals({1, 2}, {3., 4.})});
  expectNear(out[0], {1, 2}, {0.84765625, 1.1328125});
}

TEST_F(EvaluatorTest, RouteAndGateAgree) {
  parse(R"(
#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#bt = affine_map<(d0, d1, d2) -> (d1, d2)>
#c = affine_map<(d0, d1, d2) -> (d0, d1)>
#n = affine_map<(d0, d1) -> (d1)>
#mn = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: tensor<4x3xf32>, %w: tensor<5x3xf32>, %lb: tensor<5xf32>, %b: tensor<5xf32>)
    -> (tensor<4x2xi32>, tensor<4x2xf32>, tensor<4x2xi32>, tensor<4x2xf32>, tensor<4x5xf32>, tensor<4x5xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x5xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<4x5xf32>) -> tensor<4x5xf32>
  %m = linalg.matmul indexing_maps = [#a, #bt, #c] ins(%x, %w : tensor<4x3xf32>, tensor<5x3xf32>) outs(%i : tensor<4x5xf32>) -> tensor<4x5xf32>
  %logits = linalg.generic {indexing_maps = [#mn, #n, #mn], iterator_types = ["parallel", "parallel"]} ins(%m, %lb : tensor<4x5xf32>, tensor<5xf32>) outs(%e : tensor<4x5xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %s = arith.addf %p, %q : f32
    linalg.yield %s : f32
  } -> tensor<4x5xf32>
  %ei = tensor.empty() : tensor<4x2xi32>
  %ew = tensor.empty() : tensor<4x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = sigmoid, renorm = sum>} ins(%logits : tensor<4x5xf32>) bias(%b : tensor<5xf32>) outs(%ei, %ew : tensor<4x2xi32>, tensor<4x2xf32>) -> tensor<4x2xi32>, tensor<4x2xf32>
  %g:3 = moe.gate {routing = #moe.routing<k = 2, score = sigmoid, renorm = sum>} ins(%x, %w : tensor<4x3xf32>, tensor<5x3xf32>) extras(%lb : tensor<5xf32>) bias(%b : tensor<5xf32>) outs(%ei, %ew, %e : tensor<4x2xi32>, tensor<4x2xf32>, tensor<4x5xf32>) {
  ^bb0(%sum: f32, %extra: f32):
    %l = arith.addf %sum, %extra : f32
    moe.yield %l : f32
  } -> tensor<4x2xi32>, tensor<4x2xf32>, tensor<4x5xf32>
  return %ids, %weights, %g#0, %g#1, %logits, %g#2 : tensor<4x2xi32>, tensor<4x2xf32>, tensor<4x2xi32>, tensor<4x2xf32>, tensor<4x5xf32>, tensor<4x5xf32>
})");
  auto out = run({reals({4, 3}, noise(12, 1)), reals({5, 3}, noise(15, 2)),
                  reals({5}, noise(5, 3)), reals({5}, noise(5, 4))});
  ASSERT_EQ(out.size(), 6u);
  EXPECT_EQ(out[0].ints, out[2].ints);
  EXPECT_EQ(out[1].reals, out[3].reals);
  EXPECT_EQ(out[4].reals, out[5].reals);
  for (int64_t t = 0; t < 4; ++t)
    EXPECT_NEAR(out[1].row(t)[0] + out[1].row(t)[1], 1, 1e-14);
}

TEST_F(EvaluatorTest, SharedIsItsRegion) {
  parse(R"(
#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#bt = affine_map<(d0, d1, d2) -> (d1, d2)>
#c = affine_map<(d0, d1, d2) -> (d0, d1)>
func.func @main(%x: tensor<?x2xf32>, %e: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %w = moe.weight "w" : tensor<3x2xbf16>
  %0 = moe.shared ins(%x : tensor<?x2xf32>) params(%w : tensor<3x2xbf16>) outs(%e : tensor<?x3xf32>) {
  ^bb0(%rows: tensor<?x2xf32>, %m: tensor<3x2xbf16>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %rows, %c0 : tensor<?x2xf32>
    %f = tensor.empty(%n) : tensor<?x3xf32>
    %i = linalg.fill ins(%zero : f32) outs(%f : tensor<?x3xf32>) -> tensor<?x3xf32>
    %p = linalg.matmul indexing_maps = [#a, #bt, #c] ins(%rows, %m : tensor<?x2xf32>, tensor<3x2xbf16>) outs(%i : tensor<?x3xf32>) -> tensor<?x3xf32>
    moe.yield %p : tensor<?x3xf32>
  } -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
})");
  weights.add("w", weight(weights::DType::BF16, {3, 2}, {1, 0, 0, 1, 1, 1}));
  auto out = run({reals({1, 2}, {5., 7.}), realTensor<double>({1, 3})});
  expectNear(out[0], {1, 3}, {5, 7, 12});
}

/// Evaluation in f32 rounds as f32 does.
TEST_F(EvaluatorTest, ComputesInFloatToo) {
  parse(R"(
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = arith.divf %x, %x : tensor<2xf32>
  %1 = arith.addf %x, %0 : tensor<2xf32>
  return %1 : tensor<2xf32>
})");
  Evaluator<float> floats(*module, weights);
  auto out = floats.evaluate("main", {reals<float>({2}, {0x1p24f, 3})});
  ASSERT_TRUE(mlir::succeeded(out));
  EXPECT_EQ((*out)[0].reals, (std::vector<float>{0x1p24f, 4}));
  EXPECT_EQ(run({reals({2}, {0x1p24, 3.})})[0].reals[0], 0x1p24 + 1);
}

} // namespace
