// RUN: moe-opt %s -moe-pack-weights | FileCheck %s

// N is padded to whole panels, K of bf16 to whole pairs.
// CHECK-LABEL: func.func @odd
// CHECK:       moe.pack %{{.*}} : tensor<33x7xbf16> to tensor<3x4x16x2xbf16>
func.func @odd(%x: tensor<?x7xf32>, %w: tensor<33x7xbf16>, %o: tensor<?x33xf32>) -> tensor<?x33xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x7xf32>) banks(%w : tensor<33x7xbf16>) outs(%o : tensor<?x33xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x33xf32>
  return %r : tensor<?x33xf32>
}

// A bank is packed expert by expert; the router's matrix is packed too.
// CHECK-LABEL: func.func @bank
// CHECK:       moe.pack %{{.*}} : !moe.bank<4 x tensor<32x64xf32>> to !moe.bank<4 x tensor<2x64x16xf32>>
func.func @bank(%x: tensor<?x64xf32>, %w: !moe.bank<4 x tensor<32x64xf32>>, %offsets: tensor<5xi32>, %active: tensor<5xi32>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : !moe.bank<4 x tensor<32x64xf32>>) offsets(%offsets : tensor<5xi32>) active(%active : tensor<5xi32>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @router
// CHECK:       %[[P:.*]] = moe.pack %{{.*}} : tensor<8x4xf32> to tensor<1x4x16xf32>
// CHECK:       moe.gate {{.*}} ins(%{{.*}}, %[[P]] :
func.func @router(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>, %l: tensor<?x8xf32>) -> tensor<?x2xi32> {
  %r:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) outs(%i, %v, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return %r#0 : tensor<?x2xi32>
}

// An embedding that is the output matrix too is stored once, packed.
// CHECK-LABEL: func.func @tied
// CHECK:       nn.gather_rows ins(%{{.*}}, %{{.*}} : tensor<2x32x16x2xbf16>, tensor<?xi32>)
func.func @tied(%ids: tensor<?xi32>, %e: tensor<?x64xf32>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %w = moe.weight "embed" : tensor<32x64xbf16>
  %x = nn.gather_rows ins(%w, %ids : tensor<32x64xbf16>, tensor<?xi32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  %r = moe.grouped_matmul ins(%x : tensor<?x64xf32>) banks(%w : tensor<32x64xbf16>) outs(%o : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    moe.yield %a : f32
  } -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// One that is not stays as it is.
// CHECK-LABEL: func.func @untied
// CHECK-NOT:   moe.pack
func.func @untied(%ids: tensor<?xi32>, %e: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = moe.weight "other" : tensor<32x64xbf16>
  %x = nn.gather_rows ins(%w, %ids : tensor<32x64xbf16>, tensor<?xi32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %x : tensor<?x64xf32>
}
