// HoME (arXiv 2408.05430): dense gates in a hierarchy, for four tasks in two groups.
// 
// First level: an expert that all groups share and one of each group; what a group takes from both is a
// softmax of its gate, and what all take (`meta`) is one of a gate of its own. Second level, for a task t of
// group g: its input is what all take beside what the group takes, times a feature gate of low rank,
// 2 sigmoid(B_t A_t z). A softmax of the task's gate weighs three experts of the second level: one for all
// tasks, one of the group's, and one of its own, which a self gate sigmoid(s_t z) scales. A tower makes a
// probability of it.
// 
// The hierarchy is static, so it is in the module which experts a task's gate is over. Experts whose input is
// the task's (gated) are computed for it; those of the first level are computed once for all. The batch norms
// of experts are folded into their matrices when the checkpoint is written.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  moe.recipes {
    %w0 = moe.load "meta.shared.weight" : tensor<32x64xf32>
    moe.define "meta.shared.weight" role "experts", %w0 : tensor<32x64xf32>
    %w1 = moe.load "meta.shared.bias" : tensor<32xf32>
    moe.define "meta.shared.bias" role "experts", %w1 : tensor<32xf32>
    %w2 = moe.load "meta.group.0.weight" : tensor<32x64xf32>
    moe.define "meta.group.0.weight" role "experts", %w2 : tensor<32x64xf32>
    %w3 = moe.load "meta.group.0.bias" : tensor<32xf32>
    moe.define "meta.group.0.bias" role "experts", %w3 : tensor<32xf32>
    %w4 = moe.load "meta.group.1.weight" : tensor<32x64xf32>
    moe.define "meta.group.1.weight" role "experts", %w4 : tensor<32x64xf32>
    %w5 = moe.load "meta.group.1.bias" : tensor<32xf32>
    moe.define "meta.group.1.bias" role "experts", %w5 : tensor<32xf32>
    %w6 = moe.load "meta.gate.shared" : tensor<3x64xf32>
    moe.define "meta.gate.shared" role "router", %w6 : tensor<3x64xf32>
    %w7 = moe.load "meta.gate.0" : tensor<2x64xf32>
    moe.define "meta.gate.0" role "router", %w7 : tensor<2x64xf32>
    %w8 = moe.load "meta.gate.1" : tensor<2x64xf32>
    moe.define "meta.gate.1" role "router", %w8 : tensor<2x64xf32>
    %w9 = moe.load "shared.weight" : tensor<32x64xf32>
    moe.define "shared.weight" role "experts", %w9 : tensor<32x64xf32>
    %w10 = moe.load "shared.bias" : tensor<32xf32>
    moe.define "shared.bias" role "experts", %w10 : tensor<32xf32>
    %w11 = moe.load "group.0.weight" : tensor<32x64xf32>
    moe.define "group.0.weight" role "experts", %w11 : tensor<32x64xf32>
    %w12 = moe.load "group.0.bias" : tensor<32xf32>
    moe.define "group.0.bias" role "experts", %w12 : tensor<32xf32>
    %w13 = moe.load "group.1.weight" : tensor<32x64xf32>
    moe.define "group.1.weight" role "experts", %w13 : tensor<32x64xf32>
    %w14 = moe.load "group.1.bias" : tensor<32xf32>
    moe.define "group.1.bias" role "experts", %w14 : tensor<32xf32>
    %w15 = moe.load "task.0.weight" : tensor<32x64xf32>
    moe.define "task.0.weight" role "experts", %w15 : tensor<32x64xf32>
    %w16 = moe.load "task.0.bias" : tensor<32xf32>
    moe.define "task.0.bias" role "experts", %w16 : tensor<32xf32>
    %w17 = moe.load "task.0.feature.a" : tensor<8x64xf32>
    moe.define "task.0.feature.a" role "router", %w17 : tensor<8x64xf32>
    %w18 = moe.load "task.0.feature.b" : tensor<64x8xf32>
    moe.define "task.0.feature.b" role "router", %w18 : tensor<64x8xf32>
    %w19 = moe.load "task.0.self" : tensor<1x64xf32>
    moe.define "task.0.self" role "router", %w19 : tensor<1x64xf32>
    %w20 = moe.load "task.0.gate" : tensor<3x64xf32>
    moe.define "task.0.gate" role "router", %w20 : tensor<3x64xf32>
    %w21 = moe.load "task.0.tower" : tensor<1x32xf32>
    moe.define "task.0.tower" role "head", %w21 : tensor<1x32xf32>
    %w22 = moe.load "task.1.weight" : tensor<32x64xf32>
    moe.define "task.1.weight" role "experts", %w22 : tensor<32x64xf32>
    %w23 = moe.load "task.1.bias" : tensor<32xf32>
    moe.define "task.1.bias" role "experts", %w23 : tensor<32xf32>
    %w24 = moe.load "task.1.feature.a" : tensor<8x64xf32>
    moe.define "task.1.feature.a" role "router", %w24 : tensor<8x64xf32>
    %w25 = moe.load "task.1.feature.b" : tensor<64x8xf32>
    moe.define "task.1.feature.b" role "router", %w25 : tensor<64x8xf32>
    %w26 = moe.load "task.1.self" : tensor<1x64xf32>
    moe.define "task.1.self" role "router", %w26 : tensor<1x64xf32>
    %w27 = moe.load "task.1.gate" : tensor<3x64xf32>
    moe.define "task.1.gate" role "router", %w27 : tensor<3x64xf32>
    %w28 = moe.load "task.1.tower" : tensor<1x32xf32>
    moe.define "task.1.tower" role "head", %w28 : tensor<1x32xf32>
    %w29 = moe.load "task.2.weight" : tensor<32x64xf32>
    moe.define "task.2.weight" role "experts", %w29 : tensor<32x64xf32>
    %w30 = moe.load "task.2.bias" : tensor<32xf32>
    moe.define "task.2.bias" role "experts", %w30 : tensor<32xf32>
    %w31 = moe.load "task.2.feature.a" : tensor<8x64xf32>
    moe.define "task.2.feature.a" role "router", %w31 : tensor<8x64xf32>
    %w32 = moe.load "task.2.feature.b" : tensor<64x8xf32>
    moe.define "task.2.feature.b" role "router", %w32 : tensor<64x8xf32>
    %w33 = moe.load "task.2.self" : tensor<1x64xf32>
    moe.define "task.2.self" role "router", %w33 : tensor<1x64xf32>
    %w34 = moe.load "task.2.gate" : tensor<3x64xf32>
    moe.define "task.2.gate" role "router", %w34 : tensor<3x64xf32>
    %w35 = moe.load "task.2.tower" : tensor<1x32xf32>
    moe.define "task.2.tower" role "head", %w35 : tensor<1x32xf32>
    %w36 = moe.load "task.3.weight" : tensor<32x64xf32>
    moe.define "task.3.weight" role "experts", %w36 : tensor<32x64xf32>
    %w37 = moe.load "task.3.bias" : tensor<32xf32>
    moe.define "task.3.bias" role "experts", %w37 : tensor<32xf32>
    %w38 = moe.load "task.3.feature.a" : tensor<8x64xf32>
    moe.define "task.3.feature.a" role "router", %w38 : tensor<8x64xf32>
    %w39 = moe.load "task.3.feature.b" : tensor<64x8xf32>
    moe.define "task.3.feature.b" role "router", %w39 : tensor<64x8xf32>
    %w40 = moe.load "task.3.self" : tensor<1x64xf32>
    moe.define "task.3.self" role "router", %w40 : tensor<1x64xf32>
    %w41 = moe.load "task.3.gate" : tensor<3x64xf32>
    moe.define "task.3.gate" role "router", %w41 : tensor<3x64xf32>
    %w42 = moe.load "task.3.tower" : tensor<1x32xf32>
    moe.define "task.3.tower" role "head", %w42 : tensor<1x32xf32>
  }
  func.func @tasks(%v: tensor<?x64xf32> {moe.name = "v"})
      -> (tensor<?x1xf32> {moe.name = "y0"}, tensor<?x1xf32> {moe.name = "y1"}, tensor<?x1xf32> {moe.name = "y2"}, tensor<?x1xf32> {moe.name = "y3"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %v, %c0 : tensor<?x64xf32>
    %w1 = moe.weight "meta.shared.weight" : tensor<32x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x32xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v4 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w1 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f3 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w5 = moe.weight "meta.shared.bias" : tensor<32xf32>
    %e6 = tensor.empty(%t) : tensor<?x32xf32>
    %expert7 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v4, %w5 : tensor<?x32xf32>, tensor<32xf32>) outs(%e6 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w8 = moe.weight "meta.group.0.weight" : tensor<32x64xf32>
    %e9 = tensor.empty(%t) : tensor<?x32xf32>
    %f10 = linalg.fill ins(%zero : f32) outs(%e9 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w8 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f10 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w12 = moe.weight "meta.group.0.bias" : tensor<32xf32>
    %e13 = tensor.empty(%t) : tensor<?x32xf32>
    %expert14 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v11, %w12 : tensor<?x32xf32>, tensor<32xf32>) outs(%e13 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w15 = moe.weight "meta.group.1.weight" : tensor<32x64xf32>
    %e16 = tensor.empty(%t) : tensor<?x32xf32>
    %f17 = linalg.fill ins(%zero : f32) outs(%e16 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v18 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w15 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f17 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w19 = moe.weight "meta.group.1.bias" : tensor<32xf32>
    %e20 = tensor.empty(%t) : tensor<?x32xf32>
    %expert21 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v18, %w19 : tensor<?x32xf32>, tensor<32xf32>) outs(%e20 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w22 = moe.weight "meta.gate.shared" : tensor<3x64xf32>
    %e23 = tensor.empty(%t) : tensor<?x3xf32>
    %f24 = linalg.fill ins(%zero : f32) outs(%e23 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %gate25 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w22 : tensor<?x64xf32>, tensor<3x64xf32>) outs(%f24 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %e26 = tensor.empty(%t) : tensor<?x3xi32>
    %e27 = tensor.empty(%t) : tensor<?x3xf32>
    %ids28, %weights29 = moe.route {routing = #moe.routing<k = 3, policy = dense>}
        ins(%gate25 : tensor<?x3xf32>) outs(%e26, %e27 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
    %e30 = tensor.empty(%t) : tensor<?x1xf32>
    %share31 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights29 : tensor<?x3xf32>) outs(%e30 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e32 = tensor.empty(%t) : tensor<?x1xf32>
    %share33 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights29 : tensor<?x3xf32>) outs(%e32 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e34 = tensor.empty(%t) : tensor<?x1xf32>
    %share35 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 2>, counts = array<i64: 1>}
        ins(%weights29 : tensor<?x3xf32>) outs(%e34 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e36 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed37 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert7, %share31, %expert14, %share33, %expert21, %share35 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e36 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %p2 = arith.mulf %e, %f : f32
      %s1 = arith.addf %p0, %p1 : f32
      %s2 = arith.addf %s1, %p2 : f32
      linalg.yield %s2 : f32
    } -> tensor<?x32xf32>
    %w38 = moe.weight "meta.gate.0" : tensor<2x64xf32>
    %e39 = tensor.empty(%t) : tensor<?x2xf32>
    %f40 = linalg.fill ins(%zero : f32) outs(%e39 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %gate41 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w38 : tensor<?x64xf32>, tensor<2x64xf32>) outs(%f40 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %e42 = tensor.empty(%t) : tensor<?x2xi32>
    %e43 = tensor.empty(%t) : tensor<?x2xf32>
    %ids44, %weights45 = moe.route {routing = #moe.routing<k = 2, policy = dense>}
        ins(%gate41 : tensor<?x2xf32>) outs(%e42, %e43 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
    %e46 = tensor.empty(%t) : tensor<?x1xf32>
    %share47 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights45 : tensor<?x2xf32>) outs(%e46 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e48 = tensor.empty(%t) : tensor<?x1xf32>
    %share49 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights45 : tensor<?x2xf32>) outs(%e48 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e50 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed51 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert7, %share47, %expert14, %share49 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e50 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %s1 = arith.addf %p0, %p1 : f32
      linalg.yield %s1 : f32
    } -> tensor<?x32xf32>
    %e52 = tensor.empty(%t) : tensor<?x64xf32>
    %both53 = nn.join_heads {heads = 1, sizes = array<i64: 32, 32>, offsets = array<i64: 0, 0>, counts = array<i64: 32, 32>}
        ins(%mixed37, %mixed51 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e52 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %w54 = moe.weight "task.0.feature.a" : tensor<8x64xf32>
    %e55 = tensor.empty(%t) : tensor<?x8xf32>
    %f56 = linalg.fill ins(%zero : f32) outs(%e55 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v57 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both53, %w54 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f56 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %w58 = moe.weight "task.0.feature.b" : tensor<64x8xf32>
    %e59 = tensor.empty(%t) : tensor<?x64xf32>
    %f60 = linalg.fill ins(%zero : f32) outs(%e59 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v61 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v57, %w58 : tensor<?x8xf32>, tensor<64x8xf32>) outs(%f60 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e62 = tensor.empty(%t) : tensor<?x64xf32>
    %input63 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%both53, %v61 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e62 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %two = arith.constant 2.0 : f32
      %gate = arith.divf %two, %sum : f32
      %y = arith.mulf %a, %gate : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %w64 = moe.weight "task.0.self" : tensor<1x64xf32>
    %e65 = tensor.empty(%t) : tensor<?x1xf32>
    %f66 = linalg.fill ins(%zero : f32) outs(%e65 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v67 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both53, %w64 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f66 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w68 = moe.weight "task.0.weight" : tensor<32x64xf32>
    %e69 = tensor.empty(%t) : tensor<?x32xf32>
    %f70 = linalg.fill ins(%zero : f32) outs(%e69 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v71 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input63, %w68 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f70 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w72 = moe.weight "task.0.bias" : tensor<32xf32>
    %e73 = tensor.empty(%t) : tensor<?x32xf32>
    %expert74 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v71, %w72 : tensor<?x32xf32>, tensor<32xf32>) outs(%e73 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e75 = tensor.empty(%t) : tensor<?x32xf32>
    %own76 = linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert74, %v67 : tensor<?x32xf32>, tensor<?x1xf32>) outs(%e75 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %a, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w77 = moe.weight "task.0.gate" : tensor<3x64xf32>
    %e78 = tensor.empty(%t) : tensor<?x3xf32>
    %f79 = linalg.fill ins(%zero : f32) outs(%e78 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %gate80 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both53, %w77 : tensor<?x64xf32>, tensor<3x64xf32>) outs(%f79 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %w81 = moe.weight "shared.weight" : tensor<32x64xf32>
    %e82 = tensor.empty(%t) : tensor<?x32xf32>
    %f83 = linalg.fill ins(%zero : f32) outs(%e82 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v84 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input63, %w81 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f83 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w85 = moe.weight "shared.bias" : tensor<32xf32>
    %e86 = tensor.empty(%t) : tensor<?x32xf32>
    %expert87 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v84, %w85 : tensor<?x32xf32>, tensor<32xf32>) outs(%e86 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w88 = moe.weight "group.0.weight" : tensor<32x64xf32>
    %e89 = tensor.empty(%t) : tensor<?x32xf32>
    %f90 = linalg.fill ins(%zero : f32) outs(%e89 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v91 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input63, %w88 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f90 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w92 = moe.weight "group.0.bias" : tensor<32xf32>
    %e93 = tensor.empty(%t) : tensor<?x32xf32>
    %expert94 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v91, %w92 : tensor<?x32xf32>, tensor<32xf32>) outs(%e93 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e95 = tensor.empty(%t) : tensor<?x3xi32>
    %e96 = tensor.empty(%t) : tensor<?x3xf32>
    %ids97, %weights98 = moe.route {routing = #moe.routing<k = 3, policy = dense>}
        ins(%gate80 : tensor<?x3xf32>) outs(%e95, %e96 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
    %e99 = tensor.empty(%t) : tensor<?x1xf32>
    %share100 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights98 : tensor<?x3xf32>) outs(%e99 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e101 = tensor.empty(%t) : tensor<?x1xf32>
    %share102 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights98 : tensor<?x3xf32>) outs(%e101 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e103 = tensor.empty(%t) : tensor<?x1xf32>
    %share104 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 2>, counts = array<i64: 1>}
        ins(%weights98 : tensor<?x3xf32>) outs(%e103 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e105 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed106 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert87, %share100, %expert94, %share102, %own76, %share104 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e105 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %p2 = arith.mulf %e, %f : f32
      %s1 = arith.addf %p0, %p1 : f32
      %s2 = arith.addf %s1, %p2 : f32
      linalg.yield %s2 : f32
    } -> tensor<?x32xf32>
    %w107 = moe.weight "task.0.tower" : tensor<1x32xf32>
    %e108 = tensor.empty(%t) : tensor<?x1xf32>
    %f109 = linalg.fill ins(%zero : f32) outs(%e108 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %tower110 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%mixed106, %w107 : tensor<?x32xf32>, tensor<1x32xf32>) outs(%f109 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e111 = tensor.empty(%t) : tensor<?x1xf32>
    %y112 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%tower110 : tensor<?x1xf32>) outs(%e111 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %one, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %w113 = moe.weight "task.1.feature.a" : tensor<8x64xf32>
    %e114 = tensor.empty(%t) : tensor<?x8xf32>
    %f115 = linalg.fill ins(%zero : f32) outs(%e114 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v116 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both53, %w113 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f115 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %w117 = moe.weight "task.1.feature.b" : tensor<64x8xf32>
    %e118 = tensor.empty(%t) : tensor<?x64xf32>
    %f119 = linalg.fill ins(%zero : f32) outs(%e118 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v120 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v116, %w117 : tensor<?x8xf32>, tensor<64x8xf32>) outs(%f119 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e121 = tensor.empty(%t) : tensor<?x64xf32>
    %input122 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%both53, %v120 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e121 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %two = arith.constant 2.0 : f32
      %gate = arith.divf %two, %sum : f32
      %y = arith.mulf %a, %gate : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %w123 = moe.weight "task.1.self" : tensor<1x64xf32>
    %e124 = tensor.empty(%t) : tensor<?x1xf32>
    %f125 = linalg.fill ins(%zero : f32) outs(%e124 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v126 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both53, %w123 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f125 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w127 = moe.weight "task.1.weight" : tensor<32x64xf32>
    %e128 = tensor.empty(%t) : tensor<?x32xf32>
    %f129 = linalg.fill ins(%zero : f32) outs(%e128 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v130 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input122, %w127 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f129 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w131 = moe.weight "task.1.bias" : tensor<32xf32>
    %e132 = tensor.empty(%t) : tensor<?x32xf32>
    %expert133 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v130, %w131 : tensor<?x32xf32>, tensor<32xf32>) outs(%e132 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e134 = tensor.empty(%t) : tensor<?x32xf32>
    %own135 = linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert133, %v126 : tensor<?x32xf32>, tensor<?x1xf32>) outs(%e134 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %a, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w136 = moe.weight "task.1.gate" : tensor<3x64xf32>
    %e137 = tensor.empty(%t) : tensor<?x3xf32>
    %f138 = linalg.fill ins(%zero : f32) outs(%e137 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %gate139 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both53, %w136 : tensor<?x64xf32>, tensor<3x64xf32>) outs(%f138 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %e140 = tensor.empty(%t) : tensor<?x32xf32>
    %f141 = linalg.fill ins(%zero : f32) outs(%e140 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v142 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input122, %w81 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f141 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e143 = tensor.empty(%t) : tensor<?x32xf32>
    %expert144 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v142, %w85 : tensor<?x32xf32>, tensor<32xf32>) outs(%e143 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e145 = tensor.empty(%t) : tensor<?x32xf32>
    %f146 = linalg.fill ins(%zero : f32) outs(%e145 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v147 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input122, %w88 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f146 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e148 = tensor.empty(%t) : tensor<?x32xf32>
    %expert149 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v147, %w92 : tensor<?x32xf32>, tensor<32xf32>) outs(%e148 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e150 = tensor.empty(%t) : tensor<?x3xi32>
    %e151 = tensor.empty(%t) : tensor<?x3xf32>
    %ids152, %weights153 = moe.route {routing = #moe.routing<k = 3, policy = dense>}
        ins(%gate139 : tensor<?x3xf32>) outs(%e150, %e151 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
    %e154 = tensor.empty(%t) : tensor<?x1xf32>
    %share155 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights153 : tensor<?x3xf32>) outs(%e154 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e156 = tensor.empty(%t) : tensor<?x1xf32>
    %share157 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights153 : tensor<?x3xf32>) outs(%e156 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e158 = tensor.empty(%t) : tensor<?x1xf32>
    %share159 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 2>, counts = array<i64: 1>}
        ins(%weights153 : tensor<?x3xf32>) outs(%e158 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e160 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed161 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert144, %share155, %expert149, %share157, %own135, %share159 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e160 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %p2 = arith.mulf %e, %f : f32
      %s1 = arith.addf %p0, %p1 : f32
      %s2 = arith.addf %s1, %p2 : f32
      linalg.yield %s2 : f32
    } -> tensor<?x32xf32>
    %w162 = moe.weight "task.1.tower" : tensor<1x32xf32>
    %e163 = tensor.empty(%t) : tensor<?x1xf32>
    %f164 = linalg.fill ins(%zero : f32) outs(%e163 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %tower165 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%mixed161, %w162 : tensor<?x32xf32>, tensor<1x32xf32>) outs(%f164 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e166 = tensor.empty(%t) : tensor<?x1xf32>
    %y167 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%tower165 : tensor<?x1xf32>) outs(%e166 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %one, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %w168 = moe.weight "meta.gate.1" : tensor<2x64xf32>
    %e169 = tensor.empty(%t) : tensor<?x2xf32>
    %f170 = linalg.fill ins(%zero : f32) outs(%e169 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %gate171 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w168 : tensor<?x64xf32>, tensor<2x64xf32>) outs(%f170 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %e172 = tensor.empty(%t) : tensor<?x2xi32>
    %e173 = tensor.empty(%t) : tensor<?x2xf32>
    %ids174, %weights175 = moe.route {routing = #moe.routing<k = 2, policy = dense>}
        ins(%gate171 : tensor<?x2xf32>) outs(%e172, %e173 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
    %e176 = tensor.empty(%t) : tensor<?x1xf32>
    %share177 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights175 : tensor<?x2xf32>) outs(%e176 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e178 = tensor.empty(%t) : tensor<?x1xf32>
    %share179 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights175 : tensor<?x2xf32>) outs(%e178 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e180 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed181 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert7, %share177, %expert21, %share179 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e180 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %s1 = arith.addf %p0, %p1 : f32
      linalg.yield %s1 : f32
    } -> tensor<?x32xf32>
    %e182 = tensor.empty(%t) : tensor<?x64xf32>
    %both183 = nn.join_heads {heads = 1, sizes = array<i64: 32, 32>, offsets = array<i64: 0, 0>, counts = array<i64: 32, 32>}
        ins(%mixed37, %mixed181 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e182 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %w184 = moe.weight "task.2.feature.a" : tensor<8x64xf32>
    %e185 = tensor.empty(%t) : tensor<?x8xf32>
    %f186 = linalg.fill ins(%zero : f32) outs(%e185 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v187 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both183, %w184 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f186 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %w188 = moe.weight "task.2.feature.b" : tensor<64x8xf32>
    %e189 = tensor.empty(%t) : tensor<?x64xf32>
    %f190 = linalg.fill ins(%zero : f32) outs(%e189 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v191 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v187, %w188 : tensor<?x8xf32>, tensor<64x8xf32>) outs(%f190 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e192 = tensor.empty(%t) : tensor<?x64xf32>
    %input193 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%both183, %v191 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e192 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %two = arith.constant 2.0 : f32
      %gate = arith.divf %two, %sum : f32
      %y = arith.mulf %a, %gate : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %w194 = moe.weight "task.2.self" : tensor<1x64xf32>
    %e195 = tensor.empty(%t) : tensor<?x1xf32>
    %f196 = linalg.fill ins(%zero : f32) outs(%e195 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v197 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both183, %w194 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f196 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w198 = moe.weight "task.2.weight" : tensor<32x64xf32>
    %e199 = tensor.empty(%t) : tensor<?x32xf32>
    %f200 = linalg.fill ins(%zero : f32) outs(%e199 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v201 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input193, %w198 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f200 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w202 = moe.weight "task.2.bias" : tensor<32xf32>
    %e203 = tensor.empty(%t) : tensor<?x32xf32>
    %expert204 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v201, %w202 : tensor<?x32xf32>, tensor<32xf32>) outs(%e203 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e205 = tensor.empty(%t) : tensor<?x32xf32>
    %own206 = linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert204, %v197 : tensor<?x32xf32>, tensor<?x1xf32>) outs(%e205 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %a, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w207 = moe.weight "task.2.gate" : tensor<3x64xf32>
    %e208 = tensor.empty(%t) : tensor<?x3xf32>
    %f209 = linalg.fill ins(%zero : f32) outs(%e208 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %gate210 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both183, %w207 : tensor<?x64xf32>, tensor<3x64xf32>) outs(%f209 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %e211 = tensor.empty(%t) : tensor<?x32xf32>
    %f212 = linalg.fill ins(%zero : f32) outs(%e211 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v213 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input193, %w81 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f212 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e214 = tensor.empty(%t) : tensor<?x32xf32>
    %expert215 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v213, %w85 : tensor<?x32xf32>, tensor<32xf32>) outs(%e214 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w216 = moe.weight "group.1.weight" : tensor<32x64xf32>
    %e217 = tensor.empty(%t) : tensor<?x32xf32>
    %f218 = linalg.fill ins(%zero : f32) outs(%e217 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v219 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input193, %w216 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f218 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w220 = moe.weight "group.1.bias" : tensor<32xf32>
    %e221 = tensor.empty(%t) : tensor<?x32xf32>
    %expert222 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v219, %w220 : tensor<?x32xf32>, tensor<32xf32>) outs(%e221 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e223 = tensor.empty(%t) : tensor<?x3xi32>
    %e224 = tensor.empty(%t) : tensor<?x3xf32>
    %ids225, %weights226 = moe.route {routing = #moe.routing<k = 3, policy = dense>}
        ins(%gate210 : tensor<?x3xf32>) outs(%e223, %e224 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
    %e227 = tensor.empty(%t) : tensor<?x1xf32>
    %share228 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights226 : tensor<?x3xf32>) outs(%e227 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e229 = tensor.empty(%t) : tensor<?x1xf32>
    %share230 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights226 : tensor<?x3xf32>) outs(%e229 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e231 = tensor.empty(%t) : tensor<?x1xf32>
    %share232 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 2>, counts = array<i64: 1>}
        ins(%weights226 : tensor<?x3xf32>) outs(%e231 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e233 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed234 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert215, %share228, %expert222, %share230, %own206, %share232 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e233 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %p2 = arith.mulf %e, %f : f32
      %s1 = arith.addf %p0, %p1 : f32
      %s2 = arith.addf %s1, %p2 : f32
      linalg.yield %s2 : f32
    } -> tensor<?x32xf32>
    %w235 = moe.weight "task.2.tower" : tensor<1x32xf32>
    %e236 = tensor.empty(%t) : tensor<?x1xf32>
    %f237 = linalg.fill ins(%zero : f32) outs(%e236 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %tower238 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%mixed234, %w235 : tensor<?x32xf32>, tensor<1x32xf32>) outs(%f237 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e239 = tensor.empty(%t) : tensor<?x1xf32>
    %y240 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%tower238 : tensor<?x1xf32>) outs(%e239 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %one, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %w241 = moe.weight "task.3.feature.a" : tensor<8x64xf32>
    %e242 = tensor.empty(%t) : tensor<?x8xf32>
    %f243 = linalg.fill ins(%zero : f32) outs(%e242 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v244 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both183, %w241 : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f243 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %w245 = moe.weight "task.3.feature.b" : tensor<64x8xf32>
    %e246 = tensor.empty(%t) : tensor<?x64xf32>
    %f247 = linalg.fill ins(%zero : f32) outs(%e246 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v248 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v244, %w245 : tensor<?x8xf32>, tensor<64x8xf32>) outs(%f247 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e249 = tensor.empty(%t) : tensor<?x64xf32>
    %input250 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%both183, %v248 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e249 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %two = arith.constant 2.0 : f32
      %gate = arith.divf %two, %sum : f32
      %y = arith.mulf %a, %gate : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %w251 = moe.weight "task.3.self" : tensor<1x64xf32>
    %e252 = tensor.empty(%t) : tensor<?x1xf32>
    %f253 = linalg.fill ins(%zero : f32) outs(%e252 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v254 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both183, %w251 : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f253 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %w255 = moe.weight "task.3.weight" : tensor<32x64xf32>
    %e256 = tensor.empty(%t) : tensor<?x32xf32>
    %f257 = linalg.fill ins(%zero : f32) outs(%e256 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v258 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input250, %w255 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f257 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w259 = moe.weight "task.3.bias" : tensor<32xf32>
    %e260 = tensor.empty(%t) : tensor<?x32xf32>
    %expert261 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v258, %w259 : tensor<?x32xf32>, tensor<32xf32>) outs(%e260 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e262 = tensor.empty(%t) : tensor<?x32xf32>
    %own263 = linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert261, %v254 : tensor<?x32xf32>, tensor<?x1xf32>) outs(%e262 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %a, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w264 = moe.weight "task.3.gate" : tensor<3x64xf32>
    %e265 = tensor.empty(%t) : tensor<?x3xf32>
    %f266 = linalg.fill ins(%zero : f32) outs(%e265 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %gate267 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%both183, %w264 : tensor<?x64xf32>, tensor<3x64xf32>) outs(%f266 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %e268 = tensor.empty(%t) : tensor<?x32xf32>
    %f269 = linalg.fill ins(%zero : f32) outs(%e268 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v270 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input250, %w81 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f269 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e271 = tensor.empty(%t) : tensor<?x32xf32>
    %expert272 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v270, %w85 : tensor<?x32xf32>, tensor<32xf32>) outs(%e271 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e273 = tensor.empty(%t) : tensor<?x32xf32>
    %f274 = linalg.fill ins(%zero : f32) outs(%e273 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v275 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input250, %w216 : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f274 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e276 = tensor.empty(%t) : tensor<?x32xf32>
    %expert277 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v275, %w220 : tensor<?x32xf32>, tensor<32xf32>) outs(%e276 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e278 = tensor.empty(%t) : tensor<?x3xi32>
    %e279 = tensor.empty(%t) : tensor<?x3xf32>
    %ids280, %weights281 = moe.route {routing = #moe.routing<k = 3, policy = dense>}
        ins(%gate267 : tensor<?x3xf32>) outs(%e278, %e279 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
    %e282 = tensor.empty(%t) : tensor<?x1xf32>
    %share283 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights281 : tensor<?x3xf32>) outs(%e282 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e284 = tensor.empty(%t) : tensor<?x1xf32>
    %share285 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights281 : tensor<?x3xf32>) outs(%e284 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e286 = tensor.empty(%t) : tensor<?x1xf32>
    %share287 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 2>, counts = array<i64: 1>}
        ins(%weights281 : tensor<?x3xf32>) outs(%e286 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e288 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed289 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert272, %share283, %expert277, %share285, %own263, %share287 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e288 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %p2 = arith.mulf %e, %f : f32
      %s1 = arith.addf %p0, %p1 : f32
      %s2 = arith.addf %s1, %p2 : f32
      linalg.yield %s2 : f32
    } -> tensor<?x32xf32>
    %w290 = moe.weight "task.3.tower" : tensor<1x32xf32>
    %e291 = tensor.empty(%t) : tensor<?x1xf32>
    %f292 = linalg.fill ins(%zero : f32) outs(%e291 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %tower293 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%mixed289, %w290 : tensor<?x32xf32>, tensor<1x32xf32>) outs(%f292 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e294 = tensor.empty(%t) : tensor<?x1xf32>
    %y295 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%tower293 : tensor<?x1xf32>) outs(%e294 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %one, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    return %y112, %y167, %y240, %y295 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  }
}
