moe.recipes {
  %0 = moe.load "w" : tensor<4x4xf32>
  %1 = moe.pack %0 : tensor<4x4xf32> to tensor<1x4x16xf32>
  moe.define "w" role "output", %1 : tensor<1x4x16xf32>
}
func.func @step(%x: tensor<?x4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {moe.entry = "step"} {
  %w = moe.weight "w" : tensor<1x4x16xf32>
  %m = moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 6, tile_vectors = 2>]>} ins(%x : tensor<?x4xf32>)
      banks(%w : tensor<1x4x16xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  moe.tap "out", %m : tensor<?x4xf32>
  return %m : tensor<?x4xf32>
}
