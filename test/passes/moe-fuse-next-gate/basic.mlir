// RUN: moe-opt %s -moe-fuse-next-gate --remarks-filter='moe-fuse-next-gate' --remark-policy=all 2>&1 | FileCheck %s

// What is too wide for the cache is not worth it.

// CHECK: remark: [Missed] gate {{.*}} Reason="the 24 rows of a task take 688128 bytes, more than the 524288 of a core's cache", Remark="gate not fused with the combine in front of it"
module attributes {moe.target = #moe.target<vector_bits = 256, vector_registers = 16>} {
// CHECK-LABEL: func.func @wide
// CHECK:       moe.combine ins
// CHECK:       moe.gate
func.func @wide(%rows: tensor<?x7168xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<16x7168x16xf32>,
    %l: tensor<?x256xf32>, %e: tensor<?x7168xf32>) -> (tensor<?x7168xf32>, tensor<?x2xi32>) {
  %y = moe.combine ins(%rows, %r, %r, %w : tensor<?x7168xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x7168xf32>) -> tensor<?x7168xf32>
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%y, %m : tensor<?x7168xf32>, tensor<16x7168x16xf32>)
      outs(%r, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x256xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x256xf32>
  return %y, %g#0 : tensor<?x7168xf32>, tensor<?x2xi32>
}

// Locals, a bias of the logits and of the selection, and rows that count as they are.

// CHECK-LABEL: func.func @everything
// CHECK:       moe.combine_gate {ranges = array<i64: 0, 2>, routing = #moe.routing<k = 2>, unweighted}
// CHECK-SAME:    ids(%{{.*}}) locals(%{{.*}}) extras(%{{.*}}) bias(%{{.*}}) outs({{.*}}) {
// CHECK-NEXT:  ^bb0(%{{.*}}: f32, %{{.*}}: f32):
// CHECK-NEXT:    arith.addf
// CHECK-NOT:   moe.gate
func.func @everything(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<1x4x16xf32>, %b: tensor<8xf32>,
    %l: tensor<?x8xf32>, %e: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x2xi32>) {
  %y = moe.combine {ranges = array<i64: 0, 2>, unweighted} ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      ids(%r : tensor<?x2xi32>) locals(%x : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%y, %m : tensor<?x4xf32>, tensor<1x4x16xf32>) extras(%b : tensor<8xf32>) bias(%b : tensor<8xf32>)
      outs(%r, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) {
  ^bb0(%sum: f32, %lb: f32):
    %s = arith.addf %sum, %lb : f32
    moe.yield %s : f32
  } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return %y, %g#0 : tensor<?x4xf32>, tensor<?x2xi32>
}

// What is computed of the rows in front of the gate would come too late.

// CHECK-LABEL: func.func @read_before
// CHECK:       moe.combine ins
// CHECK:       moe.gate
func.func @read_before(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<1x4x16xf32>,
    %l: tensor<?x8xf32>, %e: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x2xi32>) {
  %y = moe.combine ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %n = nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%y : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%y, %m : tensor<?x4xf32>, tensor<1x4x16xf32>)
      outs(%r, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return %n, %g#0 : tensor<?x4xf32>, tensor<?x2xi32>
}

// A gate of other rows has nothing to do with the combine.

// CHECK-LABEL: func.func @norm_between
// CHECK:       moe.combine ins
// CHECK:       moe.gate
func.func @norm_between(%x: tensor<?x4xf32>, %r: tensor<?x2xi32>, %w: tensor<?x2xf32>, %m: tensor<1x4x16xf32>,
    %l: tensor<?x8xf32>, %e: tensor<?x4xf32>) -> tensor<?x2xi32> {
  %y = moe.combine ins(%x, %r, %r, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %n = nn.rms_norm {size = 4 : i64, eps = 1.0e-6 : f64} ins(%y : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %g:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%n, %m : tensor<?x4xf32>, tensor<1x4x16xf32>)
      outs(%r, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return %g#0 : tensor<?x2xi32>
}
}
