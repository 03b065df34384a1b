// RUN: moe-opt %s -moe-outline-kernels | FileCheck %s

// Another attribute, another type, another region or another constant: another
// kernel. The host goes through calls.
// CHECK-LABEL: func.func private @layer
// CHECK-SAME:  (%[[HOST:.*]]: !moe.host
// CHECK:       call @kernel_0_rms_norm(%[[HOST]]
// CHECK:       call @kernel_1_rms_norm(%[[HOST]]
// CHECK:       call @kernel_2_generic(%[[HOST]]
// CHECK:       call @kernel_3_generic(%[[HOST]]
// CHECK:       call @kernel_2_generic(%[[HOST]]
func.func private @layer(%x: memref<?x16xf32>, %y: memref<?x16xf32>) {
  %one = arith.constant 1.0 : f32
  %two = arith.constant 2.0 : f32
  nn.rms_norm {size = 16 : i64, eps = 1.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  nn.rms_norm {size = 16 : i64, eps = 2.0e-5 : f64} ins(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} outs(%x : memref<?x16xf32>) {
  ^bb0(%a: f32):
    %s = arith.addf %a, %one : f32
    linalg.yield %s : f32
  }
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} outs(%x : memref<?x16xf32>) {
  ^bb0(%a: f32):
    %s = arith.addf %a, %two : f32
    linalg.yield %s : f32
  }
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} outs(%y : memref<?x16xf32>) {
  ^bb0(%a: f32):
    %s = arith.addf %a, %one : f32
    linalg.yield %s : f32
  }
  return
}

// CHECK-LABEL: func.func @step
// CHECK-SAME:  (%[[HOST:.*]]: !moe.host {moe.env = "host"}
// CHECK:       call @layer(%[[HOST]],
func.func @step(%x: memref<?x16xf32>, %y: memref<?x16xf32>) {
  call @layer(%x, %y) : (memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// The constant goes along.
// CHECK-LABEL: func.func private @kernel_2_generic
// CHECK:       arith.constant 1.0
// CHECK-LABEL: func.func private @kernel_3_generic
// CHECK:       arith.constant 2.0
