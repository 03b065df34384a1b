// RUN: moe-opt %s -split-input-file -moe-resolve-states | FileCheck %s

// Two states, one of bf16: four pools, one table.
// CHECK:       moe.state = {buffers = [{block_bytes = 1024 : i64, offset = 0 : i64}, {block_bytes = 2048 : i64, offset = 4096 : i64}, {block_bytes = 512 : i64, offset = 12288 : i64}, {block_bytes = 512 : i64, offset = 16384 : i64}], bytes = 20480 : i64, recurrent = []}
// CHECK-LABEL: func.func @step
// CHECK-COUNT-4: memref.view
// CHECK:       nn.attention {{.*}} state(%{{.*}}, %{{.*}}, %[[T:.*]] : memref<4x2x4x32xf32>, memref<4x2x32x8xf32>, memref<2x2xi32>)
// CHECK:       nn.attention {{.*}} state(%{{.*}}, %{{.*}}, %[[T]] : memref<4x2x4x32xbf16>, memref<4x2x32x4xbf16>, memref<2x2xi32>)
// CHECK-NOT:   nn.state
func.func @step(%q: memref<?x8xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %o: memref<?x16xf32>, %r: memref<?x8xf32>) {
  %a = nn.state_ref 0 : !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>
  %b = nn.state_ref 1 : !nn.state<heads = 2, key = 4, value = 4, element = bf16, sequences = 2, positions = 64>
  nn.attention {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} ins(%q, %p, %s : memref<?x8xf32>, memref<?xi32>, memref<?xi32>) state(%a : !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>) outs(%o : memref<?x16xf32>)
  nn.attention {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} ins(%q, %p, %s : memref<?x8xf32>, memref<?xi32>, memref<?xi32>) state(%b : !nn.state<heads = 2, key = 4, value = 4, element = bf16, sequences = 2, positions = 64>) outs(%r : memref<?x8xf32>)
  return
}

// -----

// A recurrent state is one pool, which takes no part in the block table.
// CHECK:       moe.state = {buffers = [], bytes = 4096 : i64, recurrent = [{offset = 0 : i64, slot_bytes = 64 : i64}]}
// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  %[[POOL:[a-z0-9]*]]: memref<3x2x8xf32>)
// CHECK:       nn.short_conv {{.*}} state(%[[POOL]] : memref<3x2x8xf32>)
func.func private @layer(%x: memref<?x8xf32>, %w: memref<8x1x3xf32>, %p: memref<?xi32>, %state: !nn.recurrent<rows = 2, columns = 8, sequences = 3>) {
  nn.short_conv ins(%x, %w, %p, %p, %p : memref<?x8xf32>, memref<8x1x3xf32>, memref<?xi32>, memref<?xi32>, memref<?xi32>)
      state(%state : !nn.recurrent<rows = 2, columns = 8, sequences = 3>) outs(%x : memref<?x8xf32>)
  return
}

// CHECK-LABEL: func.func @step
// CHECK-SAME:  memref<4096xi8> {moe.env = "state"})
// CHECK:       %[[VIEW:.*]] = memref.view %{{.*}} : memref<4096xi8> to memref<3x2x8xf32>
// CHECK:       call @layer(%{{.*}}, %[[VIEW]])
func.func @step(%x: memref<?x8xf32>, %w: memref<8x1x3xf32>, %p: memref<?xi32>) {
  %state = nn.state_ref 0 : !nn.recurrent<rows = 2, columns = 8, sequences = 3>
  call @layer(%x, %w, %p, %state) : (memref<?x8xf32>, memref<8x1x3xf32>, memref<?xi32>, !nn.recurrent<rows = 2, columns = 8, sequences = 3>) -> ()
  return
}

// -----

// Values that are a prefix of keys are one pool.
// CHECK:       moe.state = {buffers = [{block_bytes = 5120 : i64, offset = 0 : i64}], bytes = 20480 : i64, recurrent = []}
// CHECK-LABEL: func.func @step
// CHECK:       nn.append {{.*}} state(%[[POOL:.*]], %[[T:.*]] : memref<4x1x32x40xf32>, memref<2x2xi32>)
// CHECK:       nn.attention {{.*}} state(%[[POOL]], %[[T]] : memref<4x1x32x40xf32>, memref<2x2xi32>)
func.func @step(%q: memref<?x80xf32>, %k: memref<?x8xf32>, %v: memref<?x32xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %o: memref<?x64xf32>) {
  %a = nn.state_ref 0 : !nn.state<heads = 1, key = 40, value = 32, element = f32, sequences = 2, positions = 64, prefix = true>
  nn.append ins(%k, %v, %p, %s : memref<?x8xf32>, memref<?x32xf32>, memref<?xi32>, memref<?xi32>) state(%a : !nn.state<heads = 1, key = 40, value = 32, element = f32, sequences = 2, positions = 64, prefix = true>)
  nn.attention {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64} ins(%q, %p, %s : memref<?x80xf32>, memref<?xi32>, memref<?xi32>) state(%a : !nn.state<heads = 1, key = 40, value = 32, element = f32, sequences = 2, positions = 64, prefix = true>) outs(%o : memref<?x64xf32>)
  return
}
