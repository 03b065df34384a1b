// RUN: moe-opt %s -verify-diagnostics -moe-lower-to-linalg

func.func @width(%x: memref<?x?xf32>, %w: memref<?xf32>, %y: memref<?x?xf32>) {
  // expected-error@+1 {{cannot be lowered: expected}}
  nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x?xf32>) outs(%y : memref<?x?xf32>)
  return
}
