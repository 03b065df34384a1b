// RUN: moe-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.iterate' op count must be from 1 to 64, got 0}}
  %0 = moe.iterate {count = 0} ins(%x : tensor<?x4xf32>) each(%a : tensor<3x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{count must be from 1 to 64, got 65}}
  %0 = moe.iterate {count = 65} ins(%x : tensor<?x4xf32>) each(%a : tensor<3x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{has 2 operands in each, which are not as many for each of 3 iterations}}
  %0 = moe.iterate {count = 3} ins(%x : tensor<?x4xf32>) each(%a, %a : tensor<3x4xf32>, tensor<3x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{region 0 expects 'tensor<3x4xf32>' as argument 1, got 'tensor<3x5xf32>'}}
  %0 = moe.iterate {count = 2} ins(%x : tensor<?x4xf32>) each(%a, %a : tensor<3x4xf32>, tensor<3x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x5xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{region 0 expects 2 arguments, got 1}}
  %0 = moe.iterate {count = 2} ins(%x : tensor<?x4xf32>) each(%a, %a : tensor<3x4xf32>, tensor<3x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{region 0 must yield one 'tensor<?x4xf32>'}}
  %0 = moe.iterate {count = 2} ins(%x : tensor<?x4xf32>) each(%a, %a : tensor<3x4xf32>, tensor<3x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x4xf32>):
    moe.yield %r : tensor<3x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{expects one region, or one for each of 3 iterations, got 2}}
  %0 = moe.iterate {count = 3} ins(%x : tensor<?x4xf32>) each(%a, %a, %a : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  }, {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.recurse' op ids must have size 1 in dimension 1, got 'tensor<?x2xi32>'}}
  %0 = moe.recurse ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x1xf32>) along(%p : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %a: tensor<?xi32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.recurse' op expects at least one region}}
  %0 = moe.recurse ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p : tensor<?xi32>) outs(%e : tensor<?x4xf32>)  -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{region 0 expects 'tensor<?xi32>' as argument 1, got 'tensor<3xi32>'}}
  %0 = moe.recurse ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %a: tensor<3xi32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{region 0 must yield one 'tensor<?x4xf32>'}}
  %0 = moe.recurse ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %a: tensor<?xi32>):
    moe.yield %a : tensor<?xi32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{along must have elements of type 'i32', got 'tensor<?xf32>'}}
  %0 = moe.recurse ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p : tensor<?xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %a: tensor<?xi32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %e: tensor<3x4xf32>) {
  // expected-error @+1 {{makes 'tensor<3x4xf32>' of 'tensor<?x4xf32>'; they must be equal}}
  %0 = moe.recurse ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p : tensor<?xi32>) outs(%e : tensor<3x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %a: tensor<?xi32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<3x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x5xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.combine_gate' op weight must be [8, 4] or the packed form of that, got 'tensor<8x5xf32>'}}
  %0:4 = moe.combine_gate {routing = #moe.routing<k = 2>} ins(%x, %r, %r, %w, %m : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x5xf32>)
      outs(%x, %r, %w, %l : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%i: tensor<?x1xi32>, %o: tensor<1xi32>, %t: tensor<?xi32>) {
  // expected-error @+1 {{'moe.plan' op open needs an expert for the ids behind the last one}}
  %p:5 = moe.plan {open} ins(%i : tensor<?x1xi32>) outs(%o, %o, %t, %i, %i : tensor<1xi32>, tensor<1xi32>, tensor<?xi32>, tensor<?x1xi32>, tensor<?x1xi32>)
      -> tensor<1xi32>, tensor<1xi32>, tensor<?xi32>, tensor<?x1xi32>, tensor<?x1xi32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x5xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.combine_matmul' op bank must be [8, 4] or the packed form of that, got 'tensor<8x5xf32>'}}
  %0:2 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%m : tensor<8x5xf32>)
      outs(%x, %l : tensor<?x4xf32>, tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>) {
  // expected-error @+1 {{'moe.combine_matmul' op expects 2 outputs, got 1}}
  %0 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%m : tensor<8x4xf32>)
      outs(%x : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.combine_matmul' op locals need ids and two bounds of ids each, got 1 locals and 0 bounds}}
  %0:2 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) locals(%x : tensor<?x4xf32>) banks(%m : tensor<8x4xf32>)
      outs(%x, %l : tensor<?x4xf32>, tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x8xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.combine_matmul' op y must have size 4 in dimension 1, got 'tensor<?x8xf32>'}}
  %0:2 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%m : tensor<8x8xf32>)
      outs(%l, %l : tensor<?x8xf32>, tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x8xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.combine_matmul' op an extra must be [R, N], [R, 1], [N] or [1] with N = 8, got 'tensor<?x4xf32>'}}
  %0:2 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%m : tensor<8x4xf32>) extras(%x : tensor<?x4xf32>)
      outs(%x, %l : tensor<?x4xf32>, tensor<?x8xf32>) {
  ^bb0(%acc: f32, %e: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: !moe.bank<2 x tensor<8x4xf32>>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.combine_matmul' op a bank of experts needs offsets}}
  %0:2 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%m : !moe.bank<2 x tensor<8x4xf32>>)
      outs(%x, %l : tensor<?x4xf32>, tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>, tensor<?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>, %l: tensor<?x8xf32>) {
  // expected-error @+1 {{'moe.combine_matmul' op epilogue expects 1 arguments, got 2}}
  %0:2 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%m : tensor<8x4xf32>)
      outs(%x, %l : tensor<?x4xf32>, tensor<?x8xf32>) {
  ^bb0(%acc: f32, %e: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>, tensor<?x8xf32>
  return
}
