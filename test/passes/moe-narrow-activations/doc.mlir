// RUN: moe-opt %s -moe-narrow-activations | FileCheck %s

// A norm whose only reader is a product of bf16 rounds its own result: the sum
// of squares is still taken in f32, and no op is added.

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>} {
// CHECK-LABEL: func.func @norm_then_product
// CHECK:       %[[N:.*]] = nn.rms_norm {{.*}} outs(%{{.*}} : tensor<?x64xbf16>) -> tensor<?x64xbf16>
// CHECK-NOT:   nn.rms_norm
// CHECK:       moe.grouped_matmul ins(%[[N]] : tensor<?x64xbf16>)
func.func @norm_then_product(%in: tensor<?x64xf32>, %e: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %x = nn.rms_norm {size = 64 : i64, eps = 1.0e-5 : f64} ins(%in : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}
}
