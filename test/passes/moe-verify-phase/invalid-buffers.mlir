// RUN: moe-opt %s -moe-verify-phase=phase=buffers -split-input-file -verify-diagnostics

func.func @alloc(%n: index) {
  // expected-error @+1 {{[MOE0902] 'memref.alloc' breaks the contract of phase 'buffers': expected one of func, arith, math, memref, nn, linalg.copy, linalg.generic, linalg.yield, moe.gate, moe.route, moe.plan, moe.spread, moe.row_weights, moe.combine, moe.combine_gate, moe.combine_matmul, moe.grouped_matmul, moe.yield, and no other of memref.alloc, memref.alloca, memref.dealloc, nn.state_ref}}
  %m = memref.alloc(%n) : memref<?xf32>
  return
}

// -----

func.func @weight() {
  // expected-error @+1 {{[MOE0902] 'moe.weight' breaks the contract of phase 'buffers'}}
  %w = moe.weight "w" : memref<4x4xf32>
  return
}

// -----

// expected-error @+1 {{[MOE0902] 'func.func' breaks the contract of phase 'buffers': it makes a value of type 'tensor<?x4xf32>', but tensors are gone}}
func.func @tensor(%x: tensor<?x4xf32>) {
  return
}

// -----

// expected-error @+1 {{[MOE0902] 'func.func' breaks the contract of phase 'buffers': it makes a value of type '!moe.bank<8 x tensor<4x4xbf16>>', but tensors are gone}}
func.func @bank(%b: !moe.bank<8 x tensor<4x4xbf16>>) {
  return
}

// -----

// expected-error @+1 {{but states are resolved to their buffers}}
func.func @state(%s: !nn.state<heads = 2, key = 8, value = 8, element = f32, sequences = 4, positions = 64>) {
  return
}

// -----

func.func @reference() {
  // expected-error @+1 {{[MOE0902] 'nn.state_ref' breaks the contract of phase 'buffers'}}
  %s = nn.state_ref 0 : !nn.state<heads = 2, key = 8, value = 8, element = f32, sequences = 4, positions = 64>
  return
}
