// RUN: moe-opt %s -moe-cpu-expand-math | FileCheck %s

// An exponential is a polynomial, a square root an instruction; rounding to bf16 is
// integer arithmetic on a machine that has no instruction for it.

module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
// CHECK-LABEL: func.func @functions
// CHECK-NOT:   math.exp
// CHECK:       math.sqrt
// CHECK-NOT:   arith.truncf
// CHECK:       arith.shrui
func.func @functions(%x: vector<8xf32>) -> vector<8xbf16> {
  %0 = math.exp %x : vector<8xf32>
  %1 = math.sqrt %0 : vector<8xf32>
  %2 = arith.truncf %1 : vector<8xf32> to vector<8xbf16>
  return %2 : vector<8xbf16>
}
}
