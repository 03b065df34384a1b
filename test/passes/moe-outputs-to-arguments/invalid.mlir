// RUN: moe-opt %s -verify-diagnostics -moe-outputs-to-arguments

// expected-error@+1 {{returns 'tensor<?x4xf32>', whose rows must be the tokens: an argument with moe.dims = ["T"] must say how many}}
func.func private @layer(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %x : tensor<?x4xf32>
}

func.func @step(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = call @layer(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
