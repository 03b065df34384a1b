// RUN: moe-opt %s -moe-outputs-to-arguments | FileCheck %s

// Several results, static sizes, and values that are no tensors.
// CHECK-LABEL: func.func private @several
// CHECK-SAME:  (%{{.*}}: index, %{{.*}}: tensor<3xi32>, %{{.*}}: tensor<3xi32> {moe.dims = ["T"], moe.output})
func.func private @several(%i: index, %x: tensor<3xi32>) -> (index, tensor<3xi32>) {
  return %i, %x : index, tensor<3xi32>
}

// CHECK-LABEL: func.func @step
// CHECK:       %[[E:.*]] = tensor.empty() : tensor<3xi32>
// CHECK:       call @several(%{{.*}}, %{{.*}}, %[[E]])
func.func @step(%i: index, %x: tensor<3xi32>) -> index {
  %0:2 = call @several(%i, %x) : (index, tensor<3xi32>) -> (index, tensor<3xi32>)
  return %0#0 : index
}
