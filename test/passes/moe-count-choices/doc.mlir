// RUN: moe-opt %s -moe-count-choices | FileCheck %s

// A plan sorts choices by expert and must know how many each expert has. The
// choice counts as it chooses, by blocks of tokens, and the plan adds up. Where
// every token takes one expert out of each of four groups, it is known that a
// group has as many rows as there are tokens, and nothing is counted beforehand.

// CHECK-LABEL: func.func @counted
// CHECK: moe.route {count_rows = 48 : i64
// CHECK: moe.plan {count_rows = 48 : i64} ins(%{{.*}}) counts(
func.func @counted(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: func.func @known
// CHECK-NOT: count_rows
// CHECK: moe.plan {groups = 4 : i64}
func.func @known(%l: tensor<?x8xf32>, %i4: tensor<?x4xi32>, %w: tensor<?x4xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 4, groups = 4, group_quota = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%i4, %w : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x4xi32>)
      outs(%o8, %o8, %t, %i4, %i4 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x4xi32>, tensor<?x4xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x4xi32>, tensor<?x4xi32>
  return
}
