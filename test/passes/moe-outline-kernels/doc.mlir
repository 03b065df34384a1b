// RUN: moe-opt %s -moe-outline-kernels | FileCheck %s

// The same norm of other memory is one kernel, called twice.

// CHECK-LABEL: func.func @step
// CHECK-SAME:  (%[[HOST:.*]]: !moe.host {moe.env = "host"}, %[[X:.*]]: memref<?x16xf32>, %[[Y:.*]]: memref<?x16xf32>)
// CHECK-NEXT:  call @kernel_0_rms_norm(%[[HOST]], %[[X]], %[[Y]])
// CHECK-NEXT:  call @kernel_0_rms_norm(%[[HOST]], %[[Y]], %[[X]])
// CHECK-NEXT:  return
func.func @step(%x: memref<?x16xf32>, %y: memref<?x16xf32>) {
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%y : memref<?x16xf32>) outs(%x : memref<?x16xf32>)
  return
}

// CHECK-LABEL: func.func private @kernel_0_rms_norm
// CHECK-SAME:  attributes {moe.kernel}
// CHECK:       nn.rms_norm
// CHECK-NOT:   nn.rms_norm
