// RUN: moe-opt %s -split-input-file -moe-cpu-bf16-as-bits | FileCheck %s

// Constants keep their bits: 1.0 is 0x3f80.
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
// CHECK-LABEL: llvm.func @constants
// CHECK:       llvm.mlir.constant(16256 : i16) : i16
// CHECK:       llvm.mlir.constant(dense<16256> : vector<4xi16>) : vector<4xi16>
// CHECK-NOT:   xbf16
llvm.func @constants(%to: !llvm.ptr) {
  %0 = llvm.mlir.constant(1.0 : bf16) : bf16
  llvm.store %0, %to : bf16, !llvm.ptr
  %1 = llvm.mlir.constant(dense<1.0> : vector<4xbf16>) : vector<4xbf16>
  llvm.store %1, %to : vector<4xbf16>, !llvm.ptr
  llvm.return
}
}

// -----

// A machine that has instructions for bf16 keeps it.
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>} {
// CHECK-LABEL: llvm.func @native
// CHECK:       vector<16xbf16>
llvm.func @native(%from: !llvm.ptr, %to: !llvm.ptr) {
  %0 = llvm.load %from : !llvm.ptr -> vector<16xbf16>
  llvm.store %0, %to : vector<16xbf16>, !llvm.ptr
  llvm.return
}
}
