// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-plan-arena

func.func @square(%x: memref<?x16xf32> {moe.dims = ["T"]}) {
  %c0 = arith.constant 0 : index
  %t = memref.dim %x, %c0 : memref<?x16xf32>
  // expected-error@+1 {{allocates 'memref<?x?xf32>', whose size is not affine in the tokens, sequences and rows of a step}}
  %a = memref.alloc(%t, %t) : memref<?x?xf32>
  return
}

// -----

func.func @unknown(%n: index) {
  // expected-error@+1 {{whose size is not affine}}
  %a = memref.alloc(%n) : memref<?xf32>
  return
}

// -----

func.func @region(%c: i1) {
  scf.if %c {
    // expected-error@+1 {{allocates inside a region: temporaries need a place known before}}
    %a = memref.alloc() : memref<4xf32>
  }
  return
}
