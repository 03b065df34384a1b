// HDEE (arXiv 2502.19385): independent language models of different sizes, mixed by the posterior of
// each given the text so far.
// 
// `experts` gives the log-probabilities of three models of the widths 16, 24 and 32 for the token that
// follows each. `mix` is the probability of every token from these and the log-weights of a sequence;
// `update` multiplies the posterior by what each model gave the token that came, and normalises it in log
// space: the log-weights are the state, an argument and a result. They begin as the logarithms of a prior,
// equal for all or learned: `prior` takes the log-likelihoods of one more sequence of the domain and the
// decay 0.3^(n + 1) of the n-th. `pruned` is `mix` without the models whose posterior is below 0.001.
// 
// `simple_avg`, the mean of log-probabilities, is not normalised, as in the original; `normalised_avg` is.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>

module {
  moe.recipes {
    %w0 = moe.load "model.0.embedding" : tensor<40x16xf32>
    moe.define "model.0.embedding" role "embedding", %w0 : tensor<40x16xf32>
    %w1 = moe.load "model.0.hidden" : tensor<32x16xf32>
    moe.define "model.0.hidden" role "mlp", %w1 : tensor<32x16xf32>
    %w2 = moe.load "model.0.output" : tensor<40x32xf32>
    moe.define "model.0.output" role "head", %w2 : tensor<40x32xf32>
    %w3 = moe.load "model.1.embedding" : tensor<40x24xf32>
    moe.define "model.1.embedding" role "embedding", %w3 : tensor<40x24xf32>
    %w4 = moe.load "model.1.hidden" : tensor<48x24xf32>
    moe.define "model.1.hidden" role "mlp", %w4 : tensor<48x24xf32>
    %w5 = moe.load "model.1.output" : tensor<40x48xf32>
    moe.define "model.1.output" role "head", %w5 : tensor<40x48xf32>
    %w6 = moe.load "model.2.embedding" : tensor<40x32xf32>
    moe.define "model.2.embedding" role "embedding", %w6 : tensor<40x32xf32>
    %w7 = moe.load "model.2.hidden" : tensor<64x32xf32>
    moe.define "model.2.hidden" role "mlp", %w7 : tensor<64x32xf32>
    %w8 = moe.load "model.2.output" : tensor<40x64xf32>
    moe.define "model.2.output" role "head", %w8 : tensor<40x64xf32>
  }
  func.func private @log_softmax(%x: tensor<?x40xf32>)
      -> (tensor<?x40xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x40xf32>
    %e1 = tensor.empty(%t) : tensor<?x40xi32>
    %e2 = tensor.empty(%t) : tensor<?x40xf32>
    %ids3, %weights4 = moe.route {routing = #moe.routing<k = 40, policy = dense>}
        ins(%x : tensor<?x40xf32>) outs(%e1, %e2 : tensor<?x40xi32>, tensor<?x40xf32>) -> tensor<?x40xi32>, tensor<?x40xf32>
    %e5 = tensor.empty(%t) : tensor<?x40xf32>
    %log6 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%weights4 : tensor<?x40xf32>) outs(%e5 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %out: f32):
      %y = math.log %a : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    return %log6 : tensor<?x40xf32>
  }
  func.func @experts(%ids: tensor<?xi32> {moe.name = "ids", moe.below = 40})
      -> (tensor<?x40xf32> {moe.name = "p0"}, tensor<?x40xf32> {moe.name = "p1"}, tensor<?x40xf32> {moe.name = "p2"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %ids, %c0 : tensor<?xi32>
    %e1 = tensor.empty(%t) : tensor<?x16xf32>
    %w3 = moe.weight "model.0.embedding" : tensor<40x16xf32>
    %token2 = nn.gather_rows ins(%w3, %ids : tensor<40x16xf32>, tensor<?xi32>) outs(%e1 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %w4 = moe.weight "model.0.hidden" : tensor<32x16xf32>
    %e5 = tensor.empty(%t) : tensor<?x32xf32>
    %f6 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v7 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%token2, %w4 : tensor<?x16xf32>, tensor<32x16xf32>) outs(%f6 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %e8 = tensor.empty(%t) : tensor<?x32xf32>
    %v9 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v7 : tensor<?x32xf32>) outs(%e8 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      %z = arith.constant 0.0 : f32
      %y = arith.maximumf %a, %z : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %w10 = moe.weight "model.0.output" : tensor<40x32xf32>
    %e11 = tensor.empty(%t) : tensor<?x40xf32>
    %f12 = linalg.fill ins(%zero : f32) outs(%e11 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits13 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v9, %w10 : tensor<?x32xf32>, tensor<40x32xf32>) outs(%f12 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %r14 = func.call @log_softmax(%logits13) : (tensor<?x40xf32>) -> tensor<?x40xf32>
    %e15 = tensor.empty(%t) : tensor<?x24xf32>
    %w17 = moe.weight "model.1.embedding" : tensor<40x24xf32>
    %token16 = nn.gather_rows ins(%w17, %ids : tensor<40x24xf32>, tensor<?xi32>) outs(%e15 : tensor<?x24xf32>) -> tensor<?x24xf32>
    %w18 = moe.weight "model.1.hidden" : tensor<48x24xf32>
    %e19 = tensor.empty(%t) : tensor<?x48xf32>
    %f20 = linalg.fill ins(%zero : f32) outs(%e19 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %v21 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%token16, %w18 : tensor<?x24xf32>, tensor<48x24xf32>) outs(%f20 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %e22 = tensor.empty(%t) : tensor<?x48xf32>
    %v23 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v21 : tensor<?x48xf32>) outs(%e22 : tensor<?x48xf32>) {
    ^bb0(%a: f32, %out: f32):
      %z = arith.constant 0.0 : f32
      %y = arith.maximumf %a, %z : f32
      linalg.yield %y : f32
    } -> tensor<?x48xf32>
    %w24 = moe.weight "model.1.output" : tensor<40x48xf32>
    %e25 = tensor.empty(%t) : tensor<?x40xf32>
    %f26 = linalg.fill ins(%zero : f32) outs(%e25 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits27 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v23, %w24 : tensor<?x48xf32>, tensor<40x48xf32>) outs(%f26 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %r28 = func.call @log_softmax(%logits27) : (tensor<?x40xf32>) -> tensor<?x40xf32>
    %e29 = tensor.empty(%t) : tensor<?x32xf32>
    %w31 = moe.weight "model.2.embedding" : tensor<40x32xf32>
    %token30 = nn.gather_rows ins(%w31, %ids : tensor<40x32xf32>, tensor<?xi32>) outs(%e29 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w32 = moe.weight "model.2.hidden" : tensor<64x32xf32>
    %e33 = tensor.empty(%t) : tensor<?x64xf32>
    %f34 = linalg.fill ins(%zero : f32) outs(%e33 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %v35 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%token30, %w32 : tensor<?x32xf32>, tensor<64x32xf32>) outs(%f34 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %e36 = tensor.empty(%t) : tensor<?x64xf32>
    %v37 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v35 : tensor<?x64xf32>) outs(%e36 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %out: f32):
      %z = arith.constant 0.0 : f32
      %y = arith.maximumf %a, %z : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %w38 = moe.weight "model.2.output" : tensor<40x64xf32>
    %e39 = tensor.empty(%t) : tensor<?x40xf32>
    %f40 = linalg.fill ins(%zero : f32) outs(%e39 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %logits41 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%v37, %w38 : tensor<?x64xf32>, tensor<40x64xf32>) outs(%f40 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %r42 = func.call @log_softmax(%logits41) : (tensor<?x40xf32>) -> tensor<?x40xf32>
    return %r14, %r28, %r42 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>
  }
  func.func @mix(%p0: tensor<?x40xf32> {moe.name = "p0"}, %p1: tensor<?x40xf32> {moe.name = "p1"}, %p2: tensor<?x40xf32> {moe.name = "p2"}, %w0: tensor<?x1xf32> {moe.name = "w0"}, %w1: tensor<?x1xf32> {moe.name = "w1"}, %w2: tensor<?x1xf32> {moe.name = "w2"})
      -> (tensor<?x40xf32> {moe.name = "probabilities"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %p0, %c0 : tensor<?x40xf32>
    %e1 = tensor.empty(%t) : tensor<?x40xf32>
    %v2 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #row, #row, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%p0, %p1, %p2, %w0, %w1, %w2 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e1 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %s0 = arith.addf %a, %d : f32
      %s1 = arith.addf %b, %e : f32
      %s2 = arith.addf %c, %f : f32
      %x0 = math.exp %s0 : f32
      %x1 = math.exp %s1 : f32
      %x2 = math.exp %s2 : f32
      %y0 = arith.addf %x0, %x1 : f32
      %y = arith.addf %y0, %x2 : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    return %v2 : tensor<?x40xf32>
  }
  func.func @pruned(%p0: tensor<?x40xf32> {moe.name = "p0"}, %p1: tensor<?x40xf32> {moe.name = "p1"}, %p2: tensor<?x40xf32> {moe.name = "p2"}, %w0: tensor<?x1xf32> {moe.name = "w0"}, %w1: tensor<?x1xf32> {moe.name = "w1"}, %w2: tensor<?x1xf32> {moe.name = "w2"})
      -> (tensor<?x40xf32> {moe.name = "probabilities"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %p0, %c0 : tensor<?x40xf32>
    %e1 = tensor.empty(%t) : tensor<?x40xf32>
    %v2 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #row, #row, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%p0, %p1, %p2, %w0, %w1, %w2 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e1 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %least = arith.constant -6.90775528 : f32
      %none = arith.constant 0.0 : f32
      %s0 = arith.addf %a, %d : f32
      %g0 = math.exp %s0 : f32
      %o0 = math.exp %d : f32
      %k0 = arith.cmpf oge, %d, %least : f32
      %x0 = arith.select %k0, %g0, %none : f32
      %z0 = arith.select %k0, %o0, %none : f32
      %s1 = arith.addf %b, %e : f32
      %g1 = math.exp %s1 : f32
      %o1 = math.exp %e : f32
      %k1 = arith.cmpf oge, %e, %least : f32
      %x1 = arith.select %k1, %g1, %none : f32
      %z1 = arith.select %k1, %o1, %none : f32
      %s2 = arith.addf %c, %f : f32
      %g2 = math.exp %s2 : f32
      %o2 = math.exp %f : f32
      %k2 = arith.cmpf oge, %f, %least : f32
      %x2 = arith.select %k2, %g2, %none : f32
      %z2 = arith.select %k2, %o2, %none : f32
      %y0 = arith.addf %x0, %x1 : f32
      %y1 = arith.addf %y0, %x2 : f32
      %n0 = arith.addf %z0, %z1 : f32
      %n1 = arith.addf %n0, %z2 : f32
      %y = arith.divf %y1, %n1 : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    return %v2 : tensor<?x40xf32>
  }
  func.func @simple_avg(%p0: tensor<?x40xf32> {moe.name = "p0"}, %p1: tensor<?x40xf32> {moe.name = "p1"}, %p2: tensor<?x40xf32> {moe.name = "p2"})
      -> (tensor<?x40xf32> {moe.name = "log_probabilities"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %p0, %c0 : tensor<?x40xf32>
    %e1 = tensor.empty(%t) : tensor<?x40xf32>
    %v2 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%p0, %p1, %p2 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>) outs(%e1 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %s0 = arith.addf %a, %b : f32
      %s1 = arith.addf %s0, %c : f32
      %three = arith.constant 3.0 : f32
      %y = arith.divf %s1, %three : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    return %v2 : tensor<?x40xf32>
  }
  func.func @normalised_avg(%p0: tensor<?x40xf32> {moe.name = "p0"}, %p1: tensor<?x40xf32> {moe.name = "p1"}, %p2: tensor<?x40xf32> {moe.name = "p2"})
      -> (tensor<?x40xf32> {moe.name = "log_probabilities"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %p0, %c0 : tensor<?x40xf32>
    %e1 = tensor.empty(%t) : tensor<?x40xf32>
    %v2 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%p0, %p1, %p2 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>) outs(%e1 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %s0 = arith.addf %a, %b : f32
      %s1 = arith.addf %s0, %c : f32
      %three = arith.constant 3.0 : f32
      %y = arith.divf %s1, %three : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    %r3 = func.call @log_softmax(%v2) : (tensor<?x40xf32>) -> tensor<?x40xf32>
    return %r3 : tensor<?x40xf32>
  }
  func.func private @posterior(%w0: tensor<?x1xf32>, %w1: tensor<?x1xf32>, %w2: tensor<?x1xf32>, %t0: tensor<?x1xf32>, %t1: tensor<?x1xf32>, %t2: tensor<?x1xf32>)
      -> (tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %w0, %c0 : tensor<?x1xf32>
    %e1 = tensor.empty(%t) : tensor<?x1xf32>
    %v2 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w0, %w1, %w2, %t0, %t1, %t2 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e1 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %s0 = arith.addf %a, %d : f32
      %s1 = arith.addf %b, %e : f32
      %s2 = arith.addf %c, %f : f32
      %m0 = arith.maximumf %s0, %s1 : f32
      %m = arith.maximumf %m0, %s2 : f32
      %d0 = arith.subf %s0, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %s1, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %s2, %m : f32
      %x2 = math.exp %d2 : f32
      %y0 = arith.addf %x0, %x1 : f32
      %y = arith.addf %y0, %x2 : f32
      %l = math.log %y : f32
      %z = arith.subf %d0, %l : f32
      linalg.yield %z : f32
    } -> tensor<?x1xf32>
    %e3 = tensor.empty(%t) : tensor<?x1xf32>
    %v4 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w0, %w1, %w2, %t0, %t1, %t2 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e3 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %s0 = arith.addf %a, %d : f32
      %s1 = arith.addf %b, %e : f32
      %s2 = arith.addf %c, %f : f32
      %m0 = arith.maximumf %s0, %s1 : f32
      %m = arith.maximumf %m0, %s2 : f32
      %d0 = arith.subf %s0, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %s1, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %s2, %m : f32
      %x2 = math.exp %d2 : f32
      %y0 = arith.addf %x0, %x1 : f32
      %y = arith.addf %y0, %x2 : f32
      %l = math.log %y : f32
      %z = arith.subf %d1, %l : f32
      linalg.yield %z : f32
    } -> tensor<?x1xf32>
    %e5 = tensor.empty(%t) : tensor<?x1xf32>
    %v6 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w0, %w1, %w2, %t0, %t1, %t2 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e5 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %s0 = arith.addf %a, %d : f32
      %s1 = arith.addf %b, %e : f32
      %s2 = arith.addf %c, %f : f32
      %m0 = arith.maximumf %s0, %s1 : f32
      %m = arith.maximumf %m0, %s2 : f32
      %d0 = arith.subf %s0, %m : f32
      %x0 = math.exp %d0 : f32
      %d1 = arith.subf %s1, %m : f32
      %x1 = math.exp %d1 : f32
      %d2 = arith.subf %s2, %m : f32
      %x2 = math.exp %d2 : f32
      %y0 = arith.addf %x0, %x1 : f32
      %y = arith.addf %y0, %x2 : f32
      %l = math.log %y : f32
      %z = arith.subf %d2, %l : f32
      linalg.yield %z : f32
    } -> tensor<?x1xf32>
    return %v2, %v4, %v6 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  }
  func.func @update(%w0: tensor<?x1xf32> {moe.name = "w0"}, %w1: tensor<?x1xf32> {moe.name = "w1"}, %w2: tensor<?x1xf32> {moe.name = "w2"}, %t0: tensor<?x1xf32> {moe.name = "t0"}, %t1: tensor<?x1xf32> {moe.name = "t1"}, %t2: tensor<?x1xf32> {moe.name = "t2"})
      -> (tensor<?x1xf32> {moe.name = "new_w0"}, tensor<?x1xf32> {moe.name = "new_w1"}, tensor<?x1xf32> {moe.name = "new_w2"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %w0, %c0 : tensor<?x1xf32>
    %r1, %r2, %r3 = func.call @posterior(%w0, %w1, %w2, %t0, %t1, %t2) : (tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>)
    return %r1, %r2, %r3 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  }
  func.func @prior(%w0: tensor<?x1xf32> {moe.name = "w0"}, %w1: tensor<?x1xf32> {moe.name = "w1"}, %w2: tensor<?x1xf32> {moe.name = "w2"}, %t0: tensor<?x1xf32> {moe.name = "t0"}, %t1: tensor<?x1xf32> {moe.name = "t1"}, %t2: tensor<?x1xf32> {moe.name = "t2"}, %decay: tensor<?x1xf32> {moe.name = "decay"})
      -> (tensor<?x1xf32> {moe.name = "new_w0"}, tensor<?x1xf32> {moe.name = "new_w1"}, tensor<?x1xf32> {moe.name = "new_w2"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %w0, %c0 : tensor<?x1xf32>
    %r1, %r2, %r3 = func.call @posterior(%w0, %w1, %w2, %t0, %t1, %t2) : (tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>)
    %e4 = tensor.empty(%t) : tensor<?x1xf32>
    %most5 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w0, %w1, %w2 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e4 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %out: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.maximumf %m0, %c : f32
      linalg.yield %m : f32
    } -> tensor<?x1xf32>
    %e6 = tensor.empty(%t) : tensor<?x1xf32>
    %v7 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w0, %r1, %decay, %most5 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e6 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %out: f32):
      %d0 = arith.subf %a, %d : f32
      %x0 = math.exp %d0 : f32
      %old = arith.mulf %c, %x0 : f32
      %d1 = arith.subf %b, %d : f32
      %new = math.exp %d1 : f32
      %s = arith.addf %old, %new : f32
      %l = math.log %s : f32
      %y = arith.addf %l, %d : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e8 = tensor.empty(%t) : tensor<?x1xf32>
    %v9 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w1, %r2, %decay, %most5 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e8 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %out: f32):
      %d0 = arith.subf %a, %d : f32
      %x0 = math.exp %d0 : f32
      %old = arith.mulf %c, %x0 : f32
      %d1 = arith.subf %b, %d : f32
      %new = math.exp %d1 : f32
      %s = arith.addf %old, %new : f32
      %l = math.log %s : f32
      %y = arith.addf %l, %d : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    %e10 = tensor.empty(%t) : tensor<?x1xf32>
    %v11 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w2, %r3, %decay, %most5 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e10 : tensor<?x1xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %out: f32):
      %d0 = arith.subf %a, %d : f32
      %x0 = math.exp %d0 : f32
      %old = arith.mulf %c, %x0 : f32
      %d1 = arith.subf %b, %d : f32
      %new = math.exp %d1 : f32
      %s = arith.addf %old, %new : f32
      %l = math.log %s : f32
      %y = arith.addf %l, %d : f32
      linalg.yield %y : f32
    } -> tensor<?x1xf32>
    return %v7, %v9, %v11 : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  }
}
