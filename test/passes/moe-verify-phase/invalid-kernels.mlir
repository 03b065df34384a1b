// RUN: moe-opt %s -moe-verify-phase=phase=kernels -split-input-file -verify-diagnostics

func.func @product(%x: memref<?x4xf32>, %w: memref<1x4x16xf32>, %e: memref<?x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'moe.grouped_matmul' breaks the contract of phase 'kernels': expected one of func, arith, scf, memref, vector, moe.parallel, math.absf, math.ceil, math.copysign, math.floor, math.fma, math.roundeven, math.sqrt, and no other of moe, nn, tensor, bufferization, linalg, math, affine, scf.forall, memref.alloc, memref.dealloc, memref.copy}}
  moe.grouped_matmul ins(%x : memref<?x4xf32>) banks(%w : memref<1x4x16xf32>) outs(%e : memref<?x4xf32>) {
  ^bb0(%acc: f32):
    // expected-error @+1 {{[MOE0902] 'moe.yield' breaks the contract of phase 'kernels'}}
    moe.yield %acc : f32
  }
  return
}

// -----

func.func @tasks(%x: memref<?xf32>, %n: index) {
  // expected-error @+1 {{[MOE0902] 'scf.forall' breaks the contract of phase 'kernels'}}
  scf.forall (%i) in (%n) {
    %z = arith.constant 0.0 : f32
    memref.store %z, %x[%i] : memref<?xf32>
  }
  return
}

// -----

func.func @copy(%x: memref<?xf32>, %y: memref<?xf32>) {
  // expected-error @+1 {{[MOE0902] 'memref.copy' breaks the contract of phase 'kernels'}}
  memref.copy %x, %y : memref<?xf32> to memref<?xf32>
  return
}

// -----

func.func @library(%x: f32) -> f32 {
  // expected-error @+1 {{[MOE0902] 'math.exp' breaks the contract of phase 'kernels'}}
  %y = math.exp %x : f32
  return %y : f32
}

// -----

func.func @norm(%x: memref<?x4xf32>, %e: memref<?x4xf32>) {
  // expected-error @+1 {{[MOE0902] 'nn.rms_norm' breaks the contract of phase 'kernels'}}
  nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x4xf32>) outs(%e : memref<?x4xf32>)
  return
}
