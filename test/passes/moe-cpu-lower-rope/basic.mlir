// RUN: moe-opt %s -moe-cpu-lower-rope -canonicalize -cse -split-input-file | FileCheck %s
// RUN: moe-opt %s -moe-cpu-lower-rope -split-input-file -remarks-filter="moe-cpu.*" 2>&1 | FileCheck %s --check-prefix=REMARK

// Both elements of a pair are read before one is written, products are rounded
// before they are added, and what the table does not turn is copied.

// REMARK: remark: {{.*}}2 heads of 80 elements, 204 rows in a task
// CHECK-LABEL: func.func @partial
// CHECK: scf.forall
// CHECK:   scf.for %[[ROW:.*]] =
// CHECK:     memref.load %{{.*}}[%[[ROW]]] : memref<?xi32>
// CHECK:     scf.for {{.*}} to %c160 step %c80
// CHECK:       vector.load {{.*}} : memref<64x2x16xf32>, vector<16xf32>
// CHECK:       vector.load {{.*}} : memref<64x2x16xf32>, vector<16xf32>
// CHECK:       vector.load {{.*}} : memref<?x160xf32>, vector<16xf32>
// CHECK:       vector.load {{.*}} : memref<?x160xf32>, vector<16xf32>
// CHECK-NOT:   vector.load
// CHECK:       arith.subf
// CHECK-NEXT:  vector.store
// CHECK:       arith.addf
// CHECK-NEXT:  vector.store
// CHECK-NOT:   arith.mulf
// CHECK-COUNT-3: vector.store
// CHECK-NOT:   vector.store
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @partial(%x: memref<?x160xf32>, %t: memref<64x2x16xf32>, %p: memref<?xi32>, %y: memref<?x160xf32>) {
    nn.rope {size = 80 : i64} ins(%x, %t, %p : memref<?x160xf32>, memref<64x2x16xf32>, memref<?xi32>)
        outs(%y : memref<?x160xf32>)
    return
  }
}

// -----

// Twelve pairs with vectors of 8: one of 8 and one of 4.

// CHECK-LABEL: func.func @tail
// CHECK-COUNT-2: vector.store {{.*}}, vector<8xf32>
// CHECK-COUNT-2: vector.store {{.*}}, vector<4xf32>
// CHECK-NOT:     vector.store
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
  func.func @tail(%x: memref<?x24xf32>, %t: memref<64x2x12xf32>, %p: memref<?xi32>, %y: memref<?x24xf32>) {
    nn.rope {size = 24 : i64} ins(%x, %t, %p : memref<?x24xf32>, memref<64x2x12xf32>, memref<?xi32>)
        outs(%y : memref<?x24xf32>)
    return
  }
}

// -----

// Pairs of neighbours are loaded as one vector, parted, and stored as one; what
// is before them in a head is copied.

// CHECK-LABEL: func.func @neighbours
// CHECK:       %[[BOTH:.*]] = vector.load {{.*}} : memref<?x24xf32>, vector<8xf32>
// CHECK:       vector.shuffle %[[BOTH]], %[[BOTH]] [0, 2, 4, 6]
// CHECK:       vector.shuffle %[[BOTH]], %[[BOTH]] [1, 3, 5, 7]
// CHECK:       vector.interleave
// CHECK-NEXT:  vector.store {{.*}}, vector<8xf32>
// CHECK:       vector.load {{.*}} : memref<?x24xf32>, vector<16xf32>
// CHECK-NEXT:  vector.store {{.*}}, vector<16xf32>
// CHECK-NOT:   vector.store
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @neighbours(%x: memref<?x24xf32>, %t: memref<64x2x4xf32>, %p: memref<?xi32>, %y: memref<?x24xf32>) {
    nn.rope {size = 24 : i64, offset = 16 : i64, interleaved = true} ins(%x, %t, %p : memref<?x24xf32>, memref<64x2x4xf32>, memref<?xi32>)
        outs(%y : memref<?x24xf32>)
    return
  }
}
