//===- ElementwiseTest.cpp - arith, math, tensor and linalg ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The operations of upstream dialects, in functions that consist of them.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

#include <cmath>

using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

class ElementwiseTest : public EvaluatorTest {
protected:
  /// Applies a body of scalar operations on %a and %b to two elements, in a
  /// linalg.generic.
  std::vector<double> generic(const std::string &body, std::vector<double> a,
                              std::vector<double> b) {
    std::string n = std::to_string(a.size());
    std::string type = "tensor<" + n + "xf32>";
    parse("#id = affine_map<(d0) -> (d0)>\n"
          "func.func @main(%x: " +
          type + ", %y: " + type + ") -> " + type +
          " {\n %e = tensor.empty() : " + type +
          "\n %r = linalg.generic {indexing_maps = [#id, #id, #id], "
          "iterator_types = [\"parallel\"]} ins(%x, %y : " +
          type + ", " + type + ") outs(%e : " + type +
          ") {\n^bb0(%a: f32, %b: f32, %o: f32):\n" + body +
          "\n linalg.yield %r : f32\n } -> " + type + "\n return %r : " + type +
          "\n}");
    auto out =
        run({reals({int64_t(a.size())}, a), reals({int64_t(b.size())}, b)});
    return out.empty() ? std::vector<double>() : out[0].reals;
  }

  void expectUnary(const std::string &op, double x, double expected) {
    auto out = generic("%r = " + op + " %a : f32", {x}, {0});
    ASSERT_EQ(out.size(), 1u) << op;
    EXPECT_DOUBLE_EQ(out[0], expected) << op;
  }

  void expectBinary(const std::string &op, double x, double y,
                    double expected) {
    auto out = generic("%r = " + op + " %a, %b : f32", {x}, {y});
    ASSERT_EQ(out.size(), 1u) << op;
    EXPECT_DOUBLE_EQ(out[0], expected) << op;
  }
};

TEST_F(ElementwiseTest, UnaryReals) {
  double x = 0.75;
  expectUnary("arith.negf", x, -x);
  expectUnary("math.absf", -x, x);
  expectUnary("math.exp", x, std::exp(x));
  expectUnary("math.exp2", x, std::exp2(x));
  expectUnary("math.expm1", x, std::expm1(x));
  expectUnary("math.log", x, std::log(x));
  expectUnary("math.log1p", x, std::log1p(x));
  expectUnary("math.sqrt", x, std::sqrt(x));
  expectUnary("math.rsqrt", x, 1 / std::sqrt(x));
  expectUnary("math.tanh", x, std::tanh(x));
  expectUnary("math.erf", x, std::erf(x));
  expectUnary("math.sin", x, std::sin(x));
  expectUnary("math.cos", x, std::cos(x));
  expectUnary("math.floor", -x, -1);
  expectUnary("math.ceil", x, 1);
}

TEST_F(ElementwiseTest, BinaryReals) {
  expectBinary("arith.addf", 3, 2, 5);
  expectBinary("arith.subf", 3, 2, 1);
  expectBinary("arith.mulf", 3, 2, 6);
  expectBinary("arith.divf", 3, 2, 1.5);
  expectBinary("arith.maximumf", 3, 2, 3);
  expectBinary("arith.minimumf", 3, 2, 2);
  expectBinary("arith.maxnumf", 3, std::nan(""), 3);
  expectBinary("arith.minnumf", std::nan(""), 2, 2);
  expectBinary("math.powf", 3, 2, 9);
  expectBinary("math.copysign", 3, -2, -3);
  auto out = generic("%r = arith.maximumf %a, %b : f32", {3, std::nan("")},
                     {std::nan(""), 2});
  EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]));
  out = generic("%r = math.fma %a, %b, %a : f32", {3}, {2});
  EXPECT_EQ(out[0], 9);
}

TEST_F(ElementwiseTest, ComparisonsAndSelect) {
  struct {
    const char *predicate;
    int equal, greater, less, unordered;
  } rows[] = {{"oeq", 1, 0, 0, 0}, {"ogt", 0, 1, 0, 0}, {"oge", 1, 1, 0, 0},
              {"olt", 0, 0, 1, 0}, {"ole", 1, 0, 1, 0}, {"one", 0, 1, 1, 0},
              {"ord", 1, 1, 1, 0}, {"ueq", 1, 0, 0, 1}, {"ugt", 0, 1, 0, 1},
              {"uge", 1, 1, 0, 1}, {"ult", 0, 0, 1, 1}, {"ule", 1, 0, 1, 1},
              {"une", 0, 1, 1, 1}, {"uno", 0, 0, 0, 1}};
  for (const auto &row : rows) {
    auto out = generic(std::string("%one = arith.constant 1.0 : f32\n"
                                   "%zero = arith.constant 0.0 : f32\n"
                                   "%c = arith.cmpf ") +
                           row.predicate +
                           ", %a, %b : f32\n"
                           "%r = arith.select %c, %one, %zero : f32",
                       {1, 2, 1, std::nan("")}, {1, 1, 2, 1});
    EXPECT_EQ(out,
              (std::vector<double>{double(row.equal), double(row.greater),
                                   double(row.less), double(row.unordered)}))
        << row.predicate;
  }
}

TEST_F(ElementwiseTest, NarrowingRounds) {
  auto out = generic("%n = arith.truncf %a : f32 to bf16\n"
                     "%r = arith.extf %n : bf16 to f32",
                     {1 + 0x1p-9, 3}, {0, 0});
  EXPECT_EQ(out, (std::vector<double>{1, 3}));
  out = generic("%n = arith.truncf %a : f32 to f16\n"
                "%m = arith.mulf %n, %n : f16\n"
                "%r = arith.extf %m : f16 to f32",
                {1 + 0x1p-10}, {0});
  EXPECT_EQ(out, (std::vector<double>{1 + 0x1p-9}));
}

TEST_F(ElementwiseTest, Integers) {
  parse(R"(
func.func @main(%x: tensor<4xi32>, %y: tensor<4xi32>)
    -> (tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<4xf32>) {
  %0 = arith.addi %x, %y : tensor<4xi32>
  %1 = arith.muli %x, %y : tensor<4xi32>
  %2 = arith.floordivsi %x, %y : tensor<4xi32>
  %3 = arith.remsi %x, %y : tensor<4xi32>
  %c = arith.cmpi ult, %x, %y : tensor<4xi32>
  %4 = arith.extui %c : tensor<4xi1> to tensor<4xi32>
  %5 = arith.sitofp %x : tensor<4xi32> to tensor<4xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi32>, tensor<4xf32>
})");
  auto out = run({ints({4}, {7, -7, 2147483647, 1}), ints({4}, {2, 2, 1, -1})});
  ASSERT_EQ(out.size(), 6u);
  using Ints = std::vector<int64_t>;
  EXPECT_EQ(out[0].ints, (Ints{9, -5, -2147483648LL, 0}));
  EXPECT_EQ(out[1].ints, (Ints{14, -14, 2147483647, -1}));
  EXPECT_EQ(out[2].ints, (Ints{3, -4, 2147483647, -1}));
  EXPECT_EQ(out[3].ints, (Ints{1, -1, 0, 0}));
  EXPECT_EQ(out[4].ints, (Ints{0, 0, 0, 1})); // -7 and -1 are large, unsigned
  EXPECT_EQ(out[5].reals, (std::vector<double>{7, -7, 2147483647, 1}));
}

TEST_F(ElementwiseTest, Constants) {
  parse(R"(
func.func @main() -> (tensor<2xf32>, tensor<2x2xi32>, tensor<3xf32>) {
  %0 = arith.constant dense<[0.5, -1.0]> : tensor<2xf32>
  %1 = arith.constant dense<7> : tensor<2x2xi32>
  %2 = arith.constant dense<0.1> : tensor<3xf32>
  return %0, %1, %2 : tensor<2xf32>, tensor<2x2xi32>, tensor<3xf32>
})");
  auto out = run({});
  expectNear(out[0], {2}, {0.5, -1});
  EXPECT_EQ(out[1].ints, (std::vector<int64_t>{7, 7, 7, 7}));
  EXPECT_EQ(out[2].reals[0], double(0.1f));
}

//===----------------------------------------------------------------------===//
// tensor
//===----------------------------------------------------------------------===//

TEST_F(ElementwiseTest, TensorOps) {
  parse(R"(
func.func @main(%x: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<4xf32>, tensor<?xf32>, tensor<?x2x2xf32>, tensor<?x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = tensor.dim %x, %c0 : tensor<?x4xf32>
  %half = arith.ceildivsi %rows, %c1 : index
  %less = arith.subi %rows, %c1 : index
  %0 = tensor.extract_slice %x[1, 1] [%less, 2] [1, 2] : tensor<?x4xf32> to tensor<?x2xf32>
  %1 = tensor.extract_slice %x[1, 0] [1, 4] [1, 1] : tensor<?x4xf32> to tensor<4xf32>
  %2 = tensor.collapse_shape %x [[0, 1]] : tensor<?x4xf32> into tensor<?xf32>
  %3 = tensor.expand_shape %x [[0], [1, 2]] output_shape [%rows, 2, 2] : tensor<?x4xf32> into tensor<?x2x2xf32>
  %4 = tensor.cast %x : tensor<?x4xf32> to tensor<2x4xf32>
  %5 = tensor.cast %4 : tensor<2x4xf32> to tensor<?x4xf32>
  return %0, %1, %2, %3, %5 : tensor<?x2xf32>, tensor<4xf32>, tensor<?xf32>, tensor<?x2x2xf32>, tensor<?x4xf32>
})");
  auto out = run({reals({2, 4}, {0., 1., 2., 3., 4., 5., 6., 7.})});
  ASSERT_EQ(out.size(), 5u);
  expectNear(out[0], {1, 2}, {5, 7});
  expectNear(out[1], {4}, {4, 5, 6, 7});
  EXPECT_EQ(out[2].shape, (Shape{8}));
  EXPECT_EQ(out[3].shape, (Shape{2, 2, 2}));
  EXPECT_EQ(out[4].shape, (Shape{2, 4}));
}

TEST_F(ElementwiseTest, EmptyTensorsHoldNoNumbers) {
  parse(R"(
func.func @main() -> tensor<2xf32> {
  %0 = tensor.empty() : tensor<2xf32>
  return %0 : tensor<2xf32>
})");
  auto out = run({});
  EXPECT_TRUE(std::isnan(out[0].reals[0]));
}

//===----------------------------------------------------------------------===//
// linalg
//===----------------------------------------------------------------------===//

TEST_F(ElementwiseTest, GenericBroadcastsRowsAndColumns) {
  parse(R"(
#xy = affine_map<(d0, d1) -> (d0, d1)>
#x = affine_map<(d0, d1) -> (d0, 0)>
#y = affine_map<(d0, d1) -> (d1)>
func.func @main(%a: tensor<?x3xf32>, %b: tensor<?x1xf32>, %c: tensor<3xf32>, %e: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = linalg.generic {indexing_maps = [#xy, #x, #y, #xy], iterator_types = ["parallel", "parallel"]}
      ins(%a, %b, %c : tensor<?x3xf32>, tensor<?x1xf32>, tensor<3xf32>) outs(%e : tensor<?x3xf32>) {
  ^bb0(%p: f32, %q: f32, %r: f32, %o: f32):
    %s = arith.mulf %p, %q : f32
    %t = arith.addf %s, %r : f32
    linalg.yield %t : f32
  } -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
})");
  auto e = realTensor<double>({2, 3});
  auto out = run({reals({2, 3}, {1., 2., 3., 4., 5., 6.}),
                  reals({2, 1}, {10., 100.}), reals({3}, {1., 2., 3.}), e});
  expectNear(out[0], {2, 3}, {11, 22, 33, 401, 502, 603});
  out = run({reals({0, 3}, {}), reals({0, 1}, {}), reals({3}, {1., 2., 3.}),
             realTensor<double>({0, 3})});
  EXPECT_EQ(out[0].shape, (Shape{0, 3}));
}

TEST_F(ElementwiseTest, GenericReduces) {
  parse(R"(
#in = affine_map<(d0, d1) -> (d0, d1)>
#out = affine_map<(d0, d1) -> (d0)>
func.func @main(%a: tensor<2x3xf32>) -> tensor<2xf32> {
  %zero = arith.constant 100.0 : f32
  %e = tensor.empty() : tensor<2xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<2xf32>) -> tensor<2xf32>
  %0 = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "reduction"]}
      ins(%a : tensor<2x3xf32>) outs(%i : tensor<2xf32>) {
  ^bb0(%p: f32, %o: f32):
    %s = arith.addf %p, %o : f32
    linalg.yield %s : f32
  } -> tensor<2xf32>
  return %0 : tensor<2xf32>
})");
  auto out = run({reals({2, 3}, {1., 2., 3., 4., 5., 6.})});
  expectNear(out[0], {2}, {106, 115});
}

TEST_F(ElementwiseTest, GenericYieldsAConstant) {
  parse(R"(
#id = affine_map<(d0) -> (d0)>
func.func @main(%a: tensor<3xf32>) -> tensor<3xf32> {
  %0 = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%a : tensor<3xf32>) {
  ^bb0(%o: f32):
    %c = arith.constant 4.0 : f32
    linalg.yield %c : f32
  } -> tensor<3xf32>
  return %0 : tensor<3xf32>
})");
  expectNear(run({reals({3}, {1., 2., 3.})})[0], {3}, {4, 4, 4});
}

/// Constants that a clean-up moved out of the body.
TEST_F(ElementwiseTest, GenericUsesScalarsFromOutside) {
  parse(R"(
#id = affine_map<(d0) -> (d0)>
func.func @main(%a: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %one = arith.constant 1.0 : f32
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%a : tensor<3xf32>) outs(%a : tensor<3xf32>) {
  ^bb0(%p: f32, %o: f32):
    %s = arith.addf %p, %one : f32
    linalg.yield %s : f32
  } -> tensor<3xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%a : tensor<3xf32>) outs(%a : tensor<3xf32>) {
  ^bb0(%p: f32, %o: f32):
    linalg.yield %one : f32
  } -> tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
})");
  auto out = run({reals({3}, {1., 2., 3.})});
  expectNear(out[0], {3}, {2, 3, 4});
  expectNear(out[1], {3}, {1, 1, 1});
}

TEST_F(ElementwiseTest, MatmulBothWays) {
  parse(R"(
#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#bt = affine_map<(d0, d1, d2) -> (d1, d2)>
#c = affine_map<(d0, d1, d2) -> (d0, d1)>
func.func @main(%x: tensor<?x3xf32>, %w: tensor<2x3xbf16>, %v: tensor<3x2xf32>, %i: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %0 = linalg.matmul indexing_maps = [#a, #bt, #c] ins(%x, %w : tensor<?x3xf32>, tensor<2x3xbf16>) outs(%i : tensor<?x2xf32>) -> tensor<?x2xf32>
  %1 = linalg.matmul ins(%x, %v : tensor<?x3xf32>, tensor<3x2xf32>) outs(%i : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
})");
  auto x = reals({2, 3}, {1., 2., 3., 4., 5., 6.});
  auto w = reals({2, 3}, {1., 0., 2., 0., 1., 0.});
  auto v = reals({3, 2}, {1., 0., 0., 1., 2., 0.});
  auto i = reals({2, 2}, {0., 0., 100., 0.});
  auto out = run({x, w, v, i});
  expectNear(out[0], {2, 2}, {7, 2, 116, 5});
  expectNear(out[1], {2, 2}, {7, 2, 116, 5});
}

} // namespace
