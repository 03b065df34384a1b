// RUN: moe-opt %s -moe-outputs-to-arguments -eliminate-empty-tensors -moe-bufferize -canonicalize | FileCheck %s

// A tap may return what the function returns anyway. The second place is
// filled from the first.

// CHECK-LABEL: func.func private @layer(
// CHECK-SAME:    %[[X:[^:]*]]: memref<?x8xf32>
// CHECK-SAME:    %[[A:[^:]*]]: memref<?x8xf32> {moe.dims = ["T"], moe.output}
// CHECK-SAME:    %[[B:[^:]*]]: memref<?x8xf32> {moe.dims = ["T"], moe.output}
// CHECK:         linalg.generic {{.*}} ins(%[[X]] : memref<?x8xf32>) outs(%[[A]] : memref<?x8xf32>)
// CHECK:         linalg.copy ins(%[[A]] : memref<?x8xf32>) outs(%[[B]] : memref<?x8xf32>)
func.func private @layer(%x: tensor<?x8xf32> {moe.dims = ["T"]})
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %empty = tensor.empty(%t) : tensor<?x8xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(r, c) -> (r, c)>, affine_map<(r, c) -> (r, c)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x8xf32>) outs(%empty : tensor<?x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %n = arith.negf %in : f32
    linalg.yield %n : f32
  } -> tensor<?x8xf32>
  return %y, %y : tensor<?x8xf32>, tensor<?x8xf32>
}
