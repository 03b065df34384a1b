// RUN: moe-opt %s -moe-dispatch-recursions | FileCheck %s
// RUN: moe-opt %s -moe-dispatch-recursions --remarks-filter='moe-dispatch-recursions' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK: [Missed] tap {{.*}}Function=depths{{.*}}Reason="another one has its name", Remark="tap 'h' dropped"
// REMARK-NOT: dropped

#id = affine_map<(r, n) -> (r, n)>

// Tokens of depth 0 end behind the first region: their rows are taken out of what it made. The others
// pass on, from where the first region left them. Taps get rows of all tokens; of
// two with one name, the first stays.

// CHECK-LABEL: func.func @depths
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[IDS:[^:]*]]: tensor<?x1xi32>, %[[W:[^:]*]]: tensor<?x1xf32>
// CHECK:       %[[ALL:.*]]:5 = moe.plan {open, others = 1 : i64} ins(%[[IDS]] :
// CHECK:       %[[A:.*]] = nn.gather_rows ins(%[[X]], %[[ALL]]#2 :
// CHECK:       %[[IDS1:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<?x4xi32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK:       %[[SPREAD:.*]] = moe.combine {unweighted} ins(%[[IDS1]], %[[ALL]]#3, %[[ALL]]#4, %[[W]] :
// CHECK:       %[[TAPPED:.*]] = linalg.generic {{.*}} ins(%[[SPREAD]] : tensor<?x4xf32>) outs(%{{.*}} : tensor<?x4xi32>)
// CHECK:       moe.tap "ids", %[[TAPPED]] : tensor<?x4xi32>
// CHECK:       %[[H:.*]] = moe.combine {unweighted} ins(%[[A]], %[[ALL]]#3, %[[ALL]]#4, %[[W]] :
// CHECK-NOT:   addends
// CHECK:       moe.tap "h" always, %[[H]] : tensor<?x4xf32>
// CHECK:       %[[ENDS:.*]]:5 = moe.plan {others = 1 : i64} ins(%[[IDS]] :
// CHECK:       %[[ROW:.*]] = tensor.collapse_shape %[[ALL]]#3 {{\[\[}}0, 1]] : tensor<?x1xi32> into tensor<?xi32>
// CHECK:       %[[AT:.*]] = nn.gather_rows ins(%[[ROW]], %[[ENDS]]#2 :
// CHECK:       %[[OUT:.*]] = nn.gather_rows ins(%[[A]], %[[AT]] :
// CHECK:       %[[Y:.*]] = moe.combine ins(%[[OUT]], %[[ENDS]]#3, %[[ENDS]]#4, %[[W]] : {{.*}}) addends(%[[X]] :
// CHECK:       %[[DEEP:.*]]:5 = moe.plan {first = 1 : i64} ins(%[[IDS]] :
// CHECK:       %[[ROW2:.*]] = tensor.collapse_shape %[[ALL]]#3
// CHECK:       %[[AT2:.*]] = nn.gather_rows ins(%[[ROW2]], %[[DEEP]]#2 :
// CHECK:       %[[B:.*]] = nn.gather_rows ins(%[[A]], %[[AT2]] :
// CHECK:       %[[Z:.*]] = moe.combine ins(%[[B]], %[[DEEP]]#3, %[[DEEP]]#4, %[[W]] : {{.*}}) addends(%[[Y]] :
// CHECK-NOT:   moe.tap
// CHECK:       return %[[Z]]
func.func @depths(%x: tensor<?x4xf32>, %ids: tensor<?x1xi32>, %w: tensor<?x1xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.recurse ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>):
    %c0 = arith.constant 0 : index
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %ei = tensor.empty(%r) : tensor<?x4xi32>
    %i = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%rows : tensor<?x4xf32>) outs(%ei : tensor<?x4xi32>) {
    ^bb0(%a: f32, %o: i32):
      %n = arith.fptosi %a : f32 to i32
      linalg.yield %n : i32
    } -> tensor<?x4xi32>
    moe.tap "ids", %i : tensor<?x4xi32>
    moe.tap "h" always, %rows : tensor<?x4xf32>
    moe.yield %rows : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>):
    moe.tap "h" always, %rows : tensor<?x4xf32>
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// All tokens are computed, and those that are chosen are taken out. A tap is of all tokens, and stays.

// CHECK-LABEL: func.func @all_first
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[IDS:[^:]*]]: tensor<?x1xi32>
// CHECK:       moe.tap "all", %[[X]]
// CHECK:       %[[PLAN:.*]]:5 = moe.plan ins(%[[IDS]] :
// CHECK:       %[[OUT:.*]] = nn.gather_rows ins(%[[X]], %[[PLAN]]#2 :
// CHECK-NOT:   nn.gather_rows
// CHECK:       moe.combine ins(%[[OUT]],
func.func @all_first(%x: tensor<?x4xf32>, %ids: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.recurse {all_first} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %at: tensor<?xi32>):
    moe.tap "all", %rows : tensor<?x4xf32>
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A number of tokens that is known.

// CHECK-LABEL: func.func @static
// CHECK:       %[[ROWS:.*]] = nn.gather_rows {{.*}} -> tensor<?x4xf32>
// CHECK:       moe.combine ins(%[[ROWS]], {{.*}} -> tensor<3x4xf32>
func.func @static(%x: tensor<3x4xf32>, %ids: tensor<3x1xi32>, %w: tensor<3x1xf32>, %e: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %y = moe.recurse ins(%x, %ids, %w : tensor<3x4xf32>, tensor<3x1xi32>, tensor<3x1xf32>) outs(%e : tensor<3x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
