// RUN: moe-opt %s -moe-cpu-lower-dispatch | FileCheck %s

// A plan is one task: a counting sort.
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {

// CHECK-LABEL: func.func @plan
// CHECK:       %[[ONE:.*]] = arith.constant 1 : index
// CHECK:       scf.forall (%{{.*}}) in (%[[ONE]])
// CHECK:         memref.store %{{.*}} : memref<9xi32>
// CHECK-NOT:   moe.plan
func.func @plan(%ids: memref<?x2xi32>, %o: memref<9xi32>, %a: memref<9xi32>, %r: memref<?xi32>, %t: memref<?x2xi32>, %s: memref<?x2xi32>) {
  moe.plan ins(%ids : memref<?x2xi32>) outs(%o, %a, %r, %t, %s : memref<9xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xi32>)
  return
}
}
