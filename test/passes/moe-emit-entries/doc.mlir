// RUN: moe-opt %s -moe-emit-entries | FileCheck %s

// The exported function takes memory out of the environment (weights: its second
// field) and tensors out of the inputs and outputs, with their sizes.

// CHECK:       llvm.func @moec_entry_step(%[[ENV:.*]]: !llvm.ptr, %[[IN:.*]]: !llvm.ptr, %[[OUT:.*]]: !llvm.ptr)
// CHECK:       llvm.getelementptr %[[IN]][0]
// CHECK:       llvm.getelementptr %[[IN]][1]
// CHECK:       %[[X:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<?x4xf32>
// CHECK:       llvm.getelementptr %[[OUT]][0]
// CHECK:       %[[Y:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<?x4xf32>
// CHECK:       llvm.getelementptr %[[ENV]][1]
// CHECK:       %[[W:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<64xi8>
// CHECK:       call @step(%[[X]], %[[Y]], %[[W]])
// CHECK:       func.func private @step
func.func @step(%x: memref<?x4xf32> {moe.dims = ["T"], moe.name = "x"}, %y: memref<?x4xf32> {moe.dims = ["T"], moe.output}, %w: memref<64xi8> {moe.env = "weights"}) attributes {moe.entry = "step"} {
  return
}
