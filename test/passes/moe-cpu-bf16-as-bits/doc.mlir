// RUN: moe-opt %s -moe-cpu-bf16-as-bits | FileCheck %s

// Copying rows of bf16 is copying bits.

module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
// CHECK-LABEL: llvm.func @copy
// CHECK:       %[[V:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<16xi16>
// CHECK:       llvm.store %[[V]], %{{.*}} : vector<16xi16>, !llvm.ptr
llvm.func @copy(%from: !llvm.ptr, %to: !llvm.ptr) {
  %0 = llvm.load %from : !llvm.ptr -> vector<16xbf16>
  llvm.store %0, %to : vector<16xbf16>, !llvm.ptr
  llvm.return
}
}
