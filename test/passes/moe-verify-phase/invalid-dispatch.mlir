// RUN: moe-opt %s -moe-verify-phase=phase=dispatch -split-input-file -verify-diagnostics

func.func @experts(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<8 x tensor<4x4xbf16>>) {
  // expected-error @+1 {{[MOE0902] 'moe.experts' breaks the contract of phase 'dispatch': expected one of}}
  %m = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<8 x tensor<4x4xbf16>>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %weight: tensor<4x4xbf16>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @shared(%x: tensor<?x4xf32>, %w: tensor<4x4xbf16>) {
  // expected-error @+1 {{[MOE0902] 'moe.shared' breaks the contract of phase 'dispatch': expected one of}}
  %s = moe.shared ins(%x : tensor<?x4xf32>) params(%w : tensor<4x4xbf16>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xbf16>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
func.func @product(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{[MOE0902] 'linalg.matmul' breaks the contract of phase 'dispatch': expected one of func, arith, math, nn, tensor.dim, tensor.empty, tensor.cast, tensor.collapse_shape, tensor.extract, linalg.generic, linalg.yield, moe.weight, moe.concat, moe.gate, moe.route, moe.plan, moe.spread, moe.row_weights, moe.combine, moe.combine_gate, moe.combine_matmul, moe.grouped_matmul, moe.yield, moe.tap}}
  %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<4x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func private @tap(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.tap' breaks the contract of phase 'dispatch': taps stand in entries only}}
  moe.tap "layers.{layer}.out", %x : tensor<?x4xf32>
  return
}
