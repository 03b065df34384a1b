// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s --mlir-print-op-generic | moe-opt | FileCheck %s
// RUN: moe-opt %s --emit-bytecode | moe-opt | FileCheck %s

// Every op, in every form that its syntax has.

// CHECK: module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true>}
module attributes {moe.target = #moe.target<vector_bits = 512, vector_registers = 32, bf16_dot = true, l2_bytes = 524288, emulate = false>} {

// CHECK-LABEL: moe.recipes {
moe.recipes {
  // CHECK-NEXT: %[[A:.*]] = moe.load "a" : tensor<4x8xf16>
  %a = moe.load "a" : tensor<4x8xf16>
  // CHECK-NEXT: %[[B:.*]] = moe.cast %[[A]] : tensor<4x8xf16> to tensor<4x8xbf16>
  %b = moe.cast %a : tensor<4x8xf16> to tensor<4x8xbf16>
  // CHECK-NEXT: %[[C:.*]] = moe.concat %[[B]], %[[B]] : tensor<4x8xbf16>, tensor<4x8xbf16> to tensor<8x8xbf16>
  %c = moe.concat %b, %b : tensor<4x8xbf16>, tensor<4x8xbf16> to tensor<8x8xbf16>
  // CHECK-NEXT: moe.slice %[[C]] {begin = 1 : i64, group = 4 : i64, size = 2 : i64} : tensor<8x8xbf16> to tensor<4x8xbf16>
  %s = moe.slice %c {group = 4 : i64, begin = 1 : i64, size = 2 : i64} : tensor<8x8xbf16> to tensor<4x8xbf16>
  // CHECK-NEXT: %[[P:.*]] = moe.pack %[[C]] : tensor<8x8xbf16> to tensor<1x4x16x2xbf16>
  %p = moe.pack %c : tensor<8x8xbf16> to tensor<1x4x16x2xbf16>
  // CHECK-NEXT: moe.define "c" role "attention", %[[P]] : tensor<1x4x16x2xbf16>
  moe.define "c" role "attention", %p : tensor<1x4x16x2xbf16>
  // CHECK-NEXT: %[[K:.*]] = moe.load_bank "experts.{expert}.w" : <3 x tensor<20x7xf32>>
  %k = moe.load_bank "experts.{expert}.w" : !moe.bank<3 x tensor<20x7xf32>>
  // CHECK-NEXT: %[[L:.*]] = moe.cast %[[K]] : !moe.bank<3 x tensor<20x7xf32>> to !moe.bank<3 x tensor<20x7xbf16>>
  %l = moe.cast %k : !moe.bank<3 x tensor<20x7xf32>> to !moe.bank<3 x tensor<20x7xbf16>>
  // CHECK-NEXT: moe.concat %[[K]], %[[K]] : !moe.bank<3 x tensor<20x7xf32>>, !moe.bank<3 x tensor<20x7xf32>> to !moe.bank<3 x tensor<40x7xf32>>
  %m = moe.concat %k, %k : !moe.bank<3 x tensor<20x7xf32>>, !moe.bank<3 x tensor<20x7xf32>> to !moe.bank<3 x tensor<40x7xf32>>
  // CHECK-NEXT: %[[Q:.*]] = moe.pack %[[K]] : !moe.bank<3 x tensor<20x7xf32>> to !moe.bank<3 x tensor<2x7x16xf32>>
  %q = moe.pack %k : !moe.bank<3 x tensor<20x7xf32>> to !moe.bank<3 x tensor<2x7x16xf32>>
  // CHECK-NEXT: moe.pack %[[L]] : !moe.bank<3 x tensor<20x7xbf16>> to !moe.bank<3 x tensor<2x4x16x2xbf16>>
  %r = moe.pack %l : !moe.bank<3 x tensor<20x7xbf16>> to !moe.bank<3 x tensor<2x4x16x2xbf16>>
  // CHECK-NEXT: moe.define "k" role "experts", %[[Q]] : !moe.bank<3 x tensor<2x7x16xf32>>
  moe.define "k" role "experts", %q : !moe.bank<3 x tensor<2x7x16xf32>>
  // CHECK-NEXT: %[[S:.*]] = moe.load_bank "w" {stacked} : <3 x tensor<8x20xf8E4M3FN>>
  %stack = moe.load_bank "w" {stacked} : !moe.bank<3 x tensor<8x20xf8E4M3FN>>
  // CHECK-NEXT: %[[O:.*]] = moe.load_bank "s.{expert}" {first = 4 : i64} : <3 x tensor<2x2xf32>>
  %o = moe.load_bank "s.{expert}" {first = 4} : !moe.bank<3 x tensor<2x2xf32>>
  // CHECK-NEXT: %[[D:.*]] = moe.dequantize %[[S]], %[[O]] {block = array<i64: 4, 16>} : !moe.bank<3 x tensor<8x20xf8E4M3FN>>, !moe.bank<3 x tensor<2x2xf32>> to !moe.bank<3 x tensor<8x20xbf16>>
  %d = moe.dequantize %stack, %o {block = array<i64: 4, 16>} : !moe.bank<3 x tensor<8x20xf8E4M3FN>>, !moe.bank<3 x tensor<2x2xf32>> to !moe.bank<3 x tensor<8x20xbf16>>
  // CHECK-NEXT: %[[H:.*]] = moe.slice %[[D]] {begin = 1 : i64, group = 2 : i64, size = 1 : i64} : !moe.bank<3 x tensor<8x20xbf16>> to !moe.bank<3 x tensor<4x20xbf16>>
  %h = moe.slice %d {begin = 1, size = 1, group = 2} : !moe.bank<3 x tensor<8x20xbf16>> to !moe.bank<3 x tensor<4x20xbf16>>
  // CHECK-NEXT: %[[X:.*]] = moe.transpose %[[H]] : !moe.bank<3 x tensor<4x20xbf16>> to !moe.bank<3 x tensor<20x4xbf16>>
  %x = moe.transpose %h : !moe.bank<3 x tensor<4x20xbf16>> to !moe.bank<3 x tensor<20x4xbf16>>
  // CHECK-NEXT: moe.concat %[[X]], %[[X]] {columns} : !moe.bank<3 x tensor<20x4xbf16>>, !moe.bank<3 x tensor<20x4xbf16>> to !moe.bank<3 x tensor<20x8xbf16>>
  %y = moe.concat %x, %x {columns} : !moe.bank<3 x tensor<20x4xbf16>>, !moe.bank<3 x tensor<20x4xbf16>> to !moe.bank<3 x tensor<20x8xbf16>>
  // CHECK-NEXT: moe.split %[[C]] : tensor<8x8xbf16> to <4 x tensor<2x8xbf16>>
  %z = moe.split %c : tensor<8x8xbf16> to !moe.bank<4 x tensor<2x8xbf16>>
  // CHECK-NEXT: moe.rope_table {attention_factor = 1.000000e+00 : f64, frequencies = array<f64: 1.000000e+00, 1.000000e-01>} : tensor<64x2x2xf32>
  %t = moe.rope_table {attention_factor = 1.0 : f64, frequencies = array<f64: 1.0, 0.1>} : tensor<64x2x2xf32>
}

// CHECK-LABEL: func.func @route
func.func @route(%l: tensor<?x8xf32>, %b: tensor<8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %ml: memref<?x8xf32>, %mi: memref<?x2xi32>, %mw: memref<?x2xf32>) {
  // CHECK: moe.route {routing = #moe.routing<k = 2>} ins(%{{.*}} : tensor<?x8xf32>) outs(%{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  %0:2 = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  // CHECK: moe.route {{.*}} bias(%{{.*}} : tensor<8xf32>)
  %1:2 = moe.route {routing = #moe.routing<k = 2, score = sigmoid>} ins(%l : tensor<?x8xf32>) bias(%b : tensor<8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  // CHECK: moe.route {{.*}} ins(%{{.*}} : memref<?x8xf32>) outs(%{{.*}}, %{{.*}} : memref<?x2xi32>, memref<?x2xf32>){{$}}
  moe.route {routing = #moe.routing<k = 2>} ins(%ml : memref<?x8xf32>) outs(%mi, %mw : memref<?x2xi32>, memref<?x2xf32>)
  return
}

// Every parameter of a routing, each away from its default.

// CHECK-LABEL: func.func @routing
// CHECK-SAME: a = #moe.routing<k = 4, policy = topp, score = sigmoid, select_on = logit, renorm = sum, eps_mode = clamp, eps = 9.9999999999999995E-7 : f64, scale = 2.500000e+00 : f64, softcap = 3.000000e+01 : f64, threshold = 9.000000e-01 : f64, groups = 4, group_reduce = top2_sum, group_keep = 2, group_fill = zero, null_experts = 1, null_before_norm = true>
// CHECK-SAME: b = #moe.routing<k = 4, score = identity, scope = selected, weight_from = logit, renorm = softmax, groups = 4, group_quota = 1>
// CHECK-SAME: c = #moe.routing<k = 1, policy = threshold, scope = window, renorm = lp, lp = 2.000000e+00 : f64, window = 1.000000e-01 : f64, threshold = 5.000000e-01 : f64, window_by = magnitude>
// CHECK-SAME: d = #moe.routing<k = 1, policy = sequential_masked, renorm = logsigmoid_softmax>
// CHECK-SAME: e = #moe.routing<k = 1, policy = table>
// CHECK-SAME: f = #moe.routing<k = 1, policy = dense>
// CHECK-SAME: g = #moe.routing<k = 1, score = tanh, shared_experts = 2, capacity = 1.250000e+00 : f64, capacity_unit = factor, capacity_min = 4, capacity_scope = sequence, priority = prob, drop_order = token_major, light_experts = 3, light_share = 7.500000e-01 : f64, dedupe = sum>
// CHECK-SAME: h = #moe.routing<k = 1, policy = expert_choice, score = sqrt_softplus, capacity = 5.000000e-01 : f64, capacity_unit = fraction>
// CHECK-SAME: i = #moe.routing<k = 1, capacity = 6.400000e+01 : f64, renorm_after_drop = true>
func.func @routing() attributes {
  a = #moe.routing<k = 4, policy = topp, score = sigmoid, scope = all, select_on = logit, weight_from = score, renorm = sum, eps_mode = clamp, eps = 1.0e-6 : f64, scale = 2.5 : f64, softcap = 30.0 : f64, threshold = 0.9 : f64, groups = 4, group_reduce = top2_sum, group_keep = 2, group_fill = zero, null_experts = 1, null_before_norm = true>,
  b = #moe.routing<k = 4, score = identity, scope = selected, weight_from = logit, renorm = softmax, groups = 4, group_quota = 1>,
  c = #moe.routing<k = 1, policy = threshold, scope = window, renorm = lp, lp = 2.0 : f64, window = 0.1 : f64, threshold = 0.5 : f64, window_by = magnitude>,
  d = #moe.routing<k = 1, policy = sequential_masked, renorm = logsigmoid_softmax>,
  e = #moe.routing<k = 1, policy = table>,
  f = #moe.routing<k = 1, policy = dense>,
  g = #moe.routing<k = 1, score = tanh, shared_experts = 2, capacity = 1.250000e+00 : f64, capacity_unit = factor, capacity_min = 4, capacity_scope = sequence, priority = prob, drop_order = token_major, light_experts = 3, light_share = 7.500000e-01 : f64, dedupe = sum>,
  h = #moe.routing<k = 1, policy = expert_choice, score = sqrt_softplus, capacity = 0.5 : f64, capacity_unit = fraction>,
  i = #moe.routing<k = 1, capacity = 64.0 : f64, renorm_after_drop = true>} {
  return
}

// CHECK-LABEL: func.func @gate
func.func @gate(%x: tensor<?x4xf32>, %r: tensor<8x4xf32>, %p: tensor<1x4x16xf32>, %b: tensor<8xf32>, %c: tensor<8xf32>, %one: tensor<1xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %l: tensor<?x8xf32>) {
  // CHECK: moe.gate {routing = #moe.routing<k = 2>} ins(%{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<8x4xf32>) outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  %0:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %r : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  // CHECK: moe.gate {{.*}} extras(%{{.*}}, %{{.*}} : tensor<8xf32>, tensor<1xf32>) bias(%{{.*}} : tensor<8xf32>) outs({{.*}}) {
  // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f32):
  // CHECK: moe.yield %{{.*}} : f32
  // CHECK-NEXT: } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  %1:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %r : tensor<?x4xf32>, tensor<8x4xf32>)
      extras(%b, %one : tensor<8xf32>, tensor<1xf32>) bias(%c : tensor<8xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) {
  ^bb0(%sum: f32, %lb: f32, %factor: f32):
    %s = arith.addf %sum, %lb : f32
    %f = arith.mulf %s, %factor : f32
    moe.yield %f : f32
  } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  // CHECK: moe.gate {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<1x4x16xf32>)
  %2:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %p : tensor<?x4xf32>, tensor<1x4x16xf32>)
      outs(%i, %w, %l : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
  return
}

// What was chosen is counted, and a plan is told.

// CHECK-LABEL: func.func @counts
func.func @counts(%x: tensor<?x4xf32>, %r: tensor<8x4xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>, %l: tensor<?x8xf32>, %c: tensor<3x8xi32>,
    %o: tensor<9xi32>, %t: tensor<?xi32>) {
  // CHECK: %[[R:.*]]:3 = moe.route {count_rows = 48 : i64, routing = {{.*}}} {{.*}} outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<?x2xf32>, tensor<3x8xi32>)
  %0:3 = moe.route {count_rows = 48 : i64, routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w, %c : tensor<?x2xi32>, tensor<?x2xf32>, tensor<3x8xi32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<3x8xi32>
  // CHECK: moe.gate {count_rows = 1 : i64, routing = {{.*}}} {{.*}} outs(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>, tensor<3x8xi32>)
  %1:4 = moe.gate {count_rows = 1 : i64, routing = #moe.routing<k = 2>} ins(%x, %r : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%i, %w, %l, %c : tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>, tensor<3x8xi32>) -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>, tensor<3x8xi32>
  // CHECK: moe.plan {count_rows = 48 : i64} ins(%[[R]]#0 : tensor<?x2xi32>) counts(%[[R]]#2 : tensor<3x8xi32>) outs(
  %2:5 = moe.plan {count_rows = 48 : i64} ins(%0#0 : tensor<?x2xi32>) counts(%0#2 : tensor<3x8xi32>)
      outs(%o, %o, %t, %i, %i : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  // CHECK: moe.plan {groups = 2 : i64} ins(%{{.*}} : tensor<?x2xi32>) outs(
  %3:5 = moe.plan {groups = 2 : i64} ins(%0#0 : tensor<?x2xi32>)
      outs(%o, %o, %t, %i, %i : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: func.func @dispatch
func.func @dispatch(%ids: tensor<?x2xi32>, %o: tensor<9xi32>, %a: tensor<9xi32>, %r: tensor<?xi32>, %t: tensor<?x2xi32>, %s: tensor<?x2xi32>,
    %rows: tensor<?x4xf32>, %w: tensor<?x2xf32>, %x: tensor<?x4xf32>, %e: tensor<?x4xbf16>) {
  // CHECK: moe.plan ins(%{{.*}} : tensor<?x2xi32>) outs(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>) ->
  %p:5 = moe.plan ins(%ids : tensor<?x2xi32>) outs(%o, %a, %r, %t, %s : tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<9xi32>, tensor<9xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  // CHECK: moe.combine ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>) outs(%{{.*}} : tensor<?x4xbf16>) -> tensor<?x4xbf16>
  %0 = moe.combine ins(%rows, %p#3, %p#4, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xbf16>) -> tensor<?x4xbf16>
  // CHECK: moe.combine {{.*}} addends(%{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<?x4xbf16>) outs
  %1 = moe.combine ins(%rows, %p#3, %p#4, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      addends(%x, %0 : tensor<?x4xf32>, tensor<?x4xbf16>) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @experts
func.func @experts(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<8 x tensor<4x4xbf16>>, %m: tensor<4x4xbf16>) {
  // CHECK: moe.experts ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%{{.*}} : !moe.bank<8 x tensor<4x4xbf16>>) outs(%{{.*}} : tensor<?x4xf32>) {
  // CHECK-NEXT: ^bb0(%[[ROWS:.*]]: tensor<?x4xf32>, %{{.*}}: tensor<4x4xbf16>):
  // CHECK-NEXT:   moe.yield %[[ROWS]] : tensor<?x4xf32>
  // CHECK-NEXT: } -> tensor<?x4xf32>
  %0 = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<8 x tensor<4x4xbf16>>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %weight: tensor<4x4xbf16>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  // CHECK: moe.shared ins(%{{.*}} : tensor<?x4xf32>) params(%{{.*}} : tensor<4x4xbf16>) outs(%{{.*}} : tensor<?x4xf32>) {
  %1 = moe.shared ins(%x : tensor<?x4xf32>) params(%m : tensor<4x4xbf16>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %weight: tensor<4x4xbf16>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @grouped_matmul
func.func @grouped_matmul(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %k: !moe.bank<3 x tensor<4x8xbf16>>, %o: tensor<4xi32>, %a: tensor<4xi32>, %g: tensor<?xi32>,
    %full: tensor<?x4xbf16>, %row: tensor<?x1xf32>, %column: tensor<4xf32>, %e: tensor<?x4xf32>, %mx: memref<?x8xbf16>, %mk: memref<3x1x4x16x2xbf16>,
    %mo: memref<4xi32>, %me: memref<?x4xf32, strided<[?, 1], offset: ?>>, %beside: tensor<?x24xf32>, %parts: tensor<?x12xf32>) {
  // CHECK: moe.grouped_matmul ins(%{{.*}} : tensor<?x8xf32>) banks(%{{.*}} : tensor<4x8xbf16>) outs(%{{.*}} : tensor<?x4xf32>) {
  %0 = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  // CHECK: moe.grouped_matmul {variants = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 4, prefetch = 1024>, <tile_rows = 12, tile_vectors = 2>]>}
  // CHECK-SAME: banks(%{{.*}}, %{{.*}} : !moe.bank<3 x tensor<4x8xbf16>>, !moe.bank<3 x tensor<4x8xbf16>>) offsets(%{{.*}} : tensor<4xi32>) active(%{{.*}} : tensor<4xi32>) gather(%{{.*}} : tensor<?xi32>) extras(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4xbf16>, tensor<?x1xf32>, tensor<4xf32>)
  // CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: bf16, %{{.*}}: f32, %{{.*}}: f32):
  %1 = moe.grouped_matmul {variants = #moe.variants<[<max_rows = 2, tile_rows = 2, tile_vectors = 4, prefetch = 1024>, <tile_rows = 12, tile_vectors = 2>]>}
      ins(%x : tensor<?x8xf32>) banks(%k, %k : !moe.bank<3 x tensor<4x8xbf16>>, !moe.bank<3 x tensor<4x8xbf16>>)
      offsets(%o : tensor<4xi32>) active(%a : tensor<4xi32>) gather(%g : tensor<?xi32>)
      extras(%full, %row, %column : tensor<?x4xbf16>, tensor<?x1xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc0: f32, %acc1: f32, %f: bf16, %r: f32, %c: f32):
    %one = arith.constant 1.0 : f32
    %wide = arith.extf %f : bf16 to f32
    %s0 = arith.addf %acc0, %wide : f32
    %s1 = arith.mulf %s0, %r : f32
    %s2 = arith.addf %s1, %one : f32
    %s3 = math.exp %s2 : f32
    moe.yield %s3 : f32
  } -> tensor<?x4xf32>
  // CHECK: moe.grouped_matmul {side_by_side} ins(%{{.*}} : tensor<?x24xf32>) banks(%{{.*}} : !moe.bank<3 x tensor<4x8xbf16>>) outs(%{{.*}} : tensor<?x12xf32>) {
  %2 = moe.grouped_matmul {side_by_side} ins(%beside : tensor<?x24xf32>) banks(%k : !moe.bank<3 x tensor<4x8xbf16>>) outs(%parts : tensor<?x12xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x12xf32>
  // CHECK: moe.grouped_matmul ins(%{{.*}} : memref<?x8xbf16>) banks(%{{.*}} : memref<3x1x4x16x2xbf16>) offsets(%{{.*}} : memref<4xi32>) active(%{{.*}} : memref<4xi32>) outs(%{{.*}} : memref<?x4xf32, strided<[?, 1], offset: ?>>) {
  moe.grouped_matmul ins(%mx : memref<?x8xbf16>) banks(%mk : memref<3x1x4x16x2xbf16>) offsets(%mo : memref<4xi32>) active(%mo : memref<4xi32>)
      outs(%me : memref<?x4xf32, strided<[?, 1], offset: ?>>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  }
  return
}

// CHECK-LABEL: func.func @observe
func.func @observe(%x: tensor<?x4xf32>, %m: memref<?x4xf32>, %host: !moe.host, %n: index) {
  // CHECK: moe.tap "a", %{{.*}} : tensor<?x4xf32>
  moe.tap "a", %x : tensor<?x4xf32>
  // CHECK: moe.tap "layers.{layer}.b" always, %{{.*}} : memref<?x4xf32>
  moe.tap "layers.{layer}.b" always, %m : memref<?x4xf32>
  // CHECK: moe.parallel @task(%{{.*}}) tasks(%{{.*}}) on %{{.*}} : memref<?x4xf32>
  moe.parallel @task(%m) tasks(%n) on %host : memref<?x4xf32>
  // CHECK: moe.parallel @task() tasks(%{{.*}}) on %{{.*}}{{$}}
  moe.parallel @task() tasks(%n) on %host
  // CHECK: moe.weight "w" : tensor<4x4xf32>
  %0 = moe.weight "w" : tensor<4x4xf32>
  // CHECK: moe.weight "w" : !moe.bank<3 x tensor<4x4xf32>>
  %1 = moe.weight "w" : !moe.bank<3 x tensor<4x4xf32>>
  // CHECK: moe.weight "w" : memref<4x4xf32>
  %2 = moe.weight "w" : memref<4x4xf32>
  return
}
}

// Experts of several kinds, weighed on their input or output.

// CHECK-LABEL: func.func @kinds
func.func @kinds(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: tensor<4xf32>, %b: !moe.bank<2 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) {
  // CHECK: moe.experts {ranges = #moe.ranges<[<ffn, 6>, <identity, 3>, <zero, 1>, <local, 1>, <ffn, 2>]>}
  %0 = moe.experts {ranges = #moe.ranges<[#moe.range<ffn, 6>, #moe.range<identity, 3>, #moe.range<zero, 1>, #moe.range<local, 1>, #moe.range<ffn, 2>]>}
      ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a, %v, %b : !moe.bank<6 x tensor<4x4xf32>>, tensor<4xf32>, !moe.bank<2 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4xf32>):
    moe.yield %r : tensor<?x4xf32>
  }, {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  // CHECK: moe.experts {weight_on_input}
  %1 = moe.experts {weight_on_input} ins(%x, %ids, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%a : !moe.bank<6 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%r: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    moe.yield %r : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @rows_of_experts
func.func @rows_of_experts(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %o: tensor<7xi32>, %t: tensor<?xi32>, %c: tensor<?x2xi32>, %a: !moe.bank<6 x tensor<4x4xf32>>, %v: !moe.bank<6 x tensor<4xf32>>, %e: tensor<?x4xf32>, %q: tensor<?x1xf32>) {
  // CHECK: moe.plan {first = 2 : i64, others = 3 : i64} ins
  %p:5 = moe.plan {first = 2, others = 3} ins(%ids : tensor<?x2xi32>) outs(%o, %o, %t, %c, %c : tensor<7xi32>, tensor<7xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>)
      -> tensor<7xi32>, tensor<7xi32>, tensor<?xi32>, tensor<?x2xi32>, tensor<?x2xi32>
  // CHECK: moe.spread ins(%{{.*}}, %{{.*}} : !moe.bank<6 x tensor<4xf32>>, tensor<7xi32>) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
  %s = moe.spread ins(%v, %p#0 : !moe.bank<6 x tensor<4xf32>>, tensor<7xi32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: moe.row_weights ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>) outs(%{{.*}} : tensor<?x1xf32>) -> tensor<?x1xf32>
  %r = moe.row_weights ins(%w, %p#3, %p#4 : tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>) outs(%q : tensor<?x1xf32>) -> tensor<?x1xf32>
  // CHECK: moe.grouped_matmul {{.*}} extras(%{{.*}} : tensor<?x1xf32>) group_extras(%{{.*}} : !moe.bank<6 x tensor<4xf32>>)
  %m = moe.grouped_matmul ins(%x : tensor<?x4xf32>) banks(%a : !moe.bank<6 x tensor<4x4xf32>>) offsets(%p#0 : tensor<7xi32>) active(%p#1 : tensor<7xi32>) gather(%p#2 : tensor<?xi32>)
      extras(%r : tensor<?x1xf32>) group_extras(%v : !moe.bank<6 x tensor<4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32, %row: f32, %bias: f32):
    %0 = arith.addf %acc, %bias : f32
    moe.yield %0 : f32
  } -> tensor<?x4xf32>
  // CHECK: moe.combine {ranges = array<i64: 0, 2, 8, 11>, unweighted} ins({{.*}}) ids(%{{.*}} : tensor<?x2xi32>) locals(%{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<?x4xf32>) outs
  %y = moe.combine {ranges = array<i64: 0, 2, 8, 11>, unweighted} ins(%m, %p#3, %p#4, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      ids(%ids : tensor<?x2xi32>) locals(%x, %s : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}
