// RUN: moe-opt %s -moe-cpu-lower-normalization -canonicalize | FileCheck %s

// A norm over 24 elements with vectors of 16: the tail is a vector of 8. Tasks
// take many short rows each, since a task must be worth its start.

// CHECK: scf.forall
// CHECK:   scf.for
// CHECK:     vector.load {{.*}}, vector<16xf32>
// CHECK:     vector.load {{.*}}, vector<8xf32>
// CHECK:     arith.divf
// CHECK:     math.sqrt
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @norm(%x: memref<?x24xf32>, %w: memref<24xf32>, %y: memref<?x24xf32>) {
    nn.rms_norm {size = 24 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x24xf32>)
        weight(%w : memref<24xf32>) outs(%y : memref<?x24xf32>)
    return
  }
}
