// RUN: moe-opt %s -moe-outline-tasks | FileCheck %s

// Two loops, the second with a static number of tasks; what one computes before
// is an argument.
// CHECK-DAG: func.func private @kernel_task0(%{{.*}}: index, %{{.*}}: memref<?xf32>, %{{.*}}: index)
// CHECK-DAG: func.func private @kernel_task1(%{{.*}}: memref<?xf32>, %{{.*}}: index)
// CHECK-LABEL: func.func private @kernel(
// CHECK:       moe.parallel @kernel_task0(%[[N:.*]], %{{.*}}) tasks(%[[N]])
// CHECK:       %[[FOUR:.*]] = arith.constant 4 : index
// CHECK:       moe.parallel @kernel_task1(%{{.*}}) tasks(%[[FOUR]])
func.func private @kernel(%host: !moe.host, %x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?xf32>
  scf.forall (%i) in (%n) {
    %j = arith.subi %n, %i : index
    %v = memref.load %x[%j] : memref<?xf32>
    memref.store %v, %x[%i] : memref<?xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %x[%i] : memref<?xf32>
    memref.store %v, %x[%i] : memref<?xf32>
  }
  return
}
