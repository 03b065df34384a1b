// RUN: moe-opt %s -split-input-file -verify-diagnostics

func.func @f(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op expects 3 outputs, got 2}}
  moe.route {count_rows = 1 : i64, routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>) outs(%i, %w : memref<?x2xi32>, memref<?x2xf32>)
  return
}

// -----

func.func @f(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>, %c: memref<3x8xi32>) {
  // expected-error @+1 {{'moe.route' op count_rows must be at least 1, got 0}}
  moe.route {count_rows = 0 : i64, routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>) outs(%i, %w, %c : memref<?x2xi32>, memref<?x2xf32>, memref<3x8xi32>)
  return
}

// -----

func.func @f(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>, %c: memref<3x7xi32>) {
  // expected-error @+1 {{'moe.route' op counts must have a column for each of 8 experts, got 'memref<3x7xi32>'}}
  moe.route {count_rows = 1 : i64, routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>) outs(%i, %w, %c : memref<?x2xi32>, memref<?x2xf32>, memref<3x7xi32>)
  return
}

// -----

func.func @f(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>, %c: memref<?x8xi32>) {
  // expected-error @+1 {{'moe.route' op counts must have a static number of blocks, got 'memref<?x8xi32>'}}
  moe.route {count_rows = 1 : i64, routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>) outs(%i, %w, %c : memref<?x2xi32>, memref<?x2xf32>, memref<?x8xi32>)
  return
}

// -----

func.func @f(%i: memref<?x2xi32>, %o: memref<9xi32>, %t: memref<?xi32>, %c: memref<3x8xi32>) {
  // expected-error @+1 {{'moe.plan' op counts and count_rows need each other}}
  moe.plan ins(%i : memref<?x2xi32>) counts(%c : memref<3x8xi32>)
      outs(%o, %o, %t, %i, %i : memref<9xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xi32>)
  return
}

// -----

func.func @f(%i: memref<?x2xi32>, %o: memref<9xi32>, %t: memref<?xi32>, %c: memref<3x8xi32>) {
  // expected-error @+1 {{'moe.plan' op counts must have a column for each of 10 experts, got 'memref<3x8xi32>'}}
  moe.plan {first = 2 : i64, count_rows = 1 : i64} ins(%i : memref<?x2xi32>) counts(%c : memref<3x8xi32>)
      outs(%o, %o, %t, %i, %i : memref<9xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xi32>)
  return
}

// -----

func.func @f(%i: memref<?x2xi32>, %o: memref<9xi32>, %t: memref<?xi32>) {
  // expected-error @+1 {{'moe.plan' op groups must divide the 8 ids and the 2 choices of a token, got 4}}
  moe.plan {groups = 4 : i64} ins(%i : memref<?x2xi32>)
      outs(%o, %o, %t, %i, %i : memref<9xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xi32>)
  return
}

// -----

func.func @f(%i: memref<?x2xi32>, %o: memref<9xi32>, %t: memref<?xi32>) {
  // expected-error @+1 {{'moe.plan' op groups need a plan of all ids, without counts}}
  moe.plan {groups = 2 : i64, others = 2 : i64} ins(%i : memref<?x2xi32>)
      outs(%o, %o, %t, %i, %i : memref<9xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xi32>)
  return
}

// -----

func.func @f(%i: memref<?x2xi32>, %o: memref<9xi32>, %t: memref<?xi32>, %c: memref<3x8xi32>) {
  // expected-error @+1 {{'moe.plan' op open does not go with counts or groups}}
  moe.plan {count_rows = 1 : i64, open} ins(%i : memref<?x2xi32>) counts(%c : memref<3x8xi32>)
      outs(%o, %o, %t, %i, %i : memref<9xi32>, memref<9xi32>, memref<?xi32>, memref<?x2xi32>, memref<?x2xi32>)
  return
}
