// RUN: moe-opt %s -moe-dispatch-experts -canonicalize -cse | FileCheck %s

// What experts make of their rows alike is made of tokens, and what it is added to is not moved.

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>

// CHECK-LABEL: func.func @normed
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[IDS:[^:]*]]: tensor<?x2xi32>, %[[WS:[^:]*]]: tensor<?x2xf32>
// CHECK-DAG:   %[[C0:.*]] = arith.constant 0 : index
// CHECK:       %[[T:.*]] = tensor.dim %[[X]], %[[C0]]
// CHECK:       %[[E:.*]] = tensor.empty(%[[T]]) : tensor<?x4xf32>
// CHECK:       %[[N:.*]] = nn.rms_norm {{.*}} ins(%[[X]] : tensor<?x4xf32>) outs(%[[E]]
// CHECK:       %[[S:.*]] = linalg.generic {{.*}} ins(%[[N]] : tensor<?x4xf32>) outs(%[[E]]
// CHECK:       %[[P:.*]]:5 = moe.plan
// CHECK:       %[[R:.*]] = moe.grouped_matmul ins(%[[S]] : tensor<?x4xf32>) {{.*}} gather(%[[P]]#2
// CHECK:       moe.combine ins(%[[R]], %[[P]]#3, %[[P]]#4, %[[WS]] : {{[^)]*}}) outs
func.func @normed(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %two = arith.constant 2.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %n = nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%rows : tensor<?x4xf32>) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%n : tensor<?x4xf32>) outs(%e1 : tensor<?x4xf32>) {
    ^bb1(%a: f32, %o: f32):
      %p = arith.mulf %a, %two : f32
      linalg.yield %p : f32
    } -> tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%s, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// The sum of all weights times x: ids 0 to 3 are all experts. What else the last op computes stays.

// CHECK-LABEL: func.func @residual
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[IDS:[^:]*]]: tensor<?x2xi32>, %[[WS:[^:]*]]: tensor<?x2xf32>
// CHECK:       %[[P:.*]]:5 = moe.plan
// CHECK:       %[[M:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x4xf32>) {{.*}} gather(%[[P]]#2
// CHECK:       %[[R:.*]] = linalg.generic {{.*}} ins(%[[M]] : tensor<?x4xf32>)
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT:    %[[H:.*]] = math.tanh %[[A]]
// CHECK-NEXT:    linalg.yield %[[H]]
// CHECK:       moe.combine {ranges = array<i64: 0, 3>} ins(%[[R]], %[[P]]#3, %[[P]]#4, %[[WS]] : {{.*}}) ids(%[[IDS]] : tensor<?x2xi32>) locals(%[[X]] : tensor<?x4xf32>) outs
func.func @residual(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%rows, %m1 : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e1 : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %h = math.tanh %b : f32
      %p = arith.addf %a, %h : f32
      linalg.yield %p : f32
    } -> tensor<?x4xf32>
    moe.yield %s : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
