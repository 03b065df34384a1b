// RUN: moe-opt %s -moe-inline-shared --remarks-filter='moe-inline-shared' --remark-policy=all 2>&1 | FileCheck %s

// A shared expert is a region until here, so that earlier passes see it as
// such; from here on it is part of its layer, and fuses with what surrounds it.

#id = affine_map<(t, h) -> (t, h)>
#scale = affine_map<(t, h) -> (h)>

// CHECK: remark: [Passed] shared {{.*}} Remark="shared expert inlined"
// CHECK-LABEL: func.func @layer
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[S:[^:]*]]: tensor<4xf32>
// CHECK-NOT:   moe.shared
// CHECK:       linalg.generic {{.*}} ins(%[[X]], %[[S]] :
func.func @layer(%x: tensor<?x4xf32>, %s: tensor<4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.shared ins(%x : tensor<?x4xf32>) params(%s : tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %scales: tensor<4xf32>):
    %c0 = arith.constant 0 : index
    %t = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %i = tensor.empty(%t) : tensor<?x4xf32>
    %r = linalg.generic {indexing_maps = [#id, #scale, #id], iterator_types = ["parallel", "parallel"]}
        ins(%rows, %scales : tensor<?x4xf32>, tensor<4xf32>) outs(%i : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      linalg.yield %p : f32
    } -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
