// RUN: moe-opt %s -moe-select-variants | FileCheck %s

// One or two rows are bound by memory: four streams, with prefetches. More rows
// take the largest register tile.

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>} {
// CHECK-LABEL: func.func @product
// CHECK:       variants = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 4, prefetch = 2048>, <tile_rows = 12, tile_vectors = 2>]>
func.func @product(%x: tensor<?x64xbf16>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x64xbf16>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}
}
