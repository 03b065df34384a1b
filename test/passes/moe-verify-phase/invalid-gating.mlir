// RUN: moe-opt %s -moe-verify-phase=phase=gating -verify-diagnostics

func.func @plan(%i: tensor<?x2xi32>, %o: tensor<9xi32>, %a: tensor<9xi32>, %r: tensor<?xi32>, %t: tensor<?x2xi32>) {
  // expected-error @+1 {{[MOE0902] 'moe.plan' breaks the contract of phase 'gating': expected one of func, arith, math, nn, tensor.dim, tensor.empty, tensor.collapse_shape, linalg.fill, linalg.generic, linalg.matmul, linalg.yield, moe.weight, moe.gate, moe.route, moe.experts, moe.shared, moe.recurse, moe.grouped_matmul, moe.yield, moe.tap}}
  %0:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o, %a, %r, %t, %t : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}
