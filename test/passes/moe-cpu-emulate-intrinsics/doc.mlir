// RUN: moe-opt %s -moe-cpu-emulate-intrinsics | FileCheck %s

// The odd products are added first, as the instruction does.

module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true, emulate = true>} {
// CHECK-LABEL: func.func @dot
// CHECK:       %[[AO:.*]] = vector.bitcast %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK:       %[[S:.*]] = vector.fma %{{.*}}, %{{.*}}, %{{.*}} : vector<16xf32>
// CHECK:       vector.fma %{{.*}}, %{{.*}}, %[[S]] : vector<16xf32>
// CHECK-NOT:   x86vector
func.func @dot(%acc: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>) -> vector<16xf32> {
  %0 = x86vector.avx512.dot %acc, %a, %b : vector<32xbf16> -> vector<16xf32>
  return %0 : vector<16xf32>
}
}
