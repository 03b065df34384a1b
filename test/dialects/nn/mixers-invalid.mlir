// RUN: moe-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.recurrent<rows = 0, columns = 8, sequences = 1>)

// -----

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.recurrent<rows = 1, columns = 0, sequences = 1>)

// -----

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.recurrent<rows = 1, columns = 8, sequences = 0>)

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x1x3xf32>, %p: tensor<?xi32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 8, sequences = 3>, %y: tensor<?x8xf32>) {
  // expected-error @+1 {{'nn.short_conv' op weight must have size 8 in dimension 0, got 'tensor<6x1x3xf32>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<6x1x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%s : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x3xf32>, %p: tensor<?xi32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 8, sequences = 3>, %y: tensor<?x8xf32>) {
  // expected-error @+1 {{'nn.short_conv' op weight must have rank 3, got 'tensor<8x3xf32>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<8x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%s : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x1x1xf32>, %p: tensor<?xi32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 8, sequences = 3>, %y: tensor<?x8xf32>) {
  // expected-error @+1 {{'nn.short_conv' op needs a static length of at least 2, got 'tensor<8x1x1xf32>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<8x1x1xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%s : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x1x?xf32>, %p: tensor<?xi32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 8, sequences = 3>, %y: tensor<?x8xf32>) {
  // expected-error @+1 {{'nn.short_conv' op needs a static length of at least 2, got 'tensor<8x1x?xf32>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<8x1x?xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%s : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x1x3xf32>, %p: tensor<?xf32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 8, sequences = 3>, %y: tensor<?x8xf32>) {
  // expected-error @+1 {{'nn.short_conv' op positions must have elements of type 'i32', got 'tensor<?xf32>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<8x1x3xf32>, tensor<?xf32>, tensor<?xi32>, tensor<?xi32>) state(%s : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x1x3xf32>, %p: tensor<?xi32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 8, sequences = 3>, %y: tensor<?x8xf32>, %b: tensor<7xf32>) {
  // expected-error @+1 {{'nn.short_conv' op bias must have size 8 in dimension 0, got 'tensor<7xf32>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<8x1x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) bias(%b : tensor<7xf32>) state(%s : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x1x3xf32>, %p: tensor<?xi32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 3, columns = 8, sequences = 3>, %y: tensor<?x8xf32>) {
  // expected-error @+1 {{'nn.short_conv' op needs a state of 2 rows and 8 columns, got '!nn.recurrent<rows = 3, columns = 8, sequences = 3>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<8x1x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%s : !nn.recurrent<rows = 3, columns = 8, sequences = 3>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x1x3xf32>, %p: tensor<?xi32>, %o: tensor<?xi32>, %l: tensor<?xi32>, %s: !nn.recurrent<rows = 2, columns = 8, sequences = 3>, %y: tensor<?x9xf32>) {
  // expected-error @+1 {{'nn.short_conv' op output must have size 8 in dimension 1, got 'tensor<?x9xf32>'}}
  %r = nn.short_conv ins(%x, %w, %p, %o, %l : tensor<?x8xf32>, tensor<8x1x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%s : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%y : tensor<?x9xf32>) -> tensor<?x9xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op heads must be a multiple of the key heads, got 4 and 3}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 3 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op heads must be a multiple of the key heads, got 4 and 0}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 0 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x9xf32>, %v: tensor<?x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op k and v must have a static width for each of 2 and 4 heads, got 'tensor<?x9xf32>' and 'tensor<?x12xf32>'}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x9xf32>, tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x13xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op k and v must have a static width for each of 2 and 4 heads, got 'tensor<?x8xf32>' and 'tensor<?x13xf32>'}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x13xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x10xf32>, %k: tensor<?x8xf32>, %v: tensor<?x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op q must have size 8 in dimension 1, got 'tensor<?x10xf32>'}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x10xf32>, tensor<?x8xf32>, tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x12xf32>, %g: tensor<?x2xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op decay must have size 4 in dimension 1, got 'tensor<?x2xf32>'}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x12xf32>, tensor<?x2xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xbf16>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op beta must have elements of type 'f32', got 'tensor<?x4xbf16>'}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xbf16>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 269, sequences = 3>, %y: tensor<?x12xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op needs a state of 4 rows and 268 columns, got '!nn.recurrent<rows = 4, columns = 269, sequences = 3>'}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 269, sequences = 3>) outs(%y : tensor<?x12xf32>) -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 4, columns = 268, sequences = 3>, %y: tensor<?x16xf32>) {
  // expected-error @+1 {{'nn.gated_delta' op output must have size 12 in dimension 1, got 'tensor<?x16xf32>'}}
  %r = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %k, %v, %g, %b, %p, %p, %p : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 4, columns = 268, sequences = 3>) outs(%y : tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}
