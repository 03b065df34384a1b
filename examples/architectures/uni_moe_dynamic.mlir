// Uni-MoE with dynamic capacity, as released (UniMoE-Audio): six experts and two null experts are chosen
// from, two fixed ones are always there.
// 
// A token takes as many experts as it takes for their share of a softmax over the eight to reach 0.7, the
// null ones among them. They are chosen in masked rounds, each weighed by a softmax in a window of 2 * 0.1
// around the largest of what is left, and divided by the sum (with 1e-6). Last, a softmax over the logits of
// all that the token has, chosen and fixed, says how much the fixed experts weigh, and how much all chosen
// ones together. Null experts take their weight and compute nothing.
// 
// `dynamic` is this; `fixed_count` is what a top-p of 0 means, always two. The other two give each expert room
// for its share of a step's tokens, at least four: `dropped_by_position` for the first ones,
// `dropped_by_logit` for those of the largest logits, which is a route of its own, whose weights they are.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>

module {
  moe.recipes {
    %w0 = moe.load_bank "experts.{expert}.gate.weight" : <6 x tensor<32x64xf32>>
    moe.define "experts.gate.weight" role "experts", %w0 : !moe.bank<6 x tensor<32x64xf32>>
    %w1 = moe.load_bank "experts.{expert}.up.weight" : <6 x tensor<32x64xf32>>
    moe.define "experts.up.weight" role "experts", %w1 : !moe.bank<6 x tensor<32x64xf32>>
    %w2 = moe.load_bank "experts.{expert}.down.weight" : <6 x tensor<64x32xf32>>
    moe.define "experts.down.weight" role "experts", %w2 : !moe.bank<6 x tensor<64x32xf32>>
    %w3 = moe.load "router.weight" : tensor<10x64xf32>
    moe.define "router.weight" role "router", %w3 : tensor<10x64xf32>
    %w4 = moe.load "fixed.0.gate.weight" : tensor<32x64xf32>
    moe.define "fixed.0.gate.weight" role "shared", %w4 : tensor<32x64xf32>
    %w5 = moe.load "fixed.0.up.weight" : tensor<32x64xf32>
    moe.define "fixed.0.up.weight" role "shared", %w5 : tensor<32x64xf32>
    %w6 = moe.load "fixed.0.down.weight" : tensor<64x32xf32>
    moe.define "fixed.0.down.weight" role "shared", %w6 : tensor<64x32xf32>
    %w7 = moe.load "fixed.1.gate.weight" : tensor<32x64xf32>
    moe.define "fixed.1.gate.weight" role "shared", %w7 : tensor<32x64xf32>
    %w8 = moe.load "fixed.1.up.weight" : tensor<32x64xf32>
    moe.define "fixed.1.up.weight" role "shared", %w8 : tensor<32x64xf32>
    %w9 = moe.load "fixed.1.down.weight" : tensor<64x32xf32>
    moe.define "fixed.1.down.weight" role "shared", %w9 : tensor<64x32xf32>
  }
  func.func private @sum(%x: tensor<?x8xf32>)
      -> (tensor<?x1xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x8xf32>
    %e1 = tensor.empty(%t) : tensor<?x4xf32>
    %part2 = nn.join_heads {heads = 1, sizes = array<i64: 8>, offsets = array<i64: 0>, counts = array<i64: 4>}
        ins(%x : tensor<?x8xf32>) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %e3 = tensor.empty(%t) : tensor<?x4xf32>
    %part4 = nn.join_heads {heads = 1, sizes = array<i64: 8>, offsets = array<i64: 4>, counts = array<i64: 4>}
        ins(%x : tensor<?x8xf32>) outs(%e3 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %e5 = tensor.empty(%t) : tensor<?x4xf32>
    %v6 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%part2, %part4 : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e5 : tensor<?x4xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x4xf32>
    %e7 = tensor.empty(%t) : tensor<?x2xf32>
    %part8 = nn.join_heads {heads = 1, sizes = array<i64: 4>, offsets = array<i64: 0>, counts = array<i64: 2>}
        ins(%v6 : tensor<?x4xf32>) outs(%e7 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %e9 = tensor.empty(%t) : tensor<?x2xf32>
    %part10 = nn.join_heads {heads = 1, sizes = array<i64: 4>, offsets = array<i64: 2>, counts = array<i64: 2>}
        ins(%v6 : tensor<?x4xf32>) outs(%e9 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %e11 = tensor.empty(%t) : tensor<?x2xf32>
    %v12 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%part8, %part10 : tensor<?x2xf32>, tensor<?x2xf32>) outs(%e11 : tensor<?x2xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x2xf32>
    %e13 = tensor.empty(%t) : tensor<?x1xf32>
    %part14 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%v12 : tensor<?x2xf32>) outs(%e13 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e15 = tensor.empty(%t) : tensor<?x1xf32>
    %part16 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%v12 : tensor<?x2xf32>) outs(%e15 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e17 = tensor.empty(%t) : tensor<?x1xf32>
    %v18 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%part14, %part16 : tensor<?x1xf32>, tensor<?x1xf32>) outs(%e17 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x1xf32>
    return %v18 : tensor<?x1xf32>
  }
  func.func private @mix(%x: tensor<?x64xf32>, %logits: tensor<?x10xf32>, %ids: tensor<?x8xi32>, %weights: tensor<?x8xf32>, %masses: tensor<?x8xf32>)
      -> (tensor<?x64xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e1 = tensor.empty(%t) : tensor<?x10xi32>
    %e2 = tensor.empty(%t) : tensor<?x10xf32>
    %ids3, %weights4 = moe.route {routing = #moe.routing<k = 10, policy = dense>}
        ins(%logits : tensor<?x10xf32>) outs(%e1, %e2 : tensor<?x10xi32>, tensor<?x10xf32>) -> tensor<?x10xi32>, tensor<?x10xf32>
    %e5 = tensor.empty(%t) : tensor<?x8xf32>
    %dynamic6 = nn.join_heads {heads = 1, sizes = array<i64: 10>, offsets = array<i64: 0>, counts = array<i64: 8>}
        ins(%weights4 : tensor<?x10xf32>) outs(%e5 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %r7 = func.call @sum(%dynamic6) : (tensor<?x8xf32>) -> tensor<?x1xf32>
    %r8 = func.call @sum(%masses) : (tensor<?x8xf32>) -> tensor<?x1xf32>
    %e9 = tensor.empty(%t) : tensor<?x1xf32>
    %fixed10 = nn.join_heads {heads = 1, sizes = array<i64: 10>, offsets = array<i64: 8>, counts = array<i64: 1>}
        ins(%weights4 : tensor<?x10xf32>) outs(%e9 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e11 = tensor.empty(%t) : tensor<?x1xf32>
    %fixed12 = nn.join_heads {heads = 1, sizes = array<i64: 10>, offsets = array<i64: 9>, counts = array<i64: 1>}
        ins(%weights4 : tensor<?x10xf32>) outs(%e11 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e13 = tensor.empty(%t) : tensor<?x1xf32>
    %chosen14 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%r8, %r7 : tensor<?x1xf32>, tensor<?x1xf32>) outs(%e13 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %p = arith.mulf %a, %b : f32
      linalg.yield %p : f32
    } -> tensor<?x1xf32>
    %e15 = tensor.empty(%t) : tensor<?x1xf32>
    %whole16 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%chosen14, %fixed10, %fixed12 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e15 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %w = arith.addf %s, %c : f32
      linalg.yield %w : f32
    } -> tensor<?x1xf32>
    %w17 = moe.weight "experts.gate.weight" : !moe.bank<6 x tensor<32x64xf32>>
    %w18 = moe.weight "experts.up.weight" : !moe.bank<6 x tensor<32x64xf32>>
    %w19 = moe.weight "experts.down.weight" : !moe.bank<6 x tensor<64x32xf32>>
    %e20 = tensor.empty(%t) : tensor<?x64xf32>
    %routed21 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>, #moe.range<zero, 2>]>} ins(%x, %ids, %weights : tensor<?x64xf32>, tensor<?x8xi32>, tensor<?x8xf32>)
        banks(%w17, %w18, %w19 : !moe.bank<6 x tensor<32x64xf32>>, !moe.bank<6 x tensor<32x64xf32>>, !moe.bank<6 x tensor<64x32xf32>>) outs(%e20 : tensor<?x64xf32>) {
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
    %w22 = moe.weight "fixed.0.gate.weight" : tensor<32x64xf32>
    %w23 = moe.weight "fixed.0.up.weight" : tensor<32x64xf32>
    %w24 = moe.weight "fixed.0.down.weight" : tensor<64x32xf32>
    %e25 = tensor.empty(%t) : tensor<?x32xf32>
    %f26 = linalg.fill ins(%zero : f32) outs(%e25 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v27 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w22 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f26 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e28 = tensor.empty(%t) : tensor<?x32xf32>
    %f29 = linalg.fill ins(%zero : f32) outs(%e28 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v30 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w23 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f29 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e31 = tensor.empty(%t) : tensor<?x32xf32>
    %v32 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v27, %v30 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e31 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %a, %sum : f32
      %product = arith.mulf %silu, %b : f32
      linalg.yield %product : f32
    } -> tensor<?x32xf32>
    %e33 = tensor.empty(%t) : tensor<?x64xf32>
    %f34 = linalg.fill ins(%zero : f32) outs(%e33 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v35 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v32, %w24 : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f34 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %w36 = moe.weight "fixed.1.gate.weight" : tensor<32x64xf32>
    %w37 = moe.weight "fixed.1.up.weight" : tensor<32x64xf32>
    %w38 = moe.weight "fixed.1.down.weight" : tensor<64x32xf32>
    %e39 = tensor.empty(%t) : tensor<?x32xf32>
    %f40 = linalg.fill ins(%zero : f32) outs(%e39 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v41 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w36 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f40 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e42 = tensor.empty(%t) : tensor<?x32xf32>
    %f43 = linalg.fill ins(%zero : f32) outs(%e42 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v44 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w37 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f43 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e45 = tensor.empty(%t) : tensor<?x32xf32>
    %v46 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v41, %v44 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e45 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %a, %sum : f32
      %product = arith.mulf %silu, %b : f32
      linalg.yield %product : f32
    } -> tensor<?x32xf32>
    %e47 = tensor.empty(%t) : tensor<?x64xf32>
    %f48 = linalg.fill ins(%zero : f32) outs(%e47 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v49 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v46, %w38 : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f48 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e50 = tensor.empty(%t) : tensor<?x64xf32>
    %y51 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%routed21, %chosen14, %v35, %fixed10, %v49, %fixed12, %whole16 : tensor<?x64xf32>, tensor<?x1xf32>, tensor<?x64xf32>, tensor<?x1xf32>, tensor<?x64xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e50 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %g: f32, %out: f32):
      %r = arith.mulf %a, %b : f32
      %s = arith.mulf %c, %d : f32
      %u = arith.mulf %e, %f : f32
      %rs = arith.addf %r, %s : f32
      %all = arith.addf %rs, %u : f32
      %y = arith.divf %all, %g : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    return %y51 : tensor<?x64xf32>
  }
  func.func @dynamic(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x8xi32> {moe.name = "experts"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "router.weight" : tensor<10x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x10xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %logits4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<10x64xf32>) outs(%f3 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %e5 = tensor.empty(%t) : tensor<?x8xf32>
    %dynamic6 = nn.join_heads {heads = 1, sizes = array<i64: 10>, offsets = array<i64: 0>, counts = array<i64: 8>}
        ins(%logits4 : tensor<?x10xf32>) outs(%e5 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %e7 = tensor.empty(%t) : tensor<?x8xi32>
    %e8 = tensor.empty(%t) : tensor<?x8xf32>
    %ids9, %weights10 = moe.route {routing = #moe.routing<k = 8, policy = sequential_masked, scope = window, window = 0.2 : f64, window_by = magnitude, renorm = sum, eps = 1.0e-6 : f64, threshold = 0.7 : f64>}
        ins(%dynamic6 : tensor<?x8xf32>) outs(%e7, %e8 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %e11 = tensor.empty(%t) : tensor<?x8xi32>
    %e12 = tensor.empty(%t) : tensor<?x8xf32>
    %ids13, %weights14 = moe.route {routing = #moe.routing<k = 8, policy = topp, threshold = 0.7 : f64>}
        ins(%dynamic6 : tensor<?x8xf32>) outs(%e11, %e12 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %r15 = func.call @mix(%x, %logits4, %ids9, %weights10, %weights14) : (tensor<?x64xf32>, tensor<?x10xf32>, tensor<?x8xi32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x64xf32>
    return %r15, %ids9 : tensor<?x64xf32>, tensor<?x8xi32>
  }
  func.func @fixed_count(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x8xi32> {moe.name = "experts"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "router.weight" : tensor<10x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x10xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %logits4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<10x64xf32>) outs(%f3 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %e5 = tensor.empty(%t) : tensor<?x8xf32>
    %dynamic6 = nn.join_heads {heads = 1, sizes = array<i64: 10>, offsets = array<i64: 0>, counts = array<i64: 8>}
        ins(%logits4 : tensor<?x10xf32>) outs(%e5 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %two = arith.constant 2 : i32
    %e7 = tensor.empty(%t) : tensor<?xi32>
    %count = linalg.fill ins(%two : i32) outs(%e7 : tensor<?xi32>) -> tensor<?xi32>
    %e8 = tensor.empty(%t) : tensor<?x8xi32>
    %e9 = tensor.empty(%t) : tensor<?x8xf32>
    %ids10, %weights11 = moe.route {routing = #moe.routing<k = 8, policy = sequential_masked, scope = window, window = 0.2 : f64, window_by = magnitude, renorm = sum, eps = 1.0e-6 : f64>}
        ins(%dynamic6 : tensor<?x8xf32>) token_k(%count : tensor<?xi32>) outs(%e8, %e9 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %e12 = tensor.empty(%t) : tensor<?x8xi32>
    %e13 = tensor.empty(%t) : tensor<?x8xf32>
    %ids14, %weights15 = moe.route {routing = #moe.routing<k = 8>}
        ins(%dynamic6 : tensor<?x8xf32>) token_k(%count : tensor<?xi32>) outs(%e12, %e13 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %r16 = func.call @mix(%x, %logits4, %ids10, %weights11, %weights15) : (tensor<?x64xf32>, tensor<?x10xf32>, tensor<?x8xi32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x64xf32>
    return %r16, %ids10 : tensor<?x64xf32>, tensor<?x8xi32>
  }
  func.func @dropped_by_position(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x8xi32> {moe.name = "experts"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "router.weight" : tensor<10x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x10xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %logits4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<10x64xf32>) outs(%f3 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %e5 = tensor.empty(%t) : tensor<?x8xf32>
    %dynamic6 = nn.join_heads {heads = 1, sizes = array<i64: 10>, offsets = array<i64: 0>, counts = array<i64: 8>}
        ins(%logits4 : tensor<?x10xf32>) outs(%e5 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %e7 = tensor.empty(%t) : tensor<?x8xi32>
    %e8 = tensor.empty(%t) : tensor<?x8xf32>
    %ids9, %weights10 = moe.route {routing = #moe.routing<k = 8, policy = sequential_masked, scope = window, window = 0.2 : f64, window_by = magnitude, renorm = sum, eps = 1.0e-6 : f64, threshold = 0.7 : f64, capacity = 1.0 : f64, capacity_unit = factor, capacity_min = 4, drop_order = token_major, renorm_after_drop = true>}
        ins(%dynamic6 : tensor<?x8xf32>) outs(%e7, %e8 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %e11 = tensor.empty(%t) : tensor<?x8xi32>
    %e12 = tensor.empty(%t) : tensor<?x8xf32>
    %ids13, %weights14 = moe.route {routing = #moe.routing<k = 8, policy = topp, threshold = 0.7 : f64, capacity = 1.0 : f64, capacity_unit = factor, capacity_min = 4, drop_order = token_major>}
        ins(%dynamic6 : tensor<?x8xf32>) outs(%e11, %e12 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %r15 = func.call @mix(%x, %logits4, %ids9, %weights10, %weights14) : (tensor<?x64xf32>, tensor<?x10xf32>, tensor<?x8xi32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x64xf32>
    return %r15, %ids9 : tensor<?x64xf32>, tensor<?x8xi32>
  }
  func.func @dropped_by_logit(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x8xi32> {moe.name = "experts"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "router.weight" : tensor<10x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x10xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %logits4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<10x64xf32>) outs(%f3 : tensor<?x10xf32>) -> tensor<?x10xf32>
    %e5 = tensor.empty(%t) : tensor<?x8xf32>
    %dynamic6 = nn.join_heads {heads = 1, sizes = array<i64: 10>, offsets = array<i64: 0>, counts = array<i64: 8>}
        ins(%logits4 : tensor<?x10xf32>) outs(%e5 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %e7 = tensor.empty(%t) : tensor<?x8xi32>
    %e8 = tensor.empty(%t) : tensor<?x8xf32>
    %ids9, %weights10 = moe.route {routing = #moe.routing<k = 8, policy = sequential_masked, scope = window, window = 0.2 : f64, window_by = magnitude, renorm = sum, eps = 1.0e-6 : f64, threshold = 0.7 : f64>}
        ins(%dynamic6 : tensor<?x8xf32>) outs(%e7, %e8 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %e11 = tensor.empty(%t) : tensor<?x8xi32>
    %e12 = tensor.empty(%t) : tensor<?x8xf32>
    %ids13, %weights14 = moe.route {routing = #moe.routing<k = 8, policy = topp, select_on = logit, threshold = 0.7 : f64>}
        ins(%dynamic6 : tensor<?x8xf32>) outs(%e11, %e12 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %e15 = tensor.empty(%t) : tensor<?x8xi32>
    %e16 = tensor.empty(%t) : tensor<?x8xf32>
    %ids17, %weights18 = moe.route {routing = #moe.routing<k = 8, policy = topp, select_on = logit, threshold = 0.7 : f64, weight_from = logit, capacity = 1.0 : f64, capacity_unit = factor, capacity_min = 4, drop_order = token_major, priority = prob>}
        ins(%dynamic6 : tensor<?x8xf32>) outs(%e15, %e16 : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    %e19 = tensor.empty(%t) : tensor<?x8xf32>
    %kept20 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%weights10, %ids17 : tensor<?x8xf32>, tensor<?x8xi32>) outs(%e19 : tensor<?x8xf32>) {
    ^bb0(%a: f32, %b: i32, %out: f32):
      %none = arith.constant 0 : i32
      %zero_ = arith.constant 0.0 : f32
      %is = arith.cmpi sge, %b, %none : i32
      %y = arith.select %is, %a, %zero_ : f32
      linalg.yield %y : f32
    } -> tensor<?x8xf32>
    %e21 = tensor.empty(%t) : tensor<?x8xf32>
    %masses22 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%weights14, %ids17 : tensor<?x8xf32>, tensor<?x8xi32>) outs(%e21 : tensor<?x8xf32>) {
    ^bb0(%a: f32, %b: i32, %out: f32):
      %none = arith.constant 0 : i32
      %zero_ = arith.constant 0.0 : f32
      %is = arith.cmpi sge, %b, %none : i32
      %y = arith.select %is, %a, %zero_ : f32
      linalg.yield %y : f32
    } -> tensor<?x8xf32>
    %r23 = func.call @sum(%kept20) : (tensor<?x8xf32>) -> tensor<?x1xf32>
    %e24 = tensor.empty(%t) : tensor<?x8xf32>
    %weights25 = linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%kept20, %r23 : tensor<?x8xf32>, tensor<?x1xf32>) outs(%e24 : tensor<?x8xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %eps = arith.constant 1.0e-6 : f32
      %s = arith.addf %b, %eps : f32
      %y = arith.divf %a, %s : f32
      linalg.yield %y : f32
    } -> tensor<?x8xf32>
    %r26 = func.call @mix(%x, %logits4, %ids17, %weights25, %masses22) : (tensor<?x64xf32>, tensor<?x10xf32>, tensor<?x8xi32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x64xf32>
    return %r26, %ids17 : tensor<?x64xf32>, tensor<?x8xi32>
  }
}
