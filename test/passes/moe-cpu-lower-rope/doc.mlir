// RUN: moe-opt %s -moe-cpu-lower-rope -canonicalize | FileCheck %s

// One head of 32 elements: element i turns with element i + 16, by the angle of
// the token's position.

// CHECK: %[[COS:.*]] = vector.load %arg1[%{{.*}}, %c0, %c0]
// CHECK: %[[SIN:.*]] = vector.load %arg1[%{{.*}}, %c1, %c0]
// CHECK: %[[U:.*]] = vector.load %arg0
// CHECK: %[[V:.*]] = vector.load %arg0
// CHECK: %[[UC:.*]] = arith.mulf %[[U]], %[[COS]]
// CHECK: %[[VS:.*]] = arith.mulf %[[V]], %[[SIN]]
// CHECK: arith.subf %[[UC]], %[[VS]] : vector<16xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @rope(%x: memref<?x32xf32>, %t: memref<64x2x16xf32>, %p: memref<?xi32>, %y: memref<?x32xf32>) {
    nn.rope {size = 32 : i64} ins(%x, %t, %p : memref<?x32xf32>, memref<64x2x16xf32>, memref<?xi32>)
        outs(%y : memref<?x32xf32>)
    return
  }
}
