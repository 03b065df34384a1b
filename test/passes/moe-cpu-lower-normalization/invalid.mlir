// RUN: moe-opt %s -moe-cpu-lower-normalization -verify-diagnostics -split-input-file

func.func @no_target(%x: memref<?x24xf32>, %y: memref<?x24xf32>) {
  // expected-error @below {{cannot be lowered: expected moe.target on the module}}
  nn.rms_norm {size = 24 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x24xf32>) outs(%y : memref<?x24xf32>)
  return
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @tensors(%x: tensor<?x24xf32>, %y: tensor<?x24xf32>) -> tensor<?x24xf32> {
    // expected-error @below {{cannot be lowered: expected memrefs of static width whose rows have no gaps}}
    %0 = nn.rms_norm {size = 24 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x24xf32>)
        outs(%y : tensor<?x24xf32>) -> tensor<?x24xf32>
    return %0 : tensor<?x24xf32>
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @gaps(%x: memref<?x24xf32, strided<[48, 2]>>, %y: memref<?x24xf32>) {
    // expected-error @below {{cannot be lowered: expected memrefs of static width whose rows have no gaps}}
    nn.rms_norm {size = 24 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x24xf32, strided<[48, 2]>>)
        outs(%y : memref<?x24xf32>)
    return
  }
}
