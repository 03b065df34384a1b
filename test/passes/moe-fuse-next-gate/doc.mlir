// RUN: moe-opt %s -moe-fuse-next-gate --remarks-filter='moe-fuse-next-gate' --remark-policy=all 2>&1 | FileCheck %s

// The router of the next iteration reads what the combine of this one writes.

// CHECK: remark: [Passed] gate {{.*}} Remark="gate fused with the combine in front of it"
// CHECK-LABEL: func.func @chain
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[ROWS:[^:]*]]: tensor<?x4xf32>, %[[R:[^:]*]]: tensor<?x2xi32>, %[[W:[^:]*]]: tensor<?x2xf32>, %[[M:[^:]*]]: tensor<1x4x16xf32>
// CHECK-NOT:   moe.combine in
// CHECK:       %[[F:.*]]:4 = moe.combine_gate {routing = #moe.routing<k = 2>} ins(%[[ROWS]], %[[R]], %[[R]], %[[W]], %[[M]] : {{.*}}) addends(%[[X]] : tensor<?x4xf32>) outs
// CHECK-NEXT:  return %[[F]]#0, %[[F]]#1, %[[F]]#2
func.func @chain(%x: tensor<?x4xf32>, %rows: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<1x4x16xf32>,
    %l: tensor<?x8xf32>, %e: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>) {
  %y = moe.combine ins(%rows, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      addends(%x : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%y, %m : tensor<?x4xf32>, tensor<1x4x16xf32>)
      outs(%r, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return %y, %g#0, %g#1 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>
}
