// RUN: moe-opt %s -moe-cpu-emulate-intrinsics | FileCheck %s

// A machine that has the instruction keeps it.
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>} {
// CHECK-LABEL: func.func @native
// CHECK:       x86vector.avx512.dot
// CHECK-NOT:   vector.fma
func.func @native(%acc: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>) -> vector<16xf32> {
  %0 = x86vector.avx512.dot %acc, %a, %b : vector<32xbf16> -> vector<16xf32>
  return %0 : vector<16xf32>
}
}
