func.func @layer(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<8 x tensor<4x4xbf16>>,
    %o: tensor<9xi32>, %a: tensor<9xi32>, %r: tensor<?xi32>, %b: tensor<?x2xi32>, %s: tensor<?x2xi32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %p:5 = moe.plan ins(%ids : tensor<?x2xi32>) outs(%o, %a, %r, %b, %s : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  %m = moe.grouped_matmul ins(%x : tensor<?x4xf32>) banks(%bank : !moe.bank<8 x tensor<4x4xbf16>>) offsets(%p#0 : tensor<9xi32>)
      active(%p#1 : tensor<9xi32>) gather(%p#2 : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = moe.combine ins(%m, %p#3, %p#4, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
