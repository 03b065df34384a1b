// RUN: moe-opt %s -allow-unregistered-dialect -verify-diagnostics -moe-bufferize

func.func @logits(%l: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error@+1 {{op was not bufferized}}
  %0 = "unknown.op"(%l) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
