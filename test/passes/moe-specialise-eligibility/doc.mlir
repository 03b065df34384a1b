// RUN: moe-opt %s -moe-specialise-eligibility -canonicalize | FileCheck %s

// All tokens are of class 0, to which experts 0 and 1 belong: the router multiplies two rows of its matrix, and
// there is nothing to mask.

#x = affine_map<(t, e, h) -> (t, h)>
#w = affine_map<(t, e, h) -> (e, h)>
#y = affine_map<(t, e, h) -> (t, e)>

// CHECK:       %[[L:.*]] = moe.load "gate"
// CHECK:       %[[S:.*]] = moe.slice %[[L]] {begin = 0 : i64, group = 4 : i64, size = 2 : i64} : tensor<4x8xf32> to tensor<2x8xf32>
// CHECK:       moe.define "gate[0:2]" role "router", %[[S]]
moe.recipes {
  %0 = moe.load "gate" : tensor<4x8xf32>
  moe.define "gate" role "router", %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @images
// CHECK:       %[[W:.*]] = moe.weight "gate[0:2]"
// CHECK:       %[[P:.*]] = linalg.matmul {{.*}} ins(%{{.*}}, %[[W]]
// CHECK:       moe.route {alias = array<i32: 0, 1>, routing = #moe.routing<k = 2>} ins(%[[P]] : tensor<?x2xf32>) outs
func.func @images(%x: tensor<?x8xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %number = arith.constant 0 : i32
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %o = tensor.empty(%t) : tensor<?xi32>
  %class = linalg.fill ins(%number : i32) outs(%o : tensor<?xi32>) -> tensor<?xi32>
  %e = tensor.empty(%t) : tensor<?x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %weight = moe.weight "gate" : tensor<4x8xf32>
  %logits = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %weight : tensor<?x8xf32>, tensor<4x8xf32>)
      outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
  %i = tensor.empty(%t) : tensor<?x2xi32>
  %v = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>, class_mask = array<i1: true, true, false, false, false, true, true, true>} ins(%logits : tensor<?x4xf32>)
      class_id(%class : tensor<?xi32>) outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids, %weights : tensor<?x2xi32>, tensor<?x2xf32>
}
