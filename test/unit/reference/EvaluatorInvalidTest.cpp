//===- EvaluatorInvalidTest.cpp - What the reference refuses --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Modules and inputs that mean nothing: each is a diagnostic, none a crash.
//
//===----------------------------------------------------------------------===//

#include "Testing.h"

using namespace moec;
using namespace moec::reference;
using namespace moec::reference::testing;

namespace {

class InvalidTest : public EvaluatorTest {
protected:
  void expectFailure(const std::string &text,
                     const std::vector<Tensor<double>> &inputs,
                     const std::string &message) {
    complaint.clear();
    parse(text);
    complaint.clear();
    EXPECT_TRUE(mlir::failed(tryRun(inputs)));
    EXPECT_NE(complaint.find(message), std::string::npos) << complaint;
  }
};

const char *kIdentity =
    "func.func @main(%x: tensor<?x2xf32>, %i: tensor<?xi32>)"
    " -> tensor<?x2xf32> { return %x : tensor<?x2xf32> }";

TEST_F(InvalidTest, Inputs) {
  auto x = reals({1, 2}, {1., 2.});
  auto i = ints({1}, {0});
  expectFailure(kIdentity, {x}, "expects 2 inputs, got 1");
  expectFailure(kIdentity, {reals({1, 3}, {1., 2., 3.}), i},
                "input 0 must be 'tensor<?x2xf32>', got 3 elements of the "
                "shape [1, 3]");
  expectFailure(kIdentity, {reals({2}, {1., 2.}), i}, "input 0 must be");
  expectFailure(kIdentity, {reals({2, 2}, {1., 2.}), i}, "input 0 must be");
  expectFailure(kIdentity, {x, reals({1}, {0.})}, "input 1 must be");
}

TEST_F(InvalidTest, Entries) {
  expectFailure("func.func @other() { return }", {},
                "there is no entry 'main' to evaluate");
  expectFailure("func.func private @main()", {},
                "there is no entry 'main' to evaluate");
  expectFailure("func.func private @f()\n"
                "func.func @main() { call @f() : () -> ()\n return }",
                {}, "callee 'f' has no body of one block");
}

TEST_F(InvalidTest, OperationsWithoutSemantics) {
  expectFailure("func.func @main(%x: tensor<2xf32>) -> tensor<4xf32> {\n"
                "%0 = tensor.concat dim(0) %x, %x : (tensor<2xf32>, "
                "tensor<2xf32>) -> tensor<4xf32>\n"
                "return %0 : tensor<4xf32> }",
                {reals({2}, {1., 2.})}, "has no reference semantics");
  expectFailure("func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
                "%0 = math.cbrt %x : tensor<2xf32>\n"
                "return %0 : tensor<2xf32> }",
                {reals({2}, {1., 2.})},
                "has no reference semantics for these operands");
}

TEST_F(InvalidTest, ElementThatIsNotThere) {
  expectFailure("func.func @main(%x: tensor<2xf32>) -> f32 {\n"
                "%c = arith.constant 2 : index\n"
                "%0 = tensor.extract %x[%c] : tensor<2xf32>\n"
                "return %0 : f32 }",
                {reals({2}, {1., 2.})}, "takes element 2 of dimension 0");
}

TEST_F(InvalidTest, DivisionByZero) {
  expectFailure("func.func @main(%x: tensor<2xi32>, %y: tensor<2xi32>) -> "
                "tensor<2xi32> {\n"
                "%0 = arith.divsi %x, %y : tensor<2xi32>\n"
                "return %0 : tensor<2xi32> }",
                {ints({2}, {1, 2}), ints({2}, {1, 0})},
                "has no reference semantics for these operands");
}

TEST_F(InvalidTest, ShapesOfElementwiseOperands) {
  expectFailure("func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> "
                "tensor<?xf32> {\n"
                "%0 = arith.addf %x, %y : tensor<?xf32>\n"
                "return %0 : tensor<?xf32> }",
                {reals({2}, {1., 2.}), reals({3}, {1., 2., 3.})},
                "operands have the shapes");
}

TEST_F(InvalidTest, SlicesOutOfBounds) {
  const char *slice =
      "func.func @main(%x: tensor<?xf32>) -> tensor<2xf32> {\n"
      "%0 = tensor.extract_slice %x[1] [2] [1] : tensor<?xf32> to "
      "tensor<2xf32>\nreturn %0 : tensor<2xf32> }";
  expectFailure(slice, {reals({2}, {1., 2.})}, "takes [2] from [1] of [2]");
}

TEST_F(InvalidTest, ShapesThatDoNotFit) {
  expectFailure("func.func @main(%x: tensor<?xf32>) -> tensor<3xf32> {\n"
                "%0 = tensor.cast %x : tensor<?xf32> to tensor<3xf32>\n"
                "return %0 : tensor<3xf32> }",
                {reals({2}, {1., 2.})}, "turns [2] into [2]");
  const char *norm =
      "func.func @main(%x: tensor<?x2xf32>, %e: tensor<?x2xf32>) -> "
      "tensor<?x2xf32> {\n"
      "%0 = nn.rms_norm {size = 2 : i64, eps = 0.0 : f64} ins(%x : "
      "tensor<?x2xf32>) outs(%e : tensor<?x2xf32>) -> tensor<?x2xf32>\n"
      "return %0 : tensor<?x2xf32> }";
  expectFailure(norm, {reals({1, 2}, {1., 2.}), realTensor<double>({2, 2})},
                "computes [1, 2] for an output of [2, 2]");
}

TEST_F(InvalidTest, Generics) {
  const char *sum =
      "#a = affine_map<(d0) -> (d0)>\n"
      "func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> "
      "{\n%0 = linalg.generic {indexing_maps = [#a, #a], iterator_types = "
      "[\"parallel\"]} ins(%x : tensor<?xf32>) outs(%y : tensor<?xf32>) {\n"
      "^bb0(%p: f32, %q: f32):\nlinalg.yield %p : f32 } -> tensor<?xf32>\n"
      "return %0 : tensor<?xf32> }";
  expectFailure(sum, {reals({2}, {1., 2.}), reals({3}, {1., 2., 3.})},
                "loop d0 runs over 2 and over 3 elements");
  const char *shifted =
      "#a = affine_map<(d0) -> (d0 + 1)>\n#b = affine_map<(d0) -> (d0)>\n"
      "func.func @main(%x: tensor<3xf32>, %y: tensor<2xf32>) -> tensor<2xf32> "
      "{\n%0 = linalg.generic {indexing_maps = [#a, #b], iterator_types = "
      "[\"parallel\"]} ins(%x : tensor<3xf32>) outs(%y : tensor<2xf32>) {\n"
      "^bb0(%p: f32, %q: f32):\nlinalg.yield %p : f32 } -> tensor<2xf32>\n"
      "return %0 : tensor<2xf32> }";
  expectFailure(shifted, {reals({3}, {1., 2., 3.}), reals({2}, {1., 2.})},
                "which is not of dimensions and constants only");
}

TEST_F(InvalidTest, Weights) {
  const char *weightOf =
      "func.func @main() -> tensor<2xf32> {\n"
      "%0 = moe.weight \"w\" : tensor<2xf32>\nreturn %0 : tensor<2xf32> }";
  expectFailure(weightOf, {}, "cannot be loaded: no weight w");
  weights.add("w", weight(weights::DType::F32, {3}, {1, 2, 3}));
  expectFailure(weightOf, {},
                "weight 'w' should be 'tensor<2xf32>', is F32 [3]");
  weights.add("w", weight(weights::DType::BF16, {2}, {1, 2}));
  expectFailure(weightOf, {}, "is BF16 [2]");
}

TEST_F(InvalidTest, IndicesOutOfRange) {
  const char *gather =
      "func.func @main(%x: tensor<2x1xf32>, %i: tensor<?xi32>, %e: "
      "tensor<?x1xf32>) -> tensor<?x1xf32> {\n"
      "%0 = nn.gather_rows ins(%x, %i : tensor<2x1xf32>, tensor<?xi32>) "
      "outs(%e : tensor<?x1xf32>) -> tensor<?x1xf32>\n"
      "return %0 : tensor<?x1xf32> }";
  expectFailure(
      gather,
      {reals({2, 1}, {1., 2.}), ints({1}, {2}), realTensor<double>({1, 1})},
      "index 2 is not below 2");
}

TEST_F(InvalidTest, GroupsThatDoNotSplitTheRows) {
  const char *grouped =
      "func.func @main(%x: tensor<?x1xf32>, %w: tensor<2x1x1xf32>, %o: "
      "tensor<3xi32>, %g: tensor<?xi32>, %e: tensor<?x1xf32>) -> "
      "tensor<?x1xf32> {\n"
      "%b = moe.weight \"b\" : !moe.bank<2 x tensor<1x1xf32>>\n"
      "%0 = moe.grouped_matmul ins(%x : tensor<?x1xf32>) banks(%b : "
      "!moe.bank<2 x tensor<1x1xf32>>) offsets(%o : tensor<3xi32>) active(%o : "
      "tensor<3xi32>) gather(%g : tensor<?xi32>) outs(%e : tensor<?x1xf32>) "
      "{\n^bb0(%a: f32):\nmoe.yield %a : f32 } -> tensor<?x1xf32>\n"
      "return %0 : tensor<?x1xf32> }";
  auto inputs = [](std::vector<int64_t> offsets, std::vector<int64_t> gather) {
    int64_t count = gather.size();
    return std::vector<Tensor<double>>{
        reals({1, 1}, {1.}), realTensor<double>({2, 1, 1}),
        ints({3}, std::move(offsets)), ints({count}, std::move(gather)),
        realTensor<double>({2, 1})};
  };
  expectFailure(grouped, inputs({0, 2, 1}, {0, 0}), "offsets do not split");
  expectFailure(grouped, inputs({0, 2, 3}, {0, 0}), "offsets do not split");
  expectFailure(grouped, inputs({1, 1, 2}, {0, 0}), "offsets do not split");
  expectFailure(grouped, inputs({0, 1, 2}, {0, 1}),
                "row 1 is made of row 1 of 1");
  expectFailure(grouped, inputs({0, 1, 2}, {0}), "gather has 1 of 2 rows");
  expectFailure(grouped, inputs({0, 1, 2}, {0, 0}), "no weight b");
}

TEST_F(InvalidTest, Routing) {
  const char *route =
      "func.func @main(%l: tensor<?x4xf32>, %t: tensor<?xi32>, %i: "
      "tensor<?x2xi32>, %w: tensor<?x2xf32>) -> tensor<?x2xi32> {\n"
      "%0, %1 = moe.route {routing = #moe.routing<k = 2>} ins(%l : "
      "tensor<?x4xf32>) token_k(%t : tensor<?xi32>) outs(%i, %w : "
      "tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>\n"
      "return %0 : tensor<?x2xi32> }";
  expectFailure(route,
                {realTensor<double>({3, 4}), intTensor<double>({2}),
                 intTensor<double>({3, 2}), realTensor<double>({3, 2})},
                "has 3 tokens, and an operand for 2");
}

} // namespace
