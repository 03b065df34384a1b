// RUN: moe-opt %s -split-input-file -moe-cpu-lower-short-conv -canonicalize | FileCheck %s

// With a bias, on vectors of 8 and a tail; 3 tasks of 200 channels for each
// sequence.
// CHECK-LABEL: func.func @bias
// CHECK:       scf.forall
// CHECK:       vector.load {{.*}} : memref<600xf32>, vector<8xf32>
// CHECK-NOT:   nn.short_conv
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
  func.func @bias(%x: memref<?x600xf32>, %w: memref<600x1x4xf32>, %b: memref<600xf32>, %p: memref<?xi32>, %state: memref<2x3x600xf32>) {
    nn.short_conv ins(%x, %w, %p, %p, %p : memref<?x600xf32>, memref<600x1x4xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        bias(%b : memref<600xf32>) state(%state : memref<2x3x600xf32>) outs(%x : memref<?x600xf32>)
    return
  }
}

// -----

// Too long for registers.
// CHECK-LABEL: func.func @long
// CHECK:       nn.short_conv
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
  func.func @long(%x: memref<?x8xf32>, %w: memref<8x1x10xf32>, %p: memref<?xi32>, %state: memref<2x9x8xf32>) {
    nn.short_conv ins(%x, %w, %p, %p, %p : memref<?x8xf32>, memref<8x1x10xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        state(%state : memref<2x9x8xf32>) outs(%x : memref<?x8xf32>)
    return
  }
}

// -----

// Without a target nothing is known of vectors.
// CHECK-LABEL: func.func @target
// CHECK:       nn.short_conv
func.func @target(%x: memref<?x8xf32>, %w: memref<8x1x2xf32>, %p: memref<?xi32>, %state: memref<2x1x8xf32>) {
  nn.short_conv ins(%x, %w, %p, %p, %p : memref<?x8xf32>, memref<8x1x2xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
      state(%state : memref<2x1x8xf32>) outs(%x : memref<?x8xf32>)
  return
}

// -----

// A state that is not resolved.
// CHECK-LABEL: func.func @state
// CHECK:       nn.short_conv
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
  func.func @state(%x: memref<?x8xf32>, %w: memref<8x1x2xf32>, %p: memref<?xi32>, %state: !nn.recurrent<rows = 1, columns = 8, sequences = 2>) {
    nn.short_conv ins(%x, %w, %p, %p, %p : memref<?x8xf32>, memref<8x1x2xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        state(%state : !nn.recurrent<rows = 1, columns = 8, sequences = 2>) outs(%x : memref<?x8xf32>)
    return
  }
}
