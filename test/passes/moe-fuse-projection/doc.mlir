// RUN: moe-opt %s -moe-fuse-projection --remarks-filter='moe-fuse-projection' --remark-policy=all 2>&1 | FileCheck %s

// The projection back reads what the combine writes; its residual is added behind it.

// CHECK: remark: [Passed] projection {{.*}} Remark="product fused with the combine in front of it"
// CHECK-LABEL: func.func @back
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x8xf32>, %[[ROWS:[^:]*]]: tensor<?x4xf32>, %[[R:[^:]*]]: tensor<?x2xi32>, %[[W:[^:]*]]: tensor<?x2xf32>, %[[M:[^:]*]]: tensor<1x4x16xf32>
// CHECK-NOT:   moe.combine in
// CHECK:       %[[F:.*]]:2 = moe.combine_matmul ins(%[[ROWS]], %[[R]], %[[R]], %[[W]] : {{.*}}) banks(%[[M]] : tensor<1x4x16xf32>) extras(%[[X]] : tensor<?x8xf32>) outs
// CHECK:         arith.addf
// CHECK:       return %[[F]]#1
func.func @back(%x: tensor<?x8xf32>, %rows: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<1x4x16xf32>,
    %e: tensor<?x4xf32>, %o: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = moe.combine ins(%rows, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = moe.grouped_matmul ins(%y : tensor<?x4xf32>) banks(%m : tensor<1x4x16xf32>) extras(%x : tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%acc: f32, %residual: f32):
    %sum = arith.addf %residual, %acc : f32
    moe.yield %sum : f32
  } -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}
