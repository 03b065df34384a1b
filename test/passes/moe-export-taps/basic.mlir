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
