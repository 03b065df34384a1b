// Chain-of-Experts with one iteration, written without the function of an iteration: an ordinary
// sparse layer with its residual, to compare a chain of one with.

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
    %w3 = moe.load "router.0.weight" : tensor<16x64xf32>
    moe.define "router.0.weight" role "router", %w3 : tensor<16x64xf32>
  }
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}) {
    %w1 = moe.weight "experts.gate.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w2 = moe.weight "experts.up.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w3 = moe.weight "experts.down.weight" : !moe.bank<16 x tensor<64x32xf32>>
    %w4 = moe.weight "router.0.weight" : tensor<16x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e5 = tensor.empty(%t) : tensor<?x16xf32>
    %z6 = arith.constant 0.0 : f32
    %f7 = linalg.fill ins(%z6 : f32) outs(%e5 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %logits8 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w4 : tensor<?x64xf32>, tensor<16x64xf32>) outs(%f7 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %e9 = tensor.empty(%t) : tensor<?x4xi32>
    %e10 = tensor.empty(%t) : tensor<?x4xf32>
    %ids11, %weights12 = moe.route {routing = #moe.routing<k = 4>} ins(%logits8 : tensor<?x16xf32>) outs(%e9, %e10 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
    %e13 = tensor.empty(%t) : tensor<?x64xf32>
    %routed14 = moe.experts ins(%x, %ids11, %weights12 : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
        banks(%w1, %w2, %w3 : !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<64x32xf32>>) outs(%e13 : tensor<?x64xf32>) {
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
    %e29 = tensor.empty(%t) : tensor<?x64xf32>
    %v30 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%routed14, %x : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e29 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x64xf32>
    return %v30 : tensor<?x64xf32>
  }
}
