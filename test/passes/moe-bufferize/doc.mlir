// RUN: moe-opt %s -moe-bufferize | FileCheck %s

// An op writes into the argument that the function was given; an entry returns
// nothing any more, and recipes stay values.

// CHECK:       moe.load "a" : tensor<4xf32>
moe.recipes {
  %a = moe.load "a" : tensor<4xf32>
  moe.define "w" role "norm", %a : tensor<4xf32>
}

// CHECK-LABEL: func.func @step
// CHECK-SAME:  (%[[X:.*]]: memref<?x4xf32>, %[[O:.*]]: memref<?x4xf32>) attributes
// CHECK:       %[[W:.*]] = moe.weight "w" : memref<4xf32>
// CHECK-NOT:   memref.alloc
// CHECK:       nn.rms_norm {{.*}} ins(%[[X]] : memref<?x4xf32>) weight(%[[W]] : memref<4xf32>) outs(%[[O]] : memref<?x4xf32>)
// CHECK:       return
func.func @step(%x: tensor<?x4xf32>, %o: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {moe.entry = "step"} {
  %w = moe.weight "w" : tensor<4xf32>
  %0 = nn.rms_norm {size = 4 : i64, eps = 1.0e-5 : f64} ins(%x : tensor<?x4xf32>) weight(%w : tensor<4xf32>) outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
