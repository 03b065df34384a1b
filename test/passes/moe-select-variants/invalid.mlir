// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-select-variants

// expected-error@+1 {{kernel variants need a target: the module has no moe.target}}
module {
}

// -----

// expected-error@+2 {{the last variant, and no other, must be for any number of rows (max_rows = 0)}}
module {
  func.func private @f() attributes {v = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 2>]>}
}
