// RUN: moe-opt %s -moe-cpu-lower-matmul | FileCheck %s

// A dense product: tasks are blocks of rows times chunks of columns; the number of
// rows of a block picks the variant. The last register tile has 12 x 2
// accumulators, each of which multiplies pairs of bf16 for ascending k; the
// epilogue adds the residual before anything is stored.

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>} {
// CHECK-LABEL: func.func @product
// CHECK:       scf.forall (%{{.*}}) in (%{{.*}}) {
// CHECK:         %[[FEW:.*]] = arith.cmpi ule
// CHECK:         scf.if %[[FEW]]
// CHECK:           memref.prefetch
// CHECK:         } else {
// CHECK:           scf.index_switch
// CHECK:           default {
// CHECK:             %[[ACC:.*]]:24 = scf.for
// CHECK-COUNT-24:      x86vector.avx512.dot
// CHECK:             %[[R:.*]] = vector.load %{{.*}} : memref<?x64xf32>, vector<16xf32>
// CHECK:             %[[S:.*]] = arith.addf %[[ACC]]#0, %[[R]] : vector<16xf32>
// CHECK:             vector.store %[[S]]
// CHECK-NOT:   moe.grouped_matmul
func.func @product(%x: memref<?x32xbf16>, %w: memref<4x16x16x2xbf16>, %r: memref<?x64xf32>, %o: memref<?x64xf32>) {
  moe.grouped_matmul {variants = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 4, prefetch = 2048>, <tile_rows = 12, tile_vectors = 2>]>} ins(%x : memref<?x32xbf16>) banks(%w : memref<4x16x16x2xbf16>) extras(%r : memref<?x64xf32>) outs(%o : memref<?x64xf32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    moe.yield %s : f32
  }
  return
}
}
