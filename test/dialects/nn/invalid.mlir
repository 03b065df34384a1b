// RUN: moe-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.state<heads = 0, key = 24, value = 16, element = f32, sequences = 8, positions = 100>)

// -----

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.state<heads = 2, key = 0, value = 16, element = f32, sequences = 8, positions = 100>)

// -----

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.state<heads = 2, key = 24, value = 0, element = f32, sequences = 8, positions = 100>)

// -----

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 0, positions = 100>)

// -----

// expected-error @+1 {{all sizes of a state must be at least 1}}
func.func private @f(!nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 0>)

// -----

// expected-error @+1 {{a state holds f32 or bf16, got 'f16'}}
func.func private @f(!nn.state<heads = 2, key = 24, value = 16, element = f16, sequences = 8, positions = 100>)

// -----

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

func.func @f(%k: tensor<?x40xf32>, %v: tensor<?x32xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %s0: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) {
  // expected-error @+1 {{'nn.append' op keys must have size 48 in dimension 1, got 'tensor<?x40xf32>'}}
  nn.append ins(%k, %v, %p, %s : tensor<?x40xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%s0 : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>)
  return
}

// -----

func.func @f(%k: tensor<?x48xf32>, %v: tensor<?x48xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %s0: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) {
  // expected-error @+1 {{'nn.append' op values must have size 32 in dimension 1, got 'tensor<?x48xf32>'}}
  nn.append ins(%k, %v, %p, %s : tensor<?x48xf32>, tensor<?x48xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%s0 : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>)
  return
}

// -----

func.func @f(%k: tensor<?x48xf32>, %v: tensor<?x32xf32>, %p: tensor<?xf32>, %s: tensor<?xi32>, %s0: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) {
  // expected-error @+1 {{'nn.append' op positions must have elements of type 'i32', got 'tensor<?xf32>'}}
  nn.append ins(%k, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xf32>, tensor<?xi32>)
      state(%s0 : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>)
  return
}

// -----

func.func @f(%k: tensor<?x48xf32>, %v: tensor<?x32xf32>, %p: tensor<?xi32>, %s: tensor<?x1xi32>, %s0: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) {
  // expected-error @+1 {{'nn.append' op token_slots must have rank 1, got 'tensor<?x1xi32>'}}
  nn.append ins(%k, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?x1xi32>)
      state(%s0 : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>)
  return
}

// -----

func.func @f(%k: tensor<?x48xf32>, %v: tensor<?x32xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %s0: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %s1: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) {
  // expected-error @+1 {{'nn.append' op expects one !nn.state, or a key pool, a value pool and a block table}}
  nn.append ins(%k, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%s0, %s1 : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>)
  return
}

// -----

func.func @f(%k: tensor<?x48xf32>, %v: tensor<?x32xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %s0: memref<32x2x24x32xf32>) {
  // expected-error @+1 {{'nn.append' op expects one !nn.state, or a key pool, a value pool and a block table}}
  nn.append ins(%k, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%s0 : memref<32x2x24x32xf32>)
  return
}

// -----

func.func @f(%k: tensor<?x48xf32>, %v: tensor<?x32xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %s0: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %s1: memref<32x2x24x32xf32>, %s2: memref<8x4xi32>) {
  // expected-error @+1 {{'nn.append' op expects one !nn.state, or a key pool, a value pool and a block table}}
  nn.append ins(%k, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%s0, %s1, %s2 : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, memref<32x2x24x32xf32>, memref<8x4xi32>)
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op query heads must be a multiple of the key-value heads, got 5 and 2}}
  %r = nn.attention {heads = 5 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = 0 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op query heads must be a multiple of the key-value heads, got 4 and 0}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 0 : i64, scale = 0.2 : f64, window = 0 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op window must not be negative, got -1}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = -1 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op has 4 key-value heads, its state 2}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 4 : i64, scale = 0.2 : f64, window = 0 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x64xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op q must have size 96 in dimension 1, got 'tensor<?x64xf32>'}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = 0 : i64}
      ins(%q, %p, %s : tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x96xf32>) {
  // expected-error @+1 {{'nn.attention' op output must have size 64 in dimension 1, got 'tensor<?x96xf32>'}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = 0 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x96xf32>) -> tensor<?x96xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi64>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op positions must have elements of type 'i32', got 'tensor<?xi64>'}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = 0 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi64>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi64>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op token_slots must have elements of type 'i32', got 'tensor<?xi64>'}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = 0 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi64>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op chunk must not be negative, got -2}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, chunk = -2 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op softcap must be finite and not negative, got -1.000000e+00}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, softcap = -1.0 : f64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op softcap must be finite and not negative, got INF}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, softcap = 0x7FF0000000000000 : f64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %k: tensor<2xf32>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op sinks must have size 4 in dimension 0, got 'tensor<2xf32>'}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) sinks(%k : tensor<2xf32>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @f(%q: tensor<?x96xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>, %k: tensor<4xbf16>, %o: tensor<?x64xf32>) {
  // expected-error @+1 {{'nn.attention' op sinks must have elements of type 'f32', got 'tensor<4xbf16>'}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) sinks(%k : tensor<4xbf16>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
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

// -----

func.func @f(%i: tensor<?x1xi32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 2, sequences = 3>) {
  // expected-error @+1 {{'nn.places' op needs a state of 1 rows and 1 columns, got '!nn.recurrent<rows = 1, columns = 2, sequences = 3>'}}
  %r = nn.places ins(%i, %p, %p, %p : tensor<?x1xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 2, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 1, sequences = 3>) {
  // expected-error @+1 {{'nn.places' op ids must have size 1 in dimension 1, got 'tensor<?x2xi32>'}}
  %r = nn.places ins(%i, %p, %p, %p : tensor<?x2xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 1, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @f(%i: tensor<?x1xi32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 1, sequences = 3>) {
  // expected-error @+1 {{'nn.places' op from must not be negative, got -1}}
  %r = nn.places {from = -1 : i64} ins(%i, %p, %p, %p : tensor<?x1xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 1, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}
