// RUN: moe-opt %s -moe-emit-entries | FileCheck %s

// The host is passed as it is; functions that are no entries are left alone.
// CHECK:       llvm.func @moec_entry_one
// CHECK:       %[[HOST:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK:       call @first(%[[HOST]]) : (!llvm.ptr) -> ()
func.func @first(%host: !llvm.ptr {moe.env = "host"}) attributes {moe.entry = "one"} {
  return
}

// CHECK:       llvm.func @moec_entry_two
func.func @second(%arena: memref<?xi8> {moe.env = "arena"}) attributes {moe.entry = "two"} {
  return
}

// CHECK-NOT:   moec_entry_
// CHECK:       func.func private @other
func.func private @other() {
  return
}
