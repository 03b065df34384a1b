// Top-K sparse softmax gating (arXiv 2309.13850): the k largest of x beta_1 are chosen, and a
// softmax over the chosen of x beta_1 + beta_0 weighs linear experts a x + b. The shift beta_0
// enters the weights only: the logits are shifted, and the key that selects is shifted back.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  moe.recipes {
    %w0 = moe.load "beta1" : tensor<8x64xf32>
    moe.define "beta1" role "router", %w0 : tensor<8x64xf32>
    %w1 = moe.load "beta0" : tensor<8xf32>
    moe.define "beta0" role "router", %w1 : tensor<8xf32>
    %w2 = moe.load "minus_beta0" : tensor<8xf32>
    moe.define "minus_beta0" role "router", %w2 : tensor<8xf32>
    %w3 = moe.load_bank "experts.{expert}.a" : <8 x tensor<24x64xf32>>
    moe.define "experts.a" role "experts", %w3 : !moe.bank<8 x tensor<24x64xf32>>
  }
  func.func @mean(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x24xf32> {moe.name = "y"}) {
    %w1 = moe.weight "beta1" : tensor<8x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x8xf32>
    %z3 = arith.constant 0.0 : f32
    %f4 = linalg.fill ins(%z3 : f32) outs(%e2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f4 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %w6 = moe.weight "beta0" : tensor<8xf32>
    %e7 = tensor.empty(%t) : tensor<?x8xf32>
    %logits8 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v5, %w6 : tensor<?x8xf32>, tensor<8xf32>) outs(%e7 : tensor<?x8xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x8xf32>
    %w9 = moe.weight "minus_beta0" : tensor<8xf32>
    %e10 = tensor.empty(%t) : tensor<?x3xi32>
    %e11 = tensor.empty(%t) : tensor<?x3xf32>
    %ids12, %weights13 = moe.route {routing = #moe.routing<k = 3, scope = selected, select_on = logit, weight_from = logit>} ins(%logits8 : tensor<?x8xf32>) bias(%w9 : tensor<8xf32>) outs(%e10, %e11 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
    %w14 = moe.weight "experts.a" : !moe.bank<8 x tensor<24x64xf32>>
    %e15 = tensor.empty(%t) : tensor<?x24xf32>
    %y16 = moe.experts ins(%x, %ids12, %weights13 : tensor<?x64xf32>, tensor<?x3xi32>, tensor<?x3xf32>) banks(%w14 : !moe.bank<8 x tensor<24x64xf32>>) outs(%e15 : tensor<?x24xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %a: tensor<24x64xf32>):
      %r0 = arith.constant 0 : index
      %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
      %re = tensor.empty(%r) : tensor<?x24xf32>
      %rz = arith.constant 0.0 : f32
      %rf = linalg.fill ins(%rz : f32) outs(%re : tensor<?x24xf32>) -> tensor<?x24xf32>
      %ax = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %a : tensor<?x64xf32>, tensor<24x64xf32>) outs(%rf : tensor<?x24xf32>) -> tensor<?x24xf32>
      moe.yield %ax : tensor<?x24xf32>
    } -> tensor<?x24xf32>
    return %y16 : tensor<?x24xf32>
  }
}
