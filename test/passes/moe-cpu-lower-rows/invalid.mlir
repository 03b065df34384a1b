// RUN: moe-opt %s -moe-cpu-lower-rows -verify-diagnostics -split-input-file

func.func @no_target(%t: memref<64x40xf32>, %i: memref<?xi32>, %y: memref<?x40xf32>) {
  // expected-error @below {{cannot be lowered: expected moe.target on the module}}
  nn.gather_rows ins(%t, %i : memref<64x40xf32>, memref<?xi32>) outs(%y : memref<?x40xf32>)
  return
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @gaps(%t: memref<64x40xf32, strided<[80, 2]>>, %i: memref<?xi32>, %y: memref<?x40xf32>) {
    // expected-error @below {{cannot be lowered: expected memrefs of static width whose rows have no gaps}}
    nn.gather_rows ins(%t, %i : memref<64x40xf32, strided<[80, 2]>>, memref<?xi32>) outs(%y : memref<?x40xf32>)
    return
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @other_panels(%t: memref<2x40x32xf32>, %i: memref<?xi32>, %y: memref<?x40xf32>) {
    // expected-error @below {{cannot be lowered: expected a table packed in panels of 16 columns, with rows as wide as the output's}}
    nn.gather_rows ins(%t, %i : memref<2x40x32xf32>, memref<?xi32>) outs(%y : memref<?x40xf32>)
    return
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @narrower(%t: memref<64x40xf32>, %i: memref<?xi32>, %y: memref<?x40xbf16>) {
    // expected-error @below {{cannot be lowered: expected an output that holds the table's elements exactly}}
    nn.gather_rows ins(%t, %i : memref<64x40xf32>, memref<?xi32>) outs(%y : memref<?x40xbf16>)
    return
  }
}

// -----

func.func @tensors(%o: tensor<?xi32>, %s: tensor<?xi32>, %y: tensor<?xi32>) -> tensor<?xi32> {
  // expected-error @below {{cannot be lowered: expected memrefs}}
  %0 = nn.token_slots ins(%o, %s : tensor<?xi32>, tensor<?xi32>) outs(%y : tensor<?xi32>) -> tensor<?xi32>
  return %0 : tensor<?xi32>
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @join_gaps(%a: memref<?x16xf32, strided<[32, 2]>>, %y: memref<?x16xf32>) {
    // expected-error @below {{cannot be lowered: expected memrefs of static width whose rows have no gaps}}
    nn.join_heads {heads = 2 : i64, sizes = array<i64: 8>, offsets = array<i64: 0>, counts = array<i64: 8>}
        ins(%a : memref<?x16xf32, strided<[32, 2]>>) outs(%y : memref<?x16xf32>)
    return
  }
}
