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

// expected-error @+1 {{values that are a prefix of keys must be shorter, got 24 of 24 elements}}
func.func private @f(!nn.state<heads = 2, key = 24, value = 24, element = f32, sequences = 8, positions = 100, prefix = true>)

// -----

func.func @f(%k: tensor<?x48xf32>, %v: tensor<?x32xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %s0: !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100, prefix = true>) {
  // expected-error @+1 {{'nn.append' op keys must have size 16 in dimension 1, got 'tensor<?x48xf32>'}}
  nn.append ins(%k, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%s0 : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100, prefix = true>)
  return
}

// -----

// expected-error @+1 {{a state holds f32 or bf16, got 'f16'}}
func.func private @f(!nn.state<heads = 2, key = 24, value = 16, element = f16, sequences = 8, positions = 100>)

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
  // expected-error @+1 {{'nn.attention' op has a window or a chunk of positions, and 'first', which says the same for places}}
  %r = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = 4 : i64}
      ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 24, value = 16, element = f32, sequences = 8, positions = 100>) first(%p : tensor<?xi32>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
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
