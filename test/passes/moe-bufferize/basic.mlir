// RUN: moe-opt %s -moe-bufferize | FileCheck %s

// A state is a reference: appending to it copies nothing.
// CHECK-LABEL: func.func @state
// CHECK-NOT:   memref.alloc
// CHECK-NOT:   linalg.copy
// CHECK:       nn.append ins({{.*}} memref<?x8xf32>{{.*}}) state(%{{.*}} : !nn.state
func.func @state(%k: tensor<?x8xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %kv: !nn.state<heads = 2, key = 4, value = 4, element = f32, sequences = 2, positions = 64>) {
  nn.append ins(%k, %k, %p, %s : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 4, value = 4, element = f32, sequences = 2, positions = 64>)
  return
}

// A temporary is an allocation, of the size that the op says.
// CHECK-LABEL: func.func @temporary
// CHECK:       %[[D:.*]] = memref.dim
// CHECK:       memref.alloc(%[[D]]) {{.*}} : memref<?x4xf32>
func.func @temporary(%x: tensor<?x4xf32>) {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%d) : tensor<?x4xf32>
  %0 = nn.rms_norm {size = 4 : i64, eps = 1.0e-5 : f64} ins(%x : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  moe.tap "norm", %0 : tensor<?x4xf32>
  return
}

// A value that is read after its buffer would be written is copied, by an op
// that becomes a kernel.
// CHECK-LABEL: func.func @copy
// CHECK:       linalg.copy
func.func @copy(%x: tensor<?x4xf32>, %o: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {moe.entry = "copy"} {
  %0 = bufferization.materialize_in_destination %x in %o : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
