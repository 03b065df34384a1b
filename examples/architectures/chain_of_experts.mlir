// Chain-of-Experts (arXiv 2506.18945): a layer's experts run several times, each time with a router of the
// iteration's own, on what the iteration before made: x(i) = sum of g E(x(i-1)) + x(i-1). The residual is
// inside of an iteration; the experts are the same in all of them.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>

!wide = !moe.bank<16 x tensor<32x64xf32>>
!narrow = !moe.bank<16 x tensor<64x32xf32>>

module {
  moe.recipes {
    %w0 = moe.load_bank "experts.{expert}.gate.weight" : <16 x tensor<32x64xf32>>
    moe.define "experts.gate.weight" role "experts", %w0 : !wide
    %w1 = moe.load_bank "experts.{expert}.up.weight" : <16 x tensor<32x64xf32>>
    moe.define "experts.up.weight" role "experts", %w1 : !wide
    %w2 = moe.load_bank "experts.{expert}.down.weight" : <16 x tensor<64x32xf32>>
    moe.define "experts.down.weight" role "experts", %w2 : !narrow
    %w3 = moe.load "router.0.weight" : tensor<16x64xf32>
    moe.define "router.0.weight" role "router", %w3 : tensor<16x64xf32>
    %w4 = moe.load "router.1.weight" : tensor<16x64xf32>
    moe.define "router.1.weight" role "router", %w4 : tensor<16x64xf32>
  }
  // Two iterations of four experts each.
  func.func @layer(%x: tensor<?x64xf32> {moe.name = "x"}) -> (tensor<?x64xf32> {moe.name = "y"}) {
    %w1 = moe.weight "experts.gate.weight" : !wide
    %w2 = moe.weight "experts.up.weight" : !wide
    %w3 = moe.weight "experts.down.weight" : !narrow
    %router_0 = moe.weight "router.0.weight" : tensor<16x64xf32>
    %router_1 = moe.weight "router.1.weight" : tensor<16x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e = tensor.empty(%t) : tensor<?x64xf32>
    %y = moe.iterate {count = 2, residual = #moe.residual<inner>} ins(%x : tensor<?x64xf32>)
        each(%router_0, %router_1 : tensor<16x64xf32>, tensor<16x64xf32>) all(%w1, %w2, %w3 : !wide, !wide, !narrow) outs(%e : tensor<?x64xf32>) {
    ^bb0(%x_i: tensor<?x64xf32>, %router: tensor<16x64xf32>, %gates: !wide, %ups: !wide, %downs: !narrow):
      %i0 = arith.constant 0 : index
      %it = tensor.dim %x_i, %i0 : tensor<?x64xf32>
      %i1 = tensor.empty(%it) : tensor<?x16xf32>
      %i2 = arith.constant 0.0 : f32
      %i3 = linalg.fill ins(%i2 : f32) outs(%i1 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %ilogits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x_i, %router : tensor<?x64xf32>, tensor<16x64xf32>) outs(%i3 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %i4 = tensor.empty(%it) : tensor<?x4xi32>
      %i5 = tensor.empty(%it) : tensor<?x4xf32>
      %iids, %iweights = moe.route {routing = #moe.routing<k = 4>} ins(%ilogits : tensor<?x16xf32>) outs(%i4, %i5 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
      %i6 = tensor.empty(%it) : tensor<?x64xf32>
      %irouted = moe.experts ins(%x_i, %iids, %iweights : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
          banks(%gates, %ups, %downs : !wide, !wide, !narrow) outs(%i6 : tensor<?x64xf32>) {
      ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
        %r0 = arith.constant 0 : index
        %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
        %zero = arith.constant 0.0 : f32
        %e1 = tensor.empty(%r) : tensor<?x32xf32>
        %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %a1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e2 = tensor.empty(%r) : tensor<?x32xf32>
        %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %b1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e3 = tensor.empty(%r) : tensor<?x32xf32>
        %c1 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
            ins(%a1, %b1 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e3 : tensor<?x32xf32>) {
        ^bb0(%a: f32, %b: f32, %out: f32):
          %neg = arith.negf %a : f32
          %exp = math.exp %neg : f32
          %one = arith.constant 1.0 : f32
          %sum = arith.addf %one, %exp : f32
          %silu = arith.divf %a, %sum : f32
          %product = arith.mulf %silu, %b : f32
          linalg.yield %product : f32
        } -> tensor<?x32xf32>
        %e4 = tensor.empty(%r) : tensor<?x64xf32>
        %f4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        %d1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%c1, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        moe.yield %d1 : tensor<?x64xf32>
      } -> tensor<?x64xf32>
      moe.yield %irouted : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
  // Four experts, then two: an iteration of its own for each.
  func.func @narrowing(%x: tensor<?x64xf32> {moe.name = "x"}) -> (tensor<?x64xf32> {moe.name = "y"}) {
    %w1 = moe.weight "experts.gate.weight" : !wide
    %w2 = moe.weight "experts.up.weight" : !wide
    %w3 = moe.weight "experts.down.weight" : !narrow
    %router_0 = moe.weight "router.0.weight" : tensor<16x64xf32>
    %router_1 = moe.weight "router.1.weight" : tensor<16x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e = tensor.empty(%t) : tensor<?x64xf32>
    %y = moe.iterate {count = 2, residual = #moe.residual<inner>} ins(%x : tensor<?x64xf32>)
        each(%router_0, %router_1 : tensor<16x64xf32>, tensor<16x64xf32>) all(%w1, %w2, %w3 : !wide, !wide, !narrow) outs(%e : tensor<?x64xf32>) {
    ^bb0(%x_i: tensor<?x64xf32>, %router: tensor<16x64xf32>, %gates: !wide, %ups: !wide, %downs: !narrow):
      %i0 = arith.constant 0 : index
      %it = tensor.dim %x_i, %i0 : tensor<?x64xf32>
      %i1 = tensor.empty(%it) : tensor<?x16xf32>
      %i2 = arith.constant 0.0 : f32
      %i3 = linalg.fill ins(%i2 : f32) outs(%i1 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %ilogits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x_i, %router : tensor<?x64xf32>, tensor<16x64xf32>) outs(%i3 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %i4 = tensor.empty(%it) : tensor<?x4xi32>
      %i5 = tensor.empty(%it) : tensor<?x4xf32>
      %iids, %iweights = moe.route {routing = #moe.routing<k = 4>} ins(%ilogits : tensor<?x16xf32>) outs(%i4, %i5 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
      %i6 = tensor.empty(%it) : tensor<?x64xf32>
      %irouted = moe.experts ins(%x_i, %iids, %iweights : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
          banks(%gates, %ups, %downs : !wide, !wide, !narrow) outs(%i6 : tensor<?x64xf32>) {
      ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
        %r0 = arith.constant 0 : index
        %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
        %zero = arith.constant 0.0 : f32
        %e1 = tensor.empty(%r) : tensor<?x32xf32>
        %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %a1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e2 = tensor.empty(%r) : tensor<?x32xf32>
        %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %b1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e3 = tensor.empty(%r) : tensor<?x32xf32>
        %c1 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
            ins(%a1, %b1 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e3 : tensor<?x32xf32>) {
        ^bb0(%a: f32, %b: f32, %out: f32):
          %neg = arith.negf %a : f32
          %exp = math.exp %neg : f32
          %one = arith.constant 1.0 : f32
          %sum = arith.addf %one, %exp : f32
          %silu = arith.divf %a, %sum : f32
          %product = arith.mulf %silu, %b : f32
          linalg.yield %product : f32
        } -> tensor<?x32xf32>
        %e4 = tensor.empty(%r) : tensor<?x64xf32>
        %f4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        %d1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%c1, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        moe.yield %d1 : tensor<?x64xf32>
      } -> tensor<?x64xf32>
      moe.yield %irouted : tensor<?x64xf32>
    }, {
    ^bb0(%x_i: tensor<?x64xf32>, %router: tensor<16x64xf32>, %gates: !wide, %ups: !wide, %downs: !narrow):
      %i0 = arith.constant 0 : index
      %it = tensor.dim %x_i, %i0 : tensor<?x64xf32>
      %i1 = tensor.empty(%it) : tensor<?x16xf32>
      %i2 = arith.constant 0.0 : f32
      %i3 = linalg.fill ins(%i2 : f32) outs(%i1 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %ilogits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x_i, %router : tensor<?x64xf32>, tensor<16x64xf32>) outs(%i3 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %i4 = tensor.empty(%it) : tensor<?x2xi32>
      %i5 = tensor.empty(%it) : tensor<?x2xf32>
      %iids, %iweights = moe.route {routing = #moe.routing<k = 2>} ins(%ilogits : tensor<?x16xf32>) outs(%i4, %i5 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
      %i6 = tensor.empty(%it) : tensor<?x64xf32>
      %irouted = moe.experts ins(%x_i, %iids, %iweights : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
          banks(%gates, %ups, %downs : !wide, !wide, !narrow) outs(%i6 : tensor<?x64xf32>) {
      ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
        %r0 = arith.constant 0 : index
        %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
        %zero = arith.constant 0.0 : f32
        %e1 = tensor.empty(%r) : tensor<?x32xf32>
        %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %a1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e2 = tensor.empty(%r) : tensor<?x32xf32>
        %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %b1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e3 = tensor.empty(%r) : tensor<?x32xf32>
        %c1 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
            ins(%a1, %b1 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e3 : tensor<?x32xf32>) {
        ^bb0(%a: f32, %b: f32, %out: f32):
          %neg = arith.negf %a : f32
          %exp = math.exp %neg : f32
          %one = arith.constant 1.0 : f32
          %sum = arith.addf %one, %exp : f32
          %silu = arith.divf %a, %sum : f32
          %product = arith.mulf %silu, %b : f32
          linalg.yield %product : f32
        } -> tensor<?x32xf32>
        %e4 = tensor.empty(%r) : tensor<?x64xf32>
        %f4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        %d1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%c1, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        moe.yield %d1 : tensor<?x64xf32>
      } -> tensor<?x64xf32>
      moe.yield %irouted : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
  // A chain of one.
  func.func @one_iteration(%x: tensor<?x64xf32> {moe.name = "x"}) -> (tensor<?x64xf32> {moe.name = "y"}) {
    %w1 = moe.weight "experts.gate.weight" : !wide
    %w2 = moe.weight "experts.up.weight" : !wide
    %w3 = moe.weight "experts.down.weight" : !narrow
    %router_0 = moe.weight "router.0.weight" : tensor<16x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e = tensor.empty(%t) : tensor<?x64xf32>
    %y = moe.iterate {count = 1, residual = #moe.residual<inner>} ins(%x : tensor<?x64xf32>)
        each(%router_0 : tensor<16x64xf32>) all(%w1, %w2, %w3 : !wide, !wide, !narrow) outs(%e : tensor<?x64xf32>) {
    ^bb0(%x_i: tensor<?x64xf32>, %router: tensor<16x64xf32>, %gates: !wide, %ups: !wide, %downs: !narrow):
      %i0 = arith.constant 0 : index
      %it = tensor.dim %x_i, %i0 : tensor<?x64xf32>
      %i1 = tensor.empty(%it) : tensor<?x16xf32>
      %i2 = arith.constant 0.0 : f32
      %i3 = linalg.fill ins(%i2 : f32) outs(%i1 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %ilogits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x_i, %router : tensor<?x64xf32>, tensor<16x64xf32>) outs(%i3 : tensor<?x16xf32>) -> tensor<?x16xf32>
      %i4 = tensor.empty(%it) : tensor<?x4xi32>
      %i5 = tensor.empty(%it) : tensor<?x4xf32>
      %iids, %iweights = moe.route {routing = #moe.routing<k = 4>} ins(%ilogits : tensor<?x16xf32>) outs(%i4, %i5 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
      %i6 = tensor.empty(%it) : tensor<?x64xf32>
      %irouted = moe.experts ins(%x_i, %iids, %iweights : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
          banks(%gates, %ups, %downs : !wide, !wide, !narrow) outs(%i6 : tensor<?x64xf32>) {
      ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
        %r0 = arith.constant 0 : index
        %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
        %zero = arith.constant 0.0 : f32
        %e1 = tensor.empty(%r) : tensor<?x32xf32>
        %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %a1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f1 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e2 = tensor.empty(%r) : tensor<?x32xf32>
        %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %b1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f2 : tensor<?x32xf32>) -> tensor<?x32xf32>
        %e3 = tensor.empty(%r) : tensor<?x32xf32>
        %c1 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
            ins(%a1, %b1 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e3 : tensor<?x32xf32>) {
        ^bb0(%a: f32, %b: f32, %out: f32):
          %neg = arith.negf %a : f32
          %exp = math.exp %neg : f32
          %one = arith.constant 1.0 : f32
          %sum = arith.addf %one, %exp : f32
          %silu = arith.divf %a, %sum : f32
          %product = arith.mulf %silu, %b : f32
          linalg.yield %product : f32
        } -> tensor<?x32xf32>
        %e4 = tensor.empty(%r) : tensor<?x64xf32>
        %f4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        %d1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%c1, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f4 : tensor<?x64xf32>) -> tensor<?x64xf32>
        moe.yield %d1 : tensor<?x64xf32>
      } -> tensor<?x64xf32>
      moe.yield %irouted : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
  // The second iteration by itself, and the experts that it chooses.
  func.func @second(%x: tensor<?x64xf32> {moe.name = "x"}) -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x4xi32> {moe.name = "experts"}) {
    %w1 = moe.weight "experts.gate.weight" : !wide
    %w2 = moe.weight "experts.up.weight" : !wide
    %w3 = moe.weight "experts.down.weight" : !narrow
    %router_1 = moe.weight "router.1.weight" : tensor<16x64xf32>
    %i0 = arith.constant 0 : index
    %it = tensor.dim %x, %i0 : tensor<?x64xf32>
    %i1 = tensor.empty(%it) : tensor<?x16xf32>
    %i2 = arith.constant 0.0 : f32
    %i3 = linalg.fill ins(%i2 : f32) outs(%i1 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %ilogits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %router_1 : tensor<?x64xf32>, tensor<16x64xf32>) outs(%i3 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %i4 = tensor.empty(%it) : tensor<?x4xi32>
    %i5 = tensor.empty(%it) : tensor<?x4xf32>
    %iids, %iweights = moe.route {routing = #moe.routing<k = 4>} ins(%ilogits : tensor<?x16xf32>) outs(%i4, %i5 : tensor<?x4xi32>, tensor<?x4xf32>) -> tensor<?x4xi32>, tensor<?x4xf32>
    %i6 = tensor.empty(%it) : tensor<?x64xf32>
    %irouted = moe.experts ins(%x, %iids, %iweights : tensor<?x64xf32>, tensor<?x4xi32>, tensor<?x4xf32>)
        banks(%w1, %w2, %w3 : !wide, !wide, !narrow) outs(%i6 : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %gate: tensor<32x64xf32>, %up: tensor<32x64xf32>, %down: tensor<64x32xf32>):
      %r0 = arith.constant 0 : index
      %r = tensor.dim %rows, %r0 : tensor<?x64xf32>
      %zero = arith.constant 0.0 : f32
      %e1 = tensor.empty(%r) : tensor<?x32xf32>
      %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %a1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %gate : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f1 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e2 = tensor.empty(%r) : tensor<?x32xf32>
      %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %b1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %up : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f2 : tensor<?x32xf32>) -> tensor<?x32xf32>
      %e3 = tensor.empty(%r) : tensor<?x32xf32>
      %c1 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
          ins(%a1, %b1 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e3 : tensor<?x32xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %neg = arith.negf %a : f32
        %exp = math.exp %neg : f32
        %one = arith.constant 1.0 : f32
        %sum = arith.addf %one, %exp : f32
        %silu = arith.divf %a, %sum : f32
        %product = arith.mulf %silu, %b : f32
        linalg.yield %product : f32
      } -> tensor<?x32xf32>
      %e4 = tensor.empty(%r) : tensor<?x64xf32>
      %f4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x64xf32>) -> tensor<?x64xf32>
      %d1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%c1, %down : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f4 : tensor<?x64xf32>) -> tensor<?x64xf32>
      moe.yield %d1 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    %e = tensor.empty(%it) : tensor<?x64xf32>
    %y = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%irouted, %x : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x64xf32>
    return %y, %iids : tensor<?x64xf32>, tensor<?x4xi32>
  }
}
