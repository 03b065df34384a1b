// RUN: moe-opt %s -moe-cpu-lower-attention -canonicalize -cse -split-input-file | FileCheck %s
// RUN: moe-opt %s -moe-cpu-lower-attention -split-input-file -remarks-filter="moe-cpu.*" 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK: remark: {{.*}}tasks of 6 tokens and 4 query heads, tiles of up to 12 x 2 vectors
// REMARK: remark: {{.*}}tasks of 24 tokens and 1 query heads, tiles of up to 6 x 2 vectors
// REMARK: remark: {{.*}}tasks of 1 tokens and 32 query heads, tiles of up to 12 x 2 vectors

// Four query heads share a head of the state: they are rows of its tiles. With
// 32 registers a tile of scores has 12 rows of 2 vectors; what is left of the
// rows goes through tiles of 4 and of 1, and so do the values.

// CHECK-LABEL: func.func @grouped
// CHECK: scf.forall
// CHECK-DAG: memref.alloca() {{.*}} : memref<24x16xf32>
// CHECK-DAG: memref.alloca() {{.*}} : memref<24x32xf32>
// CHECK-DAG: memref.alloca() {{.*}} : memref<24x20xf32>
// CHECK: scf.while
// CHECK: scf.for {{.*}} step %c12
// CHECK:   scf.for {{.*}} to %c16 step %c1 iter_args
// CHECK-COUNT-2: vector.load {{.*}}memref<8x2x16x32xf32>, vector<16xf32>
// CHECK-COUNT-24: vector.fma
// CHECK-NOT:   vector.fma
// CHECK: scf.for {{.*}} step %c4
// CHECK-COUNT-8: vector.fma
// CHECK-NOT:   vector.fma
// CHECK: scf.for {{.*}} step %c1
// CHECK-COUNT-2: vector.fma

// Unseen lanes become -inf before anything is computed of them.

// CHECK: arith.cmpi {{.*}} : vector<16xi32>
// CHECK: arith.select {{.*}} vector<16xi1>, vector<16xf32>
// CHECK: math.exp {{.*}} : vector<16xf32>

// Values of 20 elements: a vector of 16 and one of 4. Rows that see lanes the
// whole tile does not see add them by themselves.

// CHECK: scf.for {{.*}} step %c12
// CHECK-COUNT-12: vector.fma {{.*}} : vector<16xf32>
// CHECK-COUNT-12: vector.fma {{.*}} : vector<4xf32>
// CHECK: scf.if
// CHECK:   scf.for {{.*}} step %c1
// CHECK: arith.divf {{.*}} : vector<16xf32>
// CHECK: arith.divf {{.*}} : vector<4xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @grouped(%q: memref<?x128xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x2x16x32xf32>,
                     %values: memref<8x2x32x20xf32>, %table: memref<2x4xi32>, %y: memref<?x160xf32>) {
    nn.attention {heads = 8 : i64, kv_heads = 2 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x128xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x2x16x32xf32>, memref<8x2x32x20xf32>, memref<2x4xi32>)
        outs(%y : memref<?x160xf32>)
    return
  }
}

// -----

// With 16 registers tiles have 6 rows, and half of a block's positions at a
// time. A state of bf16 is widened; with a window there is a second edge, before
// the lanes that all rows see, and the loop over blocks starts behind zero.

// CHECK-LABEL: func.func @window
// CHECK: scf.for {{.*}} step %c6
// CHECK-COUNT-2: arith.extf {{.*}} : vector<8xbf16> to vector<8xf32>
// CHECK-COUNT-12: vector.fma
// CHECK-COUNT-2: arith.extf {{.*}} : vector<8xbf16> to vector<8xf32>
// CHECK-COUNT-12: vector.fma
// CHECK-COUNT-2: arith.cmpi {{.*}} : vector<8xi32>
// CHECK: scf.for {{.*}} step %c6
// CHECK: scf.if
// CHECK: scf.if
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
  func.func @window(%q: memref<?x32xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x2x16x32xbf16>,
                    %values: memref<8x2x32x16xbf16>, %table: memref<2x4xi32>, %y: memref<?x32xf32>) {
    nn.attention {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.25 : f64, window = 40 : i64}
        ins(%q, %p, %s : memref<?x32xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x2x16x32xbf16>, memref<8x2x32x16xbf16>, memref<2x4xi32>)
        outs(%y : memref<?x32xf32>)
    return
  }
}

// -----

// 128 query heads of 576 elements on one head of the state: rows for all of them
// would not fit a task's stack, so a task has a part of them.

// CHECK-LABEL: func.func @many_heads
// CHECK: memref.alloca() {{.*}} : memref<32x576xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @many_heads(%q: memref<?x73728xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x1x576x32xf32>,
                        %values: memref<8x1x32x512xf32>, %table: memref<2x4xi32>, %y: memref<?x65536xf32>) {
    nn.attention {heads = 128 : i64, kv_heads = 1 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x73728xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x1x576x32xf32>, memref<8x1x32x512xf32>, memref<2x4xi32>)
        outs(%y : memref<?x65536xf32>)
    return
  }
}

// -----

// A sink is where the maximum starts, and 1 in lane 0 of the sum. A softcap
// bends scores before lanes are hidden. With a chunk, the first block is that
// of the first position of the chunk.

// CHECK-LABEL: func.func @sinks
// CHECK:       %[[SINK:.*]] = memref.load %arg6[%{{.*}}] : memref<2xf32>
// CHECK:       memref.store %[[SINK]], %{{.*}} : memref<{{.*}}xf32>
// CHECK:       arith.divui {{.*}}, %c64
// CHECK:       %[[BENT:.*]] = math.tanh {{.*}} : vector<16xf32>
// CHECK:       %[[SCORE:.*]] = arith.mulf {{.*}}%[[BENT]]
// CHECK:       arith.select %{{.*}}, %[[SCORE]], %{{.*}} : vector<16xi1>, vector<16xf32>
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32>} {
  func.func @sinks(%q: memref<?x32xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %keys: memref<8x2x16x32xf32>,
                   %values: memref<8x2x32x16xf32>, %table: memref<2x4xi32>, %sinks: memref<2xf32>, %y: memref<?x32xf32>) {
    nn.attention {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.25 : f64, chunk = 64 : i64, softcap = 30.0 : f64}
        ins(%q, %p, %s : memref<?x32xf32>, memref<?xi32>, memref<?xi32>)
        state(%keys, %values, %table : memref<8x2x16x32xf32>, memref<8x2x32x16xf32>, memref<2x4xi32>)
        sinks(%sinks : memref<2xf32>) outs(%y : memref<?x32xf32>)
    return
  }
}

// -----

// Values that are a prefix of keys: both lie in rows of one pool. A score is a
// chain over the vectors of a key, and one over what is left of it, whose lanes
// are added up; a tile has 6 rows and 2 positions.

// CHECK-LABEL: func.func @prefix
// CHECK: scf.for {{.*}} step %c6
// CHECK:   scf.for {{.*}} = %c0 to %c32 step %c2
// CHECK:     scf.for {{.*}} = %c0 to %c40 step %c8 iter_args
// CHECK-COUNT-2: vector.load {{.*}}memref<8x1x32x44xf32>, vector<8xf32>
// CHECK-COUNT-12: vector.fma
// CHECK-NOT:   vector.fma
// CHECK:     vector.shuffle
// CHECK:     vector.load %{{.*}}[{{.*}}, %c40] : memref<8x1x32x44xf32>, vector<4xf32>
// CHECK: vector.load {{.*}}memref<8x1x32x44xf32>, vector<8xf32>
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
  func.func @prefix(%q: memref<?x528xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %pool: memref<8x1x32x44xf32>,
                    %table: memref<2x4xi32>, %y: memref<?x384xf32>) {
    nn.attention {heads = 12 : i64, kv_heads = 1 : i64, scale = 0.25 : f64}
        ins(%q, %p, %s : memref<?x528xf32>, memref<?xi32>, memref<?xi32>)
        state(%pool, %table : memref<8x1x32x44xf32>, memref<2x4xi32>) outs(%y : memref<?x384xf32>)
    return
  }
}
