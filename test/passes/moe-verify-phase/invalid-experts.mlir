// RUN: moe-opt %s -moe-verify-phase=phase=experts -split-input-file -verify-diagnostics

func.func @variants(%x: tensor<?x4xf32>, %w: tensor<1x4x16xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.grouped_matmul' breaks the contract of phase 'experts': it has no kernel variants}}
  %m = moe.grouped_matmul ins(%x : tensor<?x4xf32>) banks(%w : tensor<1x4x16xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @packed(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.grouped_matmul' breaks the contract of phase 'experts': its weights are not packed}}
  %m = moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 6, tile_vectors = 2>]>} ins(%x : tensor<?x4xf32>)
      banks(%w : tensor<4x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func private @tap(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.tap' breaks the contract of phase 'experts': taps stand in entries only}}
  moe.tap "layers.{layer}.out", %x : tensor<?x4xf32>
  return
}

// -----

func.func @pack(%w: tensor<4x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.pack' breaks the contract of phase 'experts': expected one of}}
  %p = moe.pack %w : tensor<4x4xf32> to tensor<1x4x16xf32>
  return
}

// -----

func.func @gate(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.gate' breaks the contract of phase 'experts': its weights are not packed}}
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %v, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}
