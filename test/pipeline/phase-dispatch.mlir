// RUN: moe-opt %s -moe-verify-phase=phase=import -moe-check-support -moe-normalize-routing \
// RUN:     -moe-fuse-gate -canonicalize -cse -moe-verify-phase=phase=gating \
// RUN:     -moe-export-taps -moe-inline-shared -moe-dispatch-experts -moe-form-matmuls -canonicalize -cse \
// RUN:     -moe-fuse-combine -moe-fuse-epilogues -canonicalize -cse -moe-verify-phase=phase=dispatch \
// RUN:   | FileCheck %s \
// RUN:       --implicit-check-not='= moe.' --implicit-check-not='= nn.' --implicit-check-not='moe.tap' \
// RUN:       --implicit-check-not='linalg.'

// A layer with norms on its heads, called twice, comes out of the gating and
// dispatch phases as exactly these ops: everything elementwise is in an
// epilogue or an addend.

// CHECK-LABEL: func.func private @layer(
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x64xf32> {moe.dims = ["T"]}
// CHECK:       %[[NORMED:.*]] = nn.rms_norm {{.*}} ins(%[[X]] :
// CHECK:       %[[Q:.*]] = moe.grouped_matmul ins(%[[NORMED]] : tensor<?x64xf32>) banks(%{{[^ ]*}} : tensor<64x64xbf16>) outs
// CHECK-NEXT:  ^bb0(%[[ACC:.*]]: f32):
// CHECK-NEXT:    moe.yield %[[ACC]] : f32
// CHECK:       %[[K:.*]] = moe.grouped_matmul ins(%[[NORMED]] : tensor<?x64xf32>) banks(%{{[^ ]*}} : tensor<32x64xbf16>) outs
// CHECK:       %[[V:.*]] = moe.grouped_matmul ins(%[[NORMED]] : tensor<?x64xf32>) banks(%{{[^ ]*}} : tensor<32x64xbf16>) outs
// CHECK:       %[[QN:.*]] = nn.rms_norm {{.*}} ins(%[[Q]] :
// CHECK:       %[[KN:.*]] = nn.rms_norm {{.*}} ins(%[[K]] :
// CHECK:       %[[QR:.*]] = nn.rope {{.*}} ins(%[[QN]],
// CHECK:       %[[KR:.*]] = nn.rope {{.*}} ins(%[[KN]],
// CHECK:       nn.append ins(%[[KR]], %[[V]],
// CHECK:       %[[ATTENDED:.*]] = nn.attention {{.*}} ins(%[[QR]],
// CHECK:       %[[MIDDLE:.*]] = moe.grouped_matmul ins(%[[ATTENDED]] : {{.*}}) banks(%{{[^ ]*}} : tensor<64x64xbf16>) extras(%[[X]] : tensor<?x64xf32>)
// CHECK-NEXT:  ^bb0(%[[ACC:.*]]: f32, %[[RES:.*]]: f32):
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[RES]], %[[ACC]] : f32
// CHECK-NEXT:    moe.yield %[[SUM]] : f32
// CHECK:       %[[H:.*]] = nn.rms_norm {{.*}} ins(%[[MIDDLE]] :
// CHECK:       %[[G:.*]]:3 = moe.gate {routing = #moe.routing<k = 2, scope = selected, select_on = logit, weight_from = logit>} ins(%[[H]],
// CHECK:       %[[P:.*]]:5 = moe.plan ins(%[[G]]#0 :
// CHECK:       %[[ACTIVE:.*]] = moe.grouped_matmul ins(%[[H]] : tensor<?x64xf32>) banks(%{{[^ ]*}}, %{{[^ ]*}} : !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>) offsets(%[[P]]#0 : {{.*}}) active(%[[P]]#1 : {{.*}}) gather(%[[P]]#2 : tensor<?xi32>) outs
// CHECK-NEXT:  ^bb0(%[[A0:.*]]: f32, %[[A1:.*]]: f32):
// CHECK-NEXT:    %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:    %[[N:.*]] = arith.negf %[[A0]] : f32
// CHECK-NEXT:    %[[EXP:.*]] = math.exp %[[N]] : f32
// CHECK-NEXT:    %[[D:.*]] = arith.addf %[[EXP]], %[[ONE]] : f32
// CHECK-NEXT:    %[[S:.*]] = arith.divf %[[A0]], %[[D]] : f32
// CHECK-NEXT:    %[[U:.*]] = arith.mulf %[[S]], %[[A1]] : f32
// CHECK-NEXT:    moe.yield %[[U]] : f32
// CHECK:       %[[DOWN:.*]] = moe.grouped_matmul ins(%[[ACTIVE]] : tensor<?x48xf32>) banks(%{{[^ ]*}} : !moe.bank<8 x tensor<64x48xbf16>>) offsets(%[[P]]#0 : {{.*}}) active(%[[P]]#1 : tensor<9xi32>) outs
// CHECK:       %[[OUT:.*]] = moe.combine ins(%[[DOWN]], %[[P]]#3, %[[P]]#4, %[[G]]#1 : {{.*}}) addends(%[[MIDDLE]] : tensor<?x64xf32>)
// CHECK:       return %[[OUT]], %[[G]]#0
// CHECK-LABEL: func.func @step
// CHECK:       moe.weight "rope"
// CHECK:       nn.state_ref 0
// CHECK-COUNT-12: moe.weight "layers.0.
// CHECK:       %[[L0:.*]]:2 = call @layer
// CHECK:       moe.tap "layers.0.experts" always, %[[L0]]#1
// CHECK:       nn.state_ref 1
// CHECK-COUNT-12: moe.weight "layers.1.
// CHECK:       %[[L1:.*]]:2 = call @layer(%[[L0]]#0,
// CHECK:       moe.tap "layers.1.experts" always, %[[L1]]#1
// CHECK:       return %[[L1]]#0

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#c = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>
#row = affine_map<(d0, d1) -> (d0, 0)>
func.func private @layer(%x: tensor<?x64xf32> {moe.dims = ["T"]},
    %positions: tensor<?xi32> {moe.dims = ["T"]},
    %slots: tensor<?xi32> {moe.dims = ["T"]},
    %rope: tensor<256x2x8xf32>,
    %kv: !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>,
    %attn_norm: tensor<64xf32>,
    %wq: tensor<64x64xbf16>,
    %wk: tensor<32x64xbf16>,
    %wv: tensor<32x64xbf16>,
    %wo: tensor<64x64xbf16>,
    %q_norm: tensor<16xf32>,
    %k_norm: tensor<16xf32>,
    %mlp_norm: tensor<64xf32>,
    %router: tensor<8x64xf32>,
    %gate: !moe.bank<8 x tensor<48x64xbf16>>,
    %up: !moe.bank<8 x tensor<48x64xbf16>>,
    %down: !moe.bank<8 x tensor<64x48xbf16>>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x64xf32>
  %empty = tensor.empty(%t) : tensor<?x64xf32>
  %normed = nn.rms_norm {size = 64 : i64, eps = 1.0e-06 : f64} ins(%x : tensor<?x64xf32>) weight(%attn_norm : tensor<64xf32>) outs(%empty : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty1 = tensor.empty(%t) : tensor<?x64xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%empty1 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %q = linalg.matmul indexing_maps = [#a, #b, #c] ins(%normed, %wq : tensor<?x64xf32>, tensor<64x64xbf16>) outs(%zeros : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty2 = tensor.empty(%t) : tensor<?x32xf32>
  %zeros1 = linalg.fill ins(%zero : f32) outs(%empty2 : tensor<?x32xf32>) -> tensor<?x32xf32>
  %k = linalg.matmul indexing_maps = [#a, #b, #c] ins(%normed, %wk : tensor<?x64xf32>, tensor<32x64xbf16>) outs(%zeros1 : tensor<?x32xf32>) -> tensor<?x32xf32>
  %empty3 = tensor.empty(%t) : tensor<?x32xf32>
  %zeros2 = linalg.fill ins(%zero : f32) outs(%empty3 : tensor<?x32xf32>) -> tensor<?x32xf32>
  %v = linalg.matmul indexing_maps = [#a, #b, #c] ins(%normed, %wv : tensor<?x64xf32>, tensor<32x64xbf16>) outs(%zeros2 : tensor<?x32xf32>) -> tensor<?x32xf32>
  %empty4 = tensor.empty(%t) : tensor<?x64xf32>
  %q_normed = nn.rms_norm {size = 16 : i64, eps = 1.0e-06 : f64} ins(%q : tensor<?x64xf32>) weight(%q_norm : tensor<16xf32>) outs(%empty4 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty5 = tensor.empty(%t) : tensor<?x32xf32>
  %k_normed = nn.rms_norm {size = 16 : i64, eps = 1.0e-06 : f64} ins(%k : tensor<?x32xf32>) weight(%k_norm : tensor<16xf32>) outs(%empty5 : tensor<?x32xf32>) -> tensor<?x32xf32>
  %empty6 = tensor.empty(%t) : tensor<?x64xf32>
  %q_turned = nn.rope {size = 16 : i64} ins(%q_normed, %rope, %positions : tensor<?x64xf32>, tensor<256x2x8xf32>, tensor<?xi32>) outs(%empty6 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty7 = tensor.empty(%t) : tensor<?x32xf32>
  %k_turned = nn.rope {size = 16 : i64} ins(%k_normed, %rope, %positions : tensor<?x32xf32>, tensor<256x2x8xf32>, tensor<?xi32>) outs(%empty7 : tensor<?x32xf32>) -> tensor<?x32xf32>
  nn.append ins(%k_turned, %v, %positions, %slots : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>)
  %empty8 = tensor.empty(%t) : tensor<?x64xf32>
  %attended = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.25 : f64} ins(%q_turned, %positions, %slots : tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>) outs(%empty8 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty9 = tensor.empty(%t) : tensor<?x64xf32>
  %zeros3 = linalg.fill ins(%zero : f32) outs(%empty9 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %projected = linalg.matmul indexing_maps = [#a, #b, #c] ins(%attended, %wo : tensor<?x64xf32>, tensor<64x64xbf16>) outs(%zeros3 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty10 = tensor.empty(%t) : tensor<?x64xf32>
  %middle = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%x, %projected : tensor<?x64xf32>, tensor<?x64xf32>) outs(%empty10 : tensor<?x64xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x64xf32>
  %empty11 = tensor.empty(%t) : tensor<?x64xf32>
  %mlp_normed = nn.rms_norm {size = 64 : i64, eps = 1.0e-06 : f64} ins(%middle : tensor<?x64xf32>) weight(%mlp_norm : tensor<64xf32>) outs(%empty11 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty12 = tensor.empty(%t) : tensor<?x8xf32>
  %zeros4 = linalg.fill ins(%zero : f32) outs(%empty12 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %logits = linalg.matmul indexing_maps = [#a, #b, #c] ins(%mlp_normed, %router : tensor<?x64xf32>, tensor<8x64xf32>) outs(%zeros4 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %empty13 = tensor.empty(%t) : tensor<?x2xi32>
  %empty14 = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum>} ins(%logits : tensor<?x8xf32>) outs(%empty13, %empty14 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  moe.tap "layers.{layer}.experts" always, %ids : tensor<?x2xi32>
  %empty15 = tensor.empty(%t) : tensor<?x64xf32>
  %moe = moe.experts ins(%mlp_normed, %ids, %weights : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%gate, %up, %down : !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<64x48xbf16>>) outs(%empty15 : tensor<?x64xf32>) {
  ^bb0(%rows: tensor<?x64xf32>, %g: tensor<48x64xbf16>, %u: tensor<48x64xbf16>, %d: tensor<64x48xbf16>):
    %c0_ = arith.constant 0 : index
    %zero_ = arith.constant 0.0 : f32
    %count = tensor.dim %rows, %c0_ : tensor<?x64xf32>
    %empty16 = tensor.empty(%count) : tensor<?x48xf32>
    %zeros5 = linalg.fill ins(%zero_ : f32) outs(%empty16 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %gated = linalg.matmul indexing_maps = [#a, #b, #c] ins(%rows, %g : tensor<?x64xf32>, tensor<48x64xbf16>) outs(%zeros5 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %empty17 = tensor.empty(%count) : tensor<?x48xf32>
    %zeros6 = linalg.fill ins(%zero_ : f32) outs(%empty17 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %upped = linalg.matmul indexing_maps = [#a, #b, #c] ins(%rows, %u : tensor<?x64xf32>, tensor<48x64xbf16>) outs(%zeros6 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %empty18 = tensor.empty(%count) : tensor<?x48xf32>
    %active = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%gated, %upped : tensor<?x48xf32>, tensor<?x48xf32>) outs(%empty18 : tensor<?x48xf32>) {
    ^bb0(%a0: f32, %a1: f32, %init: f32):
      %one = arith.constant 1.0 : f32
      %n = arith.negf %a0 : f32
      %ex = math.exp %n : f32
      %den = arith.addf %ex, %one : f32
      %act = arith.divf %a0, %den : f32
      %res = arith.mulf %act, %a1 : f32
      linalg.yield %res : f32
    } -> tensor<?x48xf32>
    %empty19 = tensor.empty(%count) : tensor<?x64xf32>
    %zeros7 = linalg.fill ins(%zero_ : f32) outs(%empty19 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %downed = linalg.matmul indexing_maps = [#a, #b, #c] ins(%active, %d : tensor<?x48xf32>, tensor<64x48xbf16>) outs(%zeros7 : tensor<?x64xf32>) -> tensor<?x64xf32>
    moe.yield %downed : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  %empty20 = tensor.empty(%t) : tensor<?x64xf32>
  %out = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%middle, %moe : tensor<?x64xf32>, tensor<?x64xf32>) outs(%empty20 : tensor<?x64xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x64xf32>
  return %out : tensor<?x64xf32>
}

func.func @step(%x: tensor<?x64xf32> {moe.dims = ["T"]}, %positions: tensor<?xi32> {moe.dims = ["T"]}, %slots: tensor<?xi32> {moe.dims = ["T"]}) -> tensor<?x64xf32>
    attributes {moe.entry = "step"} {
  %rope = moe.weight "rope" : tensor<256x2x8xf32>
  %kv0 = nn.state_ref 0 : !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>
  %attn_norm0 = moe.weight "layers.0.attn_norm" : tensor<64xf32>
  %wq0 = moe.weight "layers.0.wq" : tensor<64x64xbf16>
  %wk0 = moe.weight "layers.0.wk" : tensor<32x64xbf16>
  %wv0 = moe.weight "layers.0.wv" : tensor<32x64xbf16>
  %wo0 = moe.weight "layers.0.wo" : tensor<64x64xbf16>
  %q_norm0 = moe.weight "layers.0.q_norm" : tensor<16xf32>
  %k_norm0 = moe.weight "layers.0.k_norm" : tensor<16xf32>
  %mlp_norm0 = moe.weight "layers.0.mlp_norm" : tensor<64xf32>
  %router0 = moe.weight "layers.0.router" : tensor<8x64xf32>
  %gate0 = moe.weight "layers.0.gate" : !moe.bank<8 x tensor<48x64xbf16>>
  %up0 = moe.weight "layers.0.up" : !moe.bank<8 x tensor<48x64xbf16>>
  %down0 = moe.weight "layers.0.down" : !moe.bank<8 x tensor<64x48xbf16>>
  %y0 = func.call @layer(%x, %positions, %slots, %rope, %kv0, %attn_norm0, %wq0, %wk0, %wv0, %wo0, %q_norm0, %k_norm0, %mlp_norm0, %router0, %gate0, %up0, %down0) {layer = 0 : i64}
      : (tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<256x2x8xf32>, !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>, tensor<64xf32>, tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<32x64xbf16>, tensor<64x64xbf16>, tensor<16xf32>, tensor<16xf32>, tensor<64xf32>, tensor<8x64xf32>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<64x48xbf16>>) -> tensor<?x64xf32>
  %kv1 = nn.state_ref 1 : !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>
  %attn_norm1 = moe.weight "layers.1.attn_norm" : tensor<64xf32>
  %wq1 = moe.weight "layers.1.wq" : tensor<64x64xbf16>
  %wk1 = moe.weight "layers.1.wk" : tensor<32x64xbf16>
  %wv1 = moe.weight "layers.1.wv" : tensor<32x64xbf16>
  %wo1 = moe.weight "layers.1.wo" : tensor<64x64xbf16>
  %q_norm1 = moe.weight "layers.1.q_norm" : tensor<16xf32>
  %k_norm1 = moe.weight "layers.1.k_norm" : tensor<16xf32>
  %mlp_norm1 = moe.weight "layers.1.mlp_norm" : tensor<64xf32>
  %router1 = moe.weight "layers.1.router" : tensor<8x64xf32>
  %gate1 = moe.weight "layers.1.gate" : !moe.bank<8 x tensor<48x64xbf16>>
  %up1 = moe.weight "layers.1.up" : !moe.bank<8 x tensor<48x64xbf16>>
  %down1 = moe.weight "layers.1.down" : !moe.bank<8 x tensor<64x48xbf16>>
  %y1 = func.call @layer(%y0, %positions, %slots, %rope, %kv1, %attn_norm1, %wq1, %wk1, %wv1, %wo1, %q_norm1, %k_norm1, %mlp_norm1, %router1, %gate1, %up1, %down1) {layer = 1 : i64}
      : (tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<256x2x8xf32>, !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>, tensor<64xf32>, tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<32x64xbf16>, tensor<64x64xbf16>, tensor<16xf32>, tensor<16xf32>, tensor<64xf32>, tensor<8x64xf32>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<64x48xbf16>>) -> tensor<?x64xf32>
  return %y1 : tensor<?x64xf32>
}
