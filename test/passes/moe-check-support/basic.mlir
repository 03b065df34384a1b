// RUN: moe-opt %s -moe-check-support --remarks-filter='moe-check-support' --remark-policy=all 2>&1 | FileCheck %s

// What is supported passes unchanged, and is said in words.

// CHECK: remark: [Analysis] router {{.*}}Function=softmax{{.*}}"softmax, top-2, renormalised"
// CHECK: remark: [Analysis] router {{.*}}Function=selected{{.*}}"softmax over the selected, top-2"
// CHECK: remark: [Analysis] router {{.*}}Function=sigmoid{{.*}}"sigmoid, bias on selection, top-2, renormalised, times 2.5"
// CHECK: remark: [Analysis] router {{.*}}Function=groups{{.*}}"sigmoid, bias on selection, 4 of 8 groups by top-2 sum, top-8, renormalised, times 2.5"
// CHECK: remark: [Analysis] router {{.*}}Function=llama{{.*}}"sigmoid, selected by logit, top-1"
// CHECK: remark: [Analysis] router {{.*}}Function=masked{{.*}}"softmax in a window of 0.02, 2 masked rounds"
// CHECK: remark: [Analysis] router {{.*}}Function=many{{.*}}"logits capped at 30, sqrt_softplus, among the experts of a class, top-2, 1 null experts before the norm, renormalised by L2 with 2 shared experts, times a scale for each expert, capacity 1.25 factor per sequence by weight, aliases of 3 experts, summed"

// CHECK-LABEL: func.func @softmax
// CHECK: moe.route {routing = #moe.routing<k = 2, renorm = sum>}
func.func @softmax(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @selected
func.func @selected(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @sigmoid
func.func @sigmoid(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = sigmoid, renorm = sum, eps = 1.0e-20 : f64, scale = 2.5 : f64>}
      ins(%l : tensor<?x8xf32>) bias(%b : tensor<8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

func.func @groups(%l: tensor<?x32xf32>, %b: tensor<32xf32>, %i: tensor<?x8xi32>, %w: tensor<?x8xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 8, score = sigmoid, groups = 8, group_keep = 4, group_reduce = top2_sum, renorm = sum, scale = 2.5 : f64>}
      ins(%l : tensor<?x32xf32>) bias(%b : tensor<32xf32>)
      outs(%i, %w : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
  return
}

func.func @llama(%l: tensor<?x8xf32>, %i: tensor<?x1xi32>, %w: tensor<?x1xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 1, score = sigmoid, select_on = logit>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x1xi32>, tensor<?x1xf32>
  return
}

func.func @masked(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, policy = sequential_masked, scope = window, window = 0.02 : f64>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

func.func @many(%l: tensor<?x6xf32>, %t: tensor<?xi32>, %e: tensor<4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %s: tensor<?x2xf32>) {
  %0:3 = moe.route {routing = #moe.routing<k = 2, softcap = 30.0 : f64, score = sqrt_softplus, null_experts = 1, null_before_norm = true, renorm = lp, lp = 2.0 : f64,
        shared_experts = 2, capacity = 1.25 : f64, capacity_unit = factor, capacity_scope = sequence, priority = prob, dedupe = sum>,
        class_mask = array<i1: true, true, false, true>, alias = array<i32: 0, 1, 2, 1>}
      ins(%l : tensor<?x6xf32>) class_id(%t : tensor<?xi32>) expert_scale(%e : tensor<4xf32>) sequence(%t : tensor<?xi32>)
      outs(%i, %w, %s : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x2xf32>
  return
}

// Groups that are all kept restrict nothing.

// CHECK-LABEL: func.func @all_groups
func.func @all_groups(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 4, group_keep = 4>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @weights
func.func @weights(%x: tensor<?x4xf32>, %bank: !moe.bank<8 x tensor<4x4xbf16>>, %ids: tensor<?xi32>) {
  %w = moe.weight "w" : tensor<4x4xbf16>
  %b = moe.weight "b" : !moe.bank<8 x tensor<4x4xf32>>
  return
}
