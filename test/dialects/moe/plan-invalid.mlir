// RUN: moe-opt %s -split-input-file -verify-diagnostics

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op expects 5 outputs, got 4}}
  %r:4 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xf32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op ids must have elements of type 'i32', got 'tensor<?x2xf32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xf32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<?xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op offsets must have a static size}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<?xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<?xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<8xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op active must have size 9 in dimension 0, got 'tensor<8xi32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<8xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<8xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?x2xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op row_token must have rank 1, got 'tensor<?x2xi32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x3xi32>, %o4: tensor<?x2xi32>) {
  // expected-error @+1 {{'moe.plan' op token_row must have size 2 in dimension 1, got 'tensor<?x3xi32>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x3xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x3xi32>, tensor<?x2xi32>
  return
}

// -----

func.func @f(%i: tensor<?x2xi32>, %o0: tensor<9xi32>, %o1: tensor<9xi32>, %o2: tensor<?xi32>, %o3: tensor<?x2xi32>, %o4: tensor<?x2xi64>) {
  // expected-error @+1 {{'moe.plan' op token_slot must have elements of type 'i32', got 'tensor<?x2xi64>'}}
  %r:5 = moe.plan ins(%i : tensor<?x2xi32>) outs(%o0, %o1, %o2, %o3, %o4 : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi64>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi64>
  return
}

// -----

func.func @f(%a0: tensor<4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op rows must have rank 2, got 'tensor<4xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x3xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op token_row must have size 2 in dimension 1, got 'tensor<?x3xi32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x3xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xf32>, %a3: tensor<?x2xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op token_slot must have elements of type 'i32', got 'tensor<?x2xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xbf16>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op weights must have elements of type 'f32', got 'tensor<?x2xbf16>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xbf16>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %add: tensor<?x5xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.combine' op addend must have size 4 in dimension 1, got 'tensor<?x5xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) addends(%add : tensor<?x5xf32>)
      outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%a0: tensor<?x4xf32>, %a1: tensor<?x2xi32>, %a2: tensor<?x2xi32>, %a3: tensor<?x2xf32>, %o: tensor<?x5xf32>) {
  // expected-error @+1 {{'moe.combine' op y must have size 4 in dimension 1, got 'tensor<?x5xf32>'}}
  %r = moe.combine ins(%a0, %a1, %a2, %a3 : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%o : tensor<?x5xf32>) -> tensor<?x5xf32>
  return
}

// -----

func.func @f(%r: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{locals need ids and two bounds of ids each, got 1 locals and 1 bounds}}
  %0 = moe.combine {ranges = array<i64: 1>} ins(%r, %i, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) ids(%i : tensor<?x2xi32>) locals(%r : tensor<?x4xf32>) outs(%r : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}
