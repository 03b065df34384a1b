// RUN: moe-opt %s -moe-unroll-iterations --remarks-filter='moe-unroll-iterations' --remark-policy=all 2>&1 | FileCheck %s

// Two iterations with a matrix of their own each; the residual is inside.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>

// CHECK: remark: [Passed] iterate {{.*}} Remark="2 iterations unrolled"
// CHECK-LABEL: func.func @layer
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[A:[^:]*]]: tensor<4x4xf32>, %[[B:[^:]*]]: tensor<4x4xf32>
// CHECK-NOT:   moe.iterate
// CHECK:       %[[F:.*]] = linalg.matmul {{.*}} ins(%[[X]], %[[A]] :
// CHECK:       %[[ONE:.*]] = linalg.generic {{.*}} ins(%[[F]], %[[X]] :
// CHECK:         arith.addf
// CHECK:       %[[G:.*]] = linalg.matmul {{.*}} ins(%[[ONE]], %[[B]] :
// CHECK:       %[[TWO:.*]] = linalg.generic {{.*}} ins(%[[G]], %[[ONE]] :
// CHECK:         arith.addf
// CHECK:       return %[[TWO]]
func.func @layer(%x: tensor<?x4xf32>, %a: tensor<4x4xf32>, %b: tensor<4x4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.iterate {count = 2, residual = #moe.residual<inner>} ins(%x : tensor<?x4xf32>)
      each(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %i = tensor.empty(%t) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%i : tensor<?x4xf32>) -> tensor<?x4xf32>
    %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>)
        outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
