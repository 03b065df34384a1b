// RUN: moe-opt %s -moe-cpu-lower-normalization -canonicalize -split-input-file | FileCheck %s
// RUN: moe-opt %s -moe-cpu-lower-normalization -split-input-file -remarks-filter="moe-cpu.*" 2>&1 | FileCheck %s --check-prefix=REMARK

// A width of many vectors: loops of four, with four sums side by side, which
// then become one as a tree.

// REMARK: remark: {{.*}}norm over 2048 of 2048 elements, 16 rows in a task
// CHECK-LABEL: func.func @wide
// CHECK: scf.forall
// CHECK:   scf.for %[[ROW:.*]] =
// CHECK:     %[[SUMS:.*]]:4 = scf.for {{.*}} iter_args
// CHECK-COUNT-4: vector.fma
// CHECK:     %[[A:.*]] = arith.addf %[[SUMS]]#0, %[[SUMS]]#1 : vector<16xf32>
// CHECK:     %[[B:.*]] = arith.addf %[[SUMS]]#2, %[[SUMS]]#3 : vector<16xf32>
// CHECK:     arith.addf %[[A]], %[[B]] : vector<16xf32>
// CHECK:     math.sqrt {{.*}} : f32
// CHECK:     scf.for
// CHECK:       vector.store
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @wide(%x: memref<?x2048xf32>, %w: memref<2048xf32>, %y: memref<?x2048xf32>) {
    nn.rms_norm {size = 2048 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x2048xf32>)
        weight(%w : memref<2048xf32>) outs(%y : memref<?x2048xf32>)
    return
  }
}

// -----

// Heads of 13 elements: a vector of 8, one of 4, one of 1, and no more of
// memory. No weight, no offset; the output is rounded once.

// CHECK-LABEL: func.func @heads
// CHECK:       scf.for {{.*}} to %c39 step %c13
// CHECK-NOT:     vector.load {{.*}}, vector<16xf32>
// CHECK:         vector.load {{.*}}, vector<8xf32>
// CHECK:         vector.load {{.*}}, vector<4xf32>
// CHECK:         vector.load {{.*}}, vector<1xf32>
// CHECK-COUNT-3: arith.truncf {{.*}} to vector<{{[841]}}xbf16>
// CHECK-NOT:     arith.truncf
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
  func.func @heads(%x: memref<?x39xf32, strided<[64, 1], offset: ?>>, %y: memref<?x39xbf16>) {
    nn.rms_norm {size = 13 : i64, eps = 1.0e-5 : f64}
        ins(%x : memref<?x39xf32, strided<[64, 1], offset: ?>>) outs(%y : memref<?x39xbf16>)
    return
  }
}

// -----

// A layer norm reads a row three times: for its mean, for the squares of the
// distances from it, and to scale and shift it.

// CHECK-LABEL: func.func @layer_norm
// CHECK:         arith.addf {{.*}} : vector<16xf32>
// CHECK:         %[[MEAN:.*]] = arith.divf {{.*}} : f32
// CHECK:         vector.broadcast %[[MEAN]]
// CHECK:         arith.subf
// CHECK:         vector.fma
// CHECK:         math.sqrt
// CHECK:         arith.subf
// CHECK:         arith.mulf
// CHECK:         arith.mulf
// CHECK:         arith.addf
// CHECK:         arith.truncf {{.*}} to vector<16xbf16>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @layer_norm(%x: memref<?x16xf32>, %w: memref<16xf32>, %b: memref<16xf32>, %y: memref<?x16xbf16>) {
    nn.layer_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>)
        weight(%w : memref<16xf32>) bias(%b : memref<16xf32>) outs(%y : memref<?x16xbf16>)
    return
  }
}
