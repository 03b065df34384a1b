// RUN: moe-opt %s -moe-normalize-experts | FileCheck %s
// RUN: moe-opt %s -moe-normalize-experts --remarks-filter='moe-normalize-experts' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>

// A range of ids that weigh nothing makes no rows, whatever it would compute.
// REMARK: [Passed] null experts {{.*}}Function=null_ffn {{.*}}2 experts weigh nothing: no rows

// CHECK-LABEL: func.func @null_ffn(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 6>, <zero, 2>]>
// CHECK: banks(%{{.*}} : !moe.bank<6 x tensor<4x4xf32>>)
func.func @null_ffn(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<6 x tensor<4x4xf32>>, %c: !moe.bank<2 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 6>, <ffn, 2>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b, %c : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<2 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}

// Also one that gives x back, or is computed for every token.

// CHECK-LABEL: func.func @null_identity(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 5>, <zero, 3>]>
func.func @null_identity(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<5 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 3, null_before_norm = true, renorm = sum>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 5>, <identity, 3>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b : !moe.bank<5 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @null_local(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 6>, <zero, 2>]>
func.func @null_local(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<6 x tensor<4x4xf32>>, %c: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 6>, <local, 2>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b, %c : !moe.bank<6 x tensor<4x4xf32>>, tensor<4x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}

// Neighbours that do the same are one range, with or without null experts.

// CHECK-LABEL: func.func @neighbours(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 3>, <identity, 3>, <zero, 2>]>
func.func @neighbours(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<3 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 1>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 3>, <identity, 2>, <identity, 1>, <zero, 1>, <identity, 1>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @joined(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 4>, <identity, 4>]>
func.func @joined(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<4 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 4>, <identity, 2>, <identity, 2>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b : !moe.bank<4 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}

// Ranges of which only some weigh nothing; a weight on the input, where E(0) counts;
// an alias, behind which ids are others; ids and weights of somebody else.
// REMARK: [Missed] null experts {{.*}}Function=mixed {{.*}}others of their range have weights

// CHECK-LABEL: func.func @mixed(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 5>, <identity, 3>]>
func.func @mixed(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<5 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 5>, <identity, 3>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b : !moe.bank<5 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}
// REMARK: [Missed] null experts {{.*}}Function=on_input {{.*}}what an expert makes of 0 counts

// CHECK-LABEL: func.func @on_input(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 6>, <ffn, 2>]>
func.func @on_input(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<6 x tensor<4x4xf32>>, %c: !moe.bank<2 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 6>, <ffn, 2>]>, weight_on_input} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b, %c : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<2 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}
// REMARK: [Missed] null experts {{.*}}Function=renamed {{.*}}an alias gives the ids another meaning

// CHECK-LABEL: func.func @renamed(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 6>, <ffn, 2>]>
func.func @renamed(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<6 x tensor<4x4xf32>>, %c: !moe.bank<2 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {alias = array<i32: 0, 1, 2, 3, 4, 5, 6, 7>, routing = #moe.routing<k = 2, null_experts = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 6>, <ffn, 2>]>} ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b, %c : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<2 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @other_weights(
// CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 6>, <ffn, 2>]>
func.func @other_weights(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %b: !moe.bank<6 x tensor<4x4xf32>>, %c: !moe.bank<2 x tensor<4x4xf32>>) -> tensor<?x4xf32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, null_experts = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %y0 = moe.experts {ranges = #moe.ranges<[<ffn, 6>, <ffn, 2>]>} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b, %c : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<2 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y0 : tensor<?x4xf32>
}
