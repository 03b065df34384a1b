// MultiModN (arXiv 2309.14118): a chain of encoders, one for each modality, that change a state in turn; two
// decoders read every state, so that there is an answer after each modality. `has` is not 0 where a sample has
// a modality; one that lacks it keeps its state, whatever stands in its place, and nothing else in the batch
// has a say (the original skips an encoder for the whole batch).

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
    %w1 = moe.load "decoder.0.weight" : tensor<4x32xf32>
    moe.define "decoder.0.weight" role "head", %w1 : tensor<4x32xf32>
    %w2 = moe.load "decoder.1.weight" : tensor<2x32xf32>
    moe.define "decoder.1.weight" role "head", %w2 : tensor<2x32xf32>
    %w3 = moe.load "encoder.0.input" : tensor<32x16xf32>
    moe.define "encoder.0.input" role "other", %w3 : tensor<32x16xf32>
    %w4 = moe.load "encoder.0.state" : tensor<32x32xf32>
    moe.define "encoder.0.state" role "other", %w4 : tensor<32x32xf32>
    %w5 = moe.load "encoder.0.bias" : tensor<32xf32>
    moe.define "encoder.0.bias" role "other", %w5 : tensor<32xf32>
    %w6 = moe.load "encoder.1.input" : tensor<32x24xf32>
    moe.define "encoder.1.input" role "other", %w6 : tensor<32x24xf32>
    %w7 = moe.load "encoder.1.state" : tensor<32x32xf32>
    moe.define "encoder.1.state" role "other", %w7 : tensor<32x32xf32>
    %w8 = moe.load "encoder.1.bias" : tensor<32xf32>
    moe.define "encoder.1.bias" role "other", %w8 : tensor<32xf32>
    %w9 = moe.load "encoder.2.input" : tensor<32x8xf32>
    moe.define "encoder.2.input" role "other", %w9 : tensor<32x8xf32>
    %w10 = moe.load "encoder.2.state" : tensor<32x32xf32>
    moe.define "encoder.2.state" role "other", %w10 : tensor<32x32xf32>
    %w11 = moe.load "encoder.2.bias" : tensor<32xf32>
    moe.define "encoder.2.bias" role "other", %w11 : tensor<32xf32>
  }
  func.func private @change(%state: tensor<?x32xf32>, %from_input: tensor<?x32xf32>, %from_state: tensor<?x32xf32>, %bias: tensor<32xf32>, %has: tensor<?x1xf32>)
      -> (tensor<?x32xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %state, %c0 : tensor<?x32xf32>
    %e1 = tensor.empty(%t) : tensor<?x32xf32>
    %state2 = linalg.generic {indexing_maps = [#rows, #rows, #column, #rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%from_input, %from_state, %bias, %state, %has : tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>, tensor<?x32xf32>, tensor<?x1xf32>) outs(%e1 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32, %d: f32, %e: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %z = arith.addf %s, %c : f32
      %none = arith.constant 0.0 : f32
      %relu = arith.maximumf %z, %none : f32
      %here = arith.cmpf une, %e, %none : f32
      %y = arith.select %here, %relu, %d : f32
      linalg.yield %y : f32
    } -> tensor<?x32xf32>
    return %state2 : tensor<?x32xf32>
  }
  func.func @decode(%m0: tensor<?x16xf32> {moe.name = "m0"}, %m1: tensor<?x24xf32> {moe.name = "m1"}, %m2: tensor<?x8xf32> {moe.name = "m2"}, %has0: tensor<?x1xf32> {moe.name = "has0"}, %has1: tensor<?x1xf32> {moe.name = "has1"}, %has2: tensor<?x1xf32> {moe.name = "has2"})
      -> (tensor<?x4xf32> {moe.name = "y0_0"}, tensor<?x2xf32> {moe.name = "y0_1"}, tensor<?x4xf32> {moe.name = "y1_0"}, tensor<?x2xf32> {moe.name = "y1_1"}, tensor<?x4xf32> {moe.name = "y2_0"}, tensor<?x2xf32> {moe.name = "y2_1"}, tensor<?x4xf32> {moe.name = "y3_0"}, tensor<?x2xf32> {moe.name = "y3_1"}) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %m0, %c0 : tensor<?x16xf32>
    %w1 = moe.weight "state" : tensor<32xf32>
    %e2 = tensor.empty(%t) : tensor<?x32xf32>
    %state3 = linalg.generic {indexing_maps = [#column, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%w1 : tensor<32xf32>) outs(%e2 : tensor<?x32xf32>) {
    ^bb0(%a: f32, %out: f32):
      linalg.yield %a : f32
    } -> tensor<?x32xf32>
    %w4 = moe.weight "decoder.0.weight" : tensor<4x32xf32>
    %e5 = tensor.empty(%t) : tensor<?x4xf32>
    %f6 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %answer7 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state3, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f6 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %w8 = moe.weight "decoder.1.weight" : tensor<2x32xf32>
    %e9 = tensor.empty(%t) : tensor<?x2xf32>
    %f10 = linalg.fill ins(%zero : f32) outs(%e9 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %answer11 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state3, %w8 : tensor<?x32xf32>, tensor<2x32xf32>) outs(%f10 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %w12 = moe.weight "encoder.0.input" : tensor<32x16xf32>
    %e13 = tensor.empty(%t) : tensor<?x32xf32>
    %f14 = linalg.fill ins(%zero : f32) outs(%e13 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v15 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%m0, %w12 : tensor<?x16xf32>, tensor<32x16xf32>) outs(%f14 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w16 = moe.weight "encoder.0.state" : tensor<32x32xf32>
    %e17 = tensor.empty(%t) : tensor<?x32xf32>
    %f18 = linalg.fill ins(%zero : f32) outs(%e17 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v19 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%state3, %w16 : tensor<?x32xf32>, tensor<32x32xf32>) outs(%f18 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w20 = moe.weight "encoder.0.bias" : tensor<32xf32>
    %r21 = func.call @change(%state3, %v15, %v19, %w20, %has0) : (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>, tensor<?x1xf32>) -> tensor<?x32xf32>
    %e22 = tensor.empty(%t) : tensor<?x4xf32>
    %f23 = linalg.fill ins(%zero : f32) outs(%e22 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %answer24 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r21, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f23 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %e25 = tensor.empty(%t) : tensor<?x2xf32>
    %f26 = linalg.fill ins(%zero : f32) outs(%e25 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %answer27 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r21, %w8 : tensor<?x32xf32>, tensor<2x32xf32>) outs(%f26 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %w28 = moe.weight "encoder.1.input" : tensor<32x24xf32>
    %e29 = tensor.empty(%t) : tensor<?x32xf32>
    %f30 = linalg.fill ins(%zero : f32) outs(%e29 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v31 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%m1, %w28 : tensor<?x24xf32>, tensor<32x24xf32>) outs(%f30 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w32 = moe.weight "encoder.1.state" : tensor<32x32xf32>
    %e33 = tensor.empty(%t) : tensor<?x32xf32>
    %f34 = linalg.fill ins(%zero : f32) outs(%e33 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v35 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r21, %w32 : tensor<?x32xf32>, tensor<32x32xf32>) outs(%f34 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w36 = moe.weight "encoder.1.bias" : tensor<32xf32>
    %r37 = func.call @change(%r21, %v31, %v35, %w36, %has1) : (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>, tensor<?x1xf32>) -> tensor<?x32xf32>
    %e38 = tensor.empty(%t) : tensor<?x4xf32>
    %f39 = linalg.fill ins(%zero : f32) outs(%e38 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %answer40 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r37, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f39 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %e41 = tensor.empty(%t) : tensor<?x2xf32>
    %f42 = linalg.fill ins(%zero : f32) outs(%e41 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %answer43 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r37, %w8 : tensor<?x32xf32>, tensor<2x32xf32>) outs(%f42 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %w44 = moe.weight "encoder.2.input" : tensor<32x8xf32>
    %e45 = tensor.empty(%t) : tensor<?x32xf32>
    %f46 = linalg.fill ins(%zero : f32) outs(%e45 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v47 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%m2, %w44 : tensor<?x8xf32>, tensor<32x8xf32>) outs(%f46 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w48 = moe.weight "encoder.2.state" : tensor<32x32xf32>
    %e49 = tensor.empty(%t) : tensor<?x32xf32>
    %f50 = linalg.fill ins(%zero : f32) outs(%e49 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %v51 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r37, %w48 : tensor<?x32xf32>, tensor<32x32xf32>) outs(%f50 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %w52 = moe.weight "encoder.2.bias" : tensor<32xf32>
    %r53 = func.call @change(%r37, %v47, %v51, %w52, %has2) : (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>, tensor<?x1xf32>) -> tensor<?x32xf32>
    %e54 = tensor.empty(%t) : tensor<?x4xf32>
    %f55 = linalg.fill ins(%zero : f32) outs(%e54 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %answer56 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r53, %w4 : tensor<?x32xf32>, tensor<4x32xf32>) outs(%f55 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %e57 = tensor.empty(%t) : tensor<?x2xf32>
    %f58 = linalg.fill ins(%zero : f32) outs(%e57 : tensor<?x2xf32>) -> tensor<?x2xf32>
    %answer59 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r53, %w8 : tensor<?x32xf32>, tensor<2x32xf32>) outs(%f58 : tensor<?x2xf32>) -> tensor<?x2xf32>
    return %answer7, %answer11, %answer24, %answer27, %answer40, %answer43, %answer56, %answer59 : tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x4xf32>, tensor<?x2xf32>
  }
}
