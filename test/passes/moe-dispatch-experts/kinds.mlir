// RUN: moe-opt %s -moe-dispatch-experts -canonicalize -cse | FileCheck %s
// RUN: moe-opt %s -moe-dispatch-experts -canonicalize -cse -moe-fuse-epilogues -canonicalize | FileCheck %s --check-prefix=FUSED

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>
#column = affine_map<(r, n) -> (n)>

// Two shapes of experts get a plan and a combine each; identity experts are x
// in the last combine, the constant is computed for all tokens, zeros are nothing.

// CHECK-LABEL: func.func @kinds
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[IDS:[^:]*]]: tensor<?x2xi32>, %[[WS:[^:]*]]: tensor<?x2xf32>, %[[A:[^:]*]]: !moe.bank<6 x tensor<4x4xf32>>, %[[V:[^:]*]]: tensor<4xf32>, %[[B:[^:]*]]: !moe.bank<2 x tensor<4x4xf32>>
// CHECK:       %[[C:.*]] = linalg.generic {{.*}} ins(%[[V]] : tensor<4xf32>)
// CHECK:       %[[P:.*]]:5 = moe.plan {others = 7 : i64} ins(%[[IDS]] : tensor<?x2xi32>) {{.*}} tensor<7xi32>
// CHECK:       %[[M:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x4xf32>) banks(%[[A]]
// CHECK:       %[[Y:.*]] = moe.combine ins(%[[M]], %[[P]]#3, %[[P]]#4, %[[WS]] : {{.*}}) outs
// CHECK:       %[[Q:.*]]:5 = moe.plan {first = 11 : i64} ins(%[[IDS]] : tensor<?x2xi32>) {{.*}} tensor<3xi32>
// CHECK:       %[[N:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x4xf32>) banks(%[[B]]
// CHECK:       moe.combine {ranges = array<i64: 6, 9, 10, 11>} ins(%[[N]], %[[Q]]#3, %[[Q]]#4, %[[WS]] : {{.*}}) ids(%[[IDS]] : tensor<?x2xi32>) locals(%[[X]], %[[C]] : tensor<?x4xf32>, tensor<?x4xf32>) addends(%[[Y]] : tensor<?x4xf32>)
// CHECK-NOT:   moe.experts
func.func @kinds(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %ws: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %b: !moe.bank<2 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>, #moe.range<identity, 3>, #moe.range<zero, 1>, #moe.range<local, 1>, #moe.range<ffn, 2>]>}
      ins(%x, %ids, %ws : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a, %v, %b : !moe.bank<6 x tensor<4x4xf32>>, tensor<4xf32>, !moe.bank<2 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %o = tensor.empty(%n) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %p : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4xf32>):
    %c0 = arith.constant 0 : index
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %o = tensor.empty(%n) : tensor<?x4xf32>
    %p = linalg.generic {indexing_maps = [#column, #id], iterator_types = ["parallel", "parallel"]}
        ins(%m : tensor<4xf32>) outs(%o : tensor<?x4xf32>) {
    ^bb1(%i: f32, %j: f32):
      linalg.yield %i : f32
    } -> tensor<?x4xf32>
    moe.yield %p : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %o = tensor.empty(%n) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %p : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A bias is spread over the rows of its expert, and becomes a part of the
// product; the weight of an input scales what is made of it.

// CHECK-LABEL: func.func @bias_and_input
// CHECK:       %[[P:.*]]:5 = moe.plan
// CHECK:       %[[W:.*]] = moe.row_weights ins(%{{.*}}, %[[P]]#3, %[[P]]#4 :
// CHECK:       %[[M:.*]] = moe.grouped_matmul
// CHECK:       %[[S:.*]] = linalg.generic {{.*}} ins(%[[M]], %[[W]] : tensor<?x4xf32>, tensor<?x1xf32>)
// CHECK:       %[[B:.*]] = moe.spread ins(%{{.*}}, %[[P]]#0 : !moe.bank<6 x tensor<4xf32>>, tensor<7xi32>)
// CHECK:       %[[R:.*]] = linalg.generic {{.*}} ins(%[[S]], %[[B]] : tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK:       moe.combine {unweighted} ins(%[[R]],
// FUSED-LABEL: func.func @bias_and_input
// FUSED-NOT:   linalg.generic
// FUSED-NOT:   moe.spread
// FUSED:       moe.grouped_matmul {{.*}} extras(%{{.*}} : tensor<?x1xf32>) group_extras(%{{.*}} : !moe.bank<6 x tensor<4xf32>>)
// FUSED-NEXT:  ^bb0(%[[ACC:.*]]: f32, %[[W:.*]]: f32, %[[BIAS:.*]]: f32):
// FUSED-NEXT:    %[[S:.*]] = arith.mulf %[[ACC]], %[[W]] : f32
// FUSED-NEXT:    %[[R:.*]] = arith.addf %[[S]], %[[BIAS]] : f32
// FUSED-NEXT:    moe.yield %[[R]] : f32
func.func @bias_and_input(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %ws: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: !moe.bank<6 x tensor<4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts {weight_on_input} ins(%x, %ids, %ws : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a, %v : !moe.bank<6 x tensor<4x4xf32>>, !moe.bank<6 x tensor<4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>, %b: tensor<4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %r, %c0 : tensor<?x4xf32>
    %o = tensor.empty(%n) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%r, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    %q = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]}
        ins(%p, %b : tensor<?x4xf32>, tensor<4xf32>) outs(%o : tensor<?x4xf32>) {
    ^bb1(%i: f32, %j: f32, %k: f32):
      %s = arith.addf %i, %j : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    moe.yield %q : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
