// RUN: moe-opt %s -moe-count-choices | FileCheck %s

// Who chooses counts.

// CHECK-LABEL: func.func @top_k
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64{{.*}}, tensor<64x8xi32>)
// CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 : tensor<64x8xi32>)
func.func @top_k(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// Plans of several ranges of ids read the same counts.

// CHECK-LABEL: func.func @ranges
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64
// CHECK: moe.plan {count_rows = 48 : i64, first = 2 : i64, others = 3 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 :
// CHECK: moe.plan {count_rows = 48 : i64, first = 5 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 :
func.func @ranges(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o3: tensor<4xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan {first = 2 : i64, others = 3 : i64} ins(%ids : tensor<?x2xi32>)
      outs(%o3, %o3, %t, %i2, %i2 : tensor<4xi32>, tensor<4xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<4xi32>, tensor<4xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  %p1:5 = moe.plan {first = 5 : i64} ins(%ids : tensor<?x2xi32>)
      outs(%o3, %o3, %t, %i2, %i2 : tensor<4xi32>, tensor<4xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<4xi32>, tensor<4xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// A capacity drops choices; what is left is counted.

// CHECK-LABEL: func.func @capacity
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64{{.*}}, tensor<64x8xi32>)
// CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 : tensor<64x8xi32>)
func.func @capacity(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, capacity = 4.0 : f64>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// One of each group, or all: known without counting.

// CHECK-LABEL: func.func @quota
// CHECK-NOT: count_rows
// CHECK: moe.plan {groups = 2 : i64} ins(
func.func @quota(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: func.func @dense
// CHECK-NOT: count_rows
// CHECK: moe.plan {groups = 2 : i64} ins(
func.func @dense(%l: tensor<?x2xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o2: tensor<3xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, policy = dense>} ins(%l : tensor<?x2xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o2, %o2, %t, %i2, %i2 : tensor<3xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<3xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// Not with a bias on the selection less than without one.

// CHECK-LABEL: func.func @quota_bias
// CHECK-NOT: count_rows
// CHECK: moe.plan {groups = 2 : i64} ins(
func.func @quota_bias(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>, %b: tensor<8xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>) bias(%b : tensor<8xf32>)
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// Groups that are chosen among have no fixed share; nor has a token that may not
// choose from a group, an expert that drops choices, or one that another stands for.

// CHECK-LABEL: func.func @limited
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64{{.*}}, tensor<64x8xi32>)
// CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 : tensor<64x8xi32>)
func.func @limited(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 4, group_keep = 2>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: func.func @eligible
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64{{.*}}, tensor<64x8xi32>)
// CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 : tensor<64x8xi32>)
func.func @eligible(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>, %e: tensor<?x8xi8>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>) eligible(%e : tensor<?x8xi8>)
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: func.func @dense_class
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64{{.*}}, tensor<64x2xi32>)
// CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 : tensor<64x2xi32>)
func.func @dense_class(%l: tensor<?x2xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o2: tensor<3xi32>, %e: tensor<?xi32>) {
  %ids, %weights = moe.route {class_mask = array<i1: true, false>, routing = #moe.routing<k = 2, policy = dense>} ins(%l : tensor<?x2xf32>) class_id(%e : tensor<?xi32>)
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o2, %o2, %t, %i2, %i2 : tensor<3xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<3xi32>, tensor<3xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: func.func @quota_drop
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64{{.*}}, tensor<64x8xi32>)
// CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 : tensor<64x8xi32>)
func.func @quota_drop(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1, capacity = 4.0 : f64>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: func.func @quota_alias
// CHECK: %[[R:.*]]:3 = moe.route {{.*}}count_rows = 48 : i64{{.*}}, tensor<64x8xi32>)
// CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : {{.*}}) counts(%[[R]]#2 : tensor<64x8xi32>)
func.func @quota_alias(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {alias = array<i32: 0, 1, 2, 3, 0, 1, 2, 3>, routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// An alias may name more experts than the router has.

// CHECK-LABEL: func.func @more_experts(
// CHECK: moe.route {{.*}} outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<?x2xf32>, tensor<64x10xi32>)
// CHECK: moe.plan {{.*}} counts(%{{.*}} : tensor<64x10xi32>)
func.func @more_experts(%l: tensor<?x4xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o10: tensor<11xi32>) {
  %ids, %weights = moe.route {alias = array<i32: 9, 3, 2, 7>, routing = #moe.routing<k = 2>} ins(%l : tensor<?x4xf32>)
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o10, %o10, %t, %i2, %i2 : tensor<11xi32>, tensor<11xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<11xi32>, tensor<11xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// A part of the ids is not all of a group.

// CHECK-LABEL: func.func @quota_ranges
// CHECK: moe.route {{.*}}count_rows
// CHECK: moe.plan {count_rows = 48 : i64, others = 3 : i64}
func.func @quota_ranges(%l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o5: tensor<6xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%i2, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %p0:5 = moe.plan {others = 3 : i64} ins(%ids : tensor<?x2xi32>)
      outs(%o5, %o5, %t, %i2, %i2 : tensor<6xi32>, tensor<6xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<6xi32>, tensor<6xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// The weights of shared experts stay where they are.

// CHECK-LABEL: func.func @shared
// CHECK: %[[R:.*]]:4 = moe.route {{.*}} outs(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x1xf32>, tensor<64x8xi32>)
// CHECK: moe.plan {{.*}} counts(%[[R]]#3 :
// CHECK: return %[[R]]#2
func.func @shared(%l: tensor<?x9xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %s: tensor<?x1xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) -> tensor<?x1xf32> {
  %ids, %weights, %shared = moe.route {routing = #moe.routing<k = 2, shared_experts = 1>} ins(%l : tensor<?x9xf32>)
      outs(%i2, %w, %s : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x1xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x1xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return %shared : tensor<?x1xf32>
}

// A gate, whose choice is a part of it.

// CHECK-LABEL: func.func @gate
// CHECK: %[[G:.*]]:4 = moe.gate {count_rows = 48 : i64, routing = {{.*}}} ins(
// CHECK: moe.plan {{.*}} ins(%[[G]]#0 : {{.*}}) counts(%[[G]]#3 :
func.func @gate(%x: tensor<?x4xf32>, %m: tensor<8x4xf32>, %l: tensor<?x8xf32>, %i2: tensor<?x2xi32>, %w: tensor<?x2xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights, %logits = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %m : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i2, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// Ids that somebody else makes.

// CHECK-LABEL: func.func @elsewhere
// CHECK-NOT: count_rows
// CHECK: moe.plan ins(
func.func @elsewhere(%i2: tensor<?x2xi32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %p0:5 = moe.plan ins(%i2 : tensor<?x2xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// A router that knows six of eight experts, whatever its policy.

// CHECK-LABEL: func.func @fewer
// CHECK-NOT: count_rows
// CHECK: moe.plan ins(
func.func @fewer(%l: tensor<?x4xf32>, %i2: tensor<?x4xi32>, %w: tensor<?x4xf32>, %t: tensor<?xi32>, %o8: tensor<9xi32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 4, policy = dense>, alias = array<i32: 0, 3, 1, 5>} ins(%l : tensor<?x4xf32>)
      outs(%i2, %w : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
  %p0:5 = moe.plan ins(%ids : tensor<?x4xi32>)
      outs(%o8, %o8, %t, %i2, %i2 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x4xi32>, tensor<?x4xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x4xi32>, tensor<?x4xi32>
  return
}
