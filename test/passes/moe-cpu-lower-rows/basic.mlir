// RUN: moe-opt %s -moe-cpu-lower-rows -canonicalize -split-input-file | FileCheck %s
// RUN: moe-opt %s -moe-cpu-lower-rows -split-input-file -remarks-filter="moe-cpu.*" 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK: remark: {{.*}}rows of 40 elements of a plain table, 819 in a task
// REMARK: remark: {{.*}}rows of 41 elements of a packed table, 49 in a task
// REMARK: remark: {{.*}}a loop over the sequences

// Plain rows are widened on the way.

// CHECK-LABEL: func.func @plain
// CHECK: scf.forall
// CHECK-COUNT-2: arith.extf {{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK: arith.extf {{.*}} : vector<8xbf16> to vector<8xf32>
// CHECK-NOT: vector.load
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @plain(%t: memref<64x40xbf16>, %i: memref<?xi32>, %y: memref<?x40xf32>) {
    nn.gather_rows ins(%t, %i : memref<64x40xbf16>, memref<?xi32>) outs(%y : memref<?x40xf32>)
    return
  }
}

// -----

// A packed row is a lane of a panel, two elements at a time; of the last pair
// here, only the first element is one of the row.

// CHECK-LABEL: func.func @packed
// CHECK-DAG: %[[PANEL:.*]] = arith.divui %[[ROW:.*]], %c16
// CHECK-DAG: %[[LANE:.*]] = arith.remui %[[ROW]], %c16
// CHECK: scf.for %[[PAIR:.*]] = %c0 to %c20 step %c1
// CHECK:   vector.load %arg0[%[[PANEL]], %[[PAIR]], %[[LANE]], %c0] : {{.*}}, vector<2xbf16>
// CHECK:   vector.store {{.*}}, vector<2xf32>
// CHECK: vector.load %arg0[%[[PANEL]], %c20, %[[LANE]], %c0] : {{.*}}, vector<1xbf16>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @packed(%t: memref<4x21x16x2xbf16>, %i: memref<?xi32>, %y: memref<?x41xf32>) {
    nn.gather_rows ins(%t, %i : memref<4x21x16x2xbf16>, memref<?xi32>) outs(%y : memref<?x41xf32>)
    return
  }
}

// -----

// A store for each token is not worth a task.

// CHECK-LABEL: func.func @slots
// CHECK-NOT: scf.forall
// CHECK:   scf.for
// CHECK:     scf.for
// CHECK:       memref.store
func.func @slots(%o: memref<?xi32>, %s: memref<?xi32>, %y: memref<?xi32>) {
  nn.token_slots ins(%o, %s : memref<?xi32>, memref<?xi32>) outs(%y : memref<?xi32>)
  return
}

// -----

// Each head of the output is a part of the head of one input, and all of the
// single head that the other one lends.

// CHECK-LABEL: func.func @join
// CHECK: scf.forall
// CHECK:   scf.for %[[ROW:.*]] =
// CHECK:     scf.for %[[HEAD:.*]] = %c0 to %c3 step %c1
// CHECK:       vector.load %arg0[%[[ROW]], %{{.*}}] : memref<?x72xf32>, vector<16xf32>
// CHECK:       vector.load %arg1[%[[ROW]], %c0] : memref<?x8xf32>, vector<8xf32>
// CHECK-NOT:   vector.load
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @join(%a: memref<?x72xf32>, %b: memref<?x8xf32>, %y: memref<?x72xf32>) {
    nn.join_heads {heads = 3 : i64, sizes = array<i64: 24, 8>, offsets = array<i64: 0, 0>, counts = array<i64: 16, 8>}
        ins(%a, %b : memref<?x72xf32>, memref<?x8xf32>) outs(%y : memref<?x72xf32>)
    return
  }
}
