func.func @layer(%arena: memref<?xi8>, %rows: index, %x: memref<?x4xf32>, %w: memref<1x4x16xf32>) {
  %c0 = arith.constant 0 : index
  %e = memref.view %arena[%c0][%rows] : memref<?xi8> to memref<?x4xf32>
  moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 6, tile_vectors = 2>]>} ins(%x : memref<?x4xf32>)
      banks(%w : memref<1x4x16xf32>) outs(%e : memref<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  }
  return
}
