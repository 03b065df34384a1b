// SADE (arXiv 2107.09249): three experts behind a shared stem, each a branch with a cosine classifier of its
// own: 30 times the cosine of its features with each class. (The rows of `head.i` have length 1 already when
// the checkpoint is written.)
// 
// `logits` gives those of each expert, on which a mixture is learned when the test data is there. `plain` is
// their mean. `mixed` takes the mixture as arguments, for each row its own. In `folded` it is in the
// checkpoint (`mixture.i`): the features are scaled by it and lie beside each other, and so do the heads'
// matrices, by a recipe; one product is the weighted sum of all. `pruned` is that without the second expert,
// for a mixture that hardly uses it.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#one = affine_map<(t, n) -> (0)>

module {
  moe.recipes {
    %w0 = moe.load "stem.weight" : tensor<48x64xf32>
    moe.define "stem.weight" role "other", %w0 : tensor<48x64xf32>
    %w1 = moe.load "branch.0.weight" : tensor<32x48xf32>
    moe.define "branch.0.weight" role "other", %w1 : tensor<32x48xf32>
    %w2 = moe.load "branch.1.weight" : tensor<32x48xf32>
    moe.define "branch.1.weight" role "other", %w2 : tensor<32x48xf32>
    %w3 = moe.load "branch.2.weight" : tensor<32x48xf32>
    moe.define "branch.2.weight" role "other", %w3 : tensor<32x48xf32>
    %w4 = moe.load "head.0.weight" : tensor<40x32xf32>
    moe.define "head.0.weight" role "head", %w4 : tensor<40x32xf32>
    %w5 = moe.load "head.1.weight" : tensor<40x32xf32>
    moe.define "head.1.weight" role "head", %w5 : tensor<40x32xf32>
    %w6 = moe.load "head.2.weight" : tensor<40x32xf32>
    moe.define "head.2.weight" role "head", %w6 : tensor<40x32xf32>
    %all = moe.concat %w4, %w5, %w6 {columns} : tensor<40x32xf32>, tensor<40x32xf32>, tensor<40x32xf32> to tensor<40x96xf32>
    moe.define "head.all.weight" role "head", %all : tensor<40x96xf32>
    %two = moe.concat %w4, %w6 {columns} : tensor<40x32xf32>, tensor<40x32xf32> to tensor<40x64xf32>
    moe.define "head.two.weight" role "head", %two : tensor<40x64xf32>
    %w7 = moe.load "mixture.0" : tensor<1xf32>
    moe.define "mixture.0" role "other", %w7 : tensor<1xf32>
    %w8 = moe.load "mixture.1" : tensor<1xf32>
    moe.define "mixture.1" role "other", %w8 : tensor<1xf32>
    %w9 = moe.load "mixture.2" : tensor<1xf32>
    moe.define "mixture.2" role "other", %w9 : tensor<1xf32>
  }
  func.func private @features(%x: tensor<?x64xf32>)
      -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "stem.weight" : tensor<48x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x48xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %v4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w1 : tensor<?x64xf32>, tensor<48x64xf32>) outs(%f3 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %e5 = tensor.empty(%t) : tensor<?x48xf32>
    %stem6 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v4 : tensor<?x48xf32>) outs(%e5 : tensor<?x48xf32>) {
    ^bb0(%a: f32, %out: f32):
      %z = arith.constant 0.0 : f32
      %y = arith.maximumf %a, %z : f32
      linalg.yield %y : f32
    } -> tensor<?x48xf32>
    %w7 = moe.weight "branch.0.weight" : tensor<32x48xf32>
    %e8 = tensor.empty(%t) : tensor<?x32xf32>
    %f9 = linalg.fill ins(%zero : f32) outs(%e8 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v10 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%stem6, %w7 : tensor<?x48xf32>, tensor<32x48xf32>) outs(%f9 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e11 = tensor.empty(%t) : tensor<?x32xf32>
    %branch12 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v10 : tensor<?x32xf32>) outs(%e11 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      %z = arith.constant 0.0 : f32
      %y = arith.maximumf %a, %z : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e13 = tensor.empty(%t) : tensor<?x32xf32>
    %unit14 = nn.rms_norm {eps = 1.0e-24 : f64, size = 32} ins(%branch12 : tensor<?x32xf32>) outs(%e13 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e15 = tensor.empty(%t) : tensor<?x32xf32>
    %cosine16 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%unit14 : tensor<?x32xf32>) outs(%e15 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      %c = arith.constant 5.30330086 : f32
      %y = arith.mulf %a, %c : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w17 = moe.weight "branch.1.weight" : tensor<32x48xf32>
    %e18 = tensor.empty(%t) : tensor<?x32xf32>
    %f19 = linalg.fill ins(%zero : f32) outs(%e18 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v20 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%stem6, %w17 : tensor<?x48xf32>, tensor<32x48xf32>) outs(%f19 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e21 = tensor.empty(%t) : tensor<?x32xf32>
    %branch22 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v20 : tensor<?x32xf32>) outs(%e21 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      %z = arith.constant 0.0 : f32
      %y = arith.maximumf %a, %z : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e23 = tensor.empty(%t) : tensor<?x32xf32>
    %unit24 = nn.rms_norm {eps = 1.0e-24 : f64, size = 32} ins(%branch22 : tensor<?x32xf32>) outs(%e23 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e25 = tensor.empty(%t) : tensor<?x32xf32>
    %cosine26 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%unit24 : tensor<?x32xf32>) outs(%e25 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      %c = arith.constant 5.30330086 : f32
      %y = arith.mulf %a, %c : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w27 = moe.weight "branch.2.weight" : tensor<32x48xf32>
    %e28 = tensor.empty(%t) : tensor<?x32xf32>
    %f29 = linalg.fill ins(%zero : f32) outs(%e28 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v30 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%stem6, %w27 : tensor<?x48xf32>, tensor<32x48xf32>) outs(%f29 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e31 = tensor.empty(%t) : tensor<?x32xf32>
    %branch32 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v30 : tensor<?x32xf32>) outs(%e31 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      %z = arith.constant 0.0 : f32
      %y = arith.maximumf %a, %z : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e33 = tensor.empty(%t) : tensor<?x32xf32>
    %unit34 = nn.rms_norm {eps = 1.0e-24 : f64, size = 32} ins(%branch32 : tensor<?x32xf32>) outs(%e33 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e35 = tensor.empty(%t) : tensor<?x32xf32>
    %cosine36 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%unit34 : tensor<?x32xf32>) outs(%e35 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      %c = arith.constant 5.30330086 : f32
      %y = arith.mulf %a, %c : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    return %cosine16, %cosine26, %cosine36 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>
  }
  func.func @logits(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x40xf32> {moe.name = "logits0"}, tensor<?x40xf32> {moe.name = "logits1"}, tensor<?x40xf32> {moe.name = "logits2"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %r1, %r2, %r3 = func.call @features(%x) : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>)
    %w4 = moe.weight "head.0.weight" : tensor<40x32xf32>
    %e5 = tensor.empty(%t) : tensor<?x40xf32>
    %f6 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits7 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r1, %w4 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f6 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w8 = moe.weight "head.1.weight" : tensor<40x32xf32>
    %e9 = tensor.empty(%t) : tensor<?x40xf32>
    %f10 = linalg.fill ins(%zero : f32) outs(%e9 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r2, %w8 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f10 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w12 = moe.weight "head.2.weight" : tensor<40x32xf32>
    %e13 = tensor.empty(%t) : tensor<?x40xf32>
    %f14 = linalg.fill ins(%zero : f32) outs(%e13 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits15 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r3, %w12 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f14 : tensor<?x40xf32>) -> tensor<?x40xf32>
    return %logits7, %logits11, %logits15 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>
  }
  func.func @plain(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x40xf32> {moe.name = "logits"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %r1, %r2, %r3 = func.call @features(%x) : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>)
    %w4 = moe.weight "head.0.weight" : tensor<40x32xf32>
    %e5 = tensor.empty(%t) : tensor<?x40xf32>
    %f6 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits7 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r1, %w4 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f6 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w8 = moe.weight "head.1.weight" : tensor<40x32xf32>
    %e9 = tensor.empty(%t) : tensor<?x40xf32>
    %f10 = linalg.fill ins(%zero : f32) outs(%e9 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r2, %w8 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f10 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w12 = moe.weight "head.2.weight" : tensor<40x32xf32>
    %e13 = tensor.empty(%t) : tensor<?x40xf32>
    %f14 = linalg.fill ins(%zero : f32) outs(%e13 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits15 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r3, %w12 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f14 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %e16 = tensor.empty(%t) : tensor<?x40xf32>
    %mean17 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%logits7, %logits11, %logits15 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>) outs(%e16 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %u = arith.addf %s, %c : f32
      %three = arith.constant 3.0 : f32
      %y = arith.divf %u, %three : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    return %mean17 : tensor<?x40xf32>
  }
  func.func @mixed(%x: tensor<?x64xf32> {moe.name = "x"}, %mix0: tensor<?x1xf32> {moe.name = "mix0"}, %mix1: tensor<?x1xf32> {moe.name = "mix1"}, %mix2: tensor<?x1xf32> {moe.name = "mix2"})
      -> (tensor<?x40xf32> {moe.name = "logits"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %r1, %r2, %r3 = func.call @features(%x) : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>)
    %w4 = moe.weight "head.0.weight" : tensor<40x32xf32>
    %e5 = tensor.empty(%t) : tensor<?x40xf32>
    %f6 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits7 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r1, %w4 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f6 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w8 = moe.weight "head.1.weight" : tensor<40x32xf32>
    %e9 = tensor.empty(%t) : tensor<?x40xf32>
    %f10 = linalg.fill ins(%zero : f32) outs(%e9 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r2, %w8 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f10 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w12 = moe.weight "head.2.weight" : tensor<40x32xf32>
    %e13 = tensor.empty(%t) : tensor<?x40xf32>
    %f14 = linalg.fill ins(%zero : f32) outs(%e13 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits15 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r3, %w12 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f14 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %e16 = tensor.empty(%t) : tensor<?x40xf32>
    %sum17 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%logits7, %mix0, %logits11, %mix1, %logits15, %mix2 : tensor<?x40xf32>, tensor<?x1xf32>, tensor<?x40xf32>, tensor<?x1xf32>, tensor<?x40xf32>, tensor<?x1xf32>) outs(%e16 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %u = arith.mulf %a, %b : f32
      %v = arith.mulf %c, %d : f32
      %w = arith.mulf %e, %f : f32
      %uv = arith.addf %u, %v : f32
      %y = arith.addf %uv, %w : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    return %sum17 : tensor<?x40xf32>
  }
  func.func @folded(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x40xf32> {moe.name = "logits"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %r1, %r2, %r3 = func.call @features(%x) : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>)
    %w4 = moe.weight "mixture.0" : tensor<1xf32>
    %e5 = tensor.empty(%t) : tensor<?x32xf32>
    %share6 = linalg.generic {indexing_maps = [#rows, #one, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%r1, %w4 : tensor<?x32xf32>, tensor<1xf32>) outs(%e5 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %y = arith.mulf %a, %b : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w7 = moe.weight "mixture.1" : tensor<1xf32>
    %e8 = tensor.empty(%t) : tensor<?x32xf32>
    %share9 = linalg.generic {indexing_maps = [#rows, #one, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%r2, %w7 : tensor<?x32xf32>, tensor<1xf32>) outs(%e8 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %y = arith.mulf %a, %b : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w10 = moe.weight "mixture.2" : tensor<1xf32>
    %e11 = tensor.empty(%t) : tensor<?x32xf32>
    %share12 = linalg.generic {indexing_maps = [#rows, #one, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%r3, %w10 : tensor<?x32xf32>, tensor<1xf32>) outs(%e11 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %y = arith.mulf %a, %b : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e13 = tensor.empty(%t) : tensor<?x96xf32>
    %all14 = nn.join_heads {heads = 1, sizes = array<i64: 32, 32, 32>, offsets = array<i64: 0, 0, 0>, counts = array<i64: 32, 32, 32>}
        ins(%share6, %share9, %share12 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>) outs(%e13 : tensor<?x96xf32>) -> tensor<?x96xf32>
    %w15 = moe.weight "head.all.weight" : tensor<40x96xf32>
    %e16 = tensor.empty(%t) : tensor<?x40xf32>
    %f17 = linalg.fill ins(%zero : f32) outs(%e16 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits18 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%all14, %w15 : tensor<?x96xf32>, tensor<40x96xf32>) outs(%f17 : tensor<?x40xf32>) -> tensor<?x40xf32>
    return %logits18 : tensor<?x40xf32>
  }
  func.func @pruned(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x40xf32> {moe.name = "logits"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %r1, %r2, %r3 = func.call @features(%x) : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>)
    %w4 = moe.weight "mixture.0" : tensor<1xf32>
    %e5 = tensor.empty(%t) : tensor<?x32xf32>
    %share6 = linalg.generic {indexing_maps = [#rows, #one, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%r1, %w4 : tensor<?x32xf32>, tensor<1xf32>) outs(%e5 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %y = arith.mulf %a, %b : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w7 = moe.weight "mixture.2" : tensor<1xf32>
    %e8 = tensor.empty(%t) : tensor<?x32xf32>
    %share9 = linalg.generic {indexing_maps = [#rows, #one, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%r3, %w7 : tensor<?x32xf32>, tensor<1xf32>) outs(%e8 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %y = arith.mulf %a, %b : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e10 = tensor.empty(%t) : tensor<?x64xf32>
    %all11 = nn.join_heads {heads = 1, sizes = array<i64: 32, 32>, offsets = array<i64: 0, 0>, counts = array<i64: 32, 32>}
        ins(%share6, %share9 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e10 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %w12 = moe.weight "head.two.weight" : tensor<40x64xf32>
    %e13 = tensor.empty(%t) : tensor<?x40xf32>
    %f14 = linalg.fill ins(%zero : f32) outs(%e13 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits15 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%all11, %w12 : tensor<?x64xf32>, tensor<40x64xf32>) outs(%f14 : tensor<?x40xf32>) -> tensor<?x40xf32>
    return %logits15 : tensor<?x40xf32>
  }
}
