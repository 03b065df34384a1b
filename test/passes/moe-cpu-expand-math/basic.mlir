// RUN: moe-opt %s -moe-cpu-expand-math | FileCheck %s

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>} {
// CHECK-LABEL: func.func @rounds
// CHECK:       arith.truncf
func.func @rounds(%x: vector<16xf32>) -> vector<16xbf16> {
  %0 = arith.truncf %x : vector<16xf32> to vector<16xbf16>
  return %0 : vector<16xbf16>
}

// Scalars of the generic lowering too.
// CHECK-LABEL: func.func @scalar
// CHECK-NOT:   math.exp
// CHECK-NOT:   math.tanh
func.func @scalar(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  %1 = math.tanh %0 : f32
  return %1 : f32
}
}
