// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s --mlir-print-op-generic | moe-opt | FileCheck %s
// RUN: moe-opt %s --emit-bytecode | moe-opt | FileCheck %s

!state = !nn.state<heads = 2, key = 24, value = 16, element = bf16, sequences = 8, positions = 100>

// CHECK-LABEL: func.func @tensors
func.func @tensors(%x: tensor<?x48xf32>, %w: tensor<48xf32>, %h: tensor<24xf32>, %v: tensor<?x32xf32>, %table: tensor<100x2x12xf32>, %p: tensor<?xi32>,
    %s: tensor<?xi32>, %y: tensor<?x48xbf16>, %q: tensor<?x96xf32>, %o: tensor<?x64xf32>, %embed: tensor<50x48xbf16>, %packed: tensor<4x24x16x2xbf16>,
    %offsets: tensor<?xi32>, %sinks: tensor<4xf32>) {
  // CHECK: nn.rms_norm {eps = {{.*}} : f64, size = 48 : i64} ins(%{{.*}} : tensor<?x48xf32>) weight(%{{.*}} : tensor<48xf32>) outs(%{{.*}} : tensor<?x48xbf16>) -> tensor<?x48xbf16>
  %0 = nn.rms_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) outs(%y : tensor<?x48xbf16>) -> tensor<?x48xbf16>
  // CHECK: nn.rms_norm {eps = {{.*}} : f64, offset = 1.000000e+00 : f64, size = 24 : i64} ins(%{{.*}} : tensor<?x48xf32>) outs(%{{.*}} : tensor<?x48xf32>) -> tensor<?x48xf32>
  %1 = nn.rms_norm {size = 24 : i64, eps = 1.0e-6 : f64, offset = 1.0 : f64} ins(%x : tensor<?x48xf32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.rope {size = 24 : i64} ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x48xf32>, tensor<100x2x12xf32>, tensor<?xi32>) outs(%{{.*}} : tensor<?x48xf32>) -> tensor<?x48xf32>
  %2 = nn.rope {size = 24 : i64} ins(%x, %table, %p : tensor<?x48xf32>, tensor<100x2x12xf32>, tensor<?xi32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.gather_rows ins(%{{.*}}, %{{.*}} : tensor<50x48xbf16>, tensor<?xi32>) outs(%{{.*}} : tensor<?x48xf32>) -> tensor<?x48xf32>
  %3 = nn.gather_rows ins(%embed, %p : tensor<50x48xbf16>, tensor<?xi32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.gather_rows ins(%{{.*}}, %{{.*}} : tensor<4x24x16x2xbf16>, tensor<?xi32>)
  %4 = nn.gather_rows ins(%packed, %p : tensor<4x24x16x2xbf16>, tensor<?xi32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.token_slots ins(%{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?xi32>) outs(%{{.*}} : tensor<?xi32>) -> tensor<?xi32>
  %5 = nn.token_slots ins(%offsets, %s : tensor<?xi32>, tensor<?xi32>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  // CHECK: %[[KV:.*]] = nn.state_ref 3 : !nn.state<heads = 2, key = 24, value = 16, element = bf16, sequences = 8, positions = 100>
  %kv = nn.state_ref 3 : !state
  // CHECK: nn.append ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>) state(%[[KV]] : !nn.state<heads = 2, key = 24, value = 16, element = bf16, sequences = 8, positions = 100>)
  nn.append ins(%x, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !state)
  // CHECK: nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 2.000000e-01 : f64} ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>) state(%[[KV]] : !nn.state<{{.*}}>) outs(%{{.*}} : tensor<?x64xf32>) -> tensor<?x64xf32>
  %6 = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64} ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%kv : !state) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: %[[L:.*]] = nn.state_ref 4 : !nn.state<heads = 2, key = 40, value = 16, element = bf16, sequences = 8, positions = 100, prefix = true>
  %latent = nn.state_ref 4 : !nn.state<heads = 2, key = 40, value = 16, element = bf16, sequences = 8, positions = 100, prefix = true>
  // CHECK: nn.append ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>) state(%[[L]] : !nn.state<{{.*}}prefix = true>)
  nn.append ins(%x, %v, %p, %s : tensor<?x48xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%latent : !nn.state<heads = 2, key = 40, value = 16, element = bf16, sequences = 8, positions = 100, prefix = true>)
  // CHECK: nn.attention {heads = {{.*}}} ins({{.*}}) state({{.*}}) first(%{{.*}} : tensor<?xi32>) outs
  %first =   nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64} ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%kv : !state) first(%p : tensor<?xi32>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: nn.attention {{.*}}window = 32 : i64
  %7 = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, window = 32 : i64} ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%kv : !state) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: nn.attention {chunk = 64 : i64, heads = 4 : i64, kv_heads = 2 : i64, scale = {{.*}} : f64, softcap = 5.000000e+01 : f64} ins({{.*}}) state({{.*}}) sinks(%{{.*}} : tensor<4xf32>) outs
  %8 = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, chunk = 64 : i64, softcap = 50.0 : f64} ins(%q, %p, %s : tensor<?x96xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%kv : !state) sinks(%sinks : tensor<4xf32>) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: nn.layer_norm {eps = {{.*}} : f64, size = 48 : i64} ins(%{{.*}} : tensor<?x48xf32>) weight(%{{.*}} : tensor<48xf32>) bias(%{{.*}} : tensor<48xf32>) outs(%{{.*}} : tensor<?x48xbf16>) -> tensor<?x48xbf16>
  %9 = nn.layer_norm {size = 48 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) weight(%w : tensor<48xf32>) bias(%w : tensor<48xf32>) outs(%y : tensor<?x48xbf16>) -> tensor<?x48xbf16>
  // CHECK: nn.layer_norm {eps = {{.*}} : f64, size = 24 : i64} ins(%{{.*}} : tensor<?x48xf32>) outs(%{{.*}} : tensor<?x48xf32>) -> tensor<?x48xf32>
  %10 = nn.layer_norm {size = 24 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x48xf32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.rope {interleaved = true, offset = 24 : i64, size = 48 : i64}
  %11 = nn.rope {size = 48 : i64, offset = 24 : i64, interleaved = true} ins(%x, %table, %p : tensor<?x48xf32>, tensor<100x2x12xf32>, tensor<?xi32>) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.join_heads {counts = array<i64: 16, 8>, heads = 4 : i64, offsets = array<i64: 8, 0>, sizes = array<i64: 24, 48>} ins(%{{.*}}, %{{.*}} : tensor<?x96xf32>, tensor<?x48xf32>) outs(%{{.*}} : tensor<?x96xf32>) -> tensor<?x96xf32>
  %12 = nn.join_heads {heads = 4 : i64, sizes = array<i64: 24, 48>, offsets = array<i64: 8, 0>, counts = array<i64: 16, 8>} ins(%q, %x : tensor<?x96xf32>, tensor<?x48xf32>) outs(%q : tensor<?x96xf32>) -> tensor<?x96xf32>
  return
}

!window = !nn.recurrent<rows = 2, columns = 48, sequences = 8>
!delta = !nn.recurrent<rows = 4, columns = 1120, sequences = 8>

// CHECK-LABEL: func.func @mixers
func.func @mixers(%x: tensor<?x48xf32>, %w: tensor<48x1x3xf32>, %b: tensor<48xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %offsets: tensor<?xi32>, %q: tensor<?x32xf32>,
    %v: tensor<?x48xf32>, %g: tensor<?x4xf32>, %mx: memref<?x48xf32>, %mw: memref<48x1x3xf32>, %mp: memref<?xi32>, %pool: memref<8x2x48xf32>) {
  // CHECK: %[[W:.*]] = nn.state_ref 0 : !nn.recurrent<rows = 2, columns = 48, sequences = 8>
  %window = nn.state_ref 0 : !window
  // CHECK: nn.short_conv ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x48xf32>, tensor<48x1x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%[[W]] : !nn.recurrent<rows = 2, columns = 48, sequences = 8>) outs(%{{.*}} : tensor<?x48xf32>) -> tensor<?x48xf32>
  %0 = nn.short_conv ins(%x, %w, %p, %offsets, %s : tensor<?x48xf32>, tensor<48x1x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%window : !window) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.short_conv {{.*}} bias(%{{.*}} : tensor<48xf32>) state(
  %1 = nn.short_conv ins(%x, %w, %p, %offsets, %s : tensor<?x48xf32>, tensor<48x1x3xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      bias(%b : tensor<48xf32>) state(%window : !window) outs(%x : tensor<?x48xf32>) -> tensor<?x48xf32>
  %delta = nn.state_ref 1 : !delta
  // CHECK: nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins({{.*}}) state(%{{.*}} : !nn.recurrent<rows = 4, columns = 1120, sequences = 8>) outs(%{{.*}} : tensor<?x48xf32>) -> tensor<?x48xf32>
  %2 = nn.gated_delta {heads = 4 : i64, key_heads = 2 : i64} ins(%q, %q, %v, %g, %g, %p, %offsets, %s : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x48xf32>,
      tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) state(%delta : !delta) outs(%v : tensor<?x48xf32>) -> tensor<?x48xf32>
  // CHECK: nn.short_conv {{.*}} state(%{{.*}} : memref<8x2x48xf32>) outs(%{{.*}} : memref<?x48xf32>){{$}}
  nn.short_conv ins(%mx, %mw, %mp, %mp, %mp : memref<?x48xf32>, memref<48x1x3xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
      state(%pool : memref<8x2x48xf32>) outs(%mx : memref<?x48xf32>)
  return
}

// A state resolved to its buffers.

// CHECK-LABEL: func.func @memrefs
func.func @memrefs(%k: memref<?x48xf32>, %v: memref<?x32xf32>, %q: memref<?x96xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %o: memref<?x64xf32>,
    %keys: memref<32x2x24x32xbf16>, %values: memref<32x2x32x16xbf16>, %table: memref<8x4xi32>) {
  // CHECK: nn.append {{.*}} state(%{{.*}}, %{{.*}}, %{{.*}} : memref<32x2x24x32xbf16>, memref<32x2x32x16xbf16>, memref<8x4xi32>)
  nn.append ins(%k, %v, %p, %s : memref<?x48xf32>, memref<?x32xf32>, memref<?xi32>, memref<?xi32>)
      state(%keys, %values, %table : memref<32x2x24x32xbf16>, memref<32x2x32x16xbf16>, memref<8x4xi32>)
  // CHECK: nn.attention {{.*}} state(%{{.*}}, %{{.*}}, %{{.*}} : memref<32x2x24x32xbf16>, memref<32x2x32x16xbf16>, memref<8x4xi32>) outs(%{{.*}} : memref<?x64xf32>){{$}}
  nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.2 : f64} ins(%q, %p, %s : memref<?x96xf32>, memref<?xi32>, memref<?xi32>)
      state(%keys, %values, %table : memref<32x2x24x32xbf16>, memref<32x2x32x16xbf16>, memref<8x4xi32>) outs(%o : memref<?x64xf32>)
  return
}

// CHECK-LABEL: func.func @places
func.func @places(%i: tensor<?x1xi32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 9, sequences = 3>, %mi: memref<?x1xi32>, %mp: memref<?xi32>, %pool: memref<3x1x9xf32>) {
  // CHECK: nn.places {from = 2 : i64} ins({{.*}}) state(%{{.*}} : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%{{.*}} : tensor<?xi32>) -> tensor<?xi32>
  %r = nn.places {from = 2 : i64} ins(%i, %p, %p, %p : tensor<?x1xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  // CHECK: nn.places ins({{.*}}) state(%{{.*}} : memref<3x1x9xf32>) outs(%{{.*}} : memref<?xi32>){{$}}
  nn.places ins(%mi, %mp, %mp, %mp : memref<?x1xi32>, memref<?xi32>, memref<?xi32>, memref<?xi32>) state(%pool : memref<3x1x9xf32>) outs(%mp : memref<?xi32>)
  // CHECK: nn.first_places {chunk = 8 : i64, window = 3 : i64} ins({{.*}}) state(%{{.*}} : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%{{.*}} : tensor<?xi32>) -> tensor<?xi32>
  %f = nn.first_places {window = 3 : i64, chunk = 8 : i64} ins(%p, %p : tensor<?xi32>, tensor<?xi32>)
      state(%s : !nn.recurrent<rows = 1, columns = 9, sequences = 3>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  // CHECK: nn.first_places {window = 3 : i64} ins({{.*}}) state(%{{.*}} : memref<3x1x9xf32>) outs(%{{.*}} : memref<?xi32>){{$}}
  nn.first_places {window = 3 : i64} ins(%mp, %mp : memref<?xi32>, memref<?xi32>) state(%pool : memref<3x1x9xf32>) outs(%mp : memref<?xi32>)
  // CHECK: nn.seq_rows ins(%{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?xi32>) outs(%{{.*}} : tensor<?xi32>) -> tensor<?xi32>
  %o = nn.seq_rows ins(%p, %p : tensor<?xi32>, tensor<?xi32>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  // CHECK: nn.gather_rows ins(%{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?xi32>) outs(%{{.*}} : tensor<?xi32>) -> tensor<?xi32>
  %g = nn.gather_rows ins(%p, %p : tensor<?xi32>, tensor<?xi32>) outs(%p : tensor<?xi32>) -> tensor<?xi32>
  return
}
