// RUN: moe-opt %s -moe-check-support -split-input-file -verify-diagnostics

func.func @topp(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0321] routing policy 'topp' is not supported; supported: topk}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, policy = topp, threshold = 0.9 : f64>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @dense(%l: tensor<?x2xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0321] routing policy 'dense' is not supported; supported: topk}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, policy = dense>} ins(%l : tensor<?x2xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @score(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0322] routing score 'tanh' is not supported; supported: softmax, sigmoid}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = tanh>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @window(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0323] routing scope 'window' is not supported; supported: all, selected}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, scope = window, window = 0.2 : f64>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @softcap(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0324] a softcap of the router logits is not supported; supported: logits as they are}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, softcap = 30.0 : f64>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @groups(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0325] a choice among 4 groups of experts is not supported; supported: one group of all experts}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 4, group_keep = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @quota(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0325] a choice among 2 groups of experts is not supported}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @logits(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0326] weighing experts by their logits is not supported; supported: weight_from = score, or a softmax with scope = selected}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, weight_from = logit>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @sigmoid_logits(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0326] weighing experts by their logits is not supported}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, score = sigmoid, scope = selected, weight_from = logit>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @null(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0327] a router with 3 null experts is not supported; supported: 0}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 3>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @renorm(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0328] renormalisation 'lp' is not supported; supported: none, sum}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = lp, lp = 2.0 : f64>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

// Everything is reported, not only the first.

func.func @all(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+2 {{[MOE0321] routing policy 'sequential_masked' is not supported}}
  // expected-error @+1 {{[MOE0328] renormalisation 'softmax' is not supported}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, policy = sequential_masked, renorm = softmax>}
      ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  // expected-error @+1 {{[MOE0329] weight 'w' of element type f16 is not supported; supported: f32, bf16}}
  %weight = moe.weight "w" : tensor<4x4xf16>
  return
}

// -----

// A gate is a routing too.

func.func @gate(%x: tensor<?x4xf32>, %r: tensor<8x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{[MOE0321] routing policy 'sequential_masked' is not supported}}
  %g:3 = moe.gate {routing = #moe.routing<k = 2, policy = sequential_masked>} ins(%x, %r : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

// expected-error @+1 {{[MOE0329] argument 1 of element type f64 is not supported; supported: f32, bf16}}
func.func @argument(%x: tensor<?x4xf32>, %bank: !moe.bank<8 x tensor<4x4xf64>>) {
  return
}
