// RUN: moe-opt %s -split-input-file -verify-diagnostics -moe-place-weights

func.func @unknown() {
  // expected-error@+1 {{no recipe defines the weight 'norm'}}
  %n = moe.weight "norm" : memref<8xf32>
  return
}

// -----

moe.recipes {
  %n = moe.load "n" : tensor<8xf32>
  moe.define "norm" role "norm", %n : tensor<8xf32>
}
func.func @type() {
  // expected-error@+1 {{the weight 'norm' is 'memref<9xf32>' here, but its recipe makes 'tensor<8xf32>'}}
  %n = moe.weight "norm" : memref<9xf32>
  return
}
