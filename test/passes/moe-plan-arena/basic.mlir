// RUN: moe-opt %s -moe-plan-arena -canonicalize -split-input-file | FileCheck %s

// A callee works behind what its caller holds; a use through a view keeps a
// buffer alive; sizes in T, S, R and constants.
// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  moe.arena = {R = 0 : i64, S = 0 : i64, T = 64 : i64, const = 0 : i64}
func.func private @layer(%x: memref<?x16xf32> {moe.dims = ["T"]}, %y: memref<?x16xf32> {moe.dims = ["T"], moe.output}) {
  %c0 = arith.constant 0 : index
  %t = memref.dim %x, %c0 : memref<?x16xf32>
  %a = memref.alloc(%t) : memref<?x16xf32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%a : memref<?x16xf32>)
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%a : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  return
}

// CHECK-LABEL: func.func @step
// CHECK-SAME:  %[[ARENA:[a-z0-9]*]]: memref<?xi8> {moe.env = "arena"})
// CHECK-SAME:  moe.arena = {R = 64 : i64, S = 64 : i64, T = 192 : i64, const = 64 : i64}
// CHECK:       %[[REST:.*]] = memref.view %[[ARENA]][%{{.*}}][%{{.*}}] : memref<?xi8> to memref<?xi8>
// CHECK:       call @layer(%{{.*}}, %{{.*}}, %[[REST]])
func.func @step(%x: memref<?x16xf32> {moe.dims = ["T"]}, %r: memref<?xi32> {moe.dims = ["R"]}, %s: memref<?xi32> {moe.dims = ["S+1"]}) attributes {moe.entry = "step"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %t = memref.dim %x, %c0 : memref<?x16xf32>
  %rows = memref.dim %r, %c0 : memref<?xi32>
  %sequences = memref.dim %s, %c0 : memref<?xi32>
  %a = memref.alloc(%t) : memref<?x16xf32>
  %b = memref.alloc(%rows) : memref<?xi32>
  %c = memref.alloc(%sequences) : memref<?xi32>
  %pairs = arith.muli %t, %c2 : index
  %d = memref.alloc(%pairs) : memref<?xi32>
  call @layer(%x, %a) : (memref<?x16xf32>, memref<?x16xf32>) -> ()
  %view = memref.cast %b : memref<?xi32> to memref<?xi32, strided<[?], offset: ?>>
  %g = memref.load %view[%c0] : memref<?xi32, strided<[?], offset: ?>>
  memref.store %g, %c[%c0] : memref<?xi32>
  memref.store %g, %d[%c0] : memref<?xi32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%a : memref<?x16xf32>) outs(%a : memref<?x16xf32>)
  return
}

// -----

// A tap lives to the end, in a copy when its buffer is written again.
// CHECK-LABEL: func.func @taps
// CHECK-SAME:  moe.taps = [{element = f32, name = "kept", offset = {R = 0 : i64, S = 0 : i64, T = 0 : i64, const = 0 : i64}, shape = ["T", 16]}, {element = f32, name = "copied", offset = {R = 0 : i64, S = 0 : i64, T = {{[0-9]+}} : i64, const = 0 : i64}, shape = ["T", 16]}]
// CHECK:       nn.rms_norm
// CHECK-NOT:   linalg.copy
// CHECK:       nn.rms_norm
// CHECK:       linalg.copy
// CHECK-NOT:   moe.tap
func.func @taps(%x: memref<?x16xf32> {moe.dims = ["T"]}) attributes {moe.entry = "taps"} {
  %c0 = arith.constant 0 : index
  %t = memref.dim %x, %c0 : memref<?x16xf32>
  %a = memref.alloc(%t) : memref<?x16xf32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%a : memref<?x16xf32>)
  moe.tap "kept", %a : memref<?x16xf32>
  %b = memref.alloc(%t) : memref<?x16xf32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%a : memref<?x16xf32>) outs(%b : memref<?x16xf32>)
  moe.tap "copied", %b : memref<?x16xf32>
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%b : memref<?x16xf32>)
  return
}
