// RUN: moe-opt %s -moe-inline-shared | FileCheck %s

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>

// CHECK-LABEL: func.func @one
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<4x4xbf16>, %[[E:[^:]*]]: tensor<?x4xf32>)
// CHECK-NOT:   moe.
// CHECK:       %[[T:.*]] = tensor.dim %[[X]]
// CHECK:       %[[Y:.*]] = linalg.matmul {{.*}} ins(%[[X]], %[[W]] :
// CHECK-NEXT:  return %[[Y]]
func.func @one(%x: tensor<?x4xf32>, %w: tensor<4x4xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %s = moe.shared ins(%x : tensor<?x4xf32>) params(%w : tensor<4x4xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xbf16>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %i = tensor.empty(%t) : tensor<?x4xf32>
    %f = linalg.fill ins(%zero : f32) outs(%i : tensor<?x4xf32>) -> tensor<?x4xf32>
    %r = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xbf16>)
        outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %s : tensor<?x4xf32>
}

// The identity, and a number of rows that is known outside only.

// CHECK-LABEL: func.func @cast
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<3x4xf32>
// CHECK-NEXT:  %[[D:.*]] = tensor.cast %[[X]] : tensor<3x4xf32> to tensor<?x4xf32>
// CHECK-NEXT:  %[[S:.*]] = tensor.cast %[[D]] : tensor<?x4xf32> to tensor<3x4xf32>
// CHECK-NEXT:  return %[[S]]
func.func @cast(%x: tensor<3x4xf32>, %w: tensor<4x4xbf16>, %e: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %s = moe.shared ins(%x : tensor<3x4xf32>) params(%w : tensor<4x4xbf16>) outs(%e : tensor<3x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xbf16>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<3x4xf32>
  return %s : tensor<3x4xf32>
}

// One inside another.

// CHECK-LABEL: func.func @nested
// CHECK-NOT:   moe.
// CHECK:       return %{{.*}} : tensor<?x4xf32>
func.func @nested(%x: tensor<?x4xf32>, %w: tensor<4x4xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %s = moe.shared ins(%x : tensor<?x4xf32>) params(%w : tensor<4x4xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xbf16>):
    %inner = moe.shared ins(%rows : tensor<?x4xf32>) params(%m : tensor<4x4xbf16>) outs(%rows : tensor<?x4xf32>) {
    ^bb0(%rows2: tensor<?x4xf32>, %m2: tensor<4x4xbf16>):
      moe.yield %rows2 : tensor<?x4xf32>
    } -> tensor<?x4xf32>
    moe.yield %inner : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %s : tensor<?x4xf32>
}
