// RUN: moe-opt %s -moe-lower-parallel | FileCheck %s

// Several arguments, and none.
func.func private @two(%a: f32, %b: index, %i: index) {
  return
}
func.func private @none(%i: index) {
  return
}

// CHECK-LABEL: func.func private @kernel
// CHECK:       llvm.alloca %{{.*}} x !llvm.struct<(f32, i64)>
// CHECK:       llvm.alloca %{{.*}} x !llvm.struct<()>
// CHECK-NOT:   moe.parallel
func.func private @kernel(%host: !moe.host, %a: f32, %n: index) {
  moe.parallel @two(%a, %n) tasks(%n) on %host : f32, index
  moe.parallel @none() tasks(%n) on %host
  return
}

// CHECK-LABEL: func.func private @caller
// CHECK-SAME:  (%[[HOST:.*]]: !llvm.ptr)
// CHECK:       call @leaf(%[[HOST]]) : (!llvm.ptr) -> ()
func.func private @leaf(%host: !moe.host) {
  return
}
func.func private @caller(%host: !moe.host) {
  call @leaf(%host) : (!moe.host) -> ()
  return
}
