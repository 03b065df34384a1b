// RUN: moe-opt %s -moe-hoist-recipes | FileCheck %s

// Equal computations of one weight are made once; a weight that is read as it is,
// too, keeps its define.
// CHECK:       moe.define "w" role
// CHECK:       moe.define "w.pack" role
// CHECK-NOT:   moe.define
moe.recipes {
  %a = moe.load "a" : tensor<32x64xf32>
  moe.define "w" role "head", %a : tensor<32x64xf32>
}

// CHECK-LABEL: func.func private @inner
// CHECK-SAME:  (%{{.*}}: tensor<32x64xf32>, %{{.*}}: tensor<2x64x16xf32>)
func.func private @inner(%w: tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<2x64x16xf32>) {
  %p = moe.pack %w : tensor<32x64xf32> to tensor<2x64x16xf32>
  return %w, %p : tensor<32x64xf32>, tensor<2x64x16xf32>
}

// Through two calls.
// CHECK-LABEL: func.func private @outer
// CHECK-NOT:   moe.pack
func.func private @outer(%w: tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<2x64x16xf32>) {
  %r:2 = call @inner(%w) : (tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<2x64x16xf32>)
  return %r#0, %r#1 : tensor<32x64xf32>, tensor<2x64x16xf32>
}

// CHECK-LABEL: func.func @step
// CHECK:       moe.weight "w.pack"
// CHECK:       moe.weight "w.pack"
// CHECK-NOT:   moe.pack
func.func @step() -> (tensor<2x64x16xf32>, tensor<2x64x16xf32>) {
  %w = moe.weight "w" : tensor<32x64xf32>
  %p = moe.pack %w : tensor<32x64xf32> to tensor<2x64x16xf32>
  %r:2 = call @outer(%w) : (tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<2x64x16xf32>)
  return %p, %r#1 : tensor<2x64x16xf32>, tensor<2x64x16xf32>
}
