// RUN: moe-opt %s -moe-place-weights | FileCheck %s

// Members below a page are only rounded up to cache lines.
// CHECK:       moe.define "small" {{.*}} {offset = 0 : i64, stride = 192 : i64}
// CHECK:       moe.define "after" {{.*}} {offset = 576 : i64}
moe.recipes {
  %e = moe.load_bank "e.{expert}" : !moe.bank<3 x tensor<3x13xf32>>
  moe.define "small" role "experts", %e : !moe.bank<3 x tensor<3x13xf32>>
  %n = moe.load "n" : tensor<8xf32>
  moe.define "after" role "norm", %n : tensor<8xf32>
}

// A weight without a reader has its place all the same; a function without
// weights gets no argument.
// CHECK-LABEL: func.func @none
// CHECK-SAME:  ()
func.func @none() {
  return
}
