// RUN: not moe-opt %s -moe-verify-phase=phase=dispatch 2>&1 | FileCheck %s

// A product that no pass recognised is found where it should have been, with
// what the phase allows instead.

// CHECK: error: [MOE0902] 'linalg.matmul' breaks the contract of phase 'dispatch': expected one of {{.*}}moe.grouped_matmul
func.func @product(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = linalg.matmul ins(%x, %w : tensor<?x4xf32>, tensor<4x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
