// RUN: moe-opt %s -moe-export-taps="keep-all" | FileCheck %s
// RUN: moe-opt %s -moe-export-taps | FileCheck %s --check-prefix=FEW

// FEW-NOT: moe.tap

func.func private @inner(%x: tensor<4xf32>) -> tensor<4xf32> {
  moe.tap "layers.{layer}.in", %x : tensor<4xf32>
  return %x : tensor<4xf32>
}

// CHECK-LABEL: func.func @outer_step
// CHECK:       %[[R:.*]]:2 = call @inner
// CHECK:       moe.tap "layers.0.in", %[[R]]#1
// CHECK:       moe.tap "end", %[[R]]#0
func.func @outer_step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @inner(%x) {layer = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  moe.tap "end", %0 : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// A layer that recurs has a tap in each recursion.

// CHECK-LABEL: func.func @recurring_step
// CHECK:       %[[A:.*]]:2 = call @recurring
// CHECK:       moe.tap "recursions.0.layers.3.in", %[[A]]#1
// CHECK:       %[[B:.*]]:2 = call @recurring
// CHECK:       moe.tap "recursions.1.layers.3.in", %[[B]]#1
func.func private @recurring(%x: tensor<4xf32>) -> tensor<4xf32> {
  moe.tap "layers.{layer}.in", %x : tensor<4xf32>
  return %x : tensor<4xf32>
}
func.func @recurring_step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @recurring(%x) {layer = 3 : i64, recursion = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = call @recurring(%0) {layer = 3 : i64, recursion = 1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
