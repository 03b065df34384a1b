// RUN: moe-opt %s -moe-fuse-projection --remarks-filter='moe-fuse-projection' --remark-policy=all -o %t 2> %t.remarks
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=REMARK < %t.remarks

// Locals, addends, two matrices, rows that count as they are and are narrow, kernels that are chosen; others may read the rows behind it.

// REMARK: [Passed] projection {{.*}}Function=everything
// CHECK-LABEL: func.func @everything
// CHECK:       %[[F:.*]]:2 = moe.combine_matmul {ranges = array<i64: 0, 2>, unweighted, variants = #moe.variants<[<tile_rows = 3, tile_vectors = 2>]>}
// CHECK-SAME:    ids(%{{.*}}) locals(%{{.*}}) addends(%{{.*}}) banks(%[[M:[^,]*]], %[[M]] : {{.*}}) outs(%{{.*}} : tensor<?x4xbf16>, tensor<?x8xf32>)
// CHECK:       %[[N:.*]] = nn.rms_norm {{.*}} ins(%[[F]]#0
// CHECK-NEXT:  return %[[N]], %[[F]]#1
func.func @everything(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<1x2x16x2xbf16>,
    %e: tensor<?x4xbf16>, %n: tensor<?x4xf32>, %o: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x8xf32>) {
  %y = moe.combine {ranges = array<i64: 0, 2>, unweighted} ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      ids(%r : tensor<?x2xi32>) locals(%x : tensor<?x4xf32>) addends(%x : tensor<?x4xf32>) outs(%e : tensor<?x4xbf16>) -> tensor<?x4xbf16>
  %z = moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 3, tile_vectors = 2>]>} ins(%y : tensor<?x4xbf16>)
      banks(%m, %m : tensor<1x2x16x2xbf16>, tensor<1x2x16x2xbf16>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    moe.yield %p : f32
  } -> tensor<?x8xf32>
  %s = nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%y : tensor<?x4xbf16>) outs(%n : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %s, %z : tensor<?x4xf32>, tensor<?x8xf32>
}

// What is computed of the rows in front of the product would come too late.

// REMARK: [Missed] projection {{.*}}Function=read_before {{.*}}Reason="'nn.rms_norm' reads the rows before it"
// CHECK-LABEL: func.func @read_before
// CHECK:       moe.combine ins
// CHECK:       moe.grouped_matmul
func.func @read_before(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>,
    %e: tensor<?x4xf32>, %o: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x8xf32>) {
  %y = moe.combine ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %n = nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%y : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = moe.grouped_matmul ins(%y : tensor<?x4xf32>) banks(%m : tensor<8x4xf32>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x8xf32>
  return %n, %z : tensor<?x4xf32>, tensor<?x8xf32>
}

// Nor may the epilogue read the rows, of which a task makes its own only.

// REMARK: [Missed] projection {{.*}}Function=read_by_epilogue {{.*}}Reason="its epilogue reads the rows too"
// CHECK-LABEL: func.func @read_by_epilogue
// CHECK:       moe.combine ins
// CHECK:       moe.grouped_matmul
func.func @read_by_epilogue(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<4x4xf32>,
    %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.combine ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = moe.grouped_matmul ins(%y : tensor<?x4xf32>) banks(%m : tensor<4x4xf32>) extras(%y : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32, %own: f32):
    %sum = arith.addf %acc, %own : f32
    moe.yield %sum : f32
  } -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// A product by groups takes other rows for each of them.

// REMARK: [Missed] projection {{.*}}Function=groups {{.*}}Reason="it has a matrix for each group"
// CHECK-LABEL: func.func @groups
// CHECK:       moe.combine ins
// CHECK:       moe.grouped_matmul
func.func @groups(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: !moe.bank<2 x tensor<4x2xf32>>,
    %e: tensor<?x4xf32>, %o: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = moe.combine ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = moe.grouped_matmul {side_by_side} ins(%y : tensor<?x4xf32>) banks(%m : !moe.bank<2 x tensor<4x2xf32>>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// Of two products the first is fused, and the other one reads the rows that it leaves.

// REMARK: [Passed] projection {{.*}}Function=two
// CHECK-LABEL: func.func @two
// CHECK:       %[[F:.*]]:2 = moe.combine_matmul
// CHECK:       moe.grouped_matmul ins(%[[F]]#0
func.func @two(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>,
    %e: tensor<?x4xf32>, %o: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = moe.combine ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = moe.grouped_matmul ins(%y : tensor<?x4xf32>) banks(%m : tensor<8x4xf32>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x8xf32>
  %u = moe.grouped_matmul ins(%y : tensor<?x4xf32>) banks(%m : tensor<8x4xf32>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    %n = arith.negf %acc : f32
    moe.yield %n : f32
  } -> tensor<?x8xf32>
  return %z, %u : tensor<?x8xf32>, tensor<?x8xf32>
}

// A router reads the rows first.

// REMARK: [Missed] projection {{.*}}Function=with_gate {{.*}}Reason="a gate is fused with it"
// CHECK-LABEL: func.func @with_gate
// CHECK:       moe.combine_gate
// CHECK:       moe.grouped_matmul
func.func @with_gate(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<8x4xf32>,
    %e: tensor<?x4xf32>, %l: tensor<?x8xf32>) -> (tensor<?x2xi32>, tensor<?x8xf32>) {
  %g:4 = moe.combine_gate {routing = #moe.routing<k = 2>} ins(%x, %r, %r, %w, %m : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x4xf32>)
      outs(%e, %r, %w, %l : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>)
      -> tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  %z = moe.grouped_matmul ins(%g#0 : tensor<?x4xf32>) banks(%m : tensor<8x4xf32>) outs(%l : tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x8xf32>
  return %g#1, %z : tensor<?x2xi32>, tensor<?x8xf32>
}

// Experts between two projections: what a token multiplies. 2 experts of 3 matrices of 3 x 4, which would be 3 x 8; 4 x 8 there, 8 x 4 back.

// REMARK: [Analysis] projection {{.*}}Function=latent {{.*}}Remark="experts in a space of 4 of 8 columns: for a token, 2 of them multiply 72 weights instead of 144, the projections there and back 64; dispatch copies nothing, the experts gather their rows where the projection leaves them"
// REMARK: [Passed] projection {{.*}}Function=latent
// CHECK-LABEL: func.func @latent
// CHECK:       moe.combine_matmul
func.func @latent(%x: tensor<?x8xf32>, %into: tensor<4x8xf32>, %up: !moe.bank<2 x tensor<3x4xf32>>, %down: !moe.bank<2 x tensor<4x3xf32>>,
    %back: tensor<8x4xf32>, %o: tensor<3xi32>, %g: tensor<?xi32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>,
    %e: tensor<?x4xf32>, %h: tensor<?x3xf32>, %ey: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %z = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%into : tensor<4x8xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %a = moe.grouped_matmul ins(%z : tensor<?x4xf32>) banks(%up, %up : !moe.bank<2 x tensor<3x4xf32>>, !moe.bank<2 x tensor<3x4xf32>>)
      offsets(%o : tensor<3xi32>) active(%o : tensor<3xi32>) gather(%g : tensor<?xi32>) outs(%h : tensor<?x3xf32>) {
  ^bb0(%p: f32, %q: f32):
    %s = arith.mulf %p, %q : f32
    moe.yield %s : f32
  } -> tensor<?x3xf32>
  %d = moe.grouped_matmul ins(%a : tensor<?x3xf32>) banks(%down : !moe.bank<2 x tensor<4x3xf32>>)
      offsets(%o : tensor<3xi32>) active(%o : tensor<3xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = moe.combine ins(%d, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %b = moe.grouped_matmul ins(%y : tensor<?x4xf32>) banks(%back : tensor<8x4xf32>) outs(%ey : tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}
