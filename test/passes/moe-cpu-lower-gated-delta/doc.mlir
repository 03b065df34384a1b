// RUN: moe-opt %s -moe-cpu-lower-gated-delta -canonicalize | FileCheck %s

// A task is one head of one sequence. The rows k and q of four tokens go
// through S together, those of what is left two by two; S itself changes when
// a chunk of 32 positions is complete.

// CHECK:       scf.forall
// Where a sequence begins, S is zero.
// CHECK:       scf.if
// CHECK:         vector.store {{.*}} : memref<2x4x1312xf32>, vector<16xf32>
// For each chunk: eight rows times S, then two.
// CHECK:       scf.for
// CHECK-COUNT-8: vector.fma
// CHECK:       scf.yield
// CHECK-COUNT-2: vector.fma
// CHECK:       scf.yield
// Eight rows times the chunk's keys, which are two vectors, then two.
// CHECK-COUNT-16: vector.fma
// CHECK:       scf.yield
// CHECK-COUNT-4: vector.fma
// CHECK:       scf.yield
// The additions of earlier tokens, for k and for q.
// CHECK:       math.exp
// CHECK-COUNT-2: vector.fma
// CHECK:       scf.yield
// At the chunk's end S takes them over.
// CHECK:       scf.if
// CHECK-COUNT-8: vector.fma
// CHECK:       scf.yield
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @delta(%q: memref<?x32xf32>, %k: memref<?x32xf32>, %v: memref<?x64xf32>, %g: memref<?x4xf32>, %b: memref<?x4xf32>, %p: memref<?xi32>, %o: memref<?xi32>, %s: memref<?xi32>, %state: memref<2x4x1312xf32>, %y: memref<?x64xf32>) {
    nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %o, %s : memref<?x32xf32>, memref<?x32xf32>, memref<?x64xf32>, memref<?x4xf32>, memref<?x4xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
        state(%state : memref<2x4x1312xf32>) outs(%y : memref<?x64xf32>)
    return
  }
}
