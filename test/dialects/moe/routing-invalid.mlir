// RUN: moe-opt %s -split-input-file -verify-diagnostics

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

// expected-error @+1 {{scale must be a finite number, got INF}}
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
