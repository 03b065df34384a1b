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
  func.func private @task(%taken: tensor<?x64xf32>, %shared_weight: tensor<32x64xf32>, %shared_bias: tensor<32xf32>, %group_weight: tensor<32x64xf32>, %group_bias: tensor<32xf32>, %own_weight: tensor<32x64xf32>, %own_bias: tensor<32xf32>, %low: tensor<8x64xf32>, %high: tensor<64x8xf32>, %self: tensor<1x64xf32>, %gate: tensor<3x64xf32>, %tower: tensor<1x32xf32>)
      -> (tensor<?x1xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %taken, %c0 : tensor<?x64xf32>
    %e1 = tensor.empty(%t) : tensor<?x8xf32>
    %f2 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %v3 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%taken, %low : tensor<?x64xf32>, tensor<8x64xf32>) outs(%f2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %e4 = tensor.empty(%t) : tensor<?x64xf32>
    %f5 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v6 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v3, %high : tensor<?x8xf32>, tensor<64x8xf32>) outs(%f5 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e7 = tensor.empty(%t) : tensor<?x64xf32>
    %input8 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%taken, %v6 : tensor<?x64xf32>, tensor<?x64xf32>) outs(%e7 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %two = arith.constant 2.0 : f32
      %scale = arith.divf %two, %sum : f32
      %y = arith.mulf %a, %scale : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %e9 = tensor.empty(%t) : tensor<?x1xf32>
    %f10 = linalg.fill ins(%zero : f32) outs(%e9 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %v11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%taken, %self : tensor<?x64xf32>, tensor<1x64xf32>) outs(%f10 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e12 = tensor.empty(%t) : tensor<?x32xf32>
    %f13 = linalg.fill ins(%zero : f32) outs(%e12 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v14 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input8, %own_weight : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f13 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e15 = tensor.empty(%t) : tensor<?x32xf32>
    %expert16 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v14, %own_bias : tensor<?x32xf32>, tensor<32xf32>) outs(%e15 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e17 = tensor.empty(%t) : tensor<?x32xf32>
    %own18 = linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert16, %v11 : tensor<?x32xf32>, tensor<?x1xf32>) outs(%e17 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %neg = arith.negf %b : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %a, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e19 = tensor.empty(%t) : tensor<?x3xf32>
    %f20 = linalg.fill ins(%zero : f32) outs(%e19 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %gate21 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%taken, %gate : tensor<?x64xf32>, tensor<3x64xf32>) outs(%f20 : tensor<?x3xf32>) -> tensor<?x3xf32>
    %e22 = tensor.empty(%t) : tensor<?x32xf32>
    %f23 = linalg.fill ins(%zero : f32) outs(%e22 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v24 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input8, %shared_weight : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f23 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e25 = tensor.empty(%t) : tensor<?x32xf32>
    %expert26 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v24, %shared_bias : tensor<?x32xf32>, tensor<32xf32>) outs(%e25 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e27 = tensor.empty(%t) : tensor<?x32xf32>
    %f28 = linalg.fill ins(%zero : f32) outs(%e27 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v29 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%input8, %group_weight : tensor<?x64xf32>, tensor<32x64xf32>) outs(%f28 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e30 = tensor.empty(%t) : tensor<?x32xf32>
    %expert31 = linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v29, %group_bias : tensor<?x32xf32>, tensor<32xf32>) outs(%e30 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %z = arith.addf %a, %b : f32
      %neg = arith.negf %z : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %z, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e32 = tensor.empty(%t) : tensor<?x3xi32>
    %e33 = tensor.empty(%t) : tensor<?x3xf32>
    %ids34, %weights35 = moe.route {routing = #moe.routing<k = 3, policy = dense>}
        ins(%gate21 : tensor<?x3xf32>) outs(%e32, %e33 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
    %e36 = tensor.empty(%t) : tensor<?x1xf32>
    %share37 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights35 : tensor<?x3xf32>) outs(%e36 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e38 = tensor.empty(%t) : tensor<?x1xf32>
    %share39 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights35 : tensor<?x3xf32>) outs(%e38 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e40 = tensor.empty(%t) : tensor<?x1xf32>
    %share41 = nn.join_heads {heads = 1, sizes = array<i64: 3>, offsets = array<i64: 2>, counts = array<i64: 1>}
        ins(%weights35 : tensor<?x3xf32>) outs(%e40 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e42 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed43 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert26, %share37, %expert31, %share39, %own18, %share41 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e42 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %p2 = arith.mulf %e, %f : f32
      %s1 = arith.addf %p0, %p1 : f32
      %s2 = arith.addf %s1, %p2 : f32
      linalg.yield %s2 : f32
    } -> tensor<?x32xf32>
    %e44 = tensor.empty(%t) : tensor<?x1xf32>
    %f45 = linalg.fill ins(%zero : f32) outs(%e44 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %tower46 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%mixed43, %tower : tensor<?x32xf32>, tensor<1x32xf32>) outs(%f45 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e47 = tensor.empty(%t) : tensor<?x1xf32>
    %y48 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%tower46 : tensor<?x1xf32>) outs(%e47 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %out: f32):
      %neg = arith.negf %a : f32
      %exp = math.exp %neg : f32
      %one = arith.constant 1.0 : f32
      %sum = arith.addf %one, %exp : f32
      %y = arith.divf %one, %sum : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    return %y48 : tensor<?x1xf32>
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
    %w54 = moe.weight "shared.weight" : tensor<32x64xf32>
    %w55 = moe.weight "shared.bias" : tensor<32xf32>
    %w56 = moe.weight "group.0.weight" : tensor<32x64xf32>
    %w57 = moe.weight "group.0.bias" : tensor<32xf32>
    %w58 = moe.weight "task.0.weight" : tensor<32x64xf32>
    %w59 = moe.weight "task.0.bias" : tensor<32xf32>
    %w60 = moe.weight "task.0.feature.a" : tensor<8x64xf32>
    %w61 = moe.weight "task.0.feature.b" : tensor<64x8xf32>
    %w62 = moe.weight "task.0.self" : tensor<1x64xf32>
    %w63 = moe.weight "task.0.gate" : tensor<3x64xf32>
    %w64 = moe.weight "task.0.tower" : tensor<1x32xf32>
    %r65 = func.call @task(%both53, %w54, %w55, %w56, %w57, %w58, %w59, %w60, %w61, %w62, %w63, %w64) : (tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<8x64xf32>, tensor<64x8xf32>, tensor<1x64xf32>, tensor<3x64xf32>, tensor<1x32xf32>) -> tensor<?x1xf32>
    %w66 = moe.weight "task.1.weight" : tensor<32x64xf32>
    %w67 = moe.weight "task.1.bias" : tensor<32xf32>
    %w68 = moe.weight "task.1.feature.a" : tensor<8x64xf32>
    %w69 = moe.weight "task.1.feature.b" : tensor<64x8xf32>
    %w70 = moe.weight "task.1.self" : tensor<1x64xf32>
    %w71 = moe.weight "task.1.gate" : tensor<3x64xf32>
    %w72 = moe.weight "task.1.tower" : tensor<1x32xf32>
    %r73 = func.call @task(%both53, %w54, %w55, %w56, %w57, %w66, %w67, %w68, %w69, %w70, %w71, %w72) : (tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<8x64xf32>, tensor<64x8xf32>, tensor<1x64xf32>, tensor<3x64xf32>, tensor<1x32xf32>) -> tensor<?x1xf32>
    %w74 = moe.weight "meta.gate.1" : tensor<2x64xf32>
    %e75 = tensor.empty(%t) : tensor<?x2xf32>
    %f76 = linalg.fill ins(%zero : f32) outs(%e75 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %gate77 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v, %w74 : tensor<?x64xf32>, tensor<2x64xf32>) outs(%f76 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %e78 = tensor.empty(%t) : tensor<?x2xi32>
    %e79 = tensor.empty(%t) : tensor<?x2xf32>
    %ids80, %weights81 = moe.route {routing = #moe.routing<k = 2, policy = dense>}
        ins(%gate77 : tensor<?x2xf32>) outs(%e78, %e79 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
    %e82 = tensor.empty(%t) : tensor<?x1xf32>
    %share83 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 0>, counts = array<i64: 1>}
        ins(%weights81 : tensor<?x2xf32>) outs(%e82 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e84 = tensor.empty(%t) : tensor<?x1xf32>
    %share85 = nn.join_heads {heads = 1, sizes = array<i64: 2>, offsets = array<i64: 1>, counts = array<i64: 1>}
        ins(%weights81 : tensor<?x2xf32>) outs(%e84 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %e86 = tensor.empty(%t) : tensor<?x32xf32>
    %mixed87 = linalg.generic {indexing_maps = [#rows, #row, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%expert7, %share83, %expert21, %share85 : tensor<?x32xf32>, tensor<?x1xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e86 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %out: f32):
      %p0 = arith.mulf %a, %b : f32
      %p1 = arith.mulf %c, %d : f32
      %s1 = arith.addf %p0, %p1 : f32
      linalg.yield %s1 : f32
    } -> tensor<?x32xf32>
    %e88 = tensor.empty(%t) : tensor<?x64xf32>
    %both89 = nn.join_heads {heads = 1, sizes = array<i64: 32, 32>, offsets = array<i64: 0, 0>, counts = array<i64: 32, 32>}
        ins(%mixed37, %mixed87 : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e88 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %w90 = moe.weight "group.1.weight" : tensor<32x64xf32>
    %w91 = moe.weight "group.1.bias" : tensor<32xf32>
    %w92 = moe.weight "task.2.weight" : tensor<32x64xf32>
    %w93 = moe.weight "task.2.bias" : tensor<32xf32>
    %w94 = moe.weight "task.2.feature.a" : tensor<8x64xf32>
    %w95 = moe.weight "task.2.feature.b" : tensor<64x8xf32>
    %w96 = moe.weight "task.2.self" : tensor<1x64xf32>
    %w97 = moe.weight "task.2.gate" : tensor<3x64xf32>
    %w98 = moe.weight "task.2.tower" : tensor<1x32xf32>
    %r99 = func.call @task(%both89, %w54, %w55, %w90, %w91, %w92, %w93, %w94, %w95, %w96, %w97, %w98) : (tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<8x64xf32>, tensor<64x8xf32>, tensor<1x64xf32>, tensor<3x64xf32>, tensor<1x32xf32>) -> tensor<?x1xf32>
    %w100 = moe.weight "task.3.weight" : tensor<32x64xf32>
    %w101 = moe.weight "task.3.bias" : tensor<32xf32>
    %w102 = moe.weight "task.3.feature.a" : tensor<8x64xf32>
    %w103 = moe.weight "task.3.feature.b" : tensor<64x8xf32>
    %w104 = moe.weight "task.3.self" : tensor<1x64xf32>
    %w105 = moe.weight "task.3.gate" : tensor<3x64xf32>
    %w106 = moe.weight "task.3.tower" : tensor<1x32xf32>
    %r107 = func.call @task(%both89, %w54, %w55, %w90, %w91, %w100, %w101, %w102, %w103, %w104, %w105, %w106) : (tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<8x64xf32>, tensor<64x8xf32>, tensor<1x64xf32>, tensor<3x64xf32>, tensor<1x32xf32>) -> tensor<?x1xf32>
    return %r65, %r73, %r99, %r107 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  }
}
