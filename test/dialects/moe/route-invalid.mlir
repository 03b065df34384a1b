// RUN: moe-opt %s -split-input-file -verify-diagnostics

func.func @f(%l: memref<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op mixes tensor and memref operands}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op expects 2 results, one for each output tensor, got 0}}
  moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>)
  return
}

// -----

func.func @f(%l: memref<?x8xf32>, %o0: memref<?x2xi32>, %o1: memref<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op expects 0 results, one for each output tensor, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : memref<?x8xf32>)
      outs(%o0, %o1 : memref<?x2xi32>, memref<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op result type 'tensor<2x2xi32>' differs from its output's, 'tensor<?x2xi32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<2x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.route' op expects 2 outputs, got 1}}
  %r = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0 : tensor<?x2xi32>) -> tensor<?x2xi32>
  return
}

// -----

func.func @f(%l: tensor<8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op logits must have rank 2, got 'tensor<8xf32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xbf16>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op logits must have elements of type 'f32', got 'tensor<?x8xbf16>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xbf16>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op with policy dense a token may get any of the 8 experts: k must be their number, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, policy = dense>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x3xi32>, %o1: tensor<?x3xf32>) {
  // expected-error @+1 {{'moe.route' op chooses k = 3 of only 2 experts in the 1 groups that are kept}}
  %r:2 = moe.route {routing = #moe.routing<k = 3, groups = 4, group_keep = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x3xi32>, tensor<?x3xf32>) -> tensor<?x3xi32>, tensor<?x3xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op class_id and class_mask need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) class_id(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op class_mask must hold rows of 8 experts, got 3 entries}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>, class_mask = array<i1: true, true, true>} ins(%l : tensor<?x8xf32>) class_id(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op eligible must have elements of type i1 or i8, got 'tensor<?x8xf32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) eligible(%f : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op policy table and the operands table and token_id need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, policy = table>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op policy table and the operands table and token_id need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) table(%v : tensor<9x2xi32>) token_id(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op token_k needs a policy that ranks experts, without group_quota}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, groups = 2, group_quota = 1>} ins(%l : tensor<?x8xf32>) token_k(%t : tensor<?xi32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op capacity_scope = sequence and the operand sequence need each other}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, capacity = 2.0 : f64, capacity_scope = sequence>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op dedupe = sum needs the attribute alias}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, dedupe = sum>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op alias must name an expert for each of 8, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>, alias = array<i32: 0, 1>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op alias must name experts from 0 to 65535, got 65536}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>, alias = array<i32: 0, 1, 2, 3, 4, 5, 6, 65536>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op light_experts = 9 of only 8 experts}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, capacity = 1.0 : f64, capacity_unit = factor, light_experts = 9, light_share = 0.5 : f64>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %e: tensor<?x8xi1>, %f: tensor<?x8xf32>, %t: tensor<?xi32>, %v: tensor<9x2xi32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op expects 3 outputs, got 2}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, shared_experts = 1>} ins(%l : tensor<?x8xf32>) 
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x9xi32>, %o1: tensor<?x9xf32>) {
  // expected-error @+1 {{'moe.route' op chooses k = 9 of only 8 experts}}
  %r:2 = moe.route {routing = #moe.routing<k = 9>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x9xi32>, tensor<?x9xf32>) -> tensor<?x9xi32>, tensor<?x9xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op 8 experts do not divide into 3 groups}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, groups = 3>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op null_experts = 8 leaves none of 8 experts}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, null_experts = 8>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op a table of experts has no selection bias}}
  %r:2 = moe.route {routing = #moe.routing<k = 2, policy = table>} ins(%l : tensor<?x8xf32>) bias(%b : tensor<8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %b: tensor<7xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op bias must have size 8 in dimension 0, got 'tensor<7xf32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) bias(%b : tensor<7xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x3xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op ids must have size 2 in dimension 1, got 'tensor<?x3xi32>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x3xi32>, tensor<?x2xf32>) -> tensor<?x3xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi64>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.route' op ids must have elements of type 'i32', got 'tensor<?x2xi64>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x2xi64>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%l: tensor<?x8xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xbf16>) {
  // expected-error @+1 {{'moe.route' op weights must have elements of type 'f32', got 'tensor<?x2xbf16>'}}
  %r:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xbf16>) -> tensor<?x2xi32>, tensor<?x2xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>) {
  // expected-error @+1 {{'moe.gate' op expects 3 outputs, got 2}}
  %r:2 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op x must have rank 2, got 'tensor<4xf32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x5xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op weight must be [8, 4] or the packed form of that, got 'tensor<8x5xf32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x5xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<2x4x16xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op weight must be [8, 4] or the packed form of that, got 'tensor<2x4x16xf32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<2x4x16xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x?xf32>) {
  // expected-error @+1 {{'moe.gate' op expects static numbers of columns}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x?xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<8xbf16>, %seven: tensor<7xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op extras need an epilogue}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) extras(%b : tensor<8xbf16>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>)  -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<8xbf16>, %seven: tensor<7xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op an extra must be [R, N], [R, 1], [N] or [1] with N = 8, got 'tensor<7xf32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) extras(%seven : tensor<7xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) {
  ^bb0(%sum: f32, %e: f32):
    moe.yield %sum : f32
  } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<8xbf16>, %seven: tensor<7xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op epilogue argument must have the element type of its extra, got 'f32'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) extras(%b : tensor<8xbf16>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) {
  ^bb0(%sum: f32, %e: f32):
    moe.yield %sum : f32
  } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<8xbf16>, %seven: tensor<7xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op epilogue expects 1 arguments, got 2}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) 
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) {
  ^bb0(%sum: f32, %e: f32):
    moe.yield %sum : f32
  } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<8xbf16>, %seven: tensor<7xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op epilogue must yield one 'f32'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) extras(%b : tensor<8xbf16>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) {
  ^bb0(%sum: f32, %e: bf16):
    moe.yield %e : bf16
  } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x2xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xbf16>) {
  // expected-error @+1 {{'moe.gate' op logits must have elements of type 'f32', got 'tensor<?x8xbf16>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xbf16>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %o0: tensor<?x1xi32>, %o1: tensor<?x2xf32>, %o2: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.gate' op ids must have size 2 in dimension 1, got 'tensor<?x1xi32>'}}
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%o0, %o1, %o2 : tensor<?x1xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x1xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}
