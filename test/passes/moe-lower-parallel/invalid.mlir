// RUN: moe-opt %s -verify-diagnostics -moe-lower-parallel

func.func private @task(%x: tensor<4xf32>, %i: index) {
  return
}

func.func private @kernel(%host: !moe.host, %x: tensor<4xf32>, %n: index) {
  // expected-error@+1 {{cannot pass 'tensor<4xf32>' to a task}}
  moe.parallel @task(%x) tasks(%n) on %host : tensor<4xf32>
  return
}
