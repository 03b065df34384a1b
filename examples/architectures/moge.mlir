// Pangu Pro MoE (arXiv 2505.21411), a mixture of grouped experts: a softmax over all 64 experts, one out of
// each of eight groups, weights times a learned scale of each expert and not renormalised, and four shared
// experts as one of four times the width. Every group has exactly one choice for each token. `gate` is the
// choice alone, of given logits.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>

module {
  moe.recipes {
    %w0 = moe.load_bank "experts.{expert}.gate.weight" : <64 x tensor<16x64xf32>>
    moe.define "experts.gate.weight" role "experts", %w0 : !moe.bank<64 x tensor<16x64xf32>>
    %w1 = moe.load_bank "experts.{expert}.up.weight" : <64 x tensor<16x64xf32>>
    moe.define "experts.up.weight" role "experts", %w1 : !moe.bank<64 x tensor<16x64xf32>>
    %w2 = moe.load_bank "experts.{expert}.down.weight" : <64 x tensor<64x16xf32>>
    moe.define "experts.down.weight" role "experts", %w2 : !moe.bank<64 x tensor<64x16xf32>>
    %w3 = moe.load "router.weight" : tensor<64x64xf32>
    moe.define "router.weight" role "router", %w3 : tensor<64x64xf32>
    %w4 = moe.load "router.scale" : tensor<64xf32>
    moe.define "router.scale" role "router", %w4 : tensor<64xf32>
    %w5 = moe.load "shared.gate.weight" : tensor<64x64xf32>
    moe.define "shared.gate.weight" role "shared", %w5 : tensor<64x64xf32>
    %w6 = moe.load "shared.up.weight" : tensor<64x64xf32>
    moe.define "shared.up.weight" role "shared", %w6 : tensor<64x64xf32>
    %w7 = moe.load "shared.down.weight" : tensor<64x64xf32>
    moe.define "shared.down.weight" role "shared", %w7 : tensor<64x64xf32>
  }
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x8xi32> {moe.name = "experts"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %scale = moe.weight "router.scale" : tensor<64xf32>
    %w1 = moe.weight "router.weight" : tensor<64x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x64xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %logits4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<64x64xf32>) outs(%f3 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e5 = tensor.empty(%t) : tensor<?x8xi32>
    %e6 = tensor.empty(%t) : tensor<?x8xf32>
    %ids7, %weights8 = moe.route {routing = #moe.routing<k = 8, groups = 8, group_quota = 1>}
        ins(%logits4 : tensor<?x64xf32>) expert_scale(%scale : tensor<64xf32>) outs(%e5, %e6 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %w9 = moe.weight "experts.gate.weight" : !moe.bank<64 x tensor<16x64xf32>>
    %w10 = moe.weight "experts.up.weight" : !moe.bank<64 x tensor<16x64xf32>>
    %w11 = moe.weight "experts.down.weight" : !moe.bank<64 x tensor<64x16xf32>>
    %e12 = tensor.empty(%t) : tensor<?x64xf32>
    %routed13 = moe.experts ins(%x, %ids7, %weights8 : tensor<?x64xf32>, tensor<?x8xi32>, tensor<?x8xf32>)
        banks(%w9, %w10, %w11 : !moe.bank<64 x tensor<16x64xf32>>, !moe.bank<64 x tensor<16x64xf32>>, !moe.bank<64 x tensor<64x16xf32>>) outs(%e12 : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<16x64xf32>, %up: tensor<16x64xf32>, %down: tensor<64x16xf32>):
      %rc0 = arith.constant 0 : index
      %rzero = arith.constant 0.0 : f32
      %r = tensor.dim %rows, %rc0 : tensor<?x64xf32>
      %re1 = tensor.empty(%r) : tensor<?x16xf32>
      %rf2 = linalg.fill ins(%rzero : f32) outs(%re1 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %rv3 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<16x64xf32>) outs(%rf2 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %re4 = tensor.empty(%r) : tensor<?x16xf32>
      %rf5 = linalg.fill ins(%rzero : f32) outs(%re4 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %rv6 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<16x64xf32>) outs(%rf5 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %re7 = tensor.empty(%r) : tensor<?x16xf32>
      %rv8 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
          ins(%rv3, %rv6 : tensor<?x16xf32>, tensor<?x16xf32>) outs(%re7 : tensor<?x16xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %neg = arith.negf %a : f32
        %exp = math.exp %neg : f32
        %one = arith.constant 1.0 : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %a, %sum : f32
        %product = arith.mulf %silu, %b : f32
        linalg.yield %product : f32
      } -> tensor<?x16xf32>
      %re9 = tensor.empty(%r) : tensor<?x64xf32>
      %rf10 = linalg.fill ins(%rzero : f32) outs(%re9 : tensor<?x64xf32>) -> tensor<?x64xf32>
      %rv11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rv8, %down : tensor<?x16xf32>, tensor<64x16xf32>) outs(%rf10 : tensor<?x64xf32>) -> tensor<?x64xf32>
      moe.yield %rv11 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    %w14 = moe.weight "shared.gate.weight" : tensor<64x64xf32>
    %w15 = moe.weight "shared.up.weight" : tensor<64x64xf32>
    %w16 = moe.weight "shared.down.weight" : tensor<64x64xf32>
    %e17 = tensor.empty(%t) : tensor<?x64xf32>
    %f18 = linalg.fill ins(%zero : f32) outs(%e17 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v19 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w14 : tensor<?x64xf32>, tensor<64x64xf32>) outs(%f18 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e20 = tensor.empty(%t) : tensor<?x64xf32>
    %f21 = linalg.fill ins(%zero : f32) outs(%e20 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v22 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w15 : tensor<?x64xf32>, tensor<64x64xf32>) outs(%f21 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e23 = tensor.empty(%t) : tensor<?x64xf32>
    %v24 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v19, %v22 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e23 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %a, %sum : f32
      %product = arith.mulf %silu, %b : f32
      linalg.yield %product : f32
    } -> tensor<?x64xf32>
    %e25 = tensor.empty(%t) : tensor<?x64xf32>
    %f26 = linalg.fill ins(%zero : f32) outs(%e25 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v27 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v24, %w16 : tensor<?x64xf32>, tensor<64x64xf32>) outs(%f26 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e28 = tensor.empty(%t) : tensor<?x64xf32>
    %y29 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%routed13, %v27 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e28 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x64xf32>
    return %y29, %ids7 : tensor<?x64xf32>, tensor<?x8xi32>
  }
  func.func @gate(%logits: tensor<?x64xf32> {moe.name = "logits"})
      -> (tensor<?x8xi32> {moe.name = "experts"}, tensor<?x8xf32> {moe.name = "weights"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %logits, %c0 : tensor<?x64xf32>
    %scale = moe.weight "router.scale" : tensor<64xf32>
    %e1 = tensor.empty(%t) : tensor<?x8xi32>
    %e2 = tensor.empty(%t) : tensor<?x8xf32>
    %ids3, %weights4 = moe.route {routing = #moe.routing<k = 8, groups = 8, group_quota = 1>}
        ins(%logits : tensor<?x64xf32>) expert_scale(%scale : tensor<64xf32>) outs(%e1, %e2 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    return %ids3, %weights4 : tensor<?x8xi32>, tensor<?x8xf32>
  }
}
