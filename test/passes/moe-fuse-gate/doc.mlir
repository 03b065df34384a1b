// RUN: moe-opt %s -moe-fuse-gate | FileCheck %s

// The router's product and the choice that reads its logits become one op, and
// later one kernel. The logits stay a result, for taps and margins.

#x = affine_map<(t, e, h) -> (t, h)>
#w = affine_map<(t, e, h) -> (e, h)>
#y = affine_map<(t, e, h) -> (t, e)>

// CHECK-LABEL: func.func @router
// CHECK-NOT:   linalg.matmul
// CHECK:       %[[G:.*]]:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<8x4xf32>)
// CHECK-NOT:   moe.route
// CHECK:       return %[[G]]#0, %[[G]]#1
func.func @router(%x: tensor<?x4xf32>, %weight: tensor<8x4xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %logits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %weight : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %i = tensor.empty(%t) : tensor<?x2xi32>
  %v = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%logits : tensor<?x8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids, %weights : tensor<?x2xi32>, tensor<?x2xf32>
}
