// RUN: moe-opt %s -moe-lower-to-linalg | FileCheck %s

// Selection, sorting and sums need no target.
// CHECK-LABEL: func.func @route
// CHECK:       scf.forall
// CHECK-NOT:   moe.route
func.func @route(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>) {
  moe.route {routing = #moe.routing<k = 2, renorm = sum>} ins(%l : memref<?x8xf32>) outs(%i, %w : memref<?x2xi32>, memref<?x2xf32>)
  return
}

// CHECK-LABEL: func.func @plan
// CHECK-NOT:   moe.plan
func.func @plan(%ids: memref<?x2xi32>, %o: memref<9xi32>, %a: memref<9xi32>, %r: memref<?xi32>, %t: memref<?x2xi32>, %s: memref<?x2xi32>) {
  moe.plan ins(%ids : memref<?x2xi32>) outs(%o, %a, %r, %t, %s : memref<9xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xi32>)
  return
}

// CHECK-LABEL: func.func @combine
// CHECK-NOT:   moe.combine
func.func @combine(%rows: memref<?x16xf32>, %t: memref<?x2xi32>, %s: memref<?x2xi32>, %w: memref<?x2xf32>, %x: memref<?x16xf32>, %y: memref<?x16xf32>) {
  moe.combine ins(%rows, %t, %s, %w : memref<?x16xf32>, memref<?x2xi32>, memref<?x2xi32>, memref<?x2xf32>) addends(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  return
}

// CHECK-LABEL: func.func @norm
// CHECK:       scf.forall
// CHECK:         linalg.generic
// CHECK-NOT:   nn.rms_norm
func.func @norm(%x: memref<?x16xf32>, %y: memref<?x16xf32>) {
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  return
}
