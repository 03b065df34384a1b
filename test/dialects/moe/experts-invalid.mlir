// RUN: moe-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{a bank needs at least 1 expert, got 0}}
func.func private @f(!moe.bank<0 x tensor<4x4xf32>>)

// -----

// expected-error @+1 {{the members of a bank need a static shape, got 'tensor<?x4xf32>'}}
func.func private @f(!moe.bank<2 x tensor<?x4xf32>>)

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %b1: !moe.bank<7 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op banks must have the same number of experts, got 8 and 7}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0, %b1 : !moe.bank<8 x tensor<4x4xf32>>, !moe.bank<7 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x4xf32>, %r1: tensor<4x4xf32>, %r2: tensor<4x4xf32>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op the regions have 0 arguments behind their rows, for 1 banks}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x4xf32>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op region argument 0 must hold rows of x, got 'tensor<?x5xf32>'}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x5xf32>, %r1: tensor<4x4xf32>):
    moe.yield %r0 : tensor<?x5xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  // expected-error @+1 {{'moe.experts' op region argument 1 must have type 'tensor<4x4xf32>', got 'tensor<4x4xbf16>'}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%r0: tensor<?x4xf32>, %r1: tensor<4x4xbf16>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %b0: !moe.bank<8 x tensor<4x4xf32>>, %o: tensor<?x5xf32>) {
  // expected-error @+1 {{'moe.experts' op region must yield rows of the output type 'tensor<?x5xf32>'}}
  %r = moe.experts ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b0 : !moe.bank<8 x tensor<4x4xf32>>) outs(%o : tensor<?x5xf32>) {
  ^bb0(%r0: tensor<?x4xf32>, %r1: tensor<4x4xf32>):
    moe.yield %r0 : tensor<?x4xf32>
  } -> tensor<?x5xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>) {
  // expected-error @+1 {{'moe.shared' op region argument 1 must have type 'tensor<4x4xf32>', got 'tensor<4x5xf32>'}}
  %r = moe.shared ins(%x : tensor<?x4xf32>) params(%w : tensor<4x4xf32>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x5xf32>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: f32) {
  // expected-error @+1 {{'moe.yield' op expects parent op to be one of 'moe.experts, moe.shared, moe.iterate, moe.recurse, moe.gate, moe.combine_gate, moe.grouped_matmul, moe.combine_matmul'}}
  moe.yield %x : f32
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{expects 1 regions, one for each range of kind ffn or local, got 2}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>, #moe.range<zero, 1>]>} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a, %a : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{the regions have 1 arguments behind their rows, for 2 banks}}
  %0 = moe.experts {} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a, %a : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{banks must have the same number of experts, got 5 and 6}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 5>]>} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a : !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{a range of ffn takes banks, one of local takes tensors, got 'tensor<4xf32>' for ffn}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>]>} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%v : tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %e: tensor<?x4xf32>) {
  // expected-error @+1 {{local experts are weighed on their output, not with weight_on_input}}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>, #moe.range<local, 1>]>, weight_on_input} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a : !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}
