// RUN: moe-opt %s -moe-lower-parallel | FileCheck %s

// The arguments go into a struct, the host's second field is called with its
// first, the trampoline, the struct and the number of tasks.

func.func private @task(%x: memref<?xf32>, %i: index) attributes {moe.task} {
  return
}

// CHECK-LABEL: func.func private @kernel
// CHECK-SAME:  (%[[HOST:.*]]: !llvm.ptr, %[[X:.*]]: memref<?xf32>)
// CHECK:       %[[MEMORY:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>)>
// CHECK:       %[[HANDLE:.*]] = llvm.load %[[HOST]]
// CHECK:       %[[FIELD:.*]] = llvm.getelementptr %[[HOST]][1]
// CHECK:       %[[FN:.*]] = llvm.load %[[FIELD]]
// CHECK:       %[[ENTRY:.*]] = llvm.mlir.addressof @task_entry
// CHECK:       llvm.call %[[FN]](%[[HANDLE]], %[[ENTRY]], %[[MEMORY]], %{{.*}})
func.func private @kernel(%host: !moe.host, %x: memref<?xf32>) {
  %c4 = arith.constant 4 : index
  moe.parallel @task(%x) tasks(%c4) on %host : memref<?xf32>
  return
}

// CHECK:       llvm.func internal @task_entry(%[[CONTEXT:.*]]: !llvm.ptr, %[[I:.*]]: i64)
// CHECK:       %[[LOADED:.*]] = llvm.load
// CHECK:       %[[ARG:.*]] = builtin.unrealized_conversion_cast %[[LOADED]]
// CHECK:       %[[INDEX:.*]] = arith.index_cast %[[I]] : i64 to index
// CHECK:       call @task(%[[ARG]], %[[INDEX]])
