// Latent experts (LatentMoE, arXiv 2601.18089; MoLAE, arXiv 2503.23100): a projection leads into a narrower space, where the
// experts read and write, and one leads back. The router and the residual stay at full width.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>

!wide = !moe.bank<16 x tensor<32x40xf32>>
!narrow = !moe.bank<16 x tensor<40x32xf32>>

module {
  moe.recipes {
    %w0 = moe.load_bank "experts.{expert}.gate.weight" : <16 x tensor<32x40xf32>>
    moe.define "experts.gate.weight" role "experts", %w0 : !wide
    %w1 = moe.load_bank "experts.{expert}.up.weight" : <16 x tensor<32x40xf32>>
    moe.define "experts.up.weight" role "experts", %w1 : !wide
    %w2 = moe.load_bank "experts.{expert}.down.weight" : <16 x tensor<40x32xf32>>
    moe.define "experts.down.weight" role "experts", %w2 : !narrow
    %w3 = moe.load "router.weight" : tensor<16x64xf32>
    moe.define "router.weight" role "router", %w3 : tensor<16x64xf32>
    %w4 = moe.load "into.weight" : tensor<40x64xf32>
    moe.define "into.weight" role "experts", %w4 : tensor<40x64xf32>
    %w5 = moe.load "back.weight" : tensor<64x40xf32>
    moe.define "back.weight" role "experts", %w5 : tensor<64x40xf32>
  }
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"}) -> (tensor<?x64xf32> {moe.name = "y"}) {
    %gates = moe.weight "experts.gate.weight" : !wide
    %ups = moe.weight "experts.up.weight" : !wide
    %downs = moe.weight "experts.down.weight" : !narrow
    %router = moe.weight "router.weight" : tensor<16x64xf32>
    %into = moe.weight "into.weight" : tensor<40x64xf32>
    %back = moe.weight "back.weight" : tensor<64x40xf32>
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %el = tensor.empty(%t) : tensor<?x16xf32>
    %zl = linalg.fill ins(%zero : f32) outs(%el : tensor<?x16xf32>) -> tensor<?x16xf32>
    %logits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %router : tensor<?x64xf32>, tensor<16x64xf32>) outs(%zl : tensor<?x16xf32>) -> tensor<?x16xf32>
    %ei = tensor.empty(%t) : tensor<?x4xi32>
    %ew = tensor.empty(%t) : tensor<?x4xf32>
    %ids, %weights = moe.route {routing = #moe.routing<k = 4>} ins(%logits : tensor<?x16xf32>) outs(%ei, %ew : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
    %ez = tensor.empty(%t) : tensor<?x40xf32>
    %zz = linalg.fill ins(%zero : f32) outs(%ez : tensor<?x40xf32>) -> tensor<?x40xf32>
    %z = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %into : tensor<?x64xf32>, tensor<40x64xf32>) outs(%zz : tensor<?x40xf32>) -> tensor<?x40xf32>
    %routed = moe.experts ins(%z, %ids, %weights : tensor<?x40xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
        banks(%gates, %ups, %downs : !wide, !wide, !narrow) outs(%ez : tensor<?x40xf32>) {
    ^bb0(%r: tensor<?x40xf32>, %gate: tensor<32x40xf32>, %up: tensor<32x40xf32>, %down: tensor<40x32xf32>):
      %r0 = arith.constant 0 : index
      %n = tensor.dim %r, %r0 : tensor<?x40xf32>
      %no = arith.constant 0.0 : f32
      %e1 = tensor.empty(%n) : tensor<?x32xf32>
      %f1 = linalg.fill ins(%no : f32) outs(%e1 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %a1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r, %gate : tensor<?x40xf32>, tensor<32x40xf32>) outs(%f1 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %b1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r, %up : tensor<?x40xf32>, tensor<32x40xf32>) outs(%f1 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %c1 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
          ins(%a1, %b1 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e1 : tensor<?x32xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %neg = arith.negf %a : f32
        %exp = math.exp %neg : f32
        %one = arith.constant 1.0 : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %a, %sum : f32
        %product = arith.mulf %silu, %b : f32
        linalg.yield %product : f32
      } -> tensor<?x32xf32>
      %e2 = tensor.empty(%n) : tensor<?x40xf32>
      %f2 = linalg.fill ins(%no : f32) outs(%e2 : tensor<?x40xf32>) -> tensor<?x40xf32>
      %d1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%c1, %down : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f2 : tensor<?x40xf32>) -> tensor<?x40xf32>
      moe.yield %d1 : tensor<?x40xf32>
    } -> tensor<?x40xf32>
    %ey = tensor.empty(%t) : tensor<?x64xf32>
    %zy = linalg.fill ins(%zero : f32) outs(%ey : tensor<?x64xf32>) -> tensor<?x64xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%routed, %back : tensor<?x40xf32>, tensor<64x40xf32>) outs(%zy : tensor<?x64xf32>) -> tensor<?x64xf32>
    %y = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%x, %p : tensor<?x64xf32>, tensor<?x64xf32>) outs(%ey : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
    } -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}
