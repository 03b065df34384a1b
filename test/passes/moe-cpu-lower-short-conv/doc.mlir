// RUN: moe-opt %s -moe-cpu-lower-short-conv -canonicalize | FileCheck %s

// The last two inputs of 16 channels are read from the state, which counts as
// zeros at position 0, go from token to token in registers, and return.

// CHECK:       scf.forall
// CHECK:       %[[A:.*]] = vector.load {{.*}} : memref<2x2x16xf32>, vector<16xf32>
// CHECK:       %[[FIRST:.*]] = arith.select %{{.*}}, %{{.*}}, %[[A]] : vector<16xf32>
// CHECK:       %[[LAST:.*]]:2 = scf.for {{.*}} iter_args(%[[W0:.*]] = %[[FIRST]], %[[W1:.*]] = %{{.*}}) -> (vector<16xf32>, vector<16xf32>)
// CHECK:         %[[X:.*]] = vector.load {{.*}} : memref<?x16xf32>, vector<16xf32>
// CHECK:         %[[S0:.*]] = vector.fma %{{.*}}, %[[W0]], %{{.*}}
// CHECK:         %[[S1:.*]] = vector.fma %{{.*}}, %[[W1]], %[[S0]]
// CHECK:         %[[S2:.*]] = vector.fma %{{.*}}, %[[X]], %[[S1]]
// CHECK:         vector.store %[[S2]], {{.*}} : memref<?x16xf32>, vector<16xf32>
// CHECK:         scf.yield %[[W1]], %[[X]]
// CHECK:       vector.store %[[LAST]]#0, {{.*}} : memref<2x2x16xf32>, vector<16xf32>
// CHECK:       vector.store %[[LAST]]#1, {{.*}} : memref<2x2x16xf32>, vector<16xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @conv(%x: memref<?x16xf32>, %w: memref<16x1x3xf32>, %p: memref<?xi32>, %o: memref<?xi32>, %s: memref<?xi32>,
                  %state: memref<2x2x16xf32>, %y: memref<?x16xf32>) {
    nn.short_conv ins(%x, %w, %p, %o, %s : memref<?x16xf32>, memref<16x1x3xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        state(%state : memref<2x2x16xf32>) outs(%y : memref<?x16xf32>)
    return
  }
}
