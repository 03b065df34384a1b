// RUN: moe-opt %s -moe-cpu-lower-append -verify-diagnostics -split-input-file

!state = !nn.state<heads = 1, key = 16, value = 16, element = f32, sequences = 2, positions = 128>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @not_resolved(%k: memref<?x16xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %state: !state) {
    // expected-error @below {{cannot be lowered: expected a state resolved to a key pool [blocks, heads, key, 32], a value pool [blocks, heads, 32, value] of the same element type and a block table}}
    nn.append ins(%k, %v, %p, %s : memref<?x16xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>) state(%state : !state)
    return
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @other_blocks(%k: memref<?x16xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>,
                          %keys: memref<8x1x16x64xf32>, %values: memref<8x1x64x16xf32>, %table: memref<2x4xi32>) {
    // expected-error @below {{cannot be lowered: expected a state resolved to a key pool}}
    nn.append ins(%k, %v, %p, %s : memref<?x16xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x16x64xf32>, memref<8x1x64x16xf32>, memref<2x4xi32>)
    return
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @too_wide(%k: memref<?x24xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>,
                      %keys: memref<8x1x16x32xf32>, %values: memref<8x1x32x16xf32>, %table: memref<2x4xi32>) {
    // expected-error @below {{cannot be lowered: expected keys and values in rows without gaps, as wide as the heads of the state}}
    nn.append ins(%k, %v, %p, %s : memref<?x24xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x16x32xf32>, memref<8x1x32x16xf32>, memref<2x4xi32>)
    return
  }
}

// -----

func.func @no_target(%k: memref<?x16xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>,
                     %keys: memref<8x1x16x32xf32>, %values: memref<8x1x32x16xf32>, %table: memref<2x4xi32>) {
  // expected-error @below {{cannot be lowered: expected moe.target on the module}}
  nn.append ins(%k, %v, %p, %s : memref<?x16xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>)
      state(%keys, %values, %table : memref<8x1x16x32xf32>, memref<8x1x32x16xf32>, memref<2x4xi32>)
  return
}
