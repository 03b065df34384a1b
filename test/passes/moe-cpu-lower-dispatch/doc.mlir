// RUN: moe-opt %s -moe-cpu-lower-dispatch | FileCheck %s

// The rows of a token are added up in registers, then the addend.

module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {

// CHECK-LABEL: func.func @combine
// CHECK:       scf.forall
// CHECK:         %[[SUM:.*]] = vector.fma %{{.*}} : vector<8xf32>
// CHECK:         arith.addf %{{.*}} : vector<8xf32>
// CHECK:         vector.store
// CHECK-NOT:   moe.combine
func.func @combine(%rows: memref<?x16xf32>, %t: memref<?x2xi32>, %s: memref<?x2xi32>, %w: memref<?x2xf32>, %x: memref<?x16xf32>, %y: memref<?x16xf32>) {
  moe.combine ins(%rows, %t, %s, %w : memref<?x16xf32>, memref<?x2xi32>, memref<?x2xi32>, memref<?x2xf32>) addends(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  return
}
}
