// RUN: moe-opt %s -verify-diagnostics -moe-lower-to-linalg

func.func @groups(%l: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<?x2xf32>) {
  // expected-error@+1 {{cannot be lowered: expected one group of all experts}}
  moe.route {routing = #moe.routing<k = 2, groups = 2, group_keep = 1>} ins(%l : memref<?x8xf32>) outs(%i, %w : memref<?x2xi32>, memref<?x2xf32>)
  return
}
