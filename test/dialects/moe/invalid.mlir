// RUN: moe-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{a bank needs at least 1 expert, got 0}}
func.func private @f(!moe.bank<0 x tensor<4x4xf32>>)

// -----

// expected-error @+1 {{the members of a bank need a static shape, got 'tensor<?x4xf32>'}}
func.func private @f(!moe.bank<2 x tensor<?x4xf32>>)

// -----

// expected-error @+1 {{k must be at least 1, got 0}}
func.func private @f() attributes {r = #moe.routing<k = 0>}

// -----

// expected-error @+1 {{groups must be at least 1, got 0}}
func.func private @f() attributes {r = #moe.routing<k = 1, groups = 0>}

// -----

// expected-error @+1 {{group_keep must be between 0 and the 2 groups, got 3}}
func.func private @f() attributes {r = #moe.routing<k = 1, groups = 2, group_keep = 3>}

// -----

// expected-error @+1 {{group_keep must be between 0 and the 2 groups, got -1}}
func.func private @f() attributes {r = #moe.routing<k = 1, groups = 2, group_keep = -1>}

// -----

// expected-error @+1 {{group_quota (experts out of each group) and group_keep (groups that may be chosen) exclude each other}}
func.func private @f() attributes {r = #moe.routing<k = 2, groups = 2, group_keep = 1, group_quota = 1>}

// -----

// expected-error @+1 {{with group_quota, k must be groups * group_quota = 2, got 3}}
func.func private @f() attributes {r = #moe.routing<k = 3, groups = 2, group_quota = 1>}

// -----

// expected-error @+1 {{scope = selected needs weight_from = logit: the scores exist only for the selected experts}}
func.func private @f() attributes {r = #moe.routing<k = 1, scope = selected>}

// -----

// expected-error @+1 {{lp is given, but renorm is not lp}}
func.func private @f() attributes {r = #moe.routing<k = 1, lp = 2.0 : f64>}

// -----

// expected-error @+1 {{scope = window and the parameter window need each other}}
func.func private @f() attributes {r = #moe.routing<k = 1, scope = window>}

// -----

// expected-error @+1 {{scope = window and the parameter window need each other}}
func.func private @f() attributes {r = #moe.routing<k = 1, window = 0.1 : f64>}

// -----

// expected-error @+1 {{the policies topp and threshold, and no others but sequential_masked, need the parameter threshold}}
func.func private @f() attributes {r = #moe.routing<k = 1, policy = topp>}

// -----

// expected-error @+1 {{the policies topp and threshold, and no others but sequential_masked, need the parameter threshold}}
func.func private @f() attributes {r = #moe.routing<k = 1, threshold = 0.5 : f64>}

// -----

// expected-error @+1 {{null_experts must not be negative, got -1}}
func.func private @f() attributes {r = #moe.routing<k = 1, null_experts = -1>}

// -----

// expected-error @+1 {{null_before_norm needs null_experts}}
func.func private @f() attributes {r = #moe.routing<k = 1, null_before_norm = true>}

// -----

// expected-error @+1 {{eps must not be negative, got -1}}
func.func private @f() attributes {r = #moe.routing<k = 1, eps = -1.0 : f64>}

// -----

// expected-error @+1 {{group_quota needs policy = topk}}
func.func private @f() attributes {r = #moe.routing<k = 2, policy = dense, groups = 2, group_quota = 1>}

// -----

// expected-error @+1 {{groups need a policy that ranks keys (topk, topp, threshold), got dense}}
func.func private @f() attributes {r = #moe.routing<k = 4, policy = dense, groups = 2, group_keep = 1>}

// -----

// expected-error @+1 {{policy topp needs scores before the selection, which scope = selected does not have}}
func.func private @f() attributes {r = #moe.routing<k = 2, policy = topp, threshold = 0.5 : f64, scope = selected, weight_from = logit>}

// -----

// expected-error @+1 {{policy sequential_masked weighs by a softmax over what is left: score = softmax, scope = all or window, weight_from = score}}
func.func private @f() attributes {r = #moe.routing<k = 2, policy = sequential_masked, score = tanh>}

// -----

// expected-error @+1 {{scope = window needs score = softmax}}
func.func private @f() attributes {r = #moe.routing<k = 2, score = tanh, scope = window, window = 0.1 : f64>}

// -----

// expected-error @+1 {{window_by needs scope = window}}
func.func private @f() attributes {r = #moe.routing<k = 2, window_by = magnitude>}

// -----

// expected-error @+1 {{shared_experts exclude the policies sequential_masked and expert_choice, scope = window and renorm_after_drop}}
func.func private @f() attributes {r = #moe.routing<k = 2, shared_experts = 1, scope = window, window = 0.1 : f64>}

// -----

// expected-error @+1 {{policy expert_choice needs the parameter capacity}}
func.func private @f() attributes {r = #moe.routing<k = 2, policy = expert_choice>}

// -----

// expected-error @+1 {{policy expert_choice drops nothing: priority, drop_order, light_experts and renorm_after_drop do not go with it}}
func.func private @f() attributes {r = #moe.routing<k = 2, policy = expert_choice, capacity = 1.0 : f64, priority = prob>}

// -----

// expected-error @+1 {{capacity_unit, capacity_min, capacity_scope, priority, drop_order, light_experts, light_share and renorm_after_drop need the parameter capacity}}
func.func private @f() attributes {r = #moe.routing<k = 2, renorm_after_drop = true>}

// -----

// expected-error @+1 {{light_experts, light_share and capacity_unit = factor need each other}}
func.func private @f() attributes {r = #moe.routing<k = 2, capacity = 1.0 : f64, light_experts = 1>}

// -----

// expected-error @+1 {{capacity must be above 0, got 0}}
func.func private @f() attributes {r = #moe.routing<k = 2, capacity = 0.0 : f64>}

// -----

// expected-error @+1 {{capacity must be above 0, got nan}}
func.func private @f() attributes {r = #moe.routing<k = 2, capacity = 0x7FF8000000000000 : f64>}

// -----

// expected-error @+1 {{lp must be above 0, got -2}}
func.func private @f() attributes {r = #moe.routing<k = 2, renorm = lp, lp = -2.0 : f64>}

// -----

// expected-error @+1 {{scale must be a number, got INF}}
func.func private @f() attributes {r = #moe.routing<k = 2, scale = 0x7FF0000000000000 : f64>}

// -----

// expected-error @+1 {{softcap must not be negative, got -1}}
func.func private @f() attributes {r = #moe.routing<k = 2, softcap = -1.0 : f64>}

// -----

// expected-error @+1 {{shared_experts must not be negative, got -1}}
func.func private @f() attributes {r = #moe.routing<k = 2, shared_experts = -1>}

// -----

// expected-error @+2 {{expected one of [topk, topp, expert_choice, threshold, sequential_masked, table, dense] for how experts are selected, got: best}}
// expected-error @+1 {{failed to parse Moe_RoutingAttr parameter 'policy'}}
func.func private @f() attributes {r = #moe.routing<k = 1, policy = best>}

// -----

// expected-error @+1 {{struct is missing required parameter: k}}
func.func private @f() attributes {r = #moe.routing<score = softmax>}

// -----

// expected-error @+2 {{a variant needs tile_rows and tile_vectors of at least 1 and no negative numbers}}
// expected-error @+1 {{failed to parse Moe_VariantsAttr parameter 'list'}}
func.func private @f() attributes {v = #moe.variants<[<tile_rows = 0, tile_vectors = 2>]>}

// -----

// expected-error @+1 {{the last variant, and no other, must be for any number of rows (max_rows = 0)}}
func.func private @f() attributes {v = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 2>]>}

// -----

// expected-error @+1 {{the last variant, and no other, must be for any number of rows (max_rows = 0)}}
func.func private @f() attributes {v = #moe.variants<[<tile_rows = 2, tile_vectors = 2>, <tile_rows = 4, tile_vectors = 2>]>}

// -----

// expected-error @+1 {{variants must come by ascending max_rows}}
func.func private @f() attributes {v = #moe.variants<[<max_rows = 4, tile_rows = 2, tile_vectors = 2>, <max_rows = 4, tile_rows = 3, tile_vectors = 2>, <tile_rows = 4, tile_vectors = 2>]>}

// -----

func.func @f(%l: memref<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op mixes tensor and memref operands}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op expects 2 results, one for each output tensor, got 0}}
  moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

func.func @f(%l: memref<?x8xf32>, %o0: memref<?x2xi32>, %o1: memref<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op expects 0 results, one for each output tensor, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>)
      outs(%o0, %o1 : memref<?x2xi32>, memref<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op result type 'tensor<2x2xi32>' differs from its output's, 'tensor<?x2xi32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<2x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.route' op expects 2 outputs, got 1}}
  %r = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0 : tensor<?x2xi32>) -> tensor<?x2xi32>
  return
}

// -----

func.func @f(%l: tensor<8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op logits must have rank 2, got 'tensor<8xf32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xbf16>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op logits must have elements of type 'f32', got 'tensor<?x8xbf16>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xbf16>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op with policy dense a token may get any of the 8 experts: k must be their number, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, policy = dense>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x3xi32>, %o1: tensor<?x3xf32>) {
  // expected-error @+1 {{'moe.route' op chooses k = 3 of only 2 experts in the 1 groups that are kept}}
  %r:2 = moe.route {routing = #moe.routing<k = 3, groups = 4, group_keep = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op class_id and class_mask need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) class_id(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op class_mask must hold rows of 8 experts, got 3 entries}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>, class_mask = array<i1: true, true, true>} ins(%l : tensor<?x8xf32>) class_id(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op eligible must have elements of type i1 or i8, got 'tensor<?x8xf32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) eligible(%f : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op policy table and the operands table and token_id need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, policy = table>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op policy table and the operands table and token_id need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) table(%v : tensor<9x2xi32>) token_id(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op token_k needs a policy that ranks experts, without group_quota}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>) token_k(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op capacity_scope = sequence and the operand sequence need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, capacity = 2.0 : f64, capacity_scope = sequence>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op dedupe = sum needs the attribute alias}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, dedupe = sum>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op alias must name an expert for each of 8, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>, alias = array<i32: 0, 1>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op alias must name experts from 0 to 7, got 8}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>, alias = array<i32: 0, 1, 2, 3, 4, 5, 6, 8>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op light_experts = 9 of only 8 experts}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, capacity = 1.0 : f64, capacity_unit = factor, light_experts = 9, light_share = 0.5 : f64>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op expects 3 outputs, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, shared_experts = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x9xi32>, %o1: tensor<?x9xf32>) {
  // expected-error @+1 {{'moe.route' op chooses k = 9 of only 8 experts}}
  %r:2 = moe.route {routing = #moe.routing<k = 9>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x9xi32>, tensor<?x9xf32>) -> tensor<?x9xi32>, tensor<?x9xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op 8 experts do not divide into 3 groups}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, groups = 3>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op null_experts = 8 leaves none of 8 experts}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, null_experts = 8>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op a table of experts has no selection bias}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, policy = table>} ins(%l : tensor<?x8xf32>) bias(%b : tensor<8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<7xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op bias must have size 8 in dimension 0, got 'tensor<7xf32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) bias(%b : tensor<7xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x3xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op ids must have size 2 in dimension 1, got 'tensor<?x3xi32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x3xi32>, tensor<?x2xf32>) -> tensor<?x3xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi64>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op ids must have elements of type 'i32', got 'tensor<?x2xi64>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x2xi64>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xbf16>) {
  // expected-error @+1 {{'moe.route' op weights must have elements of type 'f32', got 'tensor<?x2xbf16>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xbf16>) -> tensor<?x2xi32>, tensor<?x2xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.gate' op expects 3 outputs, got 2}}
  %r:2 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op x must have rank 2, got 'tensor<4xf32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x5xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op weight must be [8, 4] or the packed form of that, got 'tensor<8x5xf32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x5xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<2x4x16xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op weight must be [8, 4] or the packed form of that, got 'tensor<2x4x16xf32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<2x4x16xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x?xf32>) {
  // expected-error @+1 {{'moe.gate' op expects static numbers of columns}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x?xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<8xbf16>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op logit_bias must have elements of type 'f32', got 'tensor<8xbf16>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) logit_bias(%b : tensor<8xbf16>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xbf16>) {
  // expected-error @+1 {{'moe.gate' op logits must have elements of type 'f32', got 'tensor<?x8xbf16>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xbf16>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x1xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op ids must have size 2 in dimension 1, got 'tensor<?x1xi32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x1xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x1xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op expects 5 outputs, got 4}}
  %r:4 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xf32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op ids must have elements of type 'i32', got 'tensor<?x2xf32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xf32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<?xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op offsets must have a static size}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<?xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<?xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<8xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op active must have size 9 in dimension 0, got 'tensor<8xi32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<8xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<8xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?x2xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op row_token must have rank 1, got 'tensor<?x2xi32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x3xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op token_row must have size 2 in dimension 1, got 'tensor<?x3xi32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x3xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x3xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi64>) {
  // expected-error @+1 {{'moe.plan' op token_slot must have elements of type 'i32', got 'tensor<?x2xi64>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi64>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi64>
  return
}

// -----

func.func @f(%a0: tensor<4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op rows must have rank 2, got 'tensor<4xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x3xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op token_row must have size 2 in dimension 1, got 'tensor<?x3xi32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x3xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xf32>, %a3: tensor<?x2xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op token_slot must have elements of type 'i32', got 'tensor<?x2xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xbf16>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op weights must have elements of type 'f32', got 'tensor<?x2xbf16>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xbf16>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %add: tensor<?x5xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op addend must have size 4 in dimension 1, got 'tensor<?x5xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) addends(%add : tensor<?x5xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %o: tensor<?x5xf32>) {
  // expected-error @+1 {{'moe.combine' op y must have size 4 in dimension 1, got 'tensor<?x5xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%o : tensor<?x5xf32>) -> tensor<?x5xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %b1: !moe.bank<7 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op banks must have the same number of experts, got 8 and 7}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0, %b1 : !moe.bank<8 x tensor<4x4xf32>>, !moe.bank<7 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x4xf32>, %r1: tensor<4x4xf32>, %r2: tensor<4x4xf32>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op the regions have 0 arguments behind their rows, for 1 banks}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x4xf32>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op region argument 0 must hold rows of x, got 'tensor<?x5xf32>'}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x5xf32>, %r1: tensor<4x4xf32>):
    moe.yield %r0 : tensor<?x5xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op region argument 1 must have type 'tensor<4x4xf32>', got 'tensor<4x4xbf16>'}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x4xf32>, %r1: tensor<4x4xbf16>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x5xf32>) {
  // expected-error @+1 {{'moe.experts' op region must yield rows of the output type 'tensor<?x5xf32>'}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x5xf32>) {
  ^bb0(%r0: tensor<?x4xf32>, %r1: tensor<4x4xf32>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x5xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>) {
  // expected-error @+1 {{'moe.shared' op region argument 1 must have type 'tensor<4x4xf32>', got 'tensor<4x5xf32>'}}
  %r = moe.shared ins(%x : tensor<?x4xf32>) params(%w : tensor<4x4xf32>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x5xf32>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %b1: tensor<4x8xf32>, %b2: tensor<4x8xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op expects one or two banks, got 3}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0, %b1, %b2 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %b1: tensor<4x8xbf16>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op banks must have the same type}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0, %b1 : tensor<4x8xf32>, tensor<4x8xbf16>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %off: tensor<2xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op offsets and active need each other}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) offsets(%off : tensor<2xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %act: tensor<2xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op offsets and active need each other}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) active(%act : tensor<2xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %gat: tensor<?xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op gather needs offsets}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) gather(%gat : tensor<?xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: !moe.bank<3 x tensor<4x8xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op a bank of experts needs offsets}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : !moe.bank<3 x tensor<4x8xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op x must have rank 2, got 'tensor<8xf32>'}}
  %r = moe.grouped_matmul ins(%x : tensor<8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x9xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op bank must be [4, 8] or the packed form of that, got 'tensor<4x9xf32>'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x9xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: !moe.bank<3 x tensor<1x4x16x1xbf16>>, %off: tensor<4xi32>, %act: tensor<4xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op bank must be [4, 8] or the packed form of that, got '!moe.bank<3 x tensor<1x4x16x1xbf16>>'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : !moe.bank<3 x tensor<1x4x16x1xbf16>>) offsets(%off : tensor<4xi32>) active(%act : tensor<4xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x?xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op expects static numbers of columns}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x?xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %e0: tensor<?x5xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op an extra must be [R, N], [R, 1] or [N] with N = 4, got 'tensor<?x5xf32>'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>)
      extras(%e0 : tensor<?x5xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32, %c1: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %e0: tensor<4xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue expects 2 arguments, got 1}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>)
      extras(%e0 : tensor<4xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xbf16>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue argument 0 must be f32}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xbf16>) {
  ^bb0(%c0: bf16):
    moe.yield %c0 : bf16
  } -> tensor<?x4xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %e0: tensor<4xbf16>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue argument must have the element type of its extra, got 'f32'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>)
      extras(%e0 : tensor<4xbf16>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32, %c1: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xbf16>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue must yield one 'bf16'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xbf16>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue holds 'tensor.empty', which is not elementwise}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    %t = tensor.empty() : tensor<1xf32>
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

moe.recipes {
  // expected-error @+1 {{tensor name 'experts.w' lacks {expert}, which stands for the number of the expert}}
  %0 = moe.load_bank "experts.w" : !moe.bank<3 x tensor<4x4xf32>>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.cast' op changes the shape, from 'tensor<4x4xf32>' to 'tensor<4x5xf32>'}}
  %1 = moe.cast %0 : tensor<4x4xf32> to tensor<4x5xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.cast' op changes the shape, from 'tensor<4x4xf32>' to '!moe.bank<3 x tensor<4x4xf32>>'}}
  %1 = moe.cast %0 : tensor<4x4xf32> to !moe.bank<3 x tensor<4x4xf32>>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  %1 = moe.load "b" : tensor<4x5xf32>
  // expected-error @+1 {{'moe.concat' op input 'tensor<4x5xf32>' does not fit the result 'tensor<8x4xf32>'}}
  %2 = moe.concat %0, %1 : tensor<4x4xf32>, tensor<4x5xf32> to tensor<8x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.concat' op inputs have 8 rows, the result 9}}
  %2 = moe.concat %0, %0 : tensor<4x4xf32>, tensor<4x4xf32> to tensor<9x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op groups of 3 rows do not divide the 4 rows of the input}}
  %1 = moe.slice %0 {group = 3 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<2x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op groups of 0 rows do not divide the 4 rows of the input}}
  %1 = moe.slice %0 {group = 0 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<2x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op rows 1 to 3 are not in a group of 2}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 1 : i64, size = 2 : i64} : tensor<4x4xf32> to tensor<4x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op rows -1 to 1 are not in a group of 2}}
  %1 = moe.slice %0 {group = 2 : i64, begin = -1 : i64, size = 2 : i64} : tensor<4x4xf32> to tensor<4x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op rows 0 to 0 are not in a group of 2}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 0 : i64, size = 0 : i64} : tensor<4x4xf32> to tensor<4x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op keeps 2 rows, the result has 3}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<3x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf32>
  // expected-error @+1 {{'moe.slice' op input 'tensor<4x4xf32>' does not fit the result 'tensor<2x5xf32>'}}
  %1 = moe.slice %0 {group = 2 : i64, begin = 0 : i64, size = 1 : i64} : tensor<4x4xf32> to tensor<2x5xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4x4xf16>
  // expected-error @+1 {{'moe.pack' op packs matrices of f32 or bf16, got 'tensor<4x4xf16>'}}
  %1 = moe.pack %0 : tensor<4x4xf16> to tensor<1x2x16x2xf16>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<4xf32>
  // expected-error @+1 {{'moe.pack' op packs matrices of f32 or bf16, got 'tensor<4xf32>'}}
  %1 = moe.pack %0 : tensor<4xf32> to tensor<1x4x16xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<17x5xbf16>
  // expected-error @+1 {{'moe.pack' op result must have type 'tensor<2x3x16x2xbf16>'}}
  %1 = moe.pack %0 : tensor<17x5xbf16> to tensor<1x3x16x2xbf16>
}

// -----

moe.recipes {
  // expected-error @+1 {{'moe.rope_table' op result must be f32 [positions, 2, 2], got 'tensor<64x2x3xf32>'}}
  %0 = moe.rope_table {attention_factor = 1.0 : f64, frequencies = array<f64: 1.0, 0.1>} : tensor<64x2x3xf32>
}

// -----

func.func @f(%w: tensor<4x4xf32>) {
  // expected-error @+1 {{'moe.define' op expects parent op 'moe.recipes'}}
  moe.define "w" role "output", %w : tensor<4x4xf32>
  return
}

// -----

func.func @f(%x: f32) {
  // expected-error @+1 {{'moe.yield' op expects parent op to be one of 'moe.experts, moe.shared, moe.iterate, moe.recurse, moe.grouped_matmul'}}
  moe.yield %x : f32
}

// -----

// expected-error @+1 {{a range needs at least 1 expert, got 0}}
func.func private @f() attributes {r = #moe.range<zero, 0>}

// -----

// expected-error @+1 {{expected at least one range of kind ffn}}
func.func private @f() attributes {r = #moe.ranges<[#moe.range<zero, 2>]>}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{expects 1 regions, one for each range of kind ffn or local, got 2}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>, #moe.range<zero, 1>]>} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a, %a : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{the regions have 1 arguments behind their rows, for 2 banks}}
  %0 = moe.experts {} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a, %a : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{banks must have the same number of experts, got 5 and 6}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 5>]>} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a : !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{a range of ffn takes banks, one of local takes tensors, got 'tensor<4xf32>' for ffn}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>]>} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%v : tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{local experts are weighed on their output, not with weight_on_input}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>, #moe.range<local, 1>]>, weight_on_input} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a : !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

moe.recipes {
  // expected-error @+1 {{tensor name 'a.{expert}' of stacked members contains}}
  %0 = moe.load_bank "a.{expert}" {stacked} : !moe.bank<2 x tensor<2x2xf32>>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x2xf32>
  // expected-error @+1 {{is not the transpose of}}
  %1 = moe.transpose %0 : tensor<8x2xf32> to tensor<8x2xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x4xf8E4M3FN>
  %s = moe.load "s" : tensor<2x2xf32>
  // expected-error @+1 {{a block needs two sizes of at least 1}}
  %1 = moe.dequantize %0, %s {block = array<i64: 4>} : tensor<8x4xf8E4M3FN>, tensor<2x2xf32> to tensor<8x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x4xf8E4M3FN>
  %s = moe.load "s" : tensor<2x2xf32>
  // expected-error @+1 {{needs scales [4, 2], got 'tensor<2x2xf32>'}}
  %1 = moe.dequantize %0, %s {block = array<i64: 2, 2>} : tensor<8x4xf8E4M3FN>, tensor<2x2xf32> to tensor<8x4xf32>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x4xf8E4M3FN>
  %s = moe.load "s" : tensor<2x2xf32>
  // expected-error @+1 {{dequantizes to f32 or bf16, got 'tensor<8x4xf16>'}}
  %1 = moe.dequantize %0, %s {block = array<i64: 4, 2>} : tensor<8x4xf8E4M3FN>, tensor<2x2xf32> to tensor<8x4xf16>
}

// -----

moe.recipes {
  %0 = moe.load "a" : tensor<8x2xf32>
  // expected-error @+1 {{inputs have 4 columns, the result 5}}
  %1 = moe.concat %0, %0 {columns} : tensor<8x2xf32>, tensor<8x2xf32> to tensor<8x5xf32>
}

// -----

func.func @f(%r: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{locals need ids and two bounds of ids each, got 1 locals and 1 bounds}}
  %0 = moe.combine {ranges = array<i64: 1>} ins(%r, %i, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) ids(%i : tensor<?x2xi32>) locals(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%b: !moe.bank<6 x tensor<5xf32>>, %o: tensor<7xi32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{bank must be a bank of 6 vectors of 4, got '!moe.bank<6 x tensor<5xf32>>'}}
  %0 = moe.spread ins(%b, %o : !moe.bank<6 x tensor<5xf32>>, tensor<7xi32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}
