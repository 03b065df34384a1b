// RUN: moe-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<48xf32>, %w: tensor<48xf32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op x must have rank 2, got 'tensor<48xf32>'}}
  %r = nn.rms_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<48xf32>) weight(%w : tensor<48xf32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<48xf32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op size must divide the width 48, got 20}}
  %r = nn.rms_norm {size = 20 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<48xf32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op size must divide the width 48, got 0}}
  %r = nn.rms_norm {size = 0 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<48xf32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op weight must have size 24 in dimension 0, got 'tensor<48xf32>'}}
  %r = nn.rms_norm {size = 24 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<48xbf16>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op weight must have elements of type 'f32', got 'tensor<48xbf16>'}}
  %r = nn.rms_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xbf16>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<48xf32>, %o: tensor<?x24xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op output must have size 48 in dimension 1, got 'tensor<?x24xf32>'}}
  %r = nn.rms_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) outs(%o : tensor<?x24xf32>) -> tensor<?x24xf32>
  return
}

// -----

func.func @f(%x: memref<?x48xf32>, %w: tensor<48xf32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op mixes tensor and memref operands}}
  %r = nn.rms_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x48xf32>) weight(%w : tensor<48xf32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op expects 1 output, got 2}}
  %r:2 = nn.rms_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) outs(%x, %x : tensor<?x48xf32>, tensor<?x48xf32>) -> tensor<?x48xf32>, tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rms_norm' op expects 1 results, one for each output tensor, got 0}}
  nn.rms_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) outs(%x : tensor<?x48xf32>)
  return
}

// -----

func.func @f(%x: tensor<48xf32>, %t: tensor<100x2x12xf32>, %p: tensor<?xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rope' op x must have rank 2, got 'tensor<48xf32>'}}
  %r = nn.rope {size = 24 : i64} ins(%x, %t, %p : tensor<48xf32>, tensor<100x2x12xf32>, tensor<?xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x3x12xf32>, %p: tensor<?xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rope' op table must have size 2 in dimension 1, got 'tensor<100x3x12xf32>'}}
  %r = nn.rope {size = 24 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x3x12xf32>, tensor<?xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x2x12xbf16>, %p: tensor<?xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rope' op table must have elements of type 'f32', got 'tensor<100x2x12xbf16>'}}
  %r = nn.rope {size = 24 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x2x12xbf16>, tensor<?xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x2x12xf32>, %p: tensor<?xi64>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rope' op positions must have elements of type 'i32', got 'tensor<?xi64>'}}
  %r = nn.rope {size = 24 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x2x12xf32>, tensor<?xi64>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x2x12xf32>, %p: tensor<?xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rope' op size must divide the width 48, got 30}}
  %r = nn.rope {size = 30 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x2x12xf32>, tensor<?xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x2x12xf32>, %p: tensor<?xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.rope' op turns 24 elements of heads of only 16}}
  %r = nn.rope {size = 16 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x2x12xf32>, tensor<?xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x2x12xf32>, %p: tensor<?xi32>, %o: tensor<?x24xf32>) {
  // expected-error @+1 {{'nn.rope' op output must have size 48 in dimension 1, got 'tensor<?x24xf32>'}}
  %r = nn.rope {size = 24 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x2x12xf32>, tensor<?xi32>) outs(%o : tensor<?x24xf32>) -> tensor<?x24xf32>
  return
}

// -----

func.func @f(%t: tensor<50x48xbf16>, %i: tensor<?x1xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.gather_rows' op indices must have rank 1, got 'tensor<?x1xi32>'}}
  %r = nn.gather_rows ins(%t, %i : tensor<50x48xbf16>, tensor<?x1xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%t: tensor<50x40xbf16>, %i: tensor<?xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.gather_rows' op table must have size 48 in dimension 1, got 'tensor<50x40xbf16>'}}
  %r = nn.gather_rows ins(%t, %i : tensor<50x40xbf16>, tensor<?xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%t: tensor<48xbf16>, %i: tensor<?xi32>, %o: tensor<?x48xf32>) {
  // expected-error @+1 {{'nn.gather_rows' op table must have elements of type 'i32', got 'tensor<48xbf16>'}}
  %r = nn.gather_rows ins(%t, %i : tensor<48xbf16>, tensor<?xi32>) outs(%o : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%t: tensor<50x48xbf16>, %i: tensor<?xi32>, %o: tensor<?xf32>) {
  // expected-error @+1 {{'nn.gather_rows' op output must have rank 2, got 'tensor<?xf32>'}}
  %r = nn.gather_rows ins(%t, %i : tensor<50x48xbf16>, tensor<?xi32>) outs(%o : tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @f(%a: tensor<?xi64>, %b: tensor<?xi32>, %o: tensor<?xi32>) {
  // expected-error @+1 {{'nn.token_slots' op seq_offsets must have elements of type 'i32', got 'tensor<?xi64>'}}
  %r = nn.token_slots ins(%a, %b : tensor<?xi64>, tensor<?xi32>) outs(%o : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%a: tensor<?xi32>, %b: tensor<?x1xi32>, %o: tensor<?xi32>) {
  // expected-error @+1 {{'nn.token_slots' op slots must have rank 1, got 'tensor<?x1xi32>'}}
  %r = nn.token_slots ins(%a, %b : tensor<?xi32>, tensor<?x1xi32>) outs(%o : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%a: tensor<?xi32>, %b: tensor<?xi32>, %o: tensor<?xf32>) {
  // expected-error @+1 {{'nn.token_slots' op output must have elements of type 'i32', got 'tensor<?xf32>'}}
  %r = nn.token_slots ins(%a, %b : tensor<?xi32>, tensor<?xi32>) outs(%o : tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<48xf32>, %b: tensor<24xf32>) {
  // expected-error @+1 {{'nn.layer_norm' op bias must have size 48 in dimension 0, got 'tensor<24xf32>'}}
  %r = nn.layer_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) bias(%b : tensor<24xf32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<24xf32>, %b: tensor<48xf32>) {
  // expected-error @+1 {{'nn.layer_norm' op weight must have size 48 in dimension 0, got 'tensor<24xf32>'}}
  %r = nn.layer_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<24xf32>) bias(%b : tensor<48xf32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %w: tensor<48xf32>, %b: tensor<48xf32>) {
  // expected-error @+1 {{'nn.layer_norm' op size must divide the width 48, got 36}}
  %r = nn.layer_norm {size = 36 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) bias(%b : tensor<48xf32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x2x8xf32>, %p: tensor<?xi32>) {
  // expected-error @+1 {{'nn.rope' op offset must be from 0 to 8, where the elements to turn fit, got 9}}
  %r = nn.rope {size = 24 : i64, offset = 9 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x2x8xf32>, tensor<?xi32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%x: tensor<?x48xf32>, %t: tensor<100x2x8xf32>, %p: tensor<?xi32>) {
  // expected-error @+1 {{'nn.rope' op offset must be from 0 to 8, where the elements to turn fit, got -1}}
  %r = nn.rope {size = 24 : i64, offset = -1 : i64} ins(%x, %t, %p : tensor<?x48xf32>, tensor<100x2x8xf32>, tensor<?xi32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %x: tensor<?x20xf32>, %o: tensor<?x96xf32>) {
  // expected-error @+1 {{'nn.join_heads' op needs a size, an offset and a count for each of its 2 inputs}}
  %r = nn.join_heads {heads = 4 : i64, sizes = array<i64: 24>, offsets = array<i64: 0, 0>, counts = array<i64: 19, 5>}
      ins(%q, %x : tensor<?x96xf32>, tensor<?x20xf32>) outs(%o : tensor<?x96xf32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %x: tensor<?x20xf32>, %o: tensor<?x96xf32>) {
  // expected-error @+1 {{'nn.join_heads' op heads must be at least 1, got 0}}
  %r = nn.join_heads {heads = 0 : i64, sizes = array<i64: 24, 20>, offsets = array<i64: 0, 0>, counts = array<i64: 19, 5>}
      ins(%q, %x : tensor<?x96xf32>, tensor<?x20xf32>) outs(%o : tensor<?x96xf32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %x: tensor<?x20xf32>, %o: tensor<?x96xf32>) {
  // expected-error @+1 {{'nn.join_heads' op input 1 must have 1 or 4 heads of 10 elements, got a width of 20}}
  %r = nn.join_heads {heads = 4 : i64, sizes = array<i64: 24, 10>, offsets = array<i64: 0, 0>, counts = array<i64: 19, 5>}
      ins(%q, %x : tensor<?x96xf32>, tensor<?x20xf32>) outs(%o : tensor<?x96xf32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %x: tensor<?x20xf32>, %o: tensor<?x96xf32>) {
  // expected-error @+1 {{'nn.join_heads' op takes 19 elements from 6 on of heads of 24}}
  %r = nn.join_heads {heads = 4 : i64, sizes = array<i64: 24, 20>, offsets = array<i64: 6, 0>, counts = array<i64: 19, 5>}
      ins(%q, %x : tensor<?x96xf32>, tensor<?x20xf32>) outs(%o : tensor<?x96xf32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %x: tensor<?x20xf32>, %o: tensor<?x96xf32>) {
  // expected-error @+1 {{'nn.join_heads' op takes 0 elements from 0 on of heads of 20}}
  %r = nn.join_heads {heads = 4 : i64, sizes = array<i64: 24, 20>, offsets = array<i64: 0, 0>, counts = array<i64: 19, 0>}
      ins(%q, %x : tensor<?x96xf32>, tensor<?x20xf32>) outs(%o : tensor<?x96xf32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %x: tensor<?x20xf32>, %o: tensor<?x90xf32>) {
  // expected-error @+1 {{'nn.join_heads' op output must have size 96 in dimension 1, got 'tensor<?x90xf32>'}}
  %r = nn.join_heads {heads = 4 : i64, sizes = array<i64: 24, 20>, offsets = array<i64: 0, 0>, counts = array<i64: 19, 5>}
      ins(%q, %x : tensor<?x96xf32>, tensor<?x20xf32>) outs(%o : tensor<?x90xf32>) -> tensor<?x90xf32>
  return
}

// -----

func.func @f(%i: tensor<?x1xi32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 1, sequences = 3>) {
  // expected-error @+1 {{'nn.places' op needs a state of 1 row and a column more than there are positions, got '!nn.recurrent<rows = 1, columns = 1, sequences = 3>'}}
  %r = nn.places ins(%i, %p, %p, %p : tensor<?x1xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 1, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 9, sequences = 3>) {
  // expected-error @+1 {{'nn.places' op ids must have size 1 in dimension 1, got 'tensor<?x2xi32>'}}
  %r = nn.places ins(%i, %p, %p, %p : tensor<?x2xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%i: tensor<?x1xi32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 9, sequences = 3>) {
  // expected-error @+1 {{'nn.places' op from must not be negative, got -1}}
  %r = nn.places {from = -1 : i64} ins(%i, %p, %p, %p : tensor<?x1xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 9, sequences = 3>) {
  // expected-error @+1 {{'nn.first_places' op needs a window or a chunk}}
  %r = nn.first_places ins(%p, %p : tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 9, sequences = 3>) {
  // expected-error @+1 {{'nn.first_places' op window must not be negative, got -2}}
  %r = nn.first_places {window = -2 : i64} ins(%p, %p : tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%p: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 9, sequences = 3>) {
  // expected-error @+1 {{'nn.first_places' op needs a state of 1 row and a column more than there are positions, got '!nn.recurrent<rows = 2, columns = 9, sequences = 3>'}}
  %r = nn.first_places {window = 2 : i64} ins(%p, %p : tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 2, columns = 9, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%p: tensor<?xi32>, %q: tensor<?x1xi32>) {
  // expected-error @+1 {{'nn.seq_rows' op token_slots must have rank 1, got 'tensor<?x1xi32>'}}
  %r = nn.seq_rows ins(%q, %p : tensor<?x1xi32>, tensor<?xi32>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}
