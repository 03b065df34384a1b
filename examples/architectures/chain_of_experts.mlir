// Chain-of-Experts (arXiv 2506.18945): the layer's experts run twice, each time with a router of the
// iteration's own, on what the iteration before made: x(i+1) = sum of g E(x(i)) + x(i). An iteration
// is a function, so that its code exists once; what differs is the router that it is given.

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
    %w4 = moe.load "router.1.weight" : tensor<16x64xf32>
    moe.define "router.1.weight" role "router", %w4 : tensor<16x64xf32>
  }
  func.func private @iteration(%x: tensor<?x64xf32>,
      %router: tensor<16x64xf32>,
      %gates: !moe.bank<16 x tensor<32x64xf32>>,
      %ups: !moe.bank<16 x tensor<32x64xf32>>,
      %downs: !moe.bank<16 x tensor<64x32xf32>>)
      -> tensor<?x64xf32> {
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e1 = tensor.empty(%t) : tensor<?x16xf32>
    %z2 = arith.constant 0.0 : f32
    %f3 = linalg.fill ins(%z2 : f32) outs(%e1 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %logits4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %router : tensor<?x64xf32>, tensor<16x64xf32>) outs(%f3 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %e5 = tensor.empty(%t) : tensor<?x4xi32>
    %e6 = tensor.empty(%t) : tensor<?x4xf32>
    %ids7, %weights8 = moe.route {routing = #moe.routing<k = 4>} ins(%logits4 : tensor<?x16xf32>) outs(%e5, %e6 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
    %e9 = tensor.empty(%t) : tensor<?x64xf32>
    %routed10 = moe.experts ins(%x, %ids7, %weights8 : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
        banks(%gates, %ups, %downs : !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<64x32xf32>>) outs(%e9 : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
      %r0 = arith.constant 0 : index
      %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
      %e11 = tensor.empty(%r) : tensor<?x32xf32>
      %z12 = arith.constant 0.0 : f32
      %f13 = linalg.fill ins(%z12 : f32) outs(%e11 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %v14 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f13 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e15 = tensor.empty(%r) : tensor<?x32xf32>
      %z16 = arith.constant 0.0 : f32
      %f17 = linalg.fill ins(%z16 : f32) outs(%e15 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %v18 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f17 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e19 = tensor.empty(%r) : tensor<?x32xf32>
      %v20 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
          ins(%v14, %v18 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e19 : tensor<?x32xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %neg = arith.negf %a : f32
        %exp = math.exp %neg : f32
        %one = arith.constant 1.0 : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %a, %sum : f32
        %product = arith.mulf %silu, %b : f32
        linalg.yield %product : f32
      } -> tensor<?x32xf32>
      %e21 = tensor.empty(%r) : tensor<?x64xf32>
      %z22 = arith.constant 0.0 : f32
      %f23 = linalg.fill ins(%z22 : f32) outs(%e21 : tensor<?x64xf32>) -> tensor<?x64xf32>
      %v24 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v20, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f23 : tensor<?x64xf32>) -> tensor<?x64xf32>
      moe.yield %v24 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    %e25 = tensor.empty(%t) : tensor<?x64xf32>
    %v26 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%routed10, %x : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e25 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x64xf32>
    return %v26 : tensor<?x64xf32>
  }
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}) {
    %w1 = moe.weight "experts.gate.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w2 = moe.weight "experts.up.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w3 = moe.weight "experts.down.weight" : !moe.bank<16 x tensor<64x32xf32>>
    %w4 = moe.weight "router.0.weight" : tensor<16x64xf32>
    %v5 = func.call @iteration(%x, %w4, %w1, %w2, %w3) : (tensor<?x64xf32>, tensor<16x64xf32>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<64x32xf32>>) -> tensor<?x64xf32>
    %w6 = moe.weight "router.1.weight" : tensor<16x64xf32>
    %v7 = func.call @iteration(%v5, %w6, %w1, %w2, %w3) : (tensor<?x64xf32>, tensor<16x64xf32>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<64x32xf32>>) -> tensor<?x64xf32>
    return %v7 : tensor<?x64xf32>
  }
  func.func @one_iteration(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}) {
    %w1 = moe.weight "experts.gate.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w2 = moe.weight "experts.up.weight" : !moe.bank<16 x tensor<32x64xf32>>
    %w3 = moe.weight "experts.down.weight" : !moe.bank<16 x tensor<64x32xf32>>
    %w4 = moe.weight "router.0.weight" : tensor<16x64xf32>
    %v5 = func.call @iteration(%x, %w4, %w1, %w2, %w3) : (tensor<?x64xf32>, tensor<16x64xf32>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<32x64xf32>>, !moe.bank<16 x tensor<64x32xf32>>) -> tensor<?x64xf32>
    return %v5 : tensor<?x64xf32>
  }
}
