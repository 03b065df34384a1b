// RUN: moe-opt %s -moe-normalize-routing | FileCheck %s

// Two families write one routing in two ways: a softmax over all experts,
// renormalised over the chosen, and a softmax over the chosen. Both become the
// second form, which needs k exponentials and not one for each expert.

// CHECK-COUNT-2: moe.route {routing = #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>}
#all = #moe.routing<k = 2, renorm = sum>
#chosen = #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>
func.func @routers(%logits: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids0, %weights0 = moe.route {routing = #all} ins(%logits : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %ids1, %weights1 = moe.route {routing = #chosen} ins(%logits : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}
