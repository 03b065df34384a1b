// RUN: moe-opt %s -moe-cpu-lower-attention -verify-diagnostics -split-input-file

!state = !nn.state<heads = 1, key = 16, value = 16, element = f32, sequences = 2, positions = 128>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @not_resolved(%q: memref<?x32xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %state: !state, %y: memref<?x32xf32>) {
    // expected-error @below {{cannot be lowered: expected a state resolved to a key pool}}
    nn.attention {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x32xf32>, memref<?xi32>, memref<?xi32>) state(%state : !state)
        outs(%y : memref<?x32xf32>)
    return
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 2048, vector_registers = 32>} {
  func.func @wide_vectors(%q: memref<?x32xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x1x16x32xf32>,
                          %values: memref<8x1x32x16xf32>, %table: memref<2x4xi32>, %y: memref<?x32xf32>) {
    // expected-error @below {{cannot be lowered: expected moe.target on the module, with lanes that divide the 32 positions of a block}}
    nn.attention {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x32xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x16x32xf32>, memref<8x1x32x16xf32>, memref<2x4xi32>)
        outs(%y : memref<?x32xf32>)
    return
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @other_width(%q: memref<?x40xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x1x16x32xf32>,
                         %values: memref<8x1x32x16xf32>, %table: memref<2x4xi32>, %y: memref<?x32xf32>) {
    // expected-error @below {{cannot be lowered: expected queries and output in rows without gaps, as wide as their heads of the state's key and value}}
    nn.attention {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x40xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x16x32xf32>, memref<8x1x32x16xf32>, memref<2x4xi32>)
        outs(%y : memref<?x32xf32>)
    return
  }
}

// -----

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @one_huge_row(%q: memref<?x50000xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x1x50000x32xf32>,
                          %values: memref<8x1x32x16xf32>, %table: memref<2x4xi32>, %y: memref<?x16xf32>) {
    // expected-error @below {{cannot be lowered: expected keys and values of which one row fits the stack}}
    nn.attention {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x50000xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x50000x32xf32>, memref<8x1x32x16xf32>, memref<2x4xi32>)
        outs(%y : memref<?x16xf32>)
    return
  }
}
