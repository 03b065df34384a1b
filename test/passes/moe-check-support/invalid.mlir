// RUN: moe-opt %s -moe-check-support -split-input-file -verify-diagnostics

// Everything is reported, not only the first.

func.func @weights() {
  // expected-error @+1 {{[MOE0329] weight 'w' of element type f16 is not supported; supported: f32, bf16}}
  %weight = moe.weight "w" : tensor<4x4xf16>
  // expected-error @+1 {{[MOE0329] weight 'v' of element type f64 is not supported; supported: f32, bf16}}
  %other = moe.weight "v" : tensor<4x4xf64>
  return
}

// -----

// expected-error @+1 {{[MOE0329] argument 1 of element type f64 is not supported; supported: f32, bf16}}
func.func @argument(%x: tensor<?x4xf32>, %bank: !moe.bank<8 x tensor<4x4xf64>>) {
  return
}
