// RUN: moe-opt %s -split-input-file -verify-diagnostics

// expected-error @+2 {{a variant needs tile_rows and tile_vectors of at least 1 and no negative numbers}}
// expected-error @+1 {{failed to parse Moe_VariantsAttr parameter 'list'}}
func.func private @f() attributes {v = #moe.variants<[<tile_rows = 0, tile_vectors = 2>]>}

// -----

// expected-error @+1 {{the last variant, and no other, must be for any number of rows (max_rows = 0)}}
func.func private @f() attributes {v = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 2>]>}

// -----

// expected-error @+1 {{the last variant, and no other, must be for any number of rows (max_rows = 0)}}
func.func private @f() attributes {v = #moe.variants<[<tile_rows = 2, tile_vectors = 2>, <tile_rows = 4, tile_vectors = 2>]>}

// -----

// expected-error @+1 {{variants must come by ascending max_rows}}
func.func private @f() attributes {v = #moe.variants<[<max_rows = 4, tile_rows = 2, tile_vectors = 2>, <max_rows = 4, tile_rows = 3, tile_vectors = 2>, <tile_rows = 4, tile_vectors = 2>]>}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %b1: tensor<4x8xf32>, %b2: tensor<4x8xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op expects one or two banks, got 3}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0, %b1, %b2 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %b1: tensor<4x8xbf16>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op banks must have the same type}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0, %b1 : tensor<4x8xf32>, tensor<4x8xbf16>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %off: tensor<2xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op offsets and active need each other}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) offsets(%off : tensor<2xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %act: tensor<2xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op offsets and active need each other}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) active(%act : tensor<2xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %gat: tensor<?xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op gather needs offsets}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) gather(%gat : tensor<?xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: !moe.bank<3 x tensor<4x8xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op a bank of experts needs offsets}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : !moe.bank<3 x tensor<4x8xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op x must have rank 2, got 'tensor<8xf32>'}}
  %r = moe.grouped_matmul ins(%x : tensor<8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x9xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op bank must be [4, 8] or the packed form of that, got 'tensor<4x9xf32>'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x9xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: !moe.bank<3 x tensor<1x4x16x1xbf16>>, %off: tensor<4xi32>, %act: tensor<4xi32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op bank must be [4, 8] or the packed form of that, got '!moe.bank<3 x tensor<1x4x16x1xbf16>>'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : !moe.bank<3 x tensor<1x4x16x1xbf16>>) offsets(%off : tensor<4xi32>) active(%act : tensor<4xi32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x?xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op expects static numbers of columns}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x?xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %e0: tensor<?x5xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op an extra must be [R, N], [R, 1], [N] or [1] with N = 4, got 'tensor<?x5xf32>'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>)
      extras(%e0 : tensor<?x5xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32, %c1: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %e0: tensor<4xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue expects 2 arguments, got 1}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>)
      extras(%e0 : tensor<4xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xbf16>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue argument 0 must be f32}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xbf16>) {
  ^bb0(%c0: bf16):
    moe.yield %c0 : bf16
  } -> tensor<?x4xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %e0: tensor<4xbf16>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue argument must have the element type of its extra, got 'f32'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>)
      extras(%e0 : tensor<4xbf16>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32, %c1: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xbf16>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue must yield one 'bf16'}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xbf16>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x4xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x8xf32>, %b0: tensor<4x8xf32>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op epilogue holds 'tensor.empty', which is not elementwise}}
  %r = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%b0 : tensor<4x8xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%c0: f32):
    %t = tensor.empty() : tensor<1xf32>
    moe.yield %c0 : f32
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x24xf32>, %b: tensor<4x8xf32>, %o: tensor<?x12xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op needs a bank where its groups are side by side, got 'tensor<4x8xf32>'}}
  %r = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x24xf32>) banks(%b : tensor<4x8xf32>) outs(%o : tensor<?x12xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%x: tensor<?x25xf32>, %b: !moe.bank<3 x tensor<4x8xf32>>, %o: tensor<?x12xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op rows of 25 columns are not 3 parts side by side}}
  %r = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x25xf32>) banks(%b : !moe.bank<3 x tensor<4x8xf32>>) outs(%o : tensor<?x12xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%x: tensor<?x24xf32>, %b: !moe.bank<3 x tensor<4x8xf32>>, %o: tensor<?x14xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op rows of 14 columns are not 3 parts side by side}}
  %r = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x24xf32>) banks(%b : !moe.bank<3 x tensor<4x8xf32>>) outs(%o : tensor<?x14xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x14xf32>
  return
}

// -----

func.func @f(%x: tensor<?x24xf32>, %b: !moe.bank<3 x tensor<4x8xf32>>, %o: tensor<?x12xf32>, %e: tensor<?x1xf32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op has neither offsets nor extras where its groups are side by side}}
  %r = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x24xf32>) banks(%b : !moe.bank<3 x tensor<4x8xf32>>) extras(%e : tensor<?x1xf32>) outs(%o : tensor<?x12xf32>) {
  ^bb0(%c0: f32, %c1: f32):
    moe.yield %c0 : f32
  } -> tensor<?x12xf32>
  return
}

// -----

func.func @f(%x: tensor<?x24xf32>, %b: !moe.bank<3 x tensor<4x8xf32>>, %o: tensor<?x12xf32>, %e: tensor<4xi32>) {
  // expected-error @+1 {{'moe.grouped_matmul' op has neither offsets nor extras where its groups are side by side}}
  %r = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x24xf32>) banks(%b : !moe.bank<3 x tensor<4x8xf32>>) offsets(%e : tensor<4xi32>) active(%e : tensor<4xi32>) outs(%o : tensor<?x12xf32>) {
  ^bb0(%c0: f32):
    moe.yield %c0 : f32
  } -> tensor<?x12xf32>
  return
}
