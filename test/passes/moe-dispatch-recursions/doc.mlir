// RUN: moe-opt %s -moe-dispatch-recursions --remarks-filter='moe-dispatch-recursions' --remark-policy=all 2>&1 | FileCheck %s

// The rows of the tokens that are chosen are gathered, and everything in the
// region is computed for so many rows.

#id = affine_map<(t, h) -> (t, h)>

// CHECK: remark: [Passed] recurse {{.*}} Remark="1 region on the rows of the tokens that pass through"
// CHECK-LABEL: func.func @recursion
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[IDS:[^:]*]]: tensor<?x1xi32>, %[[W:[^:]*]]: tensor<?x1xf32>, %[[P:[^:]*]]: tensor<?xi32>
// CHECK:       %[[T:.*]] = tensor.dim %[[X]]
// CHECK:       %[[PLAN:.*]]:5 = moe.plan ins(%[[IDS]] :
// CHECK:       %[[END:.*]] = tensor.extract %[[PLAN]]#0[%{{.*}}] : tensor<2xi32>
// CHECK:       %[[N:.*]] = arith.index_cast %[[END]] : i32 to index
// CHECK:       %[[COUNT:.*]] = arith.minsi %[[N]], %[[T]] : index
// CHECK:       %[[OUT:.*]] = tensor.empty(%[[COUNT]]) : tensor<?x4xf32>
// CHECK:       %[[ROWS:.*]] = nn.gather_rows ins(%[[X]], %[[PLAN]]#2 : {{.*}}) outs(%[[OUT]] :
// CHECK:       %[[AT:.*]] = nn.gather_rows ins(%[[P]], %[[PLAN]]#2 : tensor<?xi32>, tensor<?xi32>)
// CHECK:       %[[H:.*]] = linalg.generic {{.*}} ins(%[[ROWS]] :
// CHECK:       %[[Y:.*]] = moe.combine ins(%[[H]], %[[PLAN]]#3, %[[PLAN]]#4, %[[W]] : {{.*}}) addends(%[[X]] : tensor<?x4xf32>)
// CHECK:       return %[[Y]]
func.func @recursion(%x: tensor<?x4xf32>, %ids: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.recurse ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %at: tensor<?xi32>):
    %c0 = arith.constant 0 : index
    %t = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %i = tensor.empty(%t) : tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%rows : tensor<?x4xf32>) outs(%i : tensor<?x4xf32>) {
    ^bb1(%a: f32, %o: f32):
      %s = arith.mulf %a, %a : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    moe.yield %h : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
