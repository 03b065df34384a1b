// RUN: moe-opt %s -moe-cpu-lower-attention -canonicalize | FileCheck %s

// Tokens become runs of one sequence; for each run and block of 32 positions:
// scores by register tiles, then exponentials relative to the running maximum,
// then the values; at the end a division by the sum.

// CHECK: scf.forall
// CHECK:   scf.while
// CHECK:     vector.fma
// CHECK:     math.exp
// CHECK:     vector.fma
// CHECK:     arith.divf
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @attention(%q: memref<?x32xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x1x16x32xf32>,
                       %values: memref<8x1x32x16xf32>, %table: memref<2x4xi32>, %y: memref<?x32xf32>) {
    nn.attention {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x32xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x16x32xf32>, memref<8x1x32x16xf32>, memref<2x4xi32>)
        outs(%y : memref<?x32xf32>)
    return
  }
}
