// RUN: moe-opt %s -moe-pack-weights | FileCheck %s

// The weights of a product are laid out in panels of 16 columns. Where they are
// laid out is decided later: moe-hoist-recipes moves the op to compile time.

// CHECK-LABEL: func.func @product
// CHECK:       %[[P:.*]] = moe.pack %{{.*}} : tensor<32x64xbf16> to tensor<2x32x16x2xbf16>
// CHECK:       moe.grouped_matmul ins(%{{.*}}) banks(%[[P]] : tensor<2x32x16x2xbf16>)
func.func @product(%x: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}
