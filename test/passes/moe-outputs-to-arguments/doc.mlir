// RUN: moe-opt %s -moe-outputs-to-arguments | FileCheck %s

// Results are written where the caller says; the entry's new argument carries
// the name of the result.

// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  %[[O:[a-z0-9]*]]: tensor<?x4xf32> {moe.dims = ["T"], moe.output})
// CHECK:       %[[M:.*]] = bufferization.materialize_in_destination %{{.*}} in %[[O]]
// CHECK:       return %[[M]]
func.func private @layer(%x: tensor<?x4xf32> {moe.dims = ["T"]}) -> tensor<?x4xf32> {
  return %x : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @step
// CHECK-SAME:  %[[X:.*]]: tensor<?x4xf32> {moe.dims = ["T"], moe.name = "x"}, %{{.*}}: tensor<?x4xf32> {moe.dims = ["T"], moe.name = "y", moe.output}
// CHECK:       %[[T:.*]] = tensor.dim %[[X]]
// CHECK:       %[[E:.*]] = tensor.empty(%[[T]])
// CHECK:       call @layer(%[[X]], %[[E]])
func.func @step(%x: tensor<?x4xf32> {moe.dims = ["T"], moe.name = "x"}) -> (tensor<?x4xf32> {moe.dims = ["T"], moe.name = "y"}) attributes {moe.entry = "step"} {
  %0 = call @layer(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
