// One recursion of tokens and weights that are given, and its block by itself.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>

module {
  moe.recipes {
    %w0 = moe.load "block.weight" : tensor<64x64xf32>
    moe.define "block.weight" role "mlp", %w0 : tensor<64x64xf32>
  }
  func.func private @block(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e = tensor.empty(%t) : tensor<?x64xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
    %h = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x64xf32>, tensor<64x64xf32>) outs(%f : tensor<?x64xf32>) -> tensor<?x64xf32>
    return %h : tensor<?x64xf32>
  }
  func.func @plain(%x: tensor<?x64xf32> {moe.name = "x"}) -> (tensor<?x64xf32> {moe.name = "h"}) {
    %w = moe.weight "block.weight" : tensor<64x64xf32>
    %h = func.call @block(%x, %w) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    return %h : tensor<?x64xf32>
  }
  func.func @once(%x: tensor<?x64xf32> {moe.name = "x"}, %depth: tensor<?x1xi32> {moe.name = "depth", moe.below = 2},
      %weights: tensor<?x1xf32> {moe.name = "weights"}) -> (tensor<?x64xf32> {moe.name = "y"}) {
    %w = moe.weight "block.weight" : tensor<64x64xf32>
    %c0 = arith.constant 0 : index
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %e = tensor.empty(%t) : tensor<?x64xf32>
    %y = moe.recurse ins(%x, %depth, %weights : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
        params(%w : tensor<64x64xf32>) outs(%e : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %m: tensor<64x64xf32>):
      %h = func.call @block(%rows, %m) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    }, {
    ^bb0(%rows: tensor<?x64xf32>, %m: tensor<64x64xf32>):
      %h = func.call @block(%rows, %m) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}
