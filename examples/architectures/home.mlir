// HoME (arXiv 2408.05430): dense gates with a hierarchy. Two tasks share a global group of experts and
// own one expert each; the hierarchy mask is which experts a task's gate is written over. A feature
// gate 2 sigmoid(B A v) of low rank scales a task's input, a self gate sigmoid(g v) its own expert;
// a softmax over the task's three experts mixes them. The shared experts are computed once for both
// tasks; batch norms of the experts are folded into their matrices when the checkpoint is written.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  moe.recipes {
    %w0 = moe.load "shared.0.weight" : tensor<32x64xf32>
    moe.define "shared.0.weight" role "experts", %w0 : tensor<32x64xf32>
    %w1 = moe.load "shared.0.bias" : tensor<32xf32>
    moe.define "shared.0.bias" role "experts", %w1 : tensor<32xf32>
    %w2 = moe.load "shared.1.weight" : tensor<32x64xf32>
    moe.define "shared.1.weight" role "experts", %w2 : tensor<32x64xf32>
    %w3 = moe.load "shared.1.bias" : tensor<32xf32>
    moe.define "shared.1.bias" role "experts", %w3 : tensor<32xf32>
    %w4 = moe.load "task.0.weight" : tensor<32x64xf32>
    moe.define "task.0.weight" role "experts", %w4 : tensor<32x64xf32>
    %w5 = moe.load "task.0.bias" : tensor<32xf32>
    moe.define "task.0.bias" role "experts", %w5 : tensor<32xf32>
    %w6 = moe.load "task.1.weight" : tensor<32x64xf32>
    moe.define "task.1.weight" role "experts", %w6 : tensor<32x64xf32>
    %w7 = moe.load "task.1.bias" : tensor<32xf32>
    moe.define "task.1.bias" role "experts", %w7 : tensor<32xf32>
    %w8 = moe.load "task.0.feature.a" : tensor<8x64xf32>
    moe.define "task.0.feature.a" role "router", %w8 : tensor<8x64xf32>
    %w9 = moe.load "task.0.feature.b" : tensor<64x8xf32>
    moe.define "task.0.feature.b" role "router", %w9 : tensor<64x8xf32>
    %w10 = moe.load "task.0.self" : tensor<1x64xf32>
    moe.define "task.0.self" role "router", %w10 : tensor<1x64xf32>
    %w11 = moe.load "task.0.gate.0" : tensor<1x64xf32>
    moe.define "task.0.gate.0" role "router", %w11 : tensor<1x64xf32>
    %w12 = moe.load "task.0.gate.1" : tensor<1x64xf32>
    moe.define "task.0.gate.1" role "router", %w12 : tensor<1x64xf32>
    %w13 = moe.load "task.0.gate.2" : tensor<1x64xf32>
    moe.define "task.0.gate.2" role "router", %w13 : tensor<1x64xf32>
    %w14 = moe.load "task.1.feature.a" : tensor<8x64xf32>
    moe.define "task.1.feature.a" role "router", %w14 : tensor<8x64xf32>
    %w15 = moe.load "task.1.feature.b" : tensor<64x8xf32>
    moe.define "task.1.feature.b" role "router", %w15 : tensor<64x8xf32>
    %w16 = moe.load "task.1.self" : tensor<1x64xf32>
    moe.define "task.1.self" role "router", %w16 : tensor<1x64xf32>
    %w17 = moe.load "task.1.gate.0" : tensor<1x64xf32>
    moe.define "task.1.gate.0" role "router", %w17 : tensor<1x64xf32>
    %w18 = moe.load "task.1.gate.1" : tensor<1x64xf32>
    moe.define "task.1.gate.1" role "router", %w18 : tensor<1x64xf32>
    %w19 = moe.load "task.1.gate.2" : tensor<1x64xf32>
    moe.define "task.1.gate.2" role "router", %w19 : tensor<1x64xf32>
  }
  func.func @tasks(%v: tensor<?x64xf32> {moe.name = "v"})
      -> (tensor<?x32xf32> {moe.name = "y0"}, tensor<?x32xf32> {moe.name = "y1"}) {
    %w1 = moe.weight "shared.0.weight" : tensor<32x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %v, %c0 : tensor<?x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x32xf32>
    %z3 = arith.constant 0.0 : f32
    %f4 = linalg.fill ins(%z3 : f32) outs(%e2 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w1 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f4 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w6 = moe.weight "shared.0.bias" : tensor<32xf32>
    %e7 = tensor.empty(%t) : tensor<?x32xf32>
    %expert8 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v5, %w6 : tensor<?x32xf32>, tensor<32xf32>) outs(%e7 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %z, %sum : f32
      linalg.yield %silu : f32
    } -> tensor<?x32xf32>
    %w9 = moe.weight "shared.1.weight" : tensor<32x64xf32>
    %e10 = tensor.empty(%t) : tensor<?x32xf32>
    %z11 = arith.constant 0.0 : f32
    %f12 = linalg.fill ins(%z11 : f32) outs(%e10 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v13 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w9 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f12 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w14 = moe.weight "shared.1.bias" : tensor<32xf32>
    %e15 = tensor.empty(%t) : tensor<?x32xf32>
    %expert16 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v13, %w14 : tensor<?x32xf32>, tensor<32xf32>) outs(%e15 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %z, %sum : f32
      linalg.yield %silu : f32
    } -> tensor<?x32xf32>
    %w17 = moe.weight "task.0.feature.a" : tensor<8x64xf32>
    %e18 = tensor.empty(%t) : tensor<?x8xf32>
    %z19 = arith.constant 0.0 : f32
    %f20 = linalg.fill ins(%z19 : f32) outs(%e18 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v21 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w17 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f20 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %w22 = moe.weight "task.0.feature.b" : tensor<64x8xf32>
    %e23 = tensor.empty(%t) : tensor<?x64xf32>
    %z24 = arith.constant 0.0 : f32
    %f25 = linalg.fill ins(%z24 : f32) outs(%e23 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v26 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v21, %w22 : tensor<?x8xf32>, tensor<64x8xf32>) outs(%f25 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e27 = tensor.empty(%t) : tensor<?x64xf32>
    %input28 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v26, %v : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e27 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %two = arith.constant 2.0 : f32
      %gate = arith.divf %two, %sum : f32
      %y = arith.mulf %gate, %b : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %w29 = moe.weight "task.0.weight" : tensor<32x64xf32>
    %e30 = tensor.empty(%t) : tensor<?x32xf32>
    %z31 = arith.constant 0.0 : f32
    %f32 = linalg.fill ins(%z31 : f32) outs(%e30 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v33 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input28, %w29 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f32 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w34 = moe.weight "task.0.bias" : tensor<32xf32>
    %e35 = tensor.empty(%t) : tensor<?x32xf32>
    %expert36 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v33, %w34 : tensor<?x32xf32>, tensor<32xf32>) outs(%e35 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %z, %sum : f32
      linalg.yield %silu : f32
    } -> tensor<?x32xf32>
    %w37 = moe.weight "task.0.self" : tensor<1x64xf32>
    %e38 = tensor.empty(%t) : tensor<?x1xf32>
    %z39 = arith.constant 0.0 : f32
    %f40 = linalg.fill ins(%z39 : f32) outs(%e38 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v41 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w37 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f40 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w42 = moe.weight "task.0.gate.0" : tensor<1x64xf32>
    %e43 = tensor.empty(%t) : tensor<?x1xf32>
    %z44 = arith.constant 0.0 : f32
    %f45 = linalg.fill ins(%z44 : f32) outs(%e43 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v46 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w42 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f45 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w47 = moe.weight "task.0.gate.1" : tensor<1x64xf32>
    %e48 = tensor.empty(%t) : tensor<?x1xf32>
    %z49 = arith.constant 0.0 : f32
    %f50 = linalg.fill ins(%z49 : f32) outs(%e48 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v51 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w47 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f50 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w52 = moe.weight "task.0.gate.2" : tensor<1x64xf32>
    %e53 = tensor.empty(%t) : tensor<?x1xf32>
    %z54 = arith.constant 0.0 : f32
    %f55 = linalg.fill ins(%z54 : f32) outs(%e53 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v56 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w52 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f55 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e57 = tensor.empty(%t) : tensor<?x1xf32>
    %gate58 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v46, %v51, %v56 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e57 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.maximumf %m0, %c : f32
      %d0 = arith.subf %a, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %b, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %c, %m : f32
      %x2 = math.exp %d2 : f32
      %s0 = arith.addf %x0, %x1 : f32
      %s1 = arith.addf %s0, %x2 : f32
      %y = arith.divf %x0, %s1 : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e59 = tensor.empty(%t) : tensor<?x1xf32>
    %gate60 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v46, %v51, %v56 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e59 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.maximumf %m0, %c : f32
      %d0 = arith.subf %a, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %b, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %c, %m : f32
      %x2 = math.exp %d2 : f32
      %s0 = arith.addf %x0, %x1 : f32
      %s1 = arith.addf %s0, %x2 : f32
      %y = arith.divf %x1, %s1 : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e61 = tensor.empty(%t) : tensor<?x1xf32>
    %gate62 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v46, %v51, %v56 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e61 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.maximumf %m0, %c : f32
      %d0 = arith.subf %a, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %b, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %c, %m : f32
      %x2 = math.exp %d2 : f32
      %s0 = arith.addf %x0, %x1 : f32
      %s1 = arith.addf %s0, %x2 : f32
      %y = arith.divf %x2, %s1 : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e63 = tensor.empty(%t) : tensor<?x32xf32>
    %own64 = linalg.generic {indexing_maps = [#row, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v41, %expert36 : tensor<?x1xf32>, tensor<?x32xf32>) outs(%e63 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %b, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e65 = tensor.empty(%t) : tensor<?x32xf32>
    %v66 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #row, #row, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert8, %expert16, %own64, %gate58, %gate60, %gate62 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e65 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p = arith.mulf %a, %d : f32
      %q = arith.mulf %b, %e : f32
      %r = arith.mulf %c, %f : f32
      %pq = arith.addf %p, %q : f32
      %y = arith.addf %pq, %r : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w67 = moe.weight "task.1.feature.a" : tensor<8x64xf32>
    %e68 = tensor.empty(%t) : tensor<?x8xf32>
    %z69 = arith.constant 0.0 : f32
    %f70 = linalg.fill ins(%z69 : f32) outs(%e68 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v71 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w67 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f70 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %w72 = moe.weight "task.1.feature.b" : tensor<64x8xf32>
    %e73 = tensor.empty(%t) : tensor<?x64xf32>
    %z74 = arith.constant 0.0 : f32
    %f75 = linalg.fill ins(%z74 : f32) outs(%e73 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v76 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v71, %w72 : tensor<?x8xf32>, tensor<64x8xf32>) outs(%f75 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e77 = tensor.empty(%t) : tensor<?x64xf32>
    %input78 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v76, %v : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e77 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %two = arith.constant 2.0 : f32
      %gate = arith.divf %two, %sum : f32
      %y = arith.mulf %gate, %b : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %w79 = moe.weight "task.1.weight" : tensor<32x64xf32>
    %e80 = tensor.empty(%t) : tensor<?x32xf32>
    %z81 = arith.constant 0.0 : f32
    %f82 = linalg.fill ins(%z81 : f32) outs(%e80 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v83 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input78, %w79 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f82 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w84 = moe.weight "task.1.bias" : tensor<32xf32>
    %e85 = tensor.empty(%t) : tensor<?x32xf32>
    %expert86 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v83, %w84 : tensor<?x32xf32>, tensor<32xf32>) outs(%e85 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %silu = arith.divf %z, %sum : f32
      linalg.yield %silu : f32
    } -> tensor<?x32xf32>
    %w87 = moe.weight "task.1.self" : tensor<1x64xf32>
    %e88 = tensor.empty(%t) : tensor<?x1xf32>
    %z89 = arith.constant 0.0 : f32
    %f90 = linalg.fill ins(%z89 : f32) outs(%e88 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v91 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w87 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f90 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w92 = moe.weight "task.1.gate.0" : tensor<1x64xf32>
    %e93 = tensor.empty(%t) : tensor<?x1xf32>
    %z94 = arith.constant 0.0 : f32
    %f95 = linalg.fill ins(%z94 : f32) outs(%e93 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v96 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w92 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f95 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w97 = moe.weight "task.1.gate.1" : tensor<1x64xf32>
    %e98 = tensor.empty(%t) : tensor<?x1xf32>
    %z99 = arith.constant 0.0 : f32
    %f100 = linalg.fill ins(%z99 : f32) outs(%e98 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v101 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w97 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f100 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w102 = moe.weight "task.1.gate.2" : tensor<1x64xf32>
    %e103 = tensor.empty(%t) : tensor<?x1xf32>
    %z104 = arith.constant 0.0 : f32
    %f105 = linalg.fill ins(%z104 : f32) outs(%e103 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v106 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w102 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f105 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e107 = tensor.empty(%t) : tensor<?x1xf32>
    %gate108 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v96, %v101, %v106 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e107 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.maximumf %m0, %c : f32
      %d0 = arith.subf %a, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %b, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %c, %m : f32
      %x2 = math.exp %d2 : f32
      %s0 = arith.addf %x0, %x1 : f32
      %s1 = arith.addf %s0, %x2 : f32
      %y = arith.divf %x0, %s1 : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e109 = tensor.empty(%t) : tensor<?x1xf32>
    %gate110 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v96, %v101, %v106 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e109 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.maximumf %m0, %c : f32
      %d0 = arith.subf %a, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %b, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %c, %m : f32
      %x2 = math.exp %d2 : f32
      %s0 = arith.addf %x0, %x1 : f32
      %s1 = arith.addf %s0, %x2 : f32
      %y = arith.divf %x1, %s1 : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e111 = tensor.empty(%t) : tensor<?x1xf32>
    %gate112 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v96, %v101, %v106 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e111 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.maximumf %m0, %c : f32
      %d0 = arith.subf %a, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %b, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %c, %m : f32
      %x2 = math.exp %d2 : f32
      %s0 = arith.addf %x0, %x1 : f32
      %s1 = arith.addf %s0, %x2 : f32
      %y = arith.divf %x2, %s1 : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e113 = tensor.empty(%t) : tensor<?x32xf32>
    %own114 = linalg.generic {indexing_maps = [#row, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v91, %expert86 : tensor<?x1xf32>, tensor<?x32xf32>) outs(%e113 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %b, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e115 = tensor.empty(%t) : tensor<?x32xf32>
    %v116 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #row, #row, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert8, %expert16, %own114, %gate108, %gate110, %gate112 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e115 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p = arith.mulf %a, %d : f32
      %q = arith.mulf %b, %e : f32
      %r = arith.mulf %c, %f : f32
      %pq = arith.addf %p, %q : f32
      %y = arith.addf %pq, %r : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    return %v66, %v116 : tensor<?x32xf32>, tensor<?x32xf32>
  }
}
