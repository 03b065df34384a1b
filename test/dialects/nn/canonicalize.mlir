// RUN: moe-opt %s -canonicalize -cse | FileCheck %s

!state = !nn.state<heads = 1, key = 4, value = 4, element = f32, sequences = 2, positions = 64>

// A computation on tensors without a reader goes; equal ones are one, and so
// are references to one state.

// CHECK-LABEL: func.func @tensors
// CHECK:       %[[N:.*]] = nn.rms_norm
// CHECK-NOT:   nn.rms_norm
// CHECK-NOT:   nn.rope
// CHECK:       return %[[N]], %[[N]]
func.func @tensors(%x: tensor<?x4xf32>, %t: tensor<64x2x2xf32>, %p: tensor<?xi32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x4xf32>) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%x : tensor<?x4xf32>) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = nn.rope {size = 4 : i64} ins(%x, %t, %p : tensor<?x4xf32>, tensor<64x2x2xf32>, tensor<?xi32>) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// Storing to a state stays, twice too. Reading it before and after is not the
// same; reading it without a reader is nothing.

// CHECK-LABEL: func.func @state
// CHECK:       %[[S:.*]] = nn.state_ref 0
// CHECK-NOT:   nn.state_ref
// CHECK:       %[[A:.*]] = nn.attention {{.*}} state(%[[S]]
// CHECK-NEXT:  nn.append {{.*}} state(%[[S]]
// CHECK-NEXT:  nn.append
// CHECK-NEXT:  %[[B:.*]] = nn.attention
// CHECK-NEXT:  return %[[A]], %[[B]]
func.func @state(%x: tensor<?x4xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %kv0 = nn.state_ref 0 : !state
  %kv1 = nn.state_ref 0 : !state
  %a = nn.attention {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64} ins(%x, %p, %s : tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%kv0 : !state) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  nn.append ins(%x, %x, %p, %s : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv0 : !state)
  nn.append ins(%x, %x, %p, %s : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv0 : !state)
  %b = nn.attention {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64} ins(%x, %p, %s : tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%kv1 : !state) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  %c = nn.attention {heads = 1 : i64, kv_heads = 1 : i64, scale = 2.0 : f64} ins(%x, %p, %s : tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>)
      state(%kv1 : !state) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
}

// On memrefs everything stays.

// CHECK-LABEL: func.func @memrefs
// CHECK-COUNT-2: nn.rms_norm
func.func @memrefs(%x: memref<?x4xf32>, %y: memref<?x4xf32>) {
  nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x4xf32>) outs(%y : memref<?x4xf32>)
  nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%x : memref<?x4xf32>) outs(%y : memref<?x4xf32>)
  return
}
