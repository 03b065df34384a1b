// RUN: moe-opt %s -moe-plan-arena -canonicalize -cse | FileCheck %s

// %b is born when %a is still read, %c when %a is dead: %c takes the place of %a.
// Rows of 16 f32 are 64 bytes, so %b lies T * 64 bytes into the arena.

// CHECK-LABEL: func.func @step
// CHECK-SAME:  %[[X:[a-z0-9]*]]: memref<?x16xf32> {moe.dims = ["T"]}, %[[Y:[a-z0-9]*]]: memref<?x16xf32> {moe.dims = ["T"], moe.output}, %[[ARENA:[a-z0-9]*]]: memref<?xi8> {moe.env = "arena"})
// CHECK-SAME:  moe.arena = {R = 0 : i64, S = 0 : i64, T = 128 : i64, const = 0 : i64}
// CHECK-DAG:   %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-DAG:   %[[ROW:.*]] = arith.constant 64 : index
// CHECK:       %[[T:.*]] = memref.dim %[[X]]
// CHECK:       %[[A:.*]] = memref.view %[[ARENA]][%[[ZERO]]][%[[T]]] : memref<?xi8> to memref<?x16xf32>
// CHECK:       %[[OFFSET:.*]] = arith.muli %[[T]], %[[ROW]]
// CHECK:       %[[B:.*]] = memref.view %[[ARENA]][%[[OFFSET]]][%[[T]]]
// CHECK:       nn.rms_norm {{.*}} ins(%[[B]] : {{.*}}) outs(%[[A]] :
// CHECK:       nn.rms_norm {{.*}} ins(%[[A]] : {{.*}}) outs(%[[Y]] :
func.func @step(%x: memref<?x16xf32> {moe.dims = ["T"]}, %y: memref<?x16xf32> {moe.dims = ["T"], moe.output}) attributes {moe.entry = "step"} {
  %c0 = arith.constant 0 : index
  %t = memref.dim %x, %c0 : memref<?x16xf32>
  %a = memref.alloc(%t) : memref<?x16xf32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%a : memref<?x16xf32>)
  %b = memref.alloc(%t) : memref<?x16xf32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%a : memref<?x16xf32>) outs(%b : memref<?x16xf32>)
  %c = memref.alloc(%t) : memref<?x16xf32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%b : memref<?x16xf32>) outs(%c : memref<?x16xf32>)
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%c : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  return
}
