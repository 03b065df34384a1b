// Uni-MoE (arXiv 2405.11273) and its successor's dynamic capacity: as many experts as it takes for
// their scores to reach 0.7 together, at most four of eight, weighed by their share of the sum (with
// 1e-6); a fixed expert beside them. `fixed` is the first version: a softmax over two.

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
    %w3 = moe.load "router.weight" : tensor<8x64xf32>
    moe.define "router.weight" role "router", %w3 : tensor<8x64xf32>
    %w4 = moe.load "shared.gate.weight" : tensor<32x64xf32>
    moe.define "shared.gate.weight" role "shared", %w4 : tensor<32x64xf32>
    %w5 = moe.load "shared.up.weight" : tensor<32x64xf32>
    moe.define "shared.up.weight" role "shared", %w5 : tensor<32x64xf32>
    %w6 = moe.load "shared.down.weight" : tensor<64x32xf32>
    moe.define "shared.down.weight" role "shared", %w6 : tensor<64x32xf32>
  }
  func.func @dynamic(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x4xi32> {moe.name = "experts"}) {
    %w1 = moe.weight "router.weight" : tensor<8x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x8xf32>
    %z3 = arith.constant 0.0 : f32
    %f4 = linalg.fill ins(%z3 : f32) outs(%e2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %logits5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f4 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %e6 = tensor.empty(%t) : tensor<?x4xi32>
    %e7 = tensor.empty(%t) : tensor<?x4xf32>
    %ids8, %weights9 = moe.route {routing = #moe.routing<k = 4, policy = topp, threshold = 0.7 : f64, renorm = sum, eps = 1.0e-6 : f64>} ins(%logits5 : tensor<?x8xf32>) outs(%e6, %e7 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
    %w10 = moe.weight "experts.gate.weight" : !moe.bank<8 x tensor<32x64xf32>>
    %w11 = moe.weight "experts.up.weight" : !moe.bank<8 x tensor<32x64xf32>>
    %w12 = moe.weight "experts.down.weight" : !moe.bank<8 x tensor<64x32xf32>>
    %e13 = tensor.empty(%t) : tensor<?x64xf32>
    %routed14 = moe.experts ins(%x, %ids8, %weights9 : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
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
    %w29 = moe.weight "shared.gate.weight" : tensor<32x64xf32>
    %w30 = moe.weight "shared.up.weight" : tensor<32x64xf32>
    %w31 = moe.weight "shared.down.weight" : tensor<64x32xf32>
    %e32 = tensor.empty(%t) : tensor<?x32xf32>
    %z33 = arith.constant 0.0 : f32
    %f34 = linalg.fill ins(%z33 : f32) outs(%e32 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v35 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w29 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f34 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e36 = tensor.empty(%t) : tensor<?x32xf32>
    %z37 = arith.constant 0.0 : f32
    %f38 = linalg.fill ins(%z37 : f32) outs(%e36 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v39 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w30 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f38 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e40 = tensor.empty(%t) : tensor<?x32xf32>
    %v41 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v35, %v39 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e40 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %a, %sum : f32
      %product = arith.mulf %silu, %b : f32
      linalg.yield %product : f32
    } -> tensor<?x32xf32>
    %e42 = tensor.empty(%t) : tensor<?x64xf32>
    %z43 = arith.constant 0.0 : f32
    %f44 = linalg.fill ins(%z43 : f32) outs(%e42 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v45 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v41, %w31 : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f44 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e46 = tensor.empty(%t) : tensor<?x64xf32>
    %v47 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%routed14, %v45 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e46 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x64xf32>
    return %v47, %ids8 : tensor<?x64xf32>, tensor<?x4xi32>
  }
  func.func @fixed(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x2xi32> {moe.name = "experts"}) {
    %w1 = moe.weight "router.weight" : tensor<8x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x8xf32>
    %z3 = arith.constant 0.0 : f32
    %f4 = linalg.fill ins(%z3 : f32) outs(%e2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %logits5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f4 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %e6 = tensor.empty(%t) : tensor<?x2xi32>
    %e7 = tensor.empty(%t) : tensor<?x2xf32>
    %ids8, %weights9 = moe.route {routing = #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>} ins(%logits5 : tensor<?x8xf32>) outs(%e6, %e7 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
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
