// RUN: moe-opt %s -moe-form-matmuls | FileCheck %s

// Dense layers use the op of experts, without groups: one way to fuse, to lay
// weights out and to generate kernels.

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>

// CHECK-LABEL: func.func @project
// CHECK:       moe.grouped_matmul ins(%{{.*}} : tensor<?x4xf32>) banks(%{{.*}} : tensor<6x4xbf16>) outs(%{{.*}} : tensor<?x6xf32>) {
// CHECK-NEXT:  ^bb0(%[[SUM:.*]]: f32):
// CHECK-NEXT:    moe.yield %[[SUM]] : f32
func.func @project(%x: tensor<?x4xf32>, %weight: tensor<6x4xbf16>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x6xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %weight : tensor<?x4xf32>, tensor<6x4xbf16>)
      outs(%f : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %r : tensor<?x6xf32>
}
