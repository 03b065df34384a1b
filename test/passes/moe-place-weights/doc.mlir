// RUN: moe-opt %s -moe-place-weights | FileCheck %s

// Small weights begin at cache lines, large ones at pages, and so does every
// expert of a bank of large members.

// CHECK:       module attributes {moe.weights_bytes = 20480 : i64}
// CHECK:       moe.define "norm" {{.*}} {offset = 0 : i64}
// CHECK:       moe.define "bias" {{.*}} {offset = 64 : i64}
// CHECK:       moe.define "bank" {{.*}} {offset = 4096 : i64, stride = 8192 : i64}
moe.recipes {
  %n = moe.load "n" : tensor<8xf32>
  moe.define "norm" role "norm", %n : tensor<8xf32>
  %b = moe.load "b" : tensor<4xf32>
  moe.define "bias" role "norm", %b : tensor<4xf32>
  %e = moe.load_bank "e.{expert}" : !moe.bank<2 x tensor<16x80xf32>>
  moe.define "bank" role "experts", %e : !moe.bank<2 x tensor<16x80xf32>>
}

// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  memref<2x16x80xf32, strided<[2048, 80, 1]>>
func.func private @layer(%n: memref<8xf32>, %e: !moe.bank<2 x tensor<16x80xf32>>) {
  return
}

// CHECK-LABEL: func.func @step
// CHECK-SAME:  (%[[BASE:.*]]: memref<20480xi8> {moe.env = "weights"})
// CHECK:       %[[N:.*]] = memref.view %[[BASE]][%{{.*}}][] : memref<20480xi8> to memref<8xf32>
// CHECK:       %[[FLAT:.*]] = memref.view %[[BASE]][%{{.*}}][] : memref<20480xi8> to memref<4096xf32>
// CHECK:       %[[E:.*]] = memref.reinterpret_cast %[[FLAT]] to offset: [0], sizes: [2, 16, 80], strides: [2048, 80, 1]
// CHECK:       call @layer(%[[N]], %[[E]])
func.func @step() {
  %n = moe.weight "norm" : memref<8xf32>
  %e = moe.weight "bank" : !moe.bank<2 x tensor<16x80xf32>>
  call @layer(%n, %e) : (memref<8xf32>, !moe.bank<2 x tensor<16x80xf32>>) -> ()
  return
}
