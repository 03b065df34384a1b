// RUN: moe-opt %s -moe-resolve-states | FileCheck %s

// Each state becomes its key pool, its value pool and the block table; the pools
// lie one after another in the session's memory.

// CHECK:       module attributes {moe.state = {buffers = [{block_bytes = 1024 : i64, offset = 0 : i64}, {block_bytes = 2048 : i64, offset = 4096 : i64}], bytes = 12288 : i64, recurrent = []}}

// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  %[[K:[a-z0-9]*]]: memref<4x2x4x32xf32>, %[[V:[a-z0-9]*]]: memref<4x2x32x8xf32>, %[[T:[a-z0-9]*]]: memref<2x2xi32>)
// CHECK:       nn.append {{.*}} state(%[[K]], %[[V]], %[[T]] :
func.func private @layer(%k: memref<?x8xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>, %kv: !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>) {
  nn.append ins(%k, %v, %p, %s : memref<?x8xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>) state(%kv : !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>)
  return
}

// CHECK-LABEL: func.func @step
// CHECK-SAME:  %[[POOL:[a-z0-9]*]]: memref<12288xi8> {moe.env = "state"}, %[[TABLE:[a-z0-9]*]]: memref<2x2xi32> {moe.env = "block_table"})
// CHECK:       %[[K:.*]] = memref.view %[[POOL]][%{{.*}}][] : memref<12288xi8> to memref<4x2x4x32xf32>
// CHECK:       %[[V:.*]] = memref.view %[[POOL]][%{{.*}}][] : memref<12288xi8> to memref<4x2x32x8xf32>
// CHECK:       call @layer(%{{.*}}, %[[K]], %[[V]], %[[TABLE]])
func.func @step(%k: memref<?x8xf32>, %v: memref<?x16xf32>, %p: memref<?xi32>, %s: memref<?xi32>) {
  %kv = nn.state_ref 0 : !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>
  call @layer(%k, %v, %p, %s, %kv) : (memref<?x8xf32>, memref<?x16xf32>, memref<?xi32>, memref<?xi32>, !nn.state<heads = 2, key = 4, value = 8, element = f32, sequences = 2, positions = 64>) -> ()
  return
}
