// RUN: moe-opt %s -moe-cpu-lower-rope -verify-diagnostics -split-input-file

func.func @no_target(%x: memref<?x32xf32>, %t: memref<64x2x16xf32>, %p: memref<?xi32>, %y: memref<?x32xf32>) {
  // expected-error @below {{cannot be lowered: expected moe.target on the module}}
  nn.rope {size = 32 : i64} ins(%x, %t, %p : memref<?x32xf32>, memref<64x2x16xf32>, memref<?xi32>)
      outs(%y : memref<?x32xf32>)
  return
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @gaps(%x: memref<?x32xf32, strided<[64, 2]>>, %t: memref<64x2x16xf32>, %p: memref<?xi32>, %y: memref<?x32xf32>) {
    // expected-error @below {{cannot be lowered: expected memrefs of static width whose rows have no gaps}}
    nn.rope {size = 32 : i64} ins(%x, %t, %p : memref<?x32xf32, strided<[64, 2]>>, memref<64x2x16xf32>, memref<?xi32>)
        outs(%y : memref<?x32xf32>)
    return
  }
}
