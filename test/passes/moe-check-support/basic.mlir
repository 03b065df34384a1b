// RUN: moe-opt %s -moe-check-support --remarks-filter='moe-check-support' --remark-policy=all 2>&1 | FileCheck %s

// What is supported passes unchanged, and is said in words.

// CHECK: remark: [Analysis] router {{.*}}Function=softmax{{.*}}"softmax, top-2, renormalised"
// CHECK: remark: [Analysis] router {{.*}}Function=selected{{.*}}"softmax over the selected, top-2"
// CHECK: remark: [Analysis] router {{.*}}Function=sigmoid{{.*}}"sigmoid, bias on selection, top-2, renormalised, times 2.5{{0*}}"

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

// Groups that are all kept restrict nothing.

// CHECK-LABEL: func.func @groups
func.func @groups(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
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
