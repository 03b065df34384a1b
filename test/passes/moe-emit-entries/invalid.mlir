// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-emit-entries

// expected-error@+1 {{argument 0 of the entry is neither a memref of the identity layout nor part of the environment}}
func.func @step(%x: memref<?xf32, strided<[2]>>) attributes {moe.entry = "step"} {
  return
}

// -----

// expected-error@+1 {{argument 0 of the entry is neither}}
func.func @step(%x: memref<4xf32> {moe.env = "moon"}) attributes {moe.entry = "step"} {
  return
}
