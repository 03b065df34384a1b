// RUN: moe-opt %s -moe-verify-phase=phase=target -split-input-file -verify-diagnostics

// expected-error @+1 {{[MOE0902] 'func.func' breaks the contract of phase 'target': expected one of llvm}}
func.func @f() {
  // expected-error @+1 {{[MOE0902] 'func.return' breaks the contract of phase 'target': expected one of llvm}}
  return
}

// -----

llvm.func @f(%v: i64) -> i64 {
  // expected-error @+1 {{[MOE0902] 'builtin.unrealized_conversion_cast' breaks the contract of phase 'target': expected one of llvm}}
  %i = builtin.unrealized_conversion_cast %v : i64 to index
  %j = builtin.unrealized_conversion_cast %i : index to i64
  llvm.return %j : i64
}
