// RUN: moe-opt %s -moe-outline-tasks | FileCheck %s

// The body of a parallel loop becomes a function of what it uses and of the
// task's number; constants are made anew in it.

// CHECK-LABEL: func.func private @kernel_task0
// CHECK-SAME:  (%[[X:.*]]: memref<?xf32>, %[[I:.*]]: index) attributes {moe.task}
// CHECK-DAG:   %[[C:.*]] = arith.constant 2.0
// CHECK:       memref.store %[[C]], %[[X]][%[[I]]]
// CHECK-LABEL: func.func private @kernel(
// CHECK-SAME:  %[[HOST:.*]]: !moe.host, %[[X:.*]]: memref<?xf32>)
// CHECK:       %[[N:.*]] = memref.dim %[[X]]
// CHECK:       moe.parallel @kernel_task0(%[[X]]) tasks(%[[N]]) on %[[HOST]]
// CHECK-NOT:   scf.forall
func.func private @kernel(%host: !moe.host, %x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %two = arith.constant 2.0 : f32
  %n = memref.dim %x, %c0 : memref<?xf32>
  scf.forall (%i) in (%n) {
    memref.store %two, %x[%i] : memref<?xf32>
  }
  return
}
