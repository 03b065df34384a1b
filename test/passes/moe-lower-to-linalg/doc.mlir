// RUN: moe-opt %s -moe-lower-to-linalg | FileCheck %s

// Rows of a product are tasks; within one, linalg says the contraction.

// CHECK-LABEL: func.func @product
// CHECK:       scf.forall
// CHECK:         linalg.generic
// CHECK-NOT:   moe.grouped_matmul
func.func @product(%x: memref<?x4xf32>, %w: memref<8x4xf32>, %o: memref<?x8xf32>) {
  moe.grouped_matmul ins(%x : memref<?x4xf32>) banks(%w : memref<8x4xf32>) outs(%o : memref<?x8xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  }
  return
}
