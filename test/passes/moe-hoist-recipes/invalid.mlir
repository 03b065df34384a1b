// RUN: moe-opt %s -verify-diagnostics -moe-hoist-recipes

moe.recipes {
}

func.func @step(%w: tensor<32x64xf32>) -> tensor<2x64x16xf32> {
  // expected-error@+1 {{is computed at compile time but reads a value that is no weight}}
  %p = moe.pack %w : tensor<32x64xf32> to tensor<2x64x16xf32>
  return %p : tensor<2x64x16xf32>
}
