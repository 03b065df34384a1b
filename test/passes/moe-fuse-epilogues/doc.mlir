// RUN: moe-opt %s -moe-fuse-epilogues | FileCheck %s

// What follows a product happens on its accumulators: the two products of a
// gated activation become one with two banks, and the activation its epilogue.

#id = affine_map<(r, n) -> (r, n)>

// CHECK-LABEL: func.func @gated
// CHECK:       %[[Y:.*]] = moe.grouped_matmul ins(%{{.*}} : tensor<?x8xf32>) banks(%{{.*}}, %{{.*}} : tensor<4x8xbf16>, tensor<4x8xbf16>)
// CHECK-NEXT:  ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32):
// CHECK-NEXT:    %[[T:.*]] = math.tanh %[[G]] : f32
// CHECK-NEXT:    %[[P:.*]] = arith.mulf %[[T]], %[[U]] : f32
// CHECK-NEXT:    moe.yield %[[P]] : f32
// CHECK:       return %[[Y]]
func.func @gated(%x: tensor<?x8xf32>, %gate: tensor<4x8xbf16>, %up: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %g = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%gate : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %u = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%up : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%g, %u : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = math.tanh %a : f32
    %p = arith.mulf %t, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
