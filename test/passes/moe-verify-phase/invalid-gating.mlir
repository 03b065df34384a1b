// RUN: moe-opt %s -moe-verify-phase=phase=gating -verify-diagnostics

func.func @route(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.route' breaks the contract of phase 'gating': expected one of func, arith, math, nn, tensor.dim, tensor.empty, linalg.fill, linalg.generic, linalg.matmul, linalg.yield, moe.weight, moe.gate, moe.experts, moe.shared, moe.yield, moe.tap}}
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}
