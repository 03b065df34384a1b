// RUN: moe-opt %s -moe-verify-phase=phase=import -split-input-file -verify-diagnostics
// RUN: not moe-opt %S/Inputs/gating.mlir -moe-verify-phase=phase=linking 2>&1 | FileCheck %s

// CHECK: error: unknown phase 'linking'; expected one of import, gating, dispatch, experts, buffers, kernels, target

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>

// An op of a later phase, twice: named once.

func.func @later(%x: tensor<?x4xf32>, %router: tensor<8x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.gate' breaks the contract of phase 'import': expected one of func, arith, math, nn, tensor.dim, tensor.empty, tensor.collapse_shape, linalg.fill, linalg.generic, linalg.matmul, linalg.yield, moe.weight, moe.route, moe.experts, moe.shared, moe.iterate, moe.recurse, moe.grouped_matmul, moe.yield, moe.tap}}
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %router : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  %h:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %router : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

// A product in another form.

func.func @form(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{[MOE0902] 'linalg.matmul' breaks the contract of phase 'import': its second operand is not a transposed weight [N, K]}}
  %y = linalg.matmul ins(%x, %w : tensor<?x4xf32>, tensor<4x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#t = affine_map<(d0, d1) -> (d1, d0)>
func.func @elementwise(%x: tensor<4x?xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{[MOE0902] 'linalg.generic' breaks the contract of phase 'import': an input is not [R, N], [R, 1], [N] or [1]}}
  %y = linalg.generic {indexing_maps = [#t, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x?xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @literal() {
  // expected-error @+1 {{[MOE0902] 'arith.constant' breaks the contract of phase 'import': weights are not literals in the IR, but recipes}}
  %w = arith.constant dense<1.0> : tensor<4x4xf32>
  return
}

// -----

// A recipe's op outside of the recipes.

func.func @recipe() {
  // expected-error @+1 {{[MOE0902] 'moe.load' breaks the contract of phase 'import': expected one of}}
  %w = moe.load "w" : tensor<4x4xf32>
  return
}

// -----

// expected-error @+1 {{[MOE0902] 'func.func' breaks the contract of phase 'import': it makes a value of type 'memref<?x4xf32>', but there are no memrefs}}
func.func @buffer(%x: memref<?x4xf32>) {
  return
}

// -----

// expected-error @+1 {{[MOE0902] 'func.func' breaks the contract of phase 'import': it makes a value of type 'tensor<*xf32>', but shapes are ranked}}
func.func @unranked(%x: tensor<*xf32>) {
  return
}

// -----

// Groups of columns are a layer's own, groups of rows those of a plan.

func.func @product(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.grouped_matmul' breaks the contract of phase 'import': experts are not dispatched yet}}
  %y = moe.grouped_matmul ins(%x : tensor<?x4xf32>) banks(%w : tensor<4x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x4xf32>
  return
}

func.func @beside(%x: tensor<?x8xf32>, %w: !moe.bank<2 x tensor<4x4xf32>>, %e: tensor<?x8xf32>) {
  %y = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x8xf32>) banks(%w : !moe.bank<2 x tensor<4x4xf32>>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x8xf32>
  return
}
