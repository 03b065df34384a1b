// RUN: moe-opt %s -split-input-file -moe-cpu-lower-matmul | FileCheck %s

// Experts: a task takes one of the active ones and the rows that its offsets say;
// the rows are gathered into a copy. Two banks make one result.
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
// CHECK-LABEL: func.func @experts
// CHECK-SAME:  %[[OFFSETS:[a-z0-9]*]]: memref<5xi32>, %[[ACTIVE:[a-z0-9]*]]: memref<5xi32>, %[[GATHER:[a-z0-9]*]]: memref<?xi32>
// CHECK:       %[[NUM:.*]] = memref.load %[[ACTIVE]][%c4]
// CHECK:       scf.forall
// CHECK:         memref.load %[[ACTIVE]][
// CHECK:         memref.load %[[OFFSETS]][
// CHECK:         memref.load %[[OFFSETS]][
// CHECK:         memref.alloca() {alignment = 64 : i64} : memref<6x96xf32>
// CHECK:         memref.load %[[GATHER]][
// CHECK:         %[[ACC:.*]]:2 = scf.for
// CHECK:           vector.fma
// CHECK:         arith.mulf %[[ACC]]#0, %[[ACC]]#1 : vector<8xf32>
func.func @experts(%x: memref<?x64xf32>, %w: memref<4x2x64x16xf32>, %v: memref<4x2x64x16xf32>, %offsets: memref<5xi32>, %active: memref<5xi32>, %gather: memref<?xi32>, %o: memref<?x32xf32>) {
  moe.grouped_matmul {variants = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 4, prefetch = 2048>, <tile_rows = 6, tile_vectors = 2>]>} ins(%x : memref<?x64xf32>) banks(%w, %v : memref<4x2x64x16xf32>, memref<4x2x64x16xf32>) offsets(%offsets : memref<5xi32>) active(%active : memref<5xi32>) gather(%gather : memref<?xi32>) outs(%o : memref<?x32xf32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.mulf %a, %b : f32
    moe.yield %s : f32
  }
  return
}

// Without a product of bf16 pairs, the pair of a lane is widened by a shift and
// a mask, and k comes before k + 1.
// CHECK-LABEL: func.func @widened
// CHECK:       vector.bitcast %{{.*}} : vector<16xbf16> to vector<8xi32>
// CHECK:       arith.shli
// CHECK:       arith.andi
// CHECK:       %[[FIRST:.*]] = vector.fma
// CHECK:       vector.fma %{{.*}}, %{{.*}}, %[[FIRST]]
// CHECK-NOT:   x86vector
func.func @widened(%x: memref<?x32xf32>, %w: memref<1x16x16x2xbf16>, %o: memref<?x16xf32>) {
  moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 1, tile_vectors = 1>]>} ins(%x : memref<?x32xf32>) banks(%w : memref<1x16x16x2xbf16>) outs(%o : memref<?x16xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  }
  return
}

// Columns that fill no vector are stored one by one less; nothing is read or
// written behind the row. An odd K is padded in the copy.
// CHECK-LABEL: func.func @tail
// CHECK:       memref.store %{{.*}}, %{{.*}}[%{{.*}}, %c7]
// CHECK:       vector.store %{{.*}} : memref<?x11xf32>, vector<8xf32>
// CHECK:       vector.extract_strided_slice %{{.*}} {offsets = [0], sizes = [3], strides = [1]}
// CHECK:       vector.store %{{.*}} : memref<?x11xf32>, vector<3xf32>
func.func @tail(%x: memref<?x7xf32>, %w: memref<1x4x16x2xbf16>, %o: memref<?x11xf32>) {
  moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 1, tile_vectors = 1>]>} ins(%x : memref<?x7xf32>) banks(%w : memref<1x4x16x2xbf16>) outs(%o : memref<?x11xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  }
  return
}

// Groups side by side: a task is one group, whose columns of x and of the output
// are views.
// CHECK-LABEL: func.func @side_by_side
// CHECK:       scf.forall
// CHECK:         memref.subview %{{.*}}[0, %{{.*}}] [%{{.*}}, 32] [1, 1] : memref<?x96xf32>
// CHECK:         memref.subview %{{.*}}[0, %{{.*}}] [%{{.*}}, 16] [1, 1] : memref<?x48xf32>
// CHECK:         vector.load %{{.*}} : memref<3x1x32x16xf32>, vector<8xf32>
func.func @side_by_side(%x: memref<?x96xf32>, %w: memref<3x1x32x16xf32>, %o: memref<?x48xf32>) {
  moe.grouped_matmul {side_by_side, variants = #moe.variants<[<tile_rows = 1, tile_vectors = 1>]>} ins(%x : memref<?x96xf32>) banks(%w : memref<3x1x32x16xf32>) outs(%o : memref<?x48xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  }
  return
}

// The rows that a combine makes: more than a task of it would take are combined in front; of fewer, a task makes its own, unless the first one,
// which makes them where all look for them, is done.
// CHECK-LABEL: func.func @combined
// CHECK-SAME:  %[[Y:[a-z0-9]*]]: memref<?x4096xf32>, %[[O:[a-z0-9]*]]: memref<?x16xf32>)
// CHECK:       %[[READY:.*]] = memref.alloca() {alignment = 64 : i64} : memref<1xi32>
// CHECK:       memref.store %{{.*}}, %[[READY]]
// CHECK:       %[[FEW:.*]] = arith.cmpi ule, %{{.*}}, %c4
// CHECK:       scf.if %[[FEW]] {
// CHECK-NEXT:  } else {
// CHECK:         scf.forall
// CHECK:           vector.store %{{.*}}, %[[Y]]
// CHECK:       scf.forall (%[[TASK:.*]]) in
// CHECK:         %[[OLD:.*]] = memref.atomic_rmw ori %{{.*}}, %[[READY]]
// CHECK:         %[[NOT:.*]] = arith.cmpi eq, %[[OLD]]
// CHECK:         %[[WANTS:.*]] = arith.andi %[[FEW]], %[[NOT]]
// CHECK:         %[[FIRST:.*]] = arith.cmpi eq, %[[TASK]]
// CHECK:         %[[OWN:.*]] = memref.alloca() {alignment = 64 : i64} : memref<4x4096xf32>
// CHECK:         %[[PLACE:.*]] = arith.select %[[FIRST]], %[[COMMON:.*]], %{{.*}} : memref<?x4096xf32>
// CHECK:         %[[X:.*]] = arith.select %[[WANTS]], %[[PLACE]], %[[COMMON]]
// CHECK:         scf.if %[[WANTS]] {
// CHECK:           vector.store %{{.*}}, %[[X]]
// CHECK:           scf.if %[[FIRST]] {
// CHECK:             memref.atomic_rmw assign %{{.*}}, %[[READY]]
// CHECK:         memref.load %[[X]][
// CHECK-NOT:   moe.
func.func @combined(%r: memref<?x4096xf32>, %i: memref<?x2xi32>, %s: memref<?x2xf32>, %w: memref<1x4096x16xf32>, %y: memref<?x4096xf32>, %o: memref<?x16xf32>) {
  moe.combine_matmul {variants = #moe.variants<[<tile_rows = 1, tile_vectors = 1>]>} ins(%r, %i, %i, %s : memref<?x4096xf32>, memref<?x2xi32>, memref<?x2xi32>, memref<?x2xf32>)
      banks(%w : memref<1x4096x16xf32>) outs(%y, %o : memref<?x4096xf32>, memref<?x16xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  }
  return
}

// What lacks its variants is left to the generic lowering.
// CHECK-LABEL: func.func @undecided
// CHECK:       moe.grouped_matmul
func.func @undecided(%x: memref<?x32xf32>, %w: memref<1x16x16x2xbf16>, %o: memref<?x16xf32>) {
  moe.grouped_matmul ins(%x : memref<?x32xf32>) banks(%w : memref<1x16x16x2xbf16>) outs(%o : memref<?x16xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  }
  return
}
}
