// RUN: moe-opt %s -moe-dispatch-experts -canonicalize -cse | FileCheck %s

// An expert is a function of rows. Dispatching sorts the pairs of tokens and
// chosen experts by expert, so that each expert sees its rows as one block:
// the product reads the rows of x through the plan, without a copy, and
// `moe.combine` sums the rows of each token.

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>

// CHECK-LABEL: func.func @experts
// CHECK:       %[[P:.*]]:5 = moe.plan ins(%[[IDS:.*]] : tensor<?x2xi32>)
// CHECK:       %[[R:.*]] = moe.grouped_matmul {{.*}} offsets(%[[P]]#0 : tensor<9xi32>) active(%[[P]]#1 : tensor<9xi32>) gather(%[[P]]#2 : tensor<?xi32>)
// CHECK:       moe.combine ins(%[[R]], %[[P]]#3, %[[P]]#4, %{{.*}} :
func.func @experts(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<8 x tensor<4x4xbf16>>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x4xf32>
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<8 x tensor<4x4xbf16>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %weight: tensor<4x4xbf16>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x4xf32>
    %i = tensor.empty(%r) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%i : tensor<?x4xf32>) -> tensor<?x4xf32>
    %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %weight : tensor<?x4xf32>, tensor<4x4xbf16>)
        outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %o : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
