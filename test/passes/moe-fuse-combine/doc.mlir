// RUN: moe-opt %s -moe-fuse-combine | FileCheck %s

// The residual is added while the sum of a token's experts is in registers.

#id = affine_map<(t, h) -> (t, h)>

// CHECK-LABEL: func.func @layer
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>
// CHECK:       %[[Y:.*]] = moe.combine {{.*}} addends(%[[X]] : tensor<?x4xf32>)
// CHECK-NEXT:  return %[[Y]]
func.func @layer(%x: tensor<?x4xf32>, %rows: tensor<?x4xf32>, %token_row: tensor<?x2xi32>, %token_slot: tensor<?x2xi32>,
    %weights: tensor<?x2xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %moe = moe.combine ins(%rows, %token_row, %token_slot, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %moe : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
