// MultiModN (arXiv 2309.14118): a chain of encoders, one for each modality, each of which makes a new
// state from its input and the state; a modality that a sample lacks leaves its state as it was.
// Presence is said for each sample (the original skips an encoder for the whole batch): a number that
// is not 0 where it is present. What a missing modality holds plays no part, not even a NaN. The
// decoder reads every state.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>
#row = affine_map<(t, n) -> (t, 0)>
#column = affine_map<(t, n) -> (n)>

module {
  moe.recipes {
    %w0 = moe.load "state" : tensor<32xf32>
    moe.define "state" role "other", %w0 : tensor<32xf32>
    %w1 = moe.load "decoder.weight" : tensor<4x32xf32>
    moe.define "decoder.weight" role "head", %w1 : tensor<4x32xf32>
    %w2 = moe.load "encoder.0.input" : tensor<32x16xf32>
    moe.define "encoder.0.input" role "other", %w2 : tensor<32x16xf32>
    %w3 = moe.load "encoder.0.state" : tensor<32x32xf32>
    moe.define "encoder.0.state" role "other", %w3 : tensor<32x32xf32>
    %w4 = moe.load "encoder.0.bias" : tensor<32xf32>
    moe.define "encoder.0.bias" role "other", %w4 : tensor<32xf32>
    %w5 = moe.load "encoder.1.input" : tensor<32x24xf32>
    moe.define "encoder.1.input" role "other", %w5 : tensor<32x24xf32>
    %w6 = moe.load "encoder.1.state" : tensor<32x32xf32>
    moe.define "encoder.1.state" role "other", %w6 : tensor<32x32xf32>
    %w7 = moe.load "encoder.1.bias" : tensor<32xf32>
    moe.define "encoder.1.bias" role "other", %w7 : tensor<32xf32>
    %w8 = moe.load "encoder.2.input" : tensor<32x8xf32>
    moe.define "encoder.2.input" role "other", %w8 : tensor<32x8xf32>
    %w9 = moe.load "encoder.2.state" : tensor<32x32xf32>
    moe.define "encoder.2.state" role "other", %w9 : tensor<32x32xf32>
    %w10 = moe.load "encoder.2.bias" : tensor<32xf32>
    moe.define "encoder.2.bias" role "other", %w10 : tensor<32xf32>
  }
  func.func @decode(%m0: tensor<?x16xf32> {moe.name = "m0"},
      %m1: tensor<?x24xf32> {moe.name = "m1"},
      %m2: tensor<?x8xf32> {moe.name = "m2"},
      %has0: tensor<?x1xf32> {moe.name = "has0"},
      %has1: tensor<?x1xf32> {moe.name = "has1"},
      %has2: tensor<?x1xf32> {moe.name = "has2"})
      -> (tensor<?x4xf32> {moe.name = "y0"}, tensor<?x4xf32> {moe.name = "y1"}, tensor<?x4xf32> {moe.name = "y2"}, tensor<?x4xf32> {moe.name = "y3"}) {
    %w1 = moe.weight "state" : tensor<32xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %m0, %c0 : tensor<?x16xf32>
    %e2 = tensor.empty(%t) : tensor<?x32xf32>
    %state3 = linalg.generic {indexing_maps = [#column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w1 : tensor<32xf32>) outs(%e2 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      linalg.yield %a : f32
    } -> tensor<?x32xf32>
    %w4 = moe.weight "decoder.weight" : tensor<4x32xf32>
    %e5 = tensor.empty(%t) : tensor<?x4xf32>
    %z6 = arith.constant 0.0 : f32
    %f7 = linalg.fill ins(%z6 : f32) outs(%e5 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %v8 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state3, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f7 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %w9 = moe.weight "encoder.0.input" : tensor<32x16xf32>
    %e10 = tensor.empty(%t) : tensor<?x32xf32>
    %z11 = arith.constant 0.0 : f32
    %f12 = linalg.fill ins(%z11 : f32) outs(%e10 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v13 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%m0, %w9 : tensor<?x16xf32>, tensor<32x16xf32>) outs(%f12 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w14 = moe.weight "encoder.0.state" : tensor<32x32xf32>
    %e15 = tensor.empty(%t) : tensor<?x32xf32>
    %z16 = arith.constant 0.0 : f32
    %f17 = linalg.fill ins(%z16 : f32) outs(%e15 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v18 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state3, %w14 : tensor<?x32xf32>, tensor<32x32xf32>) outs(%f17 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w19 = moe.weight "encoder.0.bias" : tensor<32xf32>
    %e20 = tensor.empty(%t) : tensor<?x32xf32>
    %state21 = linalg.generic {indexing_maps = [#rows, #rows, #column, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v13, %v18, %w19, %state3, %has0 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e20 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %z = arith.addf %s, %c : f32
      %zero = arith.constant 0.0 : f32
      %relu = arith.maximumf %z, %zero : f32
      %here = arith.cmpf une, %e, %zero : f32
      %y = arith.select %here, %relu, %d : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e22 = tensor.empty(%t) : tensor<?x4xf32>
    %z23 = arith.constant 0.0 : f32
    %f24 = linalg.fill ins(%z23 : f32) outs(%e22 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %v25 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state21, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f24 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %w26 = moe.weight "encoder.1.input" : tensor<32x24xf32>
    %e27 = tensor.empty(%t) : tensor<?x32xf32>
    %z28 = arith.constant 0.0 : f32
    %f29 = linalg.fill ins(%z28 : f32) outs(%e27 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v30 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%m1, %w26 : tensor<?x24xf32>, tensor<32x24xf32>) outs(%f29 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w31 = moe.weight "encoder.1.state" : tensor<32x32xf32>
    %e32 = tensor.empty(%t) : tensor<?x32xf32>
    %z33 = arith.constant 0.0 : f32
    %f34 = linalg.fill ins(%z33 : f32) outs(%e32 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v35 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state21, %w31 : tensor<?x32xf32>, tensor<32x32xf32>) outs(%f34 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w36 = moe.weight "encoder.1.bias" : tensor<32xf32>
    %e37 = tensor.empty(%t) : tensor<?x32xf32>
    %state38 = linalg.generic {indexing_maps = [#rows, #rows, #column, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v30, %v35, %w36, %state21, %has1 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e37 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %z = arith.addf %s, %c : f32
      %zero = arith.constant 0.0 : f32
      %relu = arith.maximumf %z, %zero : f32
      %here = arith.cmpf une, %e, %zero : f32
      %y = arith.select %here, %relu, %d : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e39 = tensor.empty(%t) : tensor<?x4xf32>
    %z40 = arith.constant 0.0 : f32
    %f41 = linalg.fill ins(%z40 : f32) outs(%e39 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %v42 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state38, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f41 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %w43 = moe.weight "encoder.2.input" : tensor<32x8xf32>
    %e44 = tensor.empty(%t) : tensor<?x32xf32>
    %z45 = arith.constant 0.0 : f32
    %f46 = linalg.fill ins(%z45 : f32) outs(%e44 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v47 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%m2, %w43 : tensor<?x8xf32>, tensor<32x8xf32>) outs(%f46 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w48 = moe.weight "encoder.2.state" : tensor<32x32xf32>
    %e49 = tensor.empty(%t) : tensor<?x32xf32>
    %z50 = arith.constant 0.0 : f32
    %f51 = linalg.fill ins(%z50 : f32) outs(%e49 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v52 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state38, %w48 : tensor<?x32xf32>, tensor<32x32xf32>) outs(%f51 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w53 = moe.weight "encoder.2.bias" : tensor<32xf32>
    %e54 = tensor.empty(%t) : tensor<?x32xf32>
    %state55 = linalg.generic {indexing_maps = [#rows, #rows, #column, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%v47, %v52, %w53, %state38, %has2 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e54 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %z = arith.addf %s, %c : f32
      %zero = arith.constant 0.0 : f32
      %relu = arith.maximumf %z, %zero : f32
      %here = arith.cmpf une, %e, %zero : f32
      %y = arith.select %here, %relu, %d : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    %e56 = tensor.empty(%t) : tensor<?x4xf32>
    %z57 = arith.constant 0.0 : f32
    %f58 = linalg.fill ins(%z57 : f32) outs(%e56 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %v59 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state55, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f58 : tensor<?x4xf32>) -> tensor<?x4xf32>
    return %v8, %v25, %v42, %v59 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
  }
}
