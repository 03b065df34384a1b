// RUN: moe-opt %s -moe-normalize-routing | FileCheck %s
// RUN: moe-opt %s -moe-normalize-routing --remarks-filter='moe-normalize-routing' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK: [Passed] scope {{.*}}Function=renormalised{{.*}}taken over the selected
// REMARK: [Passed] selection {{.*}}Function=renormalised{{.*}}experts selected by logit
// REMARK: [Missed] scope {{.*}}Function=bias {{.*}}a bias is added to the scores that select
// REMARK: [Missed] selection {{.*}}Function=bias {{.*}}a bias is added to the scores that select
// REMARK: [Missed] scope {{.*}}Function=epsilon {{.*}}an epsilon enters the sum
// REMARK: [Missed] selection {{.*}}Function=sigmoid {{.*}}rounding can make ties
// REMARK: [Missed] scope {{.*}}Function=groups {{.*}}groups compare scores
// REMARK: [Missed] scope {{.*}}Function=null_experts {{.*}}null experts take part in the sum
// REMARK: [Missed] scope {{.*}}Function=logits {{.*}}its weights are logits
// REMARK: [Missed] scope {{.*}}Function=topp {{.*}}its selection needs the scores
// REMARK: [Missed] scope {{.*}}Function=window {{.*}}a window excludes experts
// REMARK: [Passed] classes {{.*}}Function=all_compared {{.*}}every class may choose every expert: none
// REMARK: [Missed] classes {{.*}}Function=all_unknown {{.*}}a token may be of no class, which chooses nothing
// REMARK: [Missed] classes {{.*}}Function=same_but_fewer {{.*}}all classes are kept from the same experts
// REMARK: [Missed] classes {{.*}}Function=classes_differ {{.*}}classes differ

#row = affine_map<(t) -> (t)>

// A renormalised softmax is a softmax over the selected; the scale stays.

// CHECK-LABEL: func.func @renormalised(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>
func.func @renormalised(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @scaled(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit, scale = 2.500000e+00 : f64>
func.func @scaled(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, eps = 0.0 : f64, scale = 2.5 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @select_on_logit(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>
func.func @select_on_logit(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, select_on = logit, renorm = sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// Without renormalisation the sum over all stays.

// CHECK-LABEL: func.func @plain(
// CHECK: #moe.routing<k = 2, select_on = logit>
func.func @plain(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// A softmax over the selected sums to 1, and selects before there are scores.

// CHECK-LABEL: func.func @selected(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>
func.func @selected(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, scope = selected, weight_from = logit, renorm = sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @selected_bias(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>
func.func @selected_bias(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, scope = selected, weight_from = logit>}
      ins(%l : tensor<?x8xf32>) bias(%b : tensor<8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @selected_eps(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit, renorm = sum, eps = 5.000000e-01 : f64>
func.func @selected_eps(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, scope = selected, weight_from = logit, renorm = sum, eps = 0.5 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// Groups that are all kept are no groups.

// CHECK-LABEL: func.func @all_groups(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>
func.func @all_groups(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, groups = 4, group_reduce = top2_sum, group_keep = 4, group_fill = zero>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @no_keep(
// CHECK: #moe.routing<k = 2, select_on = logit>
func.func @no_keep(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 4>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// Parameters without effect go.

// CHECK-LABEL: func.func @without_effect(
// CHECK: #moe.routing<k = 2, select_on = logit>
func.func @without_effect(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, eps_mode = clamp, eps = 1.0e-6 : f64, scale = 1.0 : f64, group_reduce = top2_sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// What is not equal stays as it is.

// CHECK-LABEL: func.func @bias(
// CHECK: #moe.routing<k = 2, renorm = sum>
func.func @bias(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum>}
      ins(%l : tensor<?x8xf32>) bias(%b : tensor<8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @epsilon(
// CHECK: #moe.routing<k = 2, select_on = logit, renorm = sum, eps = 9.9999999999999995E-7 : f64>
func.func @epsilon(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, eps = 1.0e-6 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @clamp(
// CHECK: #moe.routing<k = 2, select_on = logit, renorm = sum, eps_mode = clamp, eps = 5.000000e-01 : f64>
func.func @clamp(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, eps_mode = clamp, eps = 0.5 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @sigmoid(
// CHECK: #moe.routing<k = 2, score = sigmoid, renorm = sum>
func.func @sigmoid(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = sigmoid, renorm = sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @groups(
// CHECK: #moe.routing<k = 2, renorm = sum, groups = 4, group_keep = 2>
func.func @groups(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, groups = 4, group_keep = 2>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @quota(
// CHECK: #moe.routing<k = 4, renorm = sum, groups = 4, group_quota = 1>
func.func @quota(%l: tensor<?x8xf32>, %i: tensor<?x4xi32>, %w: tensor<?x4xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 4, renorm = sum, groups = 4, group_quota = 1>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @null_experts(
// CHECK: #moe.routing<k = 2, select_on = logit, renorm = sum, null_experts = 1>
func.func @null_experts(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, null_experts = 1>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @logits(
// CHECK: #moe.routing<k = 2, select_on = logit, weight_from = logit, renorm = sum>
func.func @logits(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, weight_from = logit, renorm = sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @topp(
// CHECK: #moe.routing<k = 2, policy = topp, renorm = sum, threshold = 5.000000e-01 : f64>
func.func @topp(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, policy = topp, renorm = sum, threshold = 0.5 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @window(
// CHECK: #moe.routing<k = 2, scope = window, renorm = sum, window = 5.000000e-01 : f64>
func.func @window(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, scope = window, renorm = sum, window = 0.5 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// A gate is normalised like a route.

// CHECK-LABEL: func.func @gate(
// CHECK: moe.gate {routing = #moe.routing<k = 2, select_on = logit>}
func.func @gate(%x: tensor<?x4xf32>, %r: tensor<8x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %l: tensor<?x8xf32>) {
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %r : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// As many choices as experts are all of them, unless something asks for their
// rank or number.

// CHECK-LABEL: func.func @all(
// CHECK: #moe.routing<k = 8, policy = dense, scope = selected, weight_from = logit>
func.func @all(%l: tensor<?x8xf32>, %i: tensor<?x8xi32>, %w: tensor<?x8xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 8, renorm = sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @all_sigmoid(
// CHECK: #moe.routing<k = 8, policy = dense, score = sigmoid>
func.func @all_sigmoid(%l: tensor<?x8xf32>, %i: tensor<?x8xi32>, %w: tensor<?x8xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 8, score = sigmoid, groups = 2, group_keep = 1, group_fill = zero>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @all_but_capacity(
// CHECK: #moe.routing<k = 8, select_on = logit, capacity = 4.000000e+00 : f64>
func.func @all_but_capacity(%l: tensor<?x8xf32>, %i: tensor<?x8xi32>, %w: tensor<?x8xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 8, capacity = 4.0 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @all_but_token(
// CHECK: #moe.routing<k = 8, select_on = logit>
func.func @all_but_token(%l: tensor<?x8xf32>, %t: tensor<?xi32>, %i: tensor<?x8xi32>, %w: tensor<?x8xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 8>}
      ins(%l : tensor<?x8xf32>) token_k(%t : tensor<?xi32>) outs(%i, %w : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
  return
}

// The sum over what a capacity leaves is not that over the selected.

// CHECK-LABEL: func.func @after_drop(
// CHECK: #moe.routing<k = 2, select_on = logit, renorm = sum, capacity = 4.000000e+00 : f64, renorm_after_drop = true>
func.func @after_drop(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, capacity = 4.0 : f64, renorm_after_drop = true>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @before_drop(
// CHECK: #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit, capacity = 4.000000e+00 : f64>
func.func @before_drop(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum, capacity = 4.0 : f64>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// In a group of one expert, the sum of two keys is the one.

// CHECK-LABEL: func.func @groups_of_one(
// CHECK: #moe.routing<k = 2, score = sigmoid, groups = 8, group_keep = 4>
func.func @groups_of_one(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = sigmoid, groups = 8, group_keep = 4, group_reduce = top2_sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @groups_of_two(
// CHECK: #moe.routing<k = 2, score = sigmoid, groups = 4, group_reduce = top2_sum, group_keep = 2>
func.func @groups_of_two(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = sigmoid, groups = 4, group_keep = 2, group_reduce = top2_sum>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// Classes --------------------------------------------------------------------

// Classes that may choose every expert are none, where the ids are known to be
// those of classes: what a comparison, a clamp or a constant makes.

// CHECK-LABEL: func.func @all_compared(
// CHECK: moe.route {routing = #moe.routing<k = 2, select_on = logit>} ins(%{{.*}} : tensor<?x4xf32>) outs(
func.func @all_compared(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %c: tensor<?xi32>) {
  %d0 = arith.constant 0 : index
  %t = tensor.dim %c, %d0 : tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?xi32>
  %id = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%c : tensor<?xi32>) outs(%e : tensor<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %k = arith.constant 5 : i32
    %q = arith.cmpi sge, %a, %k : i32
    %z = arith.extui %q : i1 to i32
    linalg.yield %z : i32
  } -> tensor<?xi32>
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, true, true, true, true, true>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%id : tensor<?xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @all_clamped(
// CHECK: moe.route {routing = #moe.routing<k = 2, select_on = logit>} ins(%{{.*}} : tensor<?x4xf32>) outs(
func.func @all_clamped(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %c: tensor<?xi32>) {
  %d0 = arith.constant 0 : index
  %t = tensor.dim %c, %d0 : tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?xi32>
  %id = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%c : tensor<?xi32>) outs(%e : tensor<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %k0 = arith.constant 0 : i32
    %k1 = arith.constant 1 : i32
    %m = arith.maxsi %a, %k0 : i32
    %z = arith.minsi %m, %k1 : i32
    linalg.yield %z : i32
  } -> tensor<?xi32>
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, true, true, true, true, true>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%id : tensor<?xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @all_filled(
// CHECK: moe.route {routing = #moe.routing<k = 2, select_on = logit>} ins(%{{.*}} : tensor<?x4xf32>) outs(
func.func @all_filled(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %c: tensor<?xi32>) {
  %d0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  %t = tensor.dim %c, %d0 : tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?xi32>
  %id = linalg.fill ins(%one : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, true, true, true, true, true>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%id : tensor<?xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @all_constant(
// CHECK: moe.route {routing = #moe.routing<k = 2, select_on = logit>} ins(%{{.*}} : tensor<?x4xf32>) outs(
func.func @all_constant(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %two = arith.constant dense<[0, 1]> : tensor<2xi32>
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, true, true, true, true, true>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%two : tensor<2xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// An id of no class chooses nothing, and rows that are equal may keep experts out.

// CHECK-LABEL: func.func @all_unknown(
// CHECK: moe.route {class_mask = {{.*}} class_id(
func.func @all_unknown(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %c: tensor<?xi32>) {
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, true, true, true, true, true>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%c : tensor<?xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @all_too_many(
// CHECK: moe.route {class_mask = {{.*}} class_id(
func.func @all_too_many(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %c: tensor<?xi32>) {
  %d0 = arith.constant 0 : index
  %t = tensor.dim %c, %d0 : tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?xi32>
  %id = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%c : tensor<?xi32>) outs(%e : tensor<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %k0 = arith.constant 0 : i32
    %k1 = arith.constant 2 : i32
    %m = arith.maxsi %a, %k0 : i32
    %z = arith.minsi %m, %k1 : i32
    linalg.yield %z : i32
  } -> tensor<?xi32>
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, true, true, true, true, true>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%id : tensor<?xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @same_but_fewer(
// CHECK: moe.route {class_mask = {{.*}} class_id(
func.func @same_but_fewer(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %c: tensor<?xi32>) {
  %d0 = arith.constant 0 : index
  %t = tensor.dim %c, %d0 : tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?xi32>
  %id = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%c : tensor<?xi32>) outs(%e : tensor<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %k = arith.constant 5 : i32
    %q = arith.cmpi sge, %a, %k : i32
    %z = arith.extui %q : i1 to i32
    linalg.yield %z : i32
  } -> tensor<?xi32>
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, false, true, true, true, false>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%id : tensor<?xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// CHECK-LABEL: func.func @classes_differ(
// CHECK: moe.route {class_mask = {{.*}} class_id(
func.func @classes_differ(%l: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %c: tensor<?xi32>) {
  %d0 = arith.constant 0 : index
  %t = tensor.dim %c, %d0 : tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?xi32>
  %id = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%c : tensor<?xi32>) outs(%e : tensor<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %k = arith.constant 5 : i32
    %q = arith.cmpi sge, %a, %k : i32
    %z = arith.extui %q : i1 to i32
    linalg.yield %z : i32
  } -> tensor<?xi32>
  %ids, %weights = moe.route {class_mask = array<i1: true, true, true, true, true, true, true, false>, routing = #moe.routing<k = 2>}
      ins(%l : tensor<?x4xf32>) class_id(%id : tensor<?xi32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}
