// MoIIE (arXiv 2508.09779): of eight experts the first two are for vision only, the last two for
// language only, and four for both. Each modality has a gate of its own over its six experts; the two
// gates are one matrix of twelve rows, of which the class mask leaves a token those of its modality,
// and an alias says which expert a row stands for. Softmax over the six, two of them, renormalised.
// 
// `layer` takes the modality of each token. In `vision` all tokens are of the first: the compiler multiplies
// the six rows of its gate only (moe-specialise-eligibility).

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>

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
  func.func private @chosen(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>)
      -> (tensor<?x64xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "experts.gate.weight" : !moe.bank<8 x tensor<32x64xf32>>
    %w2 = moe.weight "experts.up.weight" : !moe.bank<8 x tensor<32x64xf32>>
    %w3 = moe.weight "experts.down.weight" : !moe.bank<8 x tensor<64x32xf32>>
    %e4 = tensor.empty(%t) : tensor<?x64xf32>
    %routed5 = moe.experts ins(%x, %ids, %weights : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
        banks(%w1, %w2, %w3 : !moe.bank<8 x tensor<32x64xf32>>, !moe.bank<8 x tensor<32x64xf32>>, !moe.bank<8 x tensor<64x32xf32>>) outs(%e4 : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
      %rc0 = arith.constant 0 : index
      %rzero = arith.constant 0.0 : f32
      %r = tensor.dim %rows, %rc0 : tensor<?x64xf32>
      %re1 = tensor.empty(%r) : tensor<?x32xf32>
      %rf2 = linalg.fill ins(%rzero : f32) outs(%re1 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %rv3 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%rf2 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %re4 = tensor.empty(%r) : tensor<?x32xf32>
      %rf5 = linalg.fill ins(%rzero : f32) outs(%re4 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %rv6 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%rf5 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %re7 = tensor.empty(%r) : tensor<?x32xf32>
      %rv8 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
          ins(%rv3, %rv6 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%re7 : tensor<?x32xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %neg = arith.negf %a : f32
        %exp = math.exp %neg : f32
        %one = arith.constant 1.0 : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %a, %sum : f32
        %product = arith.mulf %silu, %b : f32
        linalg.yield %product : f32
      } -> tensor<?x32xf32>
      %re9 = tensor.empty(%r) : tensor<?x64xf32>
      %rf10 = linalg.fill ins(%rzero : f32) outs(%re9 : tensor<?x64xf32>) -> tensor<?x64xf32>
      %rv11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rv8, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%rf10 : tensor<?x64xf32>) -> tensor<?x64xf32>
      moe.yield %rv11 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %routed5 : tensor<?x64xf32>
  }
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"}, %modality: tensor<?xi32> {moe.name = "modality", moe.below = 2})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x2xi32> {moe.name = "experts"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "gates.weight" : tensor<12x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x12xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x12xf32>) -> tensor<?x12xf32>
    %logits4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<12x64xf32>) outs(%f3 : tensor<?x12xf32>) -> tensor<?x12xf32>
    %e5 = tensor.empty(%t) : tensor<?x2xi32>
    %e6 = tensor.empty(%t) : tensor<?x2xf32>
    %ids7, %weights8 = moe.route {routing = #moe.routing<k = 2, renorm = sum>, class_mask = array<i1: true, true, true, true, true, true, false, false, false, false, false, false, false, false, false, false, false, false, true, true, true, true, true, true>,
        alias = array<i32: 0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7>}
        ins(%logits4 : tensor<?x12xf32>) class_id(%modality : tensor<?xi32>) outs(%e5, %e6 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
    %r9 = func.call @chosen(%x, %ids7, %weights8) : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x64xf32>
    return %r9, %ids7 : tensor<?x64xf32>, tensor<?x2xi32>
  }
  func.func @vision(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x2xi32> {moe.name = "experts"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %vision = arith.constant 0 : i32
    %e1 = tensor.empty(%t) : tensor<?xi32>
    %modality = linalg.fill ins(%vision : i32) outs(%e1 : tensor<?xi32>) -> tensor<?xi32>
    %w2 = moe.weight "gates.weight" : tensor<12x64xf32>
    %e3 = tensor.empty(%t) : tensor<?x12xf32>
    %f4 = linalg.fill ins(%zero : f32) outs(%e3 : tensor<?x12xf32>) -> tensor<?x12xf32>
    %logits5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w2 : tensor<?x64xf32>, tensor<12x64xf32>) outs(%f4 : tensor<?x12xf32>) -> tensor<?x12xf32>
    %e6 = tensor.empty(%t) : tensor<?x2xi32>
    %e7 = tensor.empty(%t) : tensor<?x2xf32>
    %ids8, %weights9 = moe.route {routing = #moe.routing<k = 2, renorm = sum>, class_mask = array<i1: true, true, true, true, true, true, false, false, false, false, false, false, false, false, false, false, false, false, true, true, true, true, true, true>,
        alias = array<i32: 0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7>}
        ins(%logits5 : tensor<?x12xf32>) class_id(%modality : tensor<?xi32>) outs(%e6, %e7 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
    %r10 = func.call @chosen(%x, %ids8, %weights9) : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x64xf32>
    return %r10, %ids8 : tensor<?x64xf32>, tensor<?x2xi32>
  }
}
