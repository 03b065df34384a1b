// RUN: moe-opt %s -moe-cpu-lower-rows -canonicalize | FileCheck %s

// Token embeddings out of a matrix that is packed as the output matrix too: row
// v is lane v % 16 of panel v / 16.

// CHECK: scf.forall
// CHECK: arith.divui %[[ROW:.*]], %c16
// CHECK: arith.remui %[[ROW]], %c16
// CHECK: vector.load %arg0[{{.*}}] : memref<64x32x16xf32>, vector<1xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @embed(%t: memref<64x32x16xf32>, %ids: memref<?xi32>, %y: memref<?x32xf32>) {
    nn.gather_rows ins(%t, %ids : memref<64x32x16xf32>, memref<?xi32>) outs(%y : memref<?x32xf32>)
    return
  }
}
