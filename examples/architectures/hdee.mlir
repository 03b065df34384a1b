// HDEE (arXiv 2502.19385): independent language models of different sizes, mixed by the posterior of
// each given the text so far. `mix` gives the probability of every token from the models'
// log-probabilities and the log-weights of a sequence; `update` multiplies the posterior by what each
// model gave the token that came, and normalises it in log space. The log-weights are the state: an
// argument and a result. `simple_avg`, the mean of log-probabilities, is not normalised, as in the
// original.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  func.func @mix(%p0: tensor<?x40xf32> {moe.name = "p0"},
      %p1: tensor<?x40xf32> {moe.name = "p1"},
      %p2: tensor<?x40xf32> {moe.name = "p2"},
      %w0: tensor<?x1xf32> {moe.name = "w0"},
      %w1: tensor<?x1xf32> {moe.name = "w1"},
      %w2: tensor<?x1xf32> {moe.name = "w2"})
      -> (tensor<?x40xf32> {moe.name = "probabilities"}) {
    %c0 = arith.constant 0 : index
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
  func.func @simple_avg(%p0: tensor<?x40xf32> {moe.name = "p0"},
      %p1: tensor<?x40xf32> {moe.name = "p1"},
      %p2: tensor<?x40xf32> {moe.name = "p2"})
      -> (tensor<?x40xf32> {moe.name = "log_probabilities"}) {
    %c0 = arith.constant 0 : index
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
  func.func @update(%w0: tensor<?x1xf32> {moe.name = "w0"},
      %w1: tensor<?x1xf32> {moe.name = "w1"},
      %w2: tensor<?x1xf32> {moe.name = "w2"},
      %t0: tensor<?x1xf32> {moe.name = "t0"},
      %t1: tensor<?x1xf32> {moe.name = "t1"},
      %t2: tensor<?x1xf32> {moe.name = "t2"})
      -> (tensor<?x1xf32> {moe.name = "new_w0"}, tensor<?x1xf32> {moe.name = "new_w1"}, tensor<?x1xf32> {moe.name = "new_w2"}) {
    %c0 = arith.constant 0 : index
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
}
