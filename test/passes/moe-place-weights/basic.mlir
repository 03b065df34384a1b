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

// A function that only calls another one hands the memory on.
// CHECK-LABEL: func.func @outer
// CHECK-SAME:  (%[[X:.*]]: memref<8xf32>, %[[BASE:.*]]: memref<4096xi8> {moe.env = "weights"})
// CHECK:       call @inner(%[[X]], %[[BASE]]) : (memref<8xf32>, memref<4096xi8>) -> ()
func.func @outer(%x: memref<8xf32>) {
  func.call @inner(%x) : (memref<8xf32>) -> ()
  return
}

// CHECK-LABEL: func.func private @inner
// CHECK-SAME:  (%{{.*}}: memref<8xf32>, %[[BASE:.*]]: memref<4096xi8>)
// CHECK:       memref.view %[[BASE]]
func.func private @inner(%x: memref<8xf32>) {
  %n = moe.weight "after" : memref<8xf32>
  linalg.copy ins(%n : memref<8xf32>) outs(%x : memref<8xf32>)
  return
}
