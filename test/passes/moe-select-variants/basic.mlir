// RUN: moe-opt %s -moe-select-variants | FileCheck %s

module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
// Sixteen registers: six rows of two vectors, two weights, one broadcast.
// CHECK-LABEL: func.func @f32
// CHECK:       <tile_rows = 6, tile_vectors = 2>
func.func @f32(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xf32>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// Widening bf16 by hand takes two registers more.
// CHECK-LABEL: func.func @bf16
// CHECK:       <tile_rows = 5, tile_vectors = 2>
func.func @bf16(%x: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// A choice written by hand stays.
// CHECK-LABEL: func.func @chosen
// CHECK:       variants = #moe.variants<[<tile_rows = 3, tile_vectors = 1>]>
func.func @chosen(%x: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 3, tile_vectors = 1>]>} ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}
}
