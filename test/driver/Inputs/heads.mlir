// Three classifiers of the same features: their sum, weighted for each row, or one in place of all.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  moe.recipes {
    %w0 = moe.load "head.0.weight" : tensor<40x64xf32>
    moe.define "head.0.weight" role "head", %w0 : tensor<40x64xf32>
    %w1 = moe.load "head.1.weight" : tensor<40x64xf32>
    moe.define "head.1.weight" role "head", %w1 : tensor<40x64xf32>
    %w2 = moe.load "head.2.weight" : tensor<40x64xf32>
    moe.define "head.2.weight" role "head", %w2 : tensor<40x64xf32>
    %w3 = moe.load "head.folded.weight" : tensor<40x64xf32>
    moe.define "head.folded.weight" role "head", %w3 : tensor<40x64xf32>
  }
  func.func @mixed(%features: tensor<?x64xf32> {moe.name = "features"},
      %mix0: tensor<?x1xf32> {moe.name = "mix0"},
      %mix1: tensor<?x1xf32> {moe.name = "mix1"},
      %mix2: tensor<?x1xf32> {moe.name = "mix2"})
      -> (tensor<?x40xf32> {moe.name = "logits"}) {
    %w1 = moe.weight "head.0.weight" : tensor<40x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %features, %c0 : tensor<?x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x40xf32>
    %z3 = arith.constant 0.0 : f32
    %f4 = linalg.fill ins(%z3 : f32) outs(%e2 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %v5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%features, %w1 : tensor<?x64xf32>, tensor<40x64xf32>) outs(%f4 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w6 = moe.weight "head.1.weight" : tensor<40x64xf32>
    %e7 = tensor.empty(%t) : tensor<?x40xf32>
    %z8 = arith.constant 0.0 : f32
    %f9 = linalg.fill ins(%z8 : f32) outs(%e7 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %v10 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%features, %w6 : tensor<?x64xf32>, tensor<40x64xf32>) outs(%f9 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %w11 = moe.weight "head.2.weight" : tensor<40x64xf32>
    %e12 = tensor.empty(%t) : tensor<?x40xf32>
    %z13 = arith.constant 0.0 : f32
    %f14 = linalg.fill ins(%z13 : f32) outs(%e12 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %v15 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%features, %w11 : tensor<?x64xf32>, tensor<40x64xf32>) outs(%f14 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %e16 = tensor.empty(%t) : tensor<?x40xf32>
    %v17 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #row, #row, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v5, %v10, %v15, %mix0, %mix1, %mix2 : tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>) outs(%e16 : tensor<?x40xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %f: f32, %out: f32):
      %p = arith.mulf %a, %d : f32
      %q = arith.mulf %b, %e : f32
      %r = arith.mulf %c, %f : f32
      %pq = arith.addf %p, %q : f32
      %y = arith.addf %pq, %r : f32
      linalg.yield %y : f32
    } -> tensor<?x40xf32>
    return %v17 : tensor<?x40xf32>
  }
  func.func @folded(%features: tensor<?x64xf32> {moe.name = "features"})
      -> (tensor<?x40xf32> {moe.name = "logits"}) {
    %w1 = moe.weight "head.folded.weight" : tensor<40x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %features, %c0 : tensor<?x64xf32>
    %e2 = tensor.empty(%t) : tensor<?x40xf32>
    %z3 = arith.constant 0.0 : f32
    %f4 = linalg.fill ins(%z3 : f32) outs(%e2 : tensor<?x40xf32>) -> tensor<?x40xf32>
    %v5 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%features, %w1 : tensor<?x64xf32>, tensor<40x64xf32>) outs(%f4 : tensor<?x40xf32>) -> tensor<?x40xf32>
    return %v5 : tensor<?x40xf32>
  }
}
