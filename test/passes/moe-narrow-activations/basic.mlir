// RUN: moe-opt %s -split-input-file -moe-narrow-activations | FileCheck %s

// A norm that others read in f32 too is computed twice.
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>} {
// CHECK-LABEL: func.func @two_readers
// CHECK:       %[[B:.*]] = nn.rms_norm {{.*}} -> tensor<?x64xbf16>
// CHECK:       %[[F:.*]] = nn.rms_norm {{.*}} -> tensor<?x64xf32>
// CHECK:       moe.grouped_matmul ins(%[[B]] : tensor<?x64xbf16>)
// CHECK:       return %{{.*}}, %[[F]]
func.func @two_readers(%in: tensor<?x64xf32>, %e: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<?x64xf32>) {
  %x = nn.rms_norm {size = 64 : i64, eps = 1.0e-5 : f64} ins(%in : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r, %x : tensor<?x32xf32>, tensor<?x64xf32>
}

// A value that no op rounds at its end gets an op that does.
// CHECK-LABEL: func.func @argument
// CHECK:       linalg.generic
// CHECK:         arith.truncf %{{.*}} : f32 to bf16
// CHECK:       moe.grouped_matmul ins(%{{.*}} : tensor<?x64xbf16>)
func.func @argument(%x: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// A product rounds in its epilogue.
// CHECK-LABEL: func.func @chain
// CHECK:       %[[P:.*]] = moe.grouped_matmul {{.*}} outs(%{{.*}} : tensor<?x64xbf16>)
// CHECK:         %[[T:.*]] = arith.truncf
// CHECK:         moe.yield %[[T]] : bf16
// CHECK:       moe.grouped_matmul ins(%[[P]] : tensor<?x64xbf16>)
func.func @chain(%y: tensor<?x16xbf16>, %v: tensor<64x16xbf16>, %e: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %x = moe.grouped_matmul ins(%y : tensor<?x16xbf16>) banks(%v : tensor<64x16xbf16>) outs(%e : tensor<?x64xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x64xf32>
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}
}

// -----

// Without products of bf16 pairs nothing changes.
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
// CHECK-LABEL: func.func @no_dot
// CHECK-NOT:   truncf
// CHECK:       moe.grouped_matmul ins(%{{.*}} : tensor<?x64xf32>)
func.func @no_dot(%x: tensor<?x64xf32>, %w: tensor<32x64xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}
}
