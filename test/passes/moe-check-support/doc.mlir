// RUN: not moe-opt %s -moe-check-support 2>&1 | FileCheck %s

// A checkpoint whose router does more than later phases can do is refused with
// everything that it would need, each under a code that stays the same.

// CHECK: error: [MOE0324] a softcap of the router logits is not supported; supported: logits as they are
// CHECK: error: [MOE0325] a choice among 4 groups of experts is not supported; supported: one group of all experts
func.func @router(%logits: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, softcap = 30.0 : f64, groups = 4, group_keep = 2>}
      ins(%logits : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}
