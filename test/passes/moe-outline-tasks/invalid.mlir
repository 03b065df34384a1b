// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-outline-tasks

func.func @dimensions(%host: !moe.host, %x: memref<4x4xf32>, %v: f32) {
  // expected-error@+1 {{a parallel loop over tasks has 1 dimension, got 2}}
  scf.forall (%i, %j) in (4, 4) {
    memref.store %v, %x[%i, %j] : memref<4x4xf32>
  }
  return
}

// -----

func.func @steps(%host: !moe.host, %x: memref<4xf32>, %v: f32) {
  // expected-error@+1 {{tasks are counted from 0 in steps of 1}}
  scf.forall (%i) = (0) to (4) step (2) {
    memref.store %v, %x[%i] : memref<4xf32>
  }
  return
}

// -----

func.func @host(%x: memref<4xf32>, %v: f32) {
  // expected-error@+1 {{runs in parallel, but the function around has no !moe.host argument}}
  scf.forall (%i) in (4) {
    memref.store %v, %x[%i] : memref<4xf32>
  }
  return
}

// -----

func.func @results(%host: !moe.host, %t: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{a parallel loop over tasks has no results; its tasks write memory}}
  %r = scf.forall (%i) in (4) shared_outs(%o = %t) -> tensor<4xf32> {
    scf.forall.in_parallel {
    }
  }
  return %r : tensor<4xf32>
}
