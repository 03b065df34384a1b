// RUN: moe-opt %s -moe-dispatch-experts -canonicalize -cse | FileCheck %s
// RUN: moe-opt %s -moe-dispatch-experts --remarks-filter='moe-dispatch-experts' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>

// Two products of gathered rows, an elementwise op on sorted rows, and a
// product of these.

// REMARK: [Passed] dispatch {{.*}}Function=gated {{.*}}"experts dispatched: 3 products of sorted rows, 2 of which gather their rows"
// CHECK-LABEL: func.func @gated
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[IDS:[^:]*]]: tensor<?x2xi32>, %[[WS:[^:]*]]: tensor<?x2xf32>, %[[G:[^:]*]]: !moe.bank<8 x tensor<6x4xbf16>>, %[[U:[^:]*]]: !moe.bank<8 x tensor<6x4xbf16>>, %[[D:[^:]*]]: !moe.bank<8 x tensor<4x6xbf16>>, %[[E:[^:]*]]: tensor<?x4xf32>)
// CHECK-DAG:   %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG:   %[[K:.*]] = arith.constant 2 : index
// CHECK:       %[[T:.*]] = tensor.dim %[[IDS]], %[[C0]]
// CHECK:       %[[ROWS:.*]] = arith.muli %[[T]], %[[K]] : index
// CHECK-DAG:   %[[ENDS:.*]] = tensor.empty() : tensor<9xi32>
// CHECK-DAG:   %[[TOKENS:.*]] = tensor.empty(%[[ROWS]]) : tensor<?xi32>
// CHECK-DAG:   %[[BACK:.*]] = tensor.empty(%[[T]]) : tensor<?x2xi32>
// CHECK:       %[[P:.*]]:5 = moe.plan ins(%[[IDS]] : tensor<?x2xi32>) outs(%[[ENDS]], %[[ENDS]], %[[TOKENS]], %[[BACK]], %[[BACK]] :
// CHECK:       %[[F:.*]] = tensor.empty(%[[ROWS]]) : tensor<?x6xf32>
// CHECK:       %[[GATE:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x4xf32>) banks(%[[G]] : !moe.bank<8 x tensor<6x4xbf16>>) offsets(%[[P]]#0 : tensor<9xi32>) active(%[[P]]#1 : tensor<9xi32>) gather(%[[P]]#2 : tensor<?xi32>) outs(%[[F]] : tensor<?x6xf32>) {
// CHECK-NEXT:  ^bb0(%[[ACC:.*]]: f32):
// CHECK-NEXT:    moe.yield %[[ACC]] : f32
// CHECK:       %[[UP:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x4xf32>) banks(%[[U]] : {{.*}}) gather(%[[P]]#2
// CHECK:       %[[H:.*]] = linalg.generic {{.*}} ins(%[[GATE]], %[[UP]] : tensor<?x6xf32>, tensor<?x6xf32>) outs(%[[F]]
// CHECK:       %[[O:.*]] = tensor.empty(%[[ROWS]]) : tensor<?x4xf32>
// CHECK:       %[[R:.*]] = moe.grouped_matmul ins(%[[H]] : tensor<?x6xf32>) banks(%[[D]] : !moe.bank<8 x tensor<4x6xbf16>>) offsets(%[[P]]#0 : tensor<9xi32>) active(%[[P]]#1 : tensor<9xi32>) outs(%[[O]]
// CHECK:       %[[Y:.*]] = moe.combine ins(%[[R]], %[[P]]#3, %[[P]]#4, %[[WS]] : {{.*}}) outs(%[[E]] : tensor<?x4xf32>)
// CHECK:       return %[[Y]]
// CHECK-NOT:   moe.experts
func.func @gated(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %gate: !moe.bank<8 x tensor<6x4xbf16>>,
    %up: !moe.bank<8 x tensor<6x4xbf16>>, %down: !moe.bank<8 x tensor<4x6xbf16>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%gate, %up, %down : !moe.bank<8 x tensor<6x4xbf16>>, !moe.bank<8 x tensor<6x4xbf16>>, !moe.bank<8 x tensor<4x6xbf16>>)
      outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %g: tensor<6x4xbf16>, %u: tensor<6x4xbf16>, %d: tensor<4x6xbf16>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x6xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x4xf32>, tensor<6x4xbf16>) outs(%f1 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %m2 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x4xf32>, tensor<6x4xbf16>) outs(%f1 : tensor<?x6xf32>) -> tensor<?x6xf32>
    %r1 = tensor.dim %m1, %c0 : tensor<?x6xf32>
    %e2 = tensor.empty(%r1) : tensor<?x6xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%m1, %m2 : tensor<?x6xf32>, tensor<?x6xf32>) outs(%e2 : tensor<?x6xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      linalg.yield %p : f32
    } -> tensor<?x6xf32>
    %e3 = tensor.empty(%r) : tensor<?x4xf32>
    %f3 = linalg.fill ins(%zero : f32) outs(%e3 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m3 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x6xf32>, tensor<4x6xbf16>) outs(%f3 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m3 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// One product; two layers have a plan each.

// CHECK-LABEL: func.func @two_layers
// CHECK:       moe.plan
// CHECK:       moe.grouped_matmul
// CHECK:       %[[Y:.*]] = moe.combine
// CHECK:       moe.plan
// CHECK:       moe.grouped_matmul ins(%[[Y]] :
// CHECK:       moe.combine
func.func @two_layers(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>,
    %ids1: tensor<?x1xi32>, %weights1: tensor<?x1xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %z = moe.experts ins(%y, %ids1, %weights1 : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
