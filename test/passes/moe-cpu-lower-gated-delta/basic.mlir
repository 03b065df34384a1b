// RUN: moe-opt %s -split-input-file -moe-cpu-lower-gated-delta -canonicalize | FileCheck %s

// Widths of no full vectors.
// CHECK-LABEL: func.func @odd
// CHECK:       vector<4xf32>
// CHECK:       vector<1xf32>
// CHECK-NOT:   nn.gated_delta
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @odd(%q: memref<?x3xf32>, %k: memref<?x3xf32>, %v: memref<?x5xf32>, %g: memref<?x1xf32>, %b: memref<?x1xf32>, %p: memref<?xi32>, %o: memref<?xi32>, %s: memref<?xi32>, %state: memref<2x1x303xf32>, %y: memref<?x5xf32>) {
    nn.gated_delta {heads = 1 : i64, key_heads = 1 : i64} ins(%q, %k, %v, %g, %b, %p, %o, %s : memref<?x3xf32>, memref<?x3xf32>, memref<?x5xf32>, memref<?x1xf32>, memref<?x1xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        state(%state : memref<2x1x303xf32>) outs(%y : memref<?x5xf32>)
    return
  }
}

// -----

// Too wide for a task's stack.
// CHECK-LABEL: func.func @wide
// CHECK:       nn.gated_delta
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @wide(%q: memref<?x512xf32>, %k: memref<?x512xf32>, %v: memref<?x512xf32>, %g: memref<?x1xf32>, %b: memref<?x1xf32>, %p: memref<?xi32>, %o: memref<?xi32>, %s: memref<?xi32>, %state: memref<2x1x294944xf32>, %y: memref<?x512xf32>) {
    nn.gated_delta {heads = 1 : i64, key_heads = 1 : i64} ins(%q, %k, %v, %g, %b, %p, %o, %s : memref<?x512xf32>, memref<?x512xf32>, memref<?x512xf32>, memref<?x1xf32>, memref<?x1xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        state(%state : memref<2x1x294944xf32>) outs(%y : memref<?x512xf32>)
    return
  }
}

// -----

// Without a target nothing is known of vectors.
// CHECK-LABEL: func.func @target
// CHECK:       nn.gated_delta
func.func @target(%q: memref<?x16xf32>, %k: memref<?x16xf32>, %v: memref<?x16xf32>, %g: memref<?x1xf32>, %b: memref<?x1xf32>, %p: memref<?xi32>, %o: memref<?xi32>, %s: memref<?xi32>, %state: memref<2x1x1312xf32>, %y: memref<?x16xf32>) {
    nn.gated_delta {heads = 1 : i64, key_heads = 1 : i64} ins(%q, %k, %v, %g, %b, %p, %o, %s : memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>, memref<?x1xf32>, memref<?x1xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        state(%state : memref<2x1x1312xf32>) outs(%y : memref<?x16xf32>)
    return
  }
