// RUN: moe-opt %s -moe-form-matmuls | FileCheck %s
// RUN: moe-opt %s -moe-form-matmuls --remarks-filter='moe-form-matmuls' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>

// REMARK: [Passed] product {{.*}}Function=mixed {{.*}}"product with a weight [6, 4] formed"
// CHECK-LABEL: func.func @mixed
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<6x4xbf16>, %[[E:[^:]*]]: tensor<?x6xf32>)
// CHECK-NOT:   linalg
// CHECK:       %[[Y:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x4xf32>) banks(%[[W]] : tensor<6x4xbf16>) outs(%[[E]] : tensor<?x6xf32>) {
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    moe.yield %[[A]] : f32
// CHECK-NEXT:  } -> tensor<?x6xf32>
// CHECK-NEXT:  return %[[Y]]
func.func @mixed(%x: tensor<?x4xf32>, %w: tensor<6x4xbf16>, %e: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<6x4xbf16>) outs(%f : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %r : tensor<?x6xf32>
}

// Two products from one fill, which goes with the second.

// CHECK-LABEL: func.func @shared_fill
// CHECK-SAME:    %[[E:[^:]*]]: tensor<?x6xf32>)
// CHECK-NOT:   linalg
// CHECK-COUNT-2: outs(%[[E]] : tensor<?x6xf32>)
// CHECK:       return
func.func @shared_fill(%x: tensor<?x4xf32>, %v: tensor<6x4xf32>, %w: tensor<6x4xf32>, %e: tensor<?x6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %v : tensor<?x4xf32>, tensor<6x4xf32>) outs(%f : tensor<?x6xf32>) -> tensor<?x6xf32>
  %s = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<6x4xf32>) outs(%f : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %r, %s : tensor<?x6xf32>, tensor<?x6xf32>
}

// A narrow output is rounded once, from the f32 sum.

// CHECK-LABEL: func.func @narrow
// CHECK:       moe.grouped_matmul
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    %[[N:.*]] = arith.truncf %[[A]] : f32 to bf16
// CHECK-NEXT:    moe.yield %[[N]] : bf16
func.func @narrow(%x: tensor<?x4xbf16>, %w: tensor<6x4xbf16>, %e: tensor<?x6xbf16>) -> tensor<?x6xbf16> {
  %zero = arith.constant 0.0 : bf16
  %f = linalg.fill ins(%zero : bf16) outs(%e : tensor<?x6xbf16>) -> tensor<?x6xbf16>
  %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xbf16>, tensor<6x4xbf16>) outs(%f : tensor<?x6xbf16>) -> tensor<?x6xbf16>
  return %r : tensor<?x6xbf16>
}

// What is no product with a transposed weight stays.

// REMARK: [Missed] product {{.*}}Function=not_transposed {{.*}}Reason="its second operand is not a transposed weight [N, K]"
// CHECK-LABEL: func.func @not_transposed
// CHECK:       linalg.matmul
func.func @not_transposed(%x: tensor<?x4xf32>, %w: tensor<4x6xf32>, %e: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %r = linalg.matmul ins(%x, %w : tensor<?x4xf32>, tensor<4x6xf32>) outs(%f : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %r : tensor<?x6xf32>
}

// REMARK: [Missed] product {{.*}}Function=accumulates {{.*}}Reason="its output does not start as zeros"
// CHECK-LABEL: func.func @accumulates
// CHECK:       linalg.matmul
func.func @accumulates(%x: tensor<?x4xf32>, %w: tensor<6x4xf32>, %e: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %one = arith.constant 1.0 : f32
  %f = linalg.fill ins(%one : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<6x4xf32>) outs(%f : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %r : tensor<?x6xf32>
}

// REMARK: [Missed] product {{.*}}Function=doubles {{.*}}Reason="its operands are not f32 or bf16"
// CHECK-LABEL: func.func @doubles
// CHECK:       linalg.matmul
func.func @doubles(%x: tensor<?x4xf64>, %w: tensor<6x4xf64>, %e: tensor<?x6xf64>) -> tensor<?x6xf64> {
  %zero = arith.constant 0.0 : f64
  %f = linalg.fill ins(%zero : f64) outs(%e : tensor<?x6xf64>) -> tensor<?x6xf64>
  %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf64>, tensor<6x4xf64>) outs(%f : tensor<?x6xf64>) -> tensor<?x6xf64>
  return %r : tensor<?x6xf64>
}

// REMARK: [Missed] product {{.*}}Function=buffers {{.*}}Reason="it is not on tensors"
// CHECK-LABEL: func.func @buffers
// CHECK:       linalg.matmul
func.func @buffers(%x: memref<?x4xf32>, %w: memref<6x4xf32>, %e: memref<?x6xf32>) {
  linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : memref<?x4xf32>, memref<6x4xf32>) outs(%e : memref<?x6xf32>)
  return
}

// A constant that no product starts from is elementwise work.
// CHECK-LABEL: func.func @constant
// CHECK-NOT:   linalg.fill
// CHECK:       linalg.generic {indexing_maps = [#{{.*}}], iterator_types = ["parallel"]} outs(%{{.*}} : tensor<?xi32>)
// CHECK:         %[[N:.*]] = arith.constant 7 : i32
// CHECK:         linalg.yield %[[N]] : i32
func.func @constant(%e: tensor<?xi32>) -> tensor<?xi32> {
  %n = arith.constant 7 : i32
  %f = linalg.fill ins(%n : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  return %f : tensor<?xi32>
}
