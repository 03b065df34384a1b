// RUN: moe-opt %s -moe-cpu-lower-append -canonicalize -split-input-file | FileCheck %s
// RUN: moe-opt %s -moe-cpu-lower-append -split-input-file -remarks-filter="moe-cpu.*" 2>&1 | FileCheck %s --check-prefix=REMARK

// Heads outside, tokens inside: neighbours share the cache lines of a panel.
// Keys are scattered over it, values are rows; both are rounded to the element.

// REMARK: remark: {{.*}}2 heads, key 20, value 24, 157 rows in a task
// CHECK-LABEL: func.func @append
// CHECK: scf.forall
// CHECK:   scf.for %[[HEAD:.*]] = %c0 to %c2 step %c1
// CHECK:     scf.for %[[TOKEN:.*]] =
// CHECK:       %[[POSITION:.*]] = arith.index_cast
// CHECK:       %[[SLOT:.*]] = arith.index_cast
// CHECK:       %[[NUMBER:.*]] = arith.divui %[[POSITION]], %c32
// CHECK:       memref.load %arg6[%[[SLOT]], %[[NUMBER]]]
// CHECK:       %[[BLOCK:.*]] = arith.index_cast
// CHECK:       %[[LANE:.*]] = arith.remui %[[POSITION]], %c32
// CHECK:       arith.truncf {{.*}} to vector<16xbf16>
// CHECK-COUNT-16: memref.store {{.*}}, %arg4[%[[BLOCK]], %[[HEAD]], %{{.*}}, %[[LANE]]]
// CHECK:       arith.truncf {{.*}} to vector<4xbf16>
// CHECK-COUNT-4: memref.store {{.*}}, %arg4[%[[BLOCK]], %[[HEAD]], %{{.*}}, %[[LANE]]]
// CHECK:       vector.store {{.*}}, %arg5[%[[BLOCK]], %[[HEAD]], %[[LANE]], %c0] : {{.*}}, vector<16xbf16>
// CHECK:       vector.store {{.*}}, %arg5[%[[BLOCK]], %[[HEAD]], %[[LANE]], %c16] : {{.*}}, vector<8xbf16>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @append(%k: memref<?x40xf32>, %v: memref<?x48xf32>, %p: memref<?xi32>, %s: memref<?xi32>,
                    %keys: memref<8x2x20x32xbf16>, %values: memref<8x2x32x24xbf16>, %table: memref<2x4xi32>) {
    nn.append ins(%k, %v, %p, %s : memref<?x40xf32>, memref<?x48xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x2x20x32xbf16>, memref<8x2x32x24xbf16>, memref<2x4xi32>)
    return
  }
}

// -----

// A value that is a prefix of its key is followed by the rest, in one row.

// CHECK-LABEL: func.func @prefix
// CHECK:       vector.store {{.*}}, %arg4[%[[BLOCK:.*]], %{{.*}}, %[[LANE:.*]], %c0] : {{.*}}, vector<16xf32>
// CHECK:       vector.store {{.*}}, %arg4[%[[BLOCK]], %{{.*}}, %[[LANE]], %c16] : {{.*}}, vector<4xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @prefix(%k: memref<?x4xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>,
                    %pool: memref<8x1x32x20xf32>, %table: memref<2x4xi32>) {
    nn.append ins(%k, %v, %p, %s : memref<?x4xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>)
        state(%pool, %table : memref<8x1x32x20xf32>, memref<2x4xi32>)
    return
  }
}
