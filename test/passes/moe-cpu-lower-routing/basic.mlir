// RUN: moe-opt %s -moe-cpu-lower-routing | FileCheck %s

module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {

// A gate multiplies first, on packed panels, and writes its logits.
// CHECK-LABEL: func.func @gate
// CHECK:       scf.forall
// CHECK:         vector.fma %{{.*}} : vector<8xf32>
// CHECK:         math.exp
// CHECK-NOT:   moe.gate
func.func @gate(%x: memref<?x4xf32>, %w: memref<1x4x16xf32>, %i: memref<?x2xi32>, %v: memref<?x2xf32>, %l: memref<?x16xf32>) {
  moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : memref<?x4xf32>, memref<1x4x16xf32>) outs(%i, %v, %l : memref<?x2xi32>, memref<?x2xf32>, memref<?x16xf32>)
  return
}

// Sigmoid scores of the chosen experts; the bias is for the choice only.
// CHECK-LABEL: func.func @sigmoid
// CHECK:       scf.forall
// CHECK-NOT:   moe.route
func.func @sigmoid(%l: memref<?x16xf32>, %b: memref<16xf32>, %i: memref<?x2xi32>, %v: memref<?x2xf32>) {
  moe.route {routing = #moe.routing<k = 2, score = sigmoid>} ins(%l : memref<?x16xf32>) bias(%b : memref<16xf32>) outs(%i, %v : memref<?x2xi32>, memref<?x2xf32>)
  return
}
}
