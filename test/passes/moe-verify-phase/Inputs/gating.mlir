func.func @layer(%x: tensor<?x4xf32>, %router: tensor<8x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %l: tensor<?x8xf32>) {
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %router : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}
