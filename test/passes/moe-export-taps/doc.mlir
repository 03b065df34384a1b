// RUN: moe-opt %s -moe-export-taps | FileCheck %s

// The tap of a layer that every artifact has becomes a result of the layer's
// function and is named for each call; the other tap goes.

// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  -> (tensor<4xf32>, tensor<4xf32>)
// CHECK-NOT:   moe.tap
func.func private @layer(%x: tensor<4xf32>) -> tensor<4xf32> {
  moe.tap "layers.{layer}.in" always, %x : tensor<4xf32>
  moe.tap "layers.{layer}.other", %x : tensor<4xf32>
  return %x : tensor<4xf32>
}

// CHECK-LABEL: func.func @step
// CHECK:       %[[A:.*]]:2 = call @layer
// CHECK:       moe.tap "layers.3.in" always, %[[A]]#1
// CHECK:       %[[B:.*]]:2 = call @layer(%[[A]]#0)
// CHECK:       moe.tap "layers.4.in" always, %[[B]]#1
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @layer(%x) {layer = 3 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = call @layer(%0) {layer = 4 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
