// RUN: moe-opt %s -moe-cpu-lower-append -canonicalize | FileCheck %s

// The key of a token is a lane of a panel [key, 32], so that attention can
// multiply whole vectors of positions; its value is a row.

// CHECK: scf.forall
// CHECK-COUNT-16: memref.store {{.*}} : memref<8x1x16x32xf32>
// CHECK: vector.store {{.*}} : memref<8x1x32x16xf32>, vector<16xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @append(%k: memref<?x16xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>,
                    %keys: memref<8x1x16x32xf32>, %values: memref<8x1x32x16xf32>, %table: memref<2x4xi32>) {
    nn.append ins(%k, %v, %p, %s : memref<?x16xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x16x32xf32>, memref<8x1x32x16xf32>, memref<2x4xi32>)
    return
  }
}
