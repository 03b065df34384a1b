// RUN: moe-opt %s -moe-verify-phase=phase=import | FileCheck %s --check-prefix=IMPORT
// RUN: moe-opt %S/Inputs/gating.mlir -moe-verify-phase=phase=gating | FileCheck %s --check-prefix=GATING
// RUN: moe-opt %S/Inputs/dispatch.mlir -moe-verify-phase=phase=dispatch | FileCheck %s --check-prefix=DISPATCH
// RUN: moe-opt %S/Inputs/experts.mlir -moe-verify-phase=phase=experts | FileCheck %s --check-prefix=EXPERTS
// RUN: moe-opt %S/Inputs/buffers.mlir -moe-verify-phase=phase=buffers | FileCheck %s --check-prefix=BUFFERS
// RUN: moe-opt %S/Inputs/kernels.mlir -moe-verify-phase=phase=kernels | FileCheck %s --check-prefix=KERNELS
// RUN: moe-opt %S/Inputs/target.mlir -moe-verify-phase=phase=target | FileCheck %s --check-prefix=TARGET

// What each phase may leave.

// IMPORT: func.func private @layer
// GATING: moe.gate
// DISPATCH: moe.plan
// EXPERTS: variants
// BUFFERS: memref.view
// KERNELS: moe.parallel
// TARGET: llvm.func

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
moe.recipes {
  %0 = moe.load "router" : tensor<8x4xf16>
  %1 = moe.cast %0 : tensor<8x4xf16> to tensor<8x4xf32>
  moe.define "router" role "router", %1 : tensor<8x4xf32>
}
func.func private @layer(%x: tensor<?x4xf32>, %router: tensor<8x4xf32>, %bank: !moe.bank<8 x tensor<4x4xbf16>>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e0 = tensor.empty(%t) : tensor<?x8xf32>
  %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %router : tensor<?x4xf32>, tensor<8x4xf32>) outs(%f0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  moe.tap "experts" always, %ids : tensor<?x2xi32>
  %e = tensor.empty(%t) : tensor<?x4xf32>
  %m = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<8 x tensor<4x4xbf16>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %weight: tensor<4x4xbf16>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %sum = arith.addf %a, %b : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %s : tensor<?x4xf32>
}
func.func @step(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %r = moe.weight "router" : tensor<8x4xf32>
  %b = moe.weight "bank" : !moe.bank<8 x tensor<4x4xbf16>>
  %y = func.call @layer(%x, %r, %b) {layer = 0 : i64} : (tensor<?x4xf32>, tensor<8x4xf32>, !moe.bank<8 x tensor<4x4xbf16>>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
