// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s --mlir-print-op-generic | moe-opt | FileCheck %s
// RUN: moe-opt %s --emit-bytecode | moe-opt | FileCheck %s

// The ops that run a region several times, and what passes make of them.

// CHECK-LABEL: func.func @iterate
func.func @iterate(%x: tensor<?x4xf32>, %a: tensor<3x4xf32>, %b: tensor<3x4xf32>, %w: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) {
  // CHECK: moe.iterate {count = 2 : i64, residual = #moe.residual<inner>} ins(%{{.*}} : tensor<?x4xf32>) each(%{{.*}}, %{{.*}} : tensor<3x4xf32>, tensor<3x4xf32>) all(%{{.*}} : !moe.bank<3 x tensor<4x4xf32>>) outs(%{{.*}} : tensor<?x4xf32>) {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x4xf32>, %{{.*}}: tensor<3x4xf32>, %{{.*}}: !moe.bank<3 x tensor<4x4xf32>>):
  %0 = moe.iterate {count = 2, residual = #moe.residual<inner>} ins(%x : tensor<?x4xf32>) each(%a, %b : tensor<3x4xf32>, tensor<3x4xf32>)
      all(%w : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>, %r: tensor<3x4xf32>, %m: !moe.bank<3 x tensor<4x4xf32>>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  // CHECK: moe.iterate {count = 2 : i64} ins(%{{.*}} : tensor<?x4xf32>) outs(%{{.*}} : tensor<?x4xf32>) {
  // CHECK: }, {
  %1 = moe.iterate {count = 2} ins(%x : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%x_i: tensor<?x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  }, {
  ^bb0(%x_i: tensor<?x4xf32>):
    moe.yield %x_i : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @recurse
func.func @recurse(%x: tensor<?x4xf32>, %i: tensor<?x1xi32>, %w: tensor<?x1xf32>, %p: tensor<?xi32>, %s: !nn.recurrent<rows = 1, columns = 1, sequences = 3>, %e: tensor<?x4xf32>) {
  // CHECK: moe.recurse {all_first} ins({{.*}}) along(%{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?xi32>) params(%{{.*}} : !nn.recurrent<rows = 1, columns = 1, sequences = 3>) outs
  // CHECK: }, {
  %0 = moe.recurse {all_first} ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) along(%p, %p : tensor<?xi32>, tensor<?xi32>)
      params(%s : !nn.recurrent<rows = 1, columns = 1, sequences = 3>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %a: tensor<?xi32>, %b: tensor<?xi32>, %t: !nn.recurrent<rows = 1, columns = 1, sequences = 3>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %a: tensor<?xi32>, %b: tensor<?xi32>, %t: !nn.recurrent<rows = 1, columns = 1, sequences = 3>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  // CHECK: moe.recurse ins({{.*}}) outs(%{{.*}} : tensor<?x4xf32>) {
  %1 = moe.recurse ins(%x, %i, %w : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @fused
func.func @fused(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>, %l: tensor<?x8xf32>, %b: tensor<8xf32>, %i1: tensor<?x1xi32>, %o: tensor<2xi32>, %t: tensor<?xi32>,
    %p8: tensor<?x8xbf16>) {
  // CHECK: moe.combine_gate {routing = #moe.routing<k = 2>} ins({{.*}}) addends(%{{.*}} : tensor<?x4xf32>) outs
  %0:4 = moe.combine_gate {routing = #moe.routing<k = 2>} ins(%x, %r, %r, %w, %m : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x4xf32>)
      addends(%x : tensor<?x4xf32>) outs(%x, %r, %w, %l : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>)
      -> tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  // CHECK: moe.combine_gate {ranges = array<i64: 0, 2>, routing = #moe.routing<k = 2>, unweighted} ins({{.*}}) ids({{.*}}) locals({{.*}}) extras({{.*}}) bias({{.*}}) outs({{.*}}) {
  // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32):
  %1:4 = moe.combine_gate {routing = #moe.routing<k = 2>, ranges = array<i64: 0, 2>, unweighted} ins(%x, %r, %r, %w, %m : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x4xf32>)
      ids(%r : tensor<?x2xi32>) locals(%x : tensor<?x4xf32>) extras(%b : tensor<8xf32>) bias(%b : tensor<8xf32>)
      outs(%x, %r, %w, %l : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) {
  ^bb0(%sum: f32, %lb: f32):
    %s = arith.addf %sum, %lb : f32
    moe.yield %s : f32
  } -> tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  // CHECK: moe.plan {first = 1 : i64, open, others = 2 : i64} ins
  %p:5 = moe.plan {first = 1, others = 2, open} ins(%i1 : tensor<?x1xi32>) outs(%o, %o, %t, %i1, %i1 : tensor<2xi32>, tensor<2xi32>, tensor<?xi32>, tensor<?x1xi32>, tensor<?x1xi32>)
      -> tensor<2xi32>, tensor<2xi32>, tensor<?xi32>, tensor<?x1xi32>, tensor<?x1xi32>
  // CHECK: moe.combine_matmul ins({{.*}}) addends(%{{.*}} : tensor<?x4xf32>) banks(%{{.*}} : tensor<8x4xf32>) outs(%{{.*}} : tensor<?x4xf32>, tensor<?x8xf32>) {
  %2:2 = moe.combine_matmul ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) addends(%x : tensor<?x4xf32>)
      banks(%m : tensor<8x4xf32>) outs(%x, %l : tensor<?x4xf32>, tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>, tensor<?x8xf32>
  // CHECK: moe.combine_matmul {ranges = array<i64: 0, 2>, unweighted} ins({{.*}}) ids({{.*}}) locals({{.*}}) banks({{.*}}) extras({{.*}}) outs
  %3:2 = moe.combine_matmul {ranges = array<i64: 0, 2>, unweighted} ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      ids(%r : tensor<?x2xi32>) locals(%x : tensor<?x4xf32>) banks(%m, %m : tensor<8x4xf32>, tensor<8x4xf32>) extras(%l, %b : tensor<?x8xf32>, tensor<8xf32>)
      outs(%x, %p8 : tensor<?x4xf32>, tensor<?x8xbf16>) {
  ^bb0(%acc: f32, %other: f32, %e0: f32, %e1: f32):
    %sum = arith.addf %acc, %e0 : f32
    %narrow = arith.truncf %sum : f32 to bf16
    moe.yield %narrow : bf16
  } -> tensor<?x4xf32>, tensor<?x8xbf16>
  return
}
