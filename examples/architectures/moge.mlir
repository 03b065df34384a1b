// Pangu Pro MoE (arXiv 2505.21411), a mixture of grouped experts: a softmax over all experts, one expert
// out of each group, weights times a learned scale of each expert and not renormalised, and a shared
// expert. Every group has exactly one choice for each token.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  moe.recipes {
    %w0 = moe.load_bank "experts.{expert}.gate.weight" : <16 x tensor<32x64xf32>>
    moe.define "experts.gate.weight" role "experts", %w0 : !moe.bank<16 x tensor<32x64xf32>>
    %w1 = moe.load_bank "experts.{expert}.up.weight" : <16 x tensor<32x64xf32>>
    moe.define "experts.up.weight" role "experts", %w1 : !moe.bank<16 x tensor<32x64xf32>>
    %w2 = moe.load_bank "experts.{expert}.down.weight" : <16 x tensor<64x32xf32>>
    moe.define "experts.down.weight" role "experts", %w2 : !moe.bank<16 x tensor<64x32xf32>>
    %w3 = moe.load "router.weight" : tensor<16x64xf32>
    moe.define "router.weight" role "router", %w3 : tensor<16x64xf32>
    %w4 = moe.load "router.scale" : tensor<16xf32>
    moe.define "router.scale" role "router", %w4 : tensor<16xf32>
    %w5 = moe.load "shared.gate.weight" : tensor<32x64xf32>
    moe.define "shared.gate.weight" role "shared", %w5 : tensor<32x64xf32>
    %w6 = moe.load "shared.up.weight" : tensor<32x64xf32>
    moe.define "shared.up.weight" role "shared", %w6 : tensor<32x64xf32>
    %w7 = moe.load "shared.down.weight" : tensor<64x32xf32>
    moe.define "shared.down.weight" role "shared", %w7 : tensor<64x32xf32>
  }
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x4xi32> {moe.name = "experts"}) {
    %w1 = moe.weight "router.scale" : tensor<16xf32>
    %w2 = moe.weight "router.weight" : tensor<16x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e3 = tensor.empty(%t) : tensor<?x16xf32>
    %z4 = arith.constant 0.0 : f32
    %f5 = linalg.fill ins(%z4 : f32) outs(%e3 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %logits6 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w2 : tensor<?x64xf32>, tensor<16x64xf32>) outs(%f5 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %e7 = tensor.empty(%t) : tensor<?x4xi32>
    %e8 = tensor.empty(%t) : tensor<?x4xf32>
    %ids9, %weights10 = moe.route {routing = #moe.routing<k = 4, groups = 4, group_quota = 1>} ins(%logits6 : tensor<?x16xf32>) expert_scale(%w1 : tensor<16xf32>) outs(%e7, %e8 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
    %w11 = moe.weight "experts.gate.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w12 = moe.weight "experts.up.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w13 = moe.weight "experts.down.weight" : !moe.bank<16 x tensor<64x32xf32>>
    %e14 = tensor.empty(%t) : tensor<?x64xf32>
    %routed15 = moe.experts ins(%x, %ids9, %weights10 : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
        banks(%w11, %w12, %w13 : !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<64x32xf32>>) outs(%e14 : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
      %r0 = arith.constant 0 : index
      %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
      %e16 = tensor.empty(%r) : tensor<?x32xf32>
      %z17 = arith.constant 0.0 : f32
      %f18 = linalg.fill ins(%z17 : f32) outs(%e16 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %v19 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f18 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e20 = tensor.empty(%r) : tensor<?x32xf32>
      %z21 = arith.constant 0.0 : f32
      %f22 = linalg.fill ins(%z21 : f32) outs(%e20 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %v23 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f22 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e24 = tensor.empty(%r) : tensor<?x32xf32>
      %v25 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
          ins(%v19, %v23 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e24 : tensor<?x32xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %neg = arith.negf %a : f32
        %exp = math.exp %neg : f32
        %one = arith.constant 1.0 : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %a, %sum : f32
        %product = arith.mulf %silu, %b : f32
        linalg.yield %product : f32
      } -> tensor<?x32xf32>
      %e26 = tensor.empty(%r) : tensor<?x64xf32>
      %z27 = arith.constant 0.0 : f32
      %f28 = linalg.fill ins(%z27 : f32) outs(%e26 : tensor<?x64xf32>) -> tensor<?x64xf32>
      %v29 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v25, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f28 : tensor<?x64xf32>) -> tensor<?x64xf32>
      moe.yield %v29 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    %w30 = moe.weight "shared.gate.weight" : tensor<32x64xf32>
    %w31 = moe.weight "shared.up.weight" : tensor<32x64xf32>
    %w32 = moe.weight "shared.down.weight" : tensor<64x32xf32>
    %e33 = tensor.empty(%t) : tensor<?x32xf32>
    %z34 = arith.constant 0.0 : f32
    %f35 = linalg.fill ins(%z34 : f32) outs(%e33 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v36 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w30 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f35 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e37 = tensor.empty(%t) : tensor<?x32xf32>
    %z38 = arith.constant 0.0 : f32
    %f39 = linalg.fill ins(%z38 : f32) outs(%e37 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v40 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w31 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f39 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e41 = tensor.empty(%t) : tensor<?x32xf32>
    %v42 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v36, %v40 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e41 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %a, %sum : f32
      %product = arith.mulf %silu, %b : f32
      linalg.yield %product : f32
    } -> tensor<?x32xf32>
    %e43 = tensor.empty(%t) : tensor<?x64xf32>
    %z44 = arith.constant 0.0 : f32
    %f45 = linalg.fill ins(%z44 : f32) outs(%e43 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v46 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v42, %w32 : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f45 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e47 = tensor.empty(%t) : tensor<?x64xf32>
    %v48 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%routed15, %v46 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e47 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x64xf32>
    return %v48, %ids9 : tensor<?x64xf32>, tensor<?x4xi32>
  }
}
