// RUN: moe-opt %s -verify-diagnostics -moe-export-taps

func.func private @layer(%x: tensor<4xf32>) -> tensor<4xf32> {
  moe.tap "layers.{layer}.in" always, %x : tensor<4xf32>
  return %x : tensor<4xf32>
}

func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{calls a function with the tap 'layers.{layer}.in' but has no attribute layer}}
  %0 = call @layer(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
