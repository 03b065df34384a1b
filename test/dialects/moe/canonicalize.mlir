// RUN: moe-opt %s -canonicalize -cse | FileCheck %s

// A cast to its own type is its input; equal recipes are one.

// CHECK-LABEL: moe.recipes {
moe.recipes {
  // CHECK-NEXT: %[[A:.*]] = moe.load "a" : tensor<4x4xbf16>
  // CHECK-NEXT: moe.define "a" role "attention", %[[A]] : tensor<4x4xbf16>
  // CHECK-NEXT: moe.define "b" role "attention", %[[A]] : tensor<4x4xbf16>
  // CHECK-NEXT: %[[W:.*]] = moe.cast %[[A]] : tensor<4x4xbf16> to tensor<4x4xf32>
  // CHECK-NEXT: moe.define "c" role "attention", %[[W]]
  // CHECK-NEXT: }
  %a = moe.load "a" : tensor<4x4xbf16>
  %same = moe.cast %a : tensor<4x4xbf16> to tensor<4x4xbf16>
  moe.define "a" role "attention", %same : tensor<4x4xbf16>
  %again = moe.load "a" : tensor<4x4xbf16>
  moe.define "b" role "attention", %again : tensor<4x4xbf16>
  %unused = moe.load "unused" : tensor<4x4xbf16>
  %wide = moe.cast %a : tensor<4x4xbf16> to tensor<4x4xf32>
  moe.define "c" role "attention", %wide : tensor<4x4xf32>
}

// On tensors a computation has no effect: without a reader it goes, and equal
// ones are one.

// CHECK-LABEL: func.func @tensors
// CHECK:       %[[R:.*]]:2 = moe.route
// CHECK-NOT:   moe.route
// CHECK:       return %[[R]]#0, %[[R]]#1
func.func @tensors(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>) {
  %0:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %1:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %2:2 = moe.route {routing = #moe.routing<k = 2, score = sigmoid>} ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %0#0, %1#1 : tensor<?x2xi32>, tensor<?x2xf32>
}

// On memrefs it writes its outputs.

// CHECK-LABEL: func.func @memrefs
// CHECK-COUNT-2: moe.route
func.func @memrefs(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>) {
  moe.route {routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>) outs(%i, %w : memref<?x2xi32>, memref<?x2xf32>)
  moe.route {routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>) outs(%i, %w : memref<?x2xi32>, memref<?x2xf32>)
  return
}

// A region goes with its op.

// CHECK-LABEL: func.func @regions
// CHECK:       moe.grouped_matmul
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    arith.negf %[[A]]
// CHECK-NOT:   moe.grouped_matmul
func.func @regions(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %1 = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    %n = arith.negf %acc : f32
    moe.yield %n : f32
  } -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// A constant stays inside of an epilogue, which is isolated.

// CHECK-LABEL: func.func @constant
// CHECK-NEXT:  moe.grouped_matmul
// CHECK-NEXT:  ^bb0
// CHECK-NEXT:    arith.constant
func.func @constant(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    %c = arith.constant 2.0 : f32
    %n = arith.mulf %acc, %c : f32
    moe.yield %n : f32
  } -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// Taps and parallel regions stay; weights without readers go, equal ones are
// one.

// CHECK-LABEL: func.func @observe
// CHECK-NEXT:  %[[W:.*]] = moe.weight "w"
// CHECK-NEXT:  moe.tap "a", %[[W]]
// CHECK-NEXT:  moe.tap "a", %[[W]]
// CHECK-NEXT:  moe.parallel
// CHECK-NEXT:  moe.parallel
// CHECK-NEXT:  return
func.func @observe(%host: !moe.host, %n: index) {
  %0 = moe.weight "w" : tensor<4x4xf32>
  %1 = moe.weight "w" : tensor<4x4xf32>
  %2 = moe.weight "unused" : tensor<4x4xf32>
  moe.tap "a", %0 : tensor<4x4xf32>
  moe.tap "a", %1 : tensor<4x4xf32>
  moe.parallel @task() tasks(%n) on %host
  moe.parallel @task() tasks(%n) on %host
  return
}
