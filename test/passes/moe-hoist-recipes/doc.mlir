// RUN: moe-opt %s -moe-hoist-recipes | FileCheck %s

// What two layers do with their own weights moves out of the function that they
// share, and into the recipes: one weight more for each layer, none at run time.

// CHECK:       moe.recipes {
// CHECK:         %[[A:.*]] = moe.load "a"
// CHECK:         %[[B:.*]] = moe.load "b"
// CHECK:         %[[PA:.*]] = moe.pack %[[A]]
// CHECK:         moe.define "l.0.pack" role "mlp", %[[PA]]
// CHECK:         %[[PB:.*]] = moe.pack %[[B]]
// CHECK:         moe.define "l.1.pack" role "mlp", %[[PB]]
// CHECK-NOT:     moe.define "l.0"
moe.recipes {
  %a = moe.load "a" : tensor<32x64xf32>
  moe.define "l.0" role "mlp", %a : tensor<32x64xf32>
  %b = moe.load "b" : tensor<32x64xf32>
  moe.define "l.1" role "mlp", %b : tensor<32x64xf32>
}

// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  (%[[P:.*]]: tensor<2x64x16xf32>)
// CHECK-NEXT:  return %[[P]]
func.func private @layer(%w: tensor<32x64xf32>) -> tensor<2x64x16xf32> {
  %p = moe.pack %w : tensor<32x64xf32> to tensor<2x64x16xf32>
  return %p : tensor<2x64x16xf32>
}

// CHECK-LABEL: func.func @step
// CHECK:       %[[W0:.*]] = moe.weight "l.0.pack" : tensor<2x64x16xf32>
// CHECK:       call @layer(%[[W0]])
// CHECK:       %[[W1:.*]] = moe.weight "l.1.pack" : tensor<2x64x16xf32>
// CHECK:       call @layer(%[[W1]])
func.func @step() -> (tensor<2x64x16xf32>, tensor<2x64x16xf32>) {
  %w0 = moe.weight "l.0" : tensor<32x64xf32>
  %0 = call @layer(%w0) : (tensor<32x64xf32>) -> tensor<2x64x16xf32>
  %w1 = moe.weight "l.1" : tensor<32x64xf32>
  %1 = call @layer(%w1) : (tensor<32x64xf32>) -> tensor<2x64x16xf32>
  return %0, %1 : tensor<2x64x16xf32>, tensor<2x64x16xf32>
}
