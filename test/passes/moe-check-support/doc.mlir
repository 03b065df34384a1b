// RUN: not moe-opt %s -moe-check-support 2>&1 | FileCheck %s

// What later phases cannot do is refused at once, under a code that stays the
// same, and a router that may surprise is pointed out.

// CHECK: warning: [MOE0345] the keys of groups that are not kept become 0
// CHECK: error: [MOE0329] weight 'w' of element type f16 is not supported; supported: f32, bf16
func.func @router(%logits: tensor<?x8xf32>, %b: tensor<8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = sigmoid, groups = 4, group_keep = 2, group_fill = zero>}
      ins(%logits : tensor<?x8xf32>) bias(%b : tensor<8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %weight = moe.weight "w" : tensor<4x4xf16>
  return
}
