// RUN: moe-opt %s -moe-fuse-gate -canonicalize -cse | FileCheck %s
// RUN: moe-opt %s -moe-fuse-gate --remarks-filter='moe-fuse-gate' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>
#row = affine_map<(d0, d1) -> (d0, 0)>
#one = affine_map<(d0, d1) -> (0)>
#r = affine_map<(d0, d1) -> (d0)>

// The logits' other readers read the gate's.

// REMARK: [Passed] gate {{.*}}Function=plain
// CHECK-LABEL: func.func @plain
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<8x4xf32>)
// CHECK:       %[[T:.*]] = tensor.dim %[[X]]
// CHECK-DAG:   %[[IDS:.*]] = tensor.empty(%[[T]]) : tensor<?x2xi32>
// CHECK-DAG:   %[[WEIGHTS:.*]] = tensor.empty(%[[T]]) : tensor<?x2xf32>
// CHECK-DAG:   %[[LOGITS:.*]] = tensor.empty(%[[T]]) : tensor<?x8xf32>
// CHECK:       %[[G:.*]]:3 = moe.gate {routing = #moe.routing<k = 2>} ins(%[[X]], %[[W]] : tensor<?x4xf32>, tensor<8x4xf32>) outs(%[[IDS]], %[[WEIGHTS]], %[[LOGITS]] :
// CHECK-NEXT:  moe.tap "router_logits", %[[G]]#2
// CHECK-NEXT:  return %[[G]]#0, %[[G]]#1
func.func @plain(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  moe.tap "router_logits", %l : tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids, %weights : tensor<?x2xi32>, tensor<?x2xf32>
}

// A bias of the logits and one of the selection.

// REMARK: [Passed] gate {{.*}}Function=biases
// CHECK-LABEL: func.func @biases
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<8x4xf32>, %[[LB:[^:]*]]: tensor<8xf32>, %[[SB:[^:]*]]: tensor<8xf32>)
// CHECK-NOT:   linalg
// CHECK:       moe.gate {{.*}} ins(%[[X]], %[[W]] : tensor<?x4xf32>, tensor<8x4xf32>) extras(%[[LB]] : tensor<8xf32>) bias(%[[SB]] : tensor<8xf32>)
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
// CHECK-NEXT:    %[[S:.*]] = arith.addf %[[A]], %[[B]]
// CHECK-NEXT:    moe.yield %[[S]]
// CHECK-NOT:   linalg
func.func @biases(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %lb: tensor<8xf32>, %sb: tensor<8xf32>) -> tensor<?x2xi32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %lb : tensor<?x8xf32>, tensor<8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) bias(%sb : tensor<8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// Whatever is computed of each logit by itself becomes the epilogue, in as many ops as it was written: a factor for each token, one for all,
// rows of another product, and the softcap of the sum. The longer product is the router's.

// REMARK: [Passed] gate {{.*}}Function=chain {{.*}}"router product, what is computed of each logit (3 elementwise ops, 3 further inputs) and choice of experts fused"
// CHECK-LABEL: func.func @chain
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[W:[^:]*]]: tensor<8x4xf32>, %[[M:[^:]*]]: tensor<8x2xf32>, %[[P:[^:]*]]: tensor<?x2xf32>, %[[N:[^:]*]]: tensor<?x1xf32>, %[[T:[^:]*]]: tensor<1xf32>)
// CHECK:       %[[O:.*]] = linalg.matmul {{.*}} ins(%[[P]], %[[M]]
// CHECK-NOT:   linalg
// CHECK:       %[[G:.*]]:3 = moe.gate {{.*}} ins(%[[X]], %[[W]] : tensor<?x4xf32>, tensor<8x4xf32>) extras(%[[N]], %[[T]], %[[O]] : tensor<?x1xf32>, tensor<1xf32>, tensor<?x8xf32>) outs
// CHECK-NEXT:  ^bb0(%[[SUM:.*]]: f32, %[[NORM:.*]]: f32, %[[ALL:.*]]: f32, %[[OTHER:.*]]: f32):
// CHECK-DAG:     %[[CAP:.*]] = arith.constant 3.0
// CHECK-DAG:     %[[Q:.*]] = arith.divf %[[SUM]], %[[NORM]]
// CHECK:         %[[F:.*]] = arith.mulf %[[Q]], %[[ALL]]
// CHECK-NEXT:    %[[S:.*]] = arith.addf %[[OTHER]], %[[F]]
// CHECK-NEXT:    %[[D:.*]] = arith.divf %[[S]], %[[CAP]]
// CHECK-NEXT:    %[[H:.*]] = math.tanh %[[D]]
// CHECK-NEXT:    %[[C:.*]] = arith.mulf %[[H]], %[[CAP]]
// CHECK-NEXT:    moe.yield %[[C]]
// CHECK-NOT:   linalg
// CHECK:       moe.tap "router_logits", %[[G]]#2
func.func @chain(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %map: tensor<8x2xf32>, %before: tensor<?x2xf32>, %norm: tensor<?x1xf32>, %temperature: tensor<1xf32>) -> tensor<?x2xi32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %o = linalg.matmul indexing_maps = [#x, #w, #y] ins(%before, %map : tensor<?x2xf32>, tensor<8x2xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %s = linalg.generic {indexing_maps = [#id, #row, #one, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %norm, %temperature : tensor<?x8xf32>, tensor<?x1xf32>, tensor<1xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %n: f32, %b: f32, %out: f32):
    %q = arith.divf %a, %n : f32
    %p = arith.mulf %q, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x8xf32>
  %sum = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%o, %s : tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.addf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x8xf32>
  %l = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%sum : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %cap = arith.constant 3.0 : f32
    %d = arith.divf %a, %cap : f32
    %h = math.tanh %d : f32
    %c = arith.mulf %h, %cap : f32
    linalg.yield %c : f32
  } -> tensor<?x8xf32>
  moe.tap "router_logits", %l : tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// A value on the way may be read twice, as long as all its readers are on the way too.

// REMARK: [Passed] gate {{.*}}Function=twice
// CHECK-LABEL: func.func @twice
// CHECK:       moe.gate
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    %[[E:.*]] = math.exp %[[A]]
// CHECK-NEXT:    %[[P:.*]] = arith.mulf %[[A]], %[[E]]
// CHECK-NEXT:    moe.yield %[[P]]
func.func @twice(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) -> tensor<?x2xi32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %h = math.exp %a : f32
    linalg.yield %h : f32
  } -> tensor<?x8xf32>
  %l = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%m, %s : tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// REMARK: [Missed] gate {{.*}}Function=read_on_the_way {{.*}}Reason="what its logits are made of is read by moe.tap 'way' too"
// CHECK-LABEL: func.func @read_on_the_way
// CHECK:       moe.route
func.func @read_on_the_way(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %lb: tensor<8xf32>) -> tensor<?x2xi32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %s = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]} ins(%m, %lb : tensor<?x8xf32>, tensor<8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %h = arith.mulf %a, %b : f32
    linalg.yield %h : f32
  } -> tensor<?x8xf32>
  moe.tap "way", %s : tensor<?x8xf32>
  %l = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %h = math.exp %a : f32
    linalg.yield %h : f32
  } -> tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// A product of one column that all logits get is no row of logits.

// REMARK: [Missed] gate {{.*}}Function=one_column {{.*}}Reason="the product is one value for each row or column of its logits"
// CHECK-LABEL: func.func @one_column
// CHECK:       moe.route
func.func @one_column(%x: tensor<?x4xf32>, %w: tensor<1x4xf32>, %lb: tensor<8xf32>, %g: tensor<?x1xf32>) -> tensor<?x2xi32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%g : tensor<?x1xf32>) -> tensor<?x1xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<1x4xf32>)
      outs(%f1 : tensor<?x1xf32>) -> tensor<?x1xf32>
  %l = linalg.generic {indexing_maps = [#row, #col, #id], iterator_types = ["parallel", "parallel"]} ins(%m, %lb : tensor<?x1xf32>, tensor<8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %h = arith.mulf %a, %b : f32
    linalg.yield %h : f32
  } -> tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// What looks at several logits of a token is no epilogue.

// REMARK: [Missed] gate {{.*}}Function=normed {{.*}}Reason="its logits come from 'nn.layer_norm', which is not computed for each by itself"
// CHECK-LABEL: func.func @normed
// CHECK:       moe.route
func.func @normed(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) -> tensor<?x2xi32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = nn.layer_norm {size = 8 : i64, eps = 1.0e-6 : f64} ins(%m : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// REMARK: [Missed] gate {{.*}}Function=by_vector {{.*}}Reason="its logits come from 'linalg.generic', which is not computed for each by itself: an input is not [R, N], [R, 1], [N] or [1]"
// CHECK-LABEL: func.func @by_vector
// CHECK:       moe.route
func.func @by_vector(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %v: tensor<?xf32>) -> tensor<?x2xi32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.generic {indexing_maps = [#id, #r, #id], iterator_types = ["parallel", "parallel"]} ins(%m, %v : tensor<?x8xf32>, tensor<?xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %h = arith.mulf %a, %b : f32
    linalg.yield %h : f32
  } -> tensor<?x8xf32>
  %ei = tensor.empty(%t) : tensor<?x2xi32>
  %ew = tensor.empty(%t) : tensor<?x2xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%ei, %ew : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// Logits from elsewhere keep their route.

// REMARK: [Missed] gate {{.*}}Function=argument {{.*}}Reason="its logits are made elsewhere"
// CHECK-LABEL: func.func @argument
// CHECK:       moe.route
func.func @argument(%l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %w: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %w : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// REMARK: [Missed] gate {{.*}}Function=narrow {{.*}}Reason="its weight is not f32"
// CHECK-LABEL: func.func @narrow
// CHECK:       moe.route
func.func @narrow(%x: tensor<?x4xf32>, %w: tensor<8x4xbf16>, %e: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xbf16>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// REMARK: [Missed] gate {{.*}}Function=not_transposed {{.*}}Reason="its logits come from a product, but its second operand is not a transposed weight [N, K]"
// CHECK-LABEL: func.func @not_transposed
// CHECK:       moe.route
func.func @not_transposed(%x: tensor<?x4xf32>, %w: tensor<4x8xf32>, %e: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.matmul indexing_maps = [#x, #wn, #y] ins(%x, %w : tensor<?x4xf32>, tensor<4x8xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// REMARK: [Missed] gate {{.*}}Function=accumulates {{.*}}Reason="its logits come from a product, but its output does not start as zeros"
// CHECK-LABEL: func.func @accumulates
// CHECK:       moe.route
func.func @accumulates(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %e: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %l = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// REMARK: [Missed] gate {{.*}}Function=before_bias {{.*}}Reason="the product in front of its logits is read by moe.tap 'raw' too"
// CHECK-LABEL: func.func @before_bias
// CHECK:       moe.route
func.func @before_bias(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %lb: tensor<8xf32>, %e: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  moe.tap "raw", %m : tensor<?x8xf32>
  %l = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %lb : tensor<?x8xf32>, tensor<8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %b, %a : f32
    linalg.yield %s : f32
  } -> tensor<?x8xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// What is made behind the logits, but not of them, comes in front.
// REMARK: [Passed] gate {{.*}}Function=late_bias
// CHECK-LABEL: func.func @late_bias
// CHECK:       %[[BIAS:.*]] = moe.weight "bias"
// CHECK:       moe.gate {{.*}}bias(%[[BIAS]]
func.func @late_bias(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %e: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %sb = moe.weight "bias" : tensor<8xf32>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) bias(%sb : tensor<8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// REMARK: [Missed] gate {{.*}}Function=eligible_by_logits {{.*}}Reason="what it reads besides its logits is made of these"
// CHECK-LABEL: func.func @eligible_by_logits
// CHECK:       moe.route
func.func @eligible_by_logits(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %e: tensor<?x8xf32>, %m: tensor<?x8xi8>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %may = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%l : tensor<?x8xf32>) outs(%m : tensor<?x8xi8>) {
  ^bb0(%a: f32, %o: i8):
    %is = arith.cmpf ogt, %a, %zero : f32
    %one = arith.extui %is : i1 to i8
    linalg.yield %one : i8
  } -> tensor<?x8xi8>
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>) eligible(%may : tensor<?x8xi8>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %ids : tensor<?x2xi32>
}

// The constants that a body captures come along.

// REMARK: [Passed] gate {{.*}}Function=late_classes
// CHECK-LABEL: func.func @late_classes
// CHECK:       %[[CLASS:.*]] = linalg.generic
// CHECK:       %[[VECTOR:.*]] = tensor.collapse_shape %[[CLASS]]
// CHECK:       moe.gate {{.*}}class_id(%[[VECTOR]]
func.func @late_classes(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %ids: tensor<?x1xi32>, %o: tensor<?x1xi32>, %e: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>) -> tensor<?x2xi32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>)
      outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %limit = arith.constant 40 : i32
  %one = arith.constant 1 : i32
  %none = arith.constant 0 : i32
  %class = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%ids : tensor<?x1xi32>) outs(%o : tensor<?x1xi32>) {
  ^bb0(%a: i32, %out: i32):
    %is = arith.cmpi sge, %a, %limit : i32
    %c = arith.select %is, %one, %none : i32
    linalg.yield %c : i32
  } -> tensor<?x1xi32>
  %classes = tensor.collapse_shape %class [[0, 1]] : tensor<?x1xi32> into tensor<?xi32>
  %chosen, %weights = moe.route {routing = #moe.routing<k = 2>, class_mask = array<i1: true, true, true, true, false, false, false, false, false, false, false, false, true, true, true, true>}
      ins(%l : tensor<?x8xf32>) class_id(%classes : tensor<?xi32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  return %chosen : tensor<?x2xi32>
}
