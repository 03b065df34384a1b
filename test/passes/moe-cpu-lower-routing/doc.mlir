// RUN: moe-opt %s -moe-cpu-lower-routing | FileCheck %s

// Tasks of some tokens each; scores of all experts are vectors, the weights are
// divided by their sum.

module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {

// CHECK-LABEL: func.func @route
// CHECK:       scf.forall
// CHECK:         math.exp %{{.*}} : vector<8xf32>
// CHECK:         arith.divf
// CHECK-NOT:   moe.route
func.func @route(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>) {
  moe.route {routing = #moe.routing<k = 2, renorm = sum>} ins(%l : memref<?x8xf32>) outs(%i, %w : memref<?x2xi32>, memref<?x2xf32>)
  return
}
}
