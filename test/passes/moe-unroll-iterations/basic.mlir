// RUN: moe-opt %s -moe-unroll-iterations | FileCheck %s

#id = affine_map<(t, h) -> (t, h)>
#scale = affine_map<(t, h) -> (h)>

// The residual of the whole chain is added once, behind the last iteration.

// CHECK-LABEL: func.func @outer
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[A:[^:]*]]: tensor<4xf32>, %[[B:[^:]*]]: tensor<4xf32>
// CHECK:       %[[ONE:.*]] = linalg.generic {{.*}} ins(%[[X]], %[[A]] :
// CHECK:       %[[TWO:.*]] = linalg.generic {{.*}} ins(%[[ONE]], %[[B]] :
// CHECK:       %[[Y:.*]] = linalg.generic {{.*}} ins(%[[TWO]], %[[X]] :
// CHECK:       return %[[Y]]
func.func @outer(%x: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.iterate {count = 2, residual = #moe.residual<outer>} ins(%x : tensor<?x4xf32>)
      each(%a, %b : tensor<4xf32>, tensor<4xf32>) all(%e : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %s: tensor<4xf32>, %i: tensor<?x4xf32>):
    %r = linalg.generic {indexing_maps = [#id, #scale, #id], iterator_types = ["parallel", "parallel"]}
        ins(%rows, %s : tensor<?x4xf32>, tensor<4xf32>) outs(%i : tensor<?x4xf32>) {
    ^bb1(%p: f32, %q: f32, %o: f32):
      %v = arith.mulf %p, %q : f32
      linalg.yield %v : f32
    } -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// The input is added in every iteration; the regions differ.

// CHECK-LABEL: func.func @initial
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[A:[^:]*]]: tensor<4xf32>
// CHECK:       %[[F:.*]] = linalg.generic {{.*}} ins(%[[X]], %[[A]] :
// CHECK:         arith.mulf
// CHECK:       %[[ONE:.*]] = linalg.generic {{.*}} ins(%[[F]], %[[X]] :
// CHECK:       %[[TWO:.*]] = linalg.generic {{.*}} ins(%[[ONE]], %[[X]] :
// CHECK:       return %[[TWO]]
func.func @initial(%x: tensor<?x4xf32>, %a: tensor<4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.iterate {count = 2, residual = #moe.residual<initial>} ins(%x : tensor<?x4xf32>)
      all(%a, %e : tensor<4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %s: tensor<4xf32>, %i: tensor<?x4xf32>):
    %r = linalg.generic {indexing_maps = [#id, #scale, #id], iterator_types = ["parallel", "parallel"]}
        ins(%rows, %s : tensor<?x4xf32>, tensor<4xf32>) outs(%i : tensor<?x4xf32>) {
    ^bb1(%p: f32, %q: f32, %o: f32):
      %v = arith.mulf %p, %q : f32
      linalg.yield %v : f32
    } -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>, %s: tensor<4xf32>, %i: tensor<?x4xf32>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Nothing is added, and a chain inside of a chain.

// CHECK-LABEL: func.func @nested
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>
// CHECK-NEXT:  return %[[X]]
func.func @nested(%x: tensor<?x4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.iterate {count = 3} ins(%x : tensor<?x4xf32>) all(%e : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %i: tensor<?x4xf32>):
    %z = moe.iterate {count = 2} ins(%rows : tensor<?x4xf32>) outs(%i : tensor<?x4xf32>) {
    ^bb1(%inner: tensor<?x4xf32>):
      moe.yield %inner : tensor<?x4xf32>
    } -> tensor<?x4xf32>
    moe.yield %z : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
