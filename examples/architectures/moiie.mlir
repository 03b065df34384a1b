// MoIIE (arXiv 2508.09779): of eight experts the first two are for vision only, the last two for
// language only, and four for both. Each modality has a gate of its own over its six experts; the two
// gates are one matrix of twelve rows, of which the class mask leaves a token those of its modality,
// and an alias says which expert a row stands for. Softmax over the six, two of them, renormalised.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  moe.recipes {
    %w0 = moe.load_bank "experts.{expert}.gate.weight" : <8 x tensor<32x64xf32>>
    moe.define "experts.gate.weight" role "experts", %w0 : !moe.bank<8 x tensor<32x64xf32>>
    %w1 = moe.load_bank "experts.{expert}.up.weight" : <8 x tensor<32x64xf32>>
    moe.define "experts.up.weight" role "experts", %w1 : !moe.bank<8 x tensor<32x64xf32>>
    %w2 = moe.load_bank "experts.{expert}.down.weight" : <8 x tensor<64x32xf32>>
    moe.define "experts.down.weight" role "experts", %w2 : !moe.bank<8 x tensor<64x32xf32>>
    %w3 = moe.load "gates.weight" : tensor<12x64xf32>
    moe.define "gates.weight" role "router", %w3 : tensor<12x64xf32>
  }
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"},
      %modality: tensor<?xi32> {moe.name = "modality", moe.below = 2})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x2xi32> {moe.name = "experts"}) {
    %w1 = moe.weight "gates.weight" : tensor<12x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x12xf32>
    %z3 = arith.constant 0.0 : f32
    %f4 = linalg.fill ins(%z3 : f32) outs(%e2 : tensor<?x12xf32>) -> tensor<?x12xf32>
    %logits5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<12x64xf32>) outs(%f4 : tensor<?x12xf32>) -> tensor<?x12xf32>
    %e6 = tensor.empty(%t) : tensor<?x2xi32>
    %e7 = tensor.empty(%t) : tensor<?x2xf32>
    %ids8, %weights9 = moe.route {routing = #moe.routing<k = 2, renorm = sum>, class_mask = array<i1: true, true, true, true, true, true, false, false, false, false, false, false, false, false, false, false, false, false, true, true, true, true, true, true>,
        alias = array<i32: 0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7>} ins(%logits5 : tensor<?x12xf32>) class_id(%modality : tensor<?xi32>)
        outs(%e6, %e7 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
    %w10 = moe.weight "experts.gate.weight" : !moe.bank<8 x tensor<32x64xf32>>
    %w11 = moe.weight "experts.up.weight" : !moe.bank<8 x tensor<32x64xf32>>
    %w12 = moe.weight "experts.down.weight" : !moe.bank<8 x tensor<64x32xf32>>
    %e13 = tensor.empty(%t) : tensor<?x64xf32>
    %routed14 = moe.experts ins(%x, %ids8, %weights9 : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
        banks(%w10, %w11, %w12 : !moe.bank<8 x tensor<32x64xf32>>, !moe.bank<8 x tensor<32x64xf32>>, !moe.bank<8 x tensor<64x32xf32>>) outs(%e13 : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
      %r0 = arith.constant 0 : index
      %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
      %e15 = tensor.empty(%r) : tensor<?x32xf32>
      %z16 = arith.constant 0.0 : f32
      %f17 = linalg.fill ins(%z16 : f32) outs(%e15 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %v18 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f17 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e19 = tensor.empty(%r) : tensor<?x32xf32>
      %z20 = arith.constant 0.0 : f32
      %f21 = linalg.fill ins(%z20 : f32) outs(%e19 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %v22 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f21 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e23 = tensor.empty(%r) : tensor<?x32xf32>
      %v24 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
          ins(%v18, %v22 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e23 : tensor<?x32xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %neg = arith.negf %a : f32
        %exp = math.exp %neg : f32
        %one = arith.constant 1.0 : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %a, %sum : f32
        %product = arith.mulf %silu, %b : f32
        linalg.yield %product : f32
      } -> tensor<?x32xf32>
      %e25 = tensor.empty(%r) : tensor<?x64xf32>
      %z26 = arith.constant 0.0 : f32
      %f27 = linalg.fill ins(%z26 : f32) outs(%e25 : tensor<?x64xf32>) -> tensor<?x64xf32>
      %v28 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v24, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f27 : tensor<?x64xf32>) -> tensor<?x64xf32>
      moe.yield %v28 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %routed14, %ids8 : tensor<?x64xf32>, tensor<?x2xi32>
  }
}
