// RUN: moe-opt %s -moe-verify-phase=phase=import -moe-check-support -moe-normalize-routing \
// RUN:     -moe-fuse-gate -canonicalize -cse -moe-verify-phase=phase=gating \
// RUN:     -moe-export-taps=keep-all=true -moe-inline-shared -moe-dispatch-experts -moe-form-matmuls -canonicalize -cse \
// RUN:     -moe-fuse-combine -moe-fuse-epilogues -canonicalize -cse -moe-verify-phase=phase=dispatch \
// RUN:   | FileCheck %s \
// RUN:       --implicit-check-not='= moe.' --implicit-check-not='= nn.' --implicit-check-not='moe.tap' \
// RUN:       --implicit-check-not='linalg.generic'

// A layer with biases, a shared expert with a gate of its own, and taps: a
// tapped value keeps its elementwise reader out of the epilogue, and nothing
// else does.

// CHECK-LABEL: func.func private @layer(
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x64xf32> {moe.dims = ["T"]}
// CHECK:       %[[NORMED:.*]] = nn.rms_norm {{.*}} ins(%[[X]] :
// CHECK:       %[[Q:.*]] = moe.grouped_matmul {{.*}} banks(%{{[^ ]*}} : tensor<64x64xbf16>) extras(%{{[^ ]*}} : tensor<64xf32>)
// CHECK-NEXT:  ^bb0(%[[ACC:.*]]: f32, %[[BIAS:.*]]: f32):
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[ACC]], %[[BIAS]] : f32
// CHECK-NEXT:    moe.yield %[[SUM]] : f32
// CHECK:       %[[K:.*]] = moe.grouped_matmul {{.*}} banks(%{{[^ ]*}} : tensor<32x64xbf16>) extras(%{{[^ ]*}} : tensor<32xf32>)
// CHECK:       %[[V:.*]] = moe.grouped_matmul {{.*}} banks(%{{[^ ]*}} : tensor<32x64xbf16>) extras(%{{[^ ]*}} : tensor<32xf32>)
// CHECK:       %[[QR:.*]] = nn.rope {{.*}} ins(%[[Q]],
// CHECK:       %[[KR:.*]] = nn.rope {{.*}} ins(%[[K]],
// CHECK:       nn.append ins(%[[KR]], %[[V]],
// CHECK:       %[[ATTENDED:.*]] = nn.attention {{.*}} ins(%[[QR]],
// CHECK:       %[[PROJECTED:.*]] = moe.grouped_matmul ins(%[[ATTENDED]] : {{.*}}) banks(%{{[^ ]*}} : tensor<64x64xbf16>) outs
// CHECK:       %[[MIDDLE:.*]] = linalg.generic {{.*}} ins(%[[X]], %[[PROJECTED]] :
// CHECK:       %[[H:.*]] = nn.rms_norm {{.*}} ins(%[[MIDDLE]] :
// CHECK:       %[[G:.*]]:3 = moe.gate {{.*}} ins(%[[H]],
// CHECK:       %[[P:.*]]:5 = moe.plan ins(%[[G]]#0 :
// CHECK:       %[[ACTIVE:.*]] = moe.grouped_matmul ins(%[[H]] : {{.*}}) banks(%{{[^ ]*}}, %{{[^ ]*}} : !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>) offsets
// CHECK:       %[[DOWN:.*]] = moe.grouped_matmul ins(%[[ACTIVE]] : {{.*}}) banks(%{{[^ ]*}} : !moe.bank<8 x tensor<64x48xbf16>>) offsets
// CHECK:       %[[SACTIVE:.*]] = moe.grouped_matmul ins(%[[H]] : {{.*}}) banks(%{{[^ ]*}}, %{{[^ ]*}} : tensor<48x64xbf16>, tensor<48x64xbf16>) outs
// CHECK:       %[[SGATE:.*]] = moe.grouped_matmul ins(%[[H]] : {{.*}}) banks(%{{[^ ]*}} : tensor<1x64xbf16>) outs
// CHECK:       %[[SHARED:.*]] = moe.grouped_matmul ins(%[[SACTIVE]] : {{.*}}) banks(%{{[^ ]*}} : tensor<64x48xbf16>) extras(%[[SGATE]] : tensor<?x1xf32>)
// CHECK-NEXT:  ^bb0(%[[ACC:.*]]: f32, %[[S:.*]]: f32):
// CHECK-NEXT:    %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:    %[[N:.*]] = arith.negf %[[S]] : f32
// CHECK-NEXT:    %[[E:.*]] = math.exp %[[N]] : f32
// CHECK-NEXT:    %[[D:.*]] = arith.addf %[[E]], %[[ONE]] : f32
// CHECK-NEXT:    %[[SIG:.*]] = arith.divf %[[ONE]], %[[D]] : f32
// CHECK-NEXT:    %[[R:.*]] = arith.mulf %[[ACC]], %[[SIG]] : f32
// CHECK-NEXT:    moe.yield %[[R]] : f32
// CHECK:       %[[MIXED:.*]] = moe.combine ins(%[[DOWN]], {{.*}}) addends(%[[SHARED]] : tensor<?x64xf32>)
// CHECK:       %[[OUT:.*]] = linalg.generic {{.*}} ins(%[[MIDDLE]], %[[MIXED]] :
// CHECK:       return %[[OUT]], %[[NORMED]], %[[PROJECTED]], %[[G]]#2, %[[G]]#0, %[[MIXED]], %[[OUT]]
// CHECK-LABEL: func.func @step
// CHECK:       moe.weight "rope"
// CHECK:       nn.state_ref 0
// CHECK-COUNT-17: moe.weight "layers.0.
// CHECK:       %[[L0:.*]]:7 = call @layer
// CHECK:       moe.tap "layers.0.attn_norm", %[[L0]]#1
// CHECK:       moe.tap "layers.0.attention", %[[L0]]#2
// CHECK:       moe.tap "layers.0.router_logits", %[[L0]]#3
// CHECK:       moe.tap "layers.0.experts" always, %[[L0]]#4
// CHECK:       moe.tap "layers.0.moe", %[[L0]]#5
// CHECK:       moe.tap "layers.0.out", %[[L0]]#6
// CHECK:       nn.state_ref 1
// CHECK-COUNT-17: moe.weight "layers.1.
// CHECK:       call @layer(%[[L0]]#0,
// CHECK-COUNT-6: moe.tap "layers.1.

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
    %bq: tensor<64xf32>,
    %bk: tensor<32xf32>,
    %bv: tensor<32xf32>,
    %mlp_norm: tensor<64xf32>,
    %router: tensor<8x64xf32>,
    %gate: !moe.bank<8 x tensor<48x64xbf16>>,
    %up: !moe.bank<8 x tensor<48x64xbf16>>,
    %down: !moe.bank<8 x tensor<64x48xbf16>>,
    %sg: tensor<48x64xbf16>,
    %su: tensor<48x64xbf16>,
    %sd: tensor<64x48xbf16>,
    %sgate: tensor<1x64xbf16>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x64xf32>
  %empty = tensor.empty(%t) : tensor<?x64xf32>
  %normed = nn.rms_norm {size = 64 : i64, eps = 1.0e-06 : f64} ins(%x : tensor<?x64xf32>) weight(%attn_norm : tensor<64xf32>) outs(%empty : tensor<?x64xf32>) -> tensor<?x64xf32>
  moe.tap "layers.{layer}.attn_norm", %normed : tensor<?x64xf32>
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
  %q_biased = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]} ins(%q, %bq : tensor<?x64xf32>, tensor<64xf32>) outs(%empty4 : tensor<?x64xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x64xf32>
  %empty5 = tensor.empty(%t) : tensor<?x32xf32>
  %k_biased = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]} ins(%k, %bk : tensor<?x32xf32>, tensor<32xf32>) outs(%empty5 : tensor<?x32xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x32xf32>
  %empty6 = tensor.empty(%t) : tensor<?x32xf32>
  %v_biased = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]} ins(%v, %bv : tensor<?x32xf32>, tensor<32xf32>) outs(%empty6 : tensor<?x32xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x32xf32>
  %empty7 = tensor.empty(%t) : tensor<?x64xf32>
  %q_turned = nn.rope {size = 16 : i64} ins(%q_biased, %rope, %positions : tensor<?x64xf32>, tensor<256x2x8xf32>, tensor<?xi32>) outs(%empty7 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty8 = tensor.empty(%t) : tensor<?x32xf32>
  %k_turned = nn.rope {size = 16 : i64} ins(%k_biased, %rope, %positions : tensor<?x32xf32>, tensor<256x2x8xf32>, tensor<?xi32>) outs(%empty8 : tensor<?x32xf32>) -> tensor<?x32xf32>
  nn.append ins(%k_turned, %v_biased, %positions, %slots : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>)
  %empty9 = tensor.empty(%t) : tensor<?x64xf32>
  %attended = nn.attention {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.25 : f64} ins(%q_turned, %positions, %slots : tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>) state(%kv : !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>) outs(%empty9 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty10 = tensor.empty(%t) : tensor<?x64xf32>
  %zeros3 = linalg.fill ins(%zero : f32) outs(%empty10 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %projected = linalg.matmul indexing_maps = [#a, #b, #c] ins(%attended, %wo : tensor<?x64xf32>, tensor<64x64xbf16>) outs(%zeros3 : tensor<?x64xf32>) -> tensor<?x64xf32>
  moe.tap "layers.{layer}.attention", %projected : tensor<?x64xf32>
  %empty11 = tensor.empty(%t) : tensor<?x64xf32>
  %middle = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%x, %projected : tensor<?x64xf32>, tensor<?x64xf32>) outs(%empty11 : tensor<?x64xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x64xf32>
  %empty12 = tensor.empty(%t) : tensor<?x64xf32>
  %mlp_normed = nn.rms_norm {size = 64 : i64, eps = 1.0e-06 : f64} ins(%middle : tensor<?x64xf32>) weight(%mlp_norm : tensor<64xf32>) outs(%empty12 : tensor<?x64xf32>) -> tensor<?x64xf32>
  %empty13 = tensor.empty(%t) : tensor<?x8xf32>
  %zeros4 = linalg.fill ins(%zero : f32) outs(%empty13 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %logits = linalg.matmul indexing_maps = [#a, #b, #c] ins(%mlp_normed, %router : tensor<?x64xf32>, tensor<8x64xf32>) outs(%zeros4 : tensor<?x8xf32>) -> tensor<?x8xf32>
  moe.tap "layers.{layer}.router_logits", %logits : tensor<?x8xf32>
  %empty14 = tensor.empty(%t) : tensor<?x2xi32>
  %empty15 = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2, renorm = sum>} ins(%logits : tensor<?x8xf32>) outs(%empty14, %empty15 : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  moe.tap "layers.{layer}.experts" always, %ids : tensor<?x2xi32>
  %empty16 = tensor.empty(%t) : tensor<?x64xf32>
  %moe = moe.experts ins(%mlp_normed, %ids, %weights : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>) banks(%gate, %up, %down : !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<64x48xbf16>>) outs(%empty16 : tensor<?x64xf32>) {
  ^bb0(%rows: tensor<?x64xf32>, %g: tensor<48x64xbf16>, %u: tensor<48x64xbf16>, %d: tensor<64x48xbf16>):
    %c0_ = arith.constant 0 : index
    %zero_ = arith.constant 0.0 : f32
    %count = tensor.dim %rows, %c0_ : tensor<?x64xf32>
    %empty17 = tensor.empty(%count) : tensor<?x48xf32>
    %zeros5 = linalg.fill ins(%zero_ : f32) outs(%empty17 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %gated = linalg.matmul indexing_maps = [#a, #b, #c] ins(%rows, %g : tensor<?x64xf32>, tensor<48x64xbf16>) outs(%zeros5 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %empty18 = tensor.empty(%count) : tensor<?x48xf32>
    %zeros6 = linalg.fill ins(%zero_ : f32) outs(%empty18 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %upped = linalg.matmul indexing_maps = [#a, #b, #c] ins(%rows, %u : tensor<?x64xf32>, tensor<48x64xbf16>) outs(%zeros6 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %empty19 = tensor.empty(%count) : tensor<?x48xf32>
    %active = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%gated, %upped : tensor<?x48xf32>, tensor<?x48xf32>) outs(%empty19 : tensor<?x48xf32>) {
    ^bb0(%a0: f32, %a1: f32, %init: f32):
      %one = arith.constant 1.0 : f32
      %n = arith.negf %a0 : f32
      %ex = math.exp %n : f32
      %den = arith.addf %ex, %one : f32
      %act = arith.divf %a0, %den : f32
      %res = arith.mulf %act, %a1 : f32
      linalg.yield %res : f32
    } -> tensor<?x48xf32>
    %empty20 = tensor.empty(%count) : tensor<?x64xf32>
    %zeros7 = linalg.fill ins(%zero_ : f32) outs(%empty20 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %downed = linalg.matmul indexing_maps = [#a, #b, #c] ins(%active, %d : tensor<?x48xf32>, tensor<64x48xbf16>) outs(%zeros7 : tensor<?x64xf32>) -> tensor<?x64xf32>
    moe.yield %downed : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  %empty21 = tensor.empty(%t) : tensor<?x64xf32>
  %shared = moe.shared ins(%mlp_normed : tensor<?x64xf32>) params(%sg, %su, %sd, %sgate : tensor<48x64xbf16>, tensor<48x64xbf16>, tensor<64x48xbf16>, tensor<1x64xbf16>) outs(%empty21 : tensor<?x64xf32>) {
  ^bb0(%rows: tensor<?x64xf32>, %g: tensor<48x64xbf16>, %u: tensor<48x64xbf16>, %d: tensor<64x48xbf16>, %s: tensor<1x64xbf16>):
    %c0_ = arith.constant 0 : index
    %zero_ = arith.constant 0.0 : f32
    %count = tensor.dim %rows, %c0_ : tensor<?x64xf32>
    %empty22 = tensor.empty(%count) : tensor<?x48xf32>
    %zeros8 = linalg.fill ins(%zero_ : f32) outs(%empty22 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %gated1 = linalg.matmul indexing_maps = [#a, #b, #c] ins(%rows, %g : tensor<?x64xf32>, tensor<48x64xbf16>) outs(%zeros8 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %empty23 = tensor.empty(%count) : tensor<?x48xf32>
    %zeros9 = linalg.fill ins(%zero_ : f32) outs(%empty23 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %upped1 = linalg.matmul indexing_maps = [#a, #b, #c] ins(%rows, %u : tensor<?x64xf32>, tensor<48x64xbf16>) outs(%zeros9 : tensor<?x48xf32>) -> tensor<?x48xf32>
    %empty24 = tensor.empty(%count) : tensor<?x48xf32>
    %active1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%gated1, %upped1 : tensor<?x48xf32>, tensor<?x48xf32>) outs(%empty24 : tensor<?x48xf32>) {
    ^bb0(%a0: f32, %a1: f32, %init: f32):
      %one = arith.constant 1.0 : f32
      %n = arith.negf %a0 : f32
      %ex = math.exp %n : f32
      %den = arith.addf %ex, %one : f32
      %act = arith.divf %a0, %den : f32
      %res = arith.mulf %act, %a1 : f32
      linalg.yield %res : f32
    } -> tensor<?x48xf32>
    %empty25 = tensor.empty(%count) : tensor<?x64xf32>
    %zeros10 = linalg.fill ins(%zero_ : f32) outs(%empty25 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %downed1 = linalg.matmul indexing_maps = [#a, #b, #c] ins(%active1, %d : tensor<?x48xf32>, tensor<64x48xbf16>) outs(%zeros10 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %empty26 = tensor.empty(%count) : tensor<?x1xf32>
    %zeros11 = linalg.fill ins(%zero_ : f32) outs(%empty26 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %product = linalg.matmul indexing_maps = [#a, #b, #c] ins(%rows, %s : tensor<?x64xf32>, tensor<1x64xbf16>) outs(%zeros11 : tensor<?x1xf32>) -> tensor<?x1xf32>
    %empty27 = tensor.empty(%count) : tensor<?x64xf32>
    %sum = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]} ins(%downed1, %product : tensor<?x64xf32>, tensor<?x1xf32>) outs(%empty27 : tensor<?x64xf32>) {
    ^bb0(%a0: f32, %a1: f32, %init: f32):
      %one = arith.constant 1.0 : f32
      %n = arith.negf %a1 : f32
      %ex = math.exp %n : f32
      %den = arith.addf %ex, %one : f32
      %s2 = arith.divf %one, %den : f32
      %res = arith.mulf %a0, %s2 : f32
      linalg.yield %res : f32
    } -> tensor<?x64xf32>
    moe.yield %sum : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  %empty28 = tensor.empty(%t) : tensor<?x64xf32>
  %mixed = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%moe, %shared : tensor<?x64xf32>, tensor<?x64xf32>) outs(%empty28 : tensor<?x64xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x64xf32>
  moe.tap "layers.{layer}.moe", %mixed : tensor<?x64xf32>
  %empty29 = tensor.empty(%t) : tensor<?x64xf32>
  %out = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%middle, %mixed : tensor<?x64xf32>, tensor<?x64xf32>) outs(%empty29 : tensor<?x64xf32>) {
  ^bb0(%a0: f32, %a1: f32, %init: f32):
    %res = arith.addf %a0, %a1 : f32
    linalg.yield %res : f32
  } -> tensor<?x64xf32>
  moe.tap "layers.{layer}.out", %out : tensor<?x64xf32>
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
  %bq0 = moe.weight "layers.0.bq" : tensor<64xf32>
  %bk0 = moe.weight "layers.0.bk" : tensor<32xf32>
  %bv0 = moe.weight "layers.0.bv" : tensor<32xf32>
  %mlp_norm0 = moe.weight "layers.0.mlp_norm" : tensor<64xf32>
  %router0 = moe.weight "layers.0.router" : tensor<8x64xf32>
  %gate0 = moe.weight "layers.0.gate" : !moe.bank<8 x tensor<48x64xbf16>>
  %up0 = moe.weight "layers.0.up" : !moe.bank<8 x tensor<48x64xbf16>>
  %down0 = moe.weight "layers.0.down" : !moe.bank<8 x tensor<64x48xbf16>>
  %sg0 = moe.weight "layers.0.sg" : tensor<48x64xbf16>
  %su0 = moe.weight "layers.0.su" : tensor<48x64xbf16>
  %sd0 = moe.weight "layers.0.sd" : tensor<64x48xbf16>
  %sgate0 = moe.weight "layers.0.sgate" : tensor<1x64xbf16>
  %y0 = func.call @layer(%x, %positions, %slots, %rope, %kv0, %attn_norm0, %wq0, %wk0, %wv0, %wo0, %bq0, %bk0, %bv0, %mlp_norm0, %router0, %gate0, %up0, %down0, %sg0, %su0, %sd0, %sgate0) {layer = 0 : i64}
      : (tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<256x2x8xf32>, !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>, tensor<64xf32>, tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<32x64xbf16>, tensor<64x64xbf16>, tensor<64xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64xf32>, tensor<8x64xf32>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<64x48xbf16>>, tensor<48x64xbf16>, tensor<48x64xbf16>, tensor<64x48xbf16>, tensor<1x64xbf16>) -> tensor<?x64xf32>
  %kv1 = nn.state_ref 1 : !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>
  %attn_norm1 = moe.weight "layers.1.attn_norm" : tensor<64xf32>
  %wq1 = moe.weight "layers.1.wq" : tensor<64x64xbf16>
  %wk1 = moe.weight "layers.1.wk" : tensor<32x64xbf16>
  %wv1 = moe.weight "layers.1.wv" : tensor<32x64xbf16>
  %wo1 = moe.weight "layers.1.wo" : tensor<64x64xbf16>
  %bq1 = moe.weight "layers.1.bq" : tensor<64xf32>
  %bk1 = moe.weight "layers.1.bk" : tensor<32xf32>
  %bv1 = moe.weight "layers.1.bv" : tensor<32xf32>
  %mlp_norm1 = moe.weight "layers.1.mlp_norm" : tensor<64xf32>
  %router1 = moe.weight "layers.1.router" : tensor<8x64xf32>
  %gate1 = moe.weight "layers.1.gate" : !moe.bank<8 x tensor<48x64xbf16>>
  %up1 = moe.weight "layers.1.up" : !moe.bank<8 x tensor<48x64xbf16>>
  %down1 = moe.weight "layers.1.down" : !moe.bank<8 x tensor<64x48xbf16>>
  %sg1 = moe.weight "layers.1.sg" : tensor<48x64xbf16>
  %su1 = moe.weight "layers.1.su" : tensor<48x64xbf16>
  %sd1 = moe.weight "layers.1.sd" : tensor<64x48xbf16>
  %sgate1 = moe.weight "layers.1.sgate" : tensor<1x64xbf16>
  %y1 = func.call @layer(%y0, %positions, %slots, %rope, %kv1, %attn_norm1, %wq1, %wk1, %wv1, %wo1, %bq1, %bk1, %bv1, %mlp_norm1, %router1, %gate1, %up1, %down1, %sg1, %su1, %sd1, %sgate1) {layer = 1 : i64}
      : (tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<256x2x8xf32>, !nn.state<heads = 2, key = 16, value = 16, element = f32, sequences = 4, positions = 256>, tensor<64xf32>, tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<32x64xbf16>, tensor<64x64xbf16>, tensor<64xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64xf32>, tensor<8x64xf32>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<48x64xbf16>>, !moe.bank<8 x tensor<64x48xbf16>>, tensor<48x64xbf16>, tensor<48x64xbf16>, tensor<64x48xbf16>, tensor<1x64xbf16>) -> tensor<?x64xf32>
  return %y1 : tensor<?x64xf32>
}
