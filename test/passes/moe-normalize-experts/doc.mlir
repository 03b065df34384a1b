// RUN: moe-opt %s -moe-normalize-experts | FileCheck %s

// The last two of eight experts are null: a token may choose them, and they add
// nothing, so they need no rows. And 0.5 times the sum of weighed experts is the
// sum with weights of half the size.

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>

// CHECK-LABEL: func.func @layer(
// CHECK: moe.route {routing = #moe.routing<k = 2, scale = 5.000000e-01 : f64, null_experts = 2>}
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 6>, <zero, 2>]>}
// CHECK-NOT: arith.mulf
func.func @layer(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<6 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 6>, <identity, 2>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b : !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%y0, %x : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb1(%a0: f32, %a1: f32, %o: f32):
    %c = arith.constant 0.5 : f32
    %m = arith.mulf %a0, %c : f32
    %z = arith.addf %m, %a1 : f32
    linalg.yield %z : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
