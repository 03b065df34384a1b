// RUN: moe-opt %s -moe-fuse-combine | FileCheck %s
// RUN: moe-opt %s -moe-fuse-combine --remarks-filter='moe-fuse-combine' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#id = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>

// REMARK: [Passed] addend {{.*}}Function=residual
// CHECK-LABEL: func.func @residual
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>) ->
// CHECK-NOT:   linalg
// CHECK:       %[[Y:.*]] = moe.combine {{.*}} addends(%[[X]] : tensor<?x4xf32>)
// CHECK:       return %[[Y]]
func.func @residual(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Addends keep their order; the combine moves behind them.

// REMARK-COUNT-2: [Passed] addend {{.*}}Function=shared_and_residual
// CHECK-LABEL: func.func @shared_and_residual
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>, %[[S:[^:]*]]: tensor<?x4xf32>) ->
// CHECK:       %[[H:.*]] = linalg.generic {{.*}} ins(%[[S]] :
// CHECK:       %[[Y:.*]] = moe.combine {{.*}} addends(%[[H]], %[[X]] : tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK:       return %[[Y]]
func.func @shared_and_residual(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<?x4xf32>, %s: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %n = arith.negf %a0 : f32
    linalg.yield %n : f32
  } -> tensor<?x4xf32>
  %t = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %h : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %t : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Several sums in one op, from the inside out.

// REMARK: [Passed] addend {{.*}}Function=one_sum
// CHECK-LABEL: func.func @one_sum
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>, %[[H:[^:]*]]: tensor<?x4xf32>) ->
// CHECK-NOT:   linalg
// CHECK:       %[[Y:.*]] = moe.combine {{.*}} addends(%[[H]], %[[X]] : tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK:       return %[[Y]]
func.func @one_sum(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<?x4xf32>, %h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m, %h : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %a2: f32, %o: f32):
    %i = arith.addf %a1, %a2 : f32
    %sum = arith.addf %a0, %i : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A sum of other values first would be rounded differently.

// REMARK: [Missed] addend {{.*}}Function=other_order {{.*}}Reason="the reader does more than add other values"
// CHECK-LABEL: func.func @other_order
// CHECK-NOT:   addends
func.func @other_order(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<?x4xf32>, %h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m, %h : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %a2: f32, %o: f32):
    %i = arith.addf %a0, %a2 : f32
    %sum = arith.addf %a1, %i : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Of two combines one becomes an addend of the other.

// CHECK-LABEL: func.func @both
// CHECK:       %[[A:.*]] = moe.combine
// CHECK:       moe.combine {{.*}} addends(%{{.*}} : tensor<?x4xf32>)
// CHECK-NOT:   linalg
func.func @both(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %n = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %n : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What blocks a sum is said.

// REMARK: [Missed] addend {{.*}}Function=tapped {{.*}}Reason="the value before the sum is read by moe.tap 'moe' too"
// CHECK-LABEL: func.func @tapped
// CHECK-NOT:   addends
// CHECK:       linalg.generic
func.func @tapped(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  moe.tap "moe", %m : tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] addend {{.*}}Function=product {{.*}}Reason="the reader does more than add other values"
// CHECK-LABEL: func.func @product
// CHECK-NOT:   addends
func.func @product(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.mulf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] addend {{.*}}Function=bias {{.*}}Reason="another value of the sum is not a matrix of its own"
// CHECK-LABEL: func.func @bias
// CHECK-NOT:   addends
func.func @bias(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %x : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] addend {{.*}}Function=twice {{.*}}Reason="another value of the sum is not a matrix of its own"
// CHECK-LABEL: func.func @twice
// CHECK-NOT:   addends
func.func @twice(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %m : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] addend {{.*}}Function=narrow {{.*}}Reason="the sum is not one of f32"
// CHECK-LABEL: func.func @narrow
// CHECK-NOT:   addends
func.func @narrow(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %eb: tensor<?x4xbf16>, %x: tensor<?x4xbf16>) -> tensor<?x4xbf16> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%eb : tensor<?x4xbf16>) -> tensor<?x4xbf16>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m : tensor<?x4xbf16>, tensor<?x4xbf16>) outs(%eb : tensor<?x4xbf16>) {
  ^bb0(%a0: bf16, %a1: bf16, %o: bf16):
    %sum = arith.addf %a0, %a1 : bf16
    linalg.yield %sum : bf16
  } -> tensor<?x4xbf16>
  return %y : tensor<?x4xbf16>
}

// REMARK: [Missed] addend {{.*}}Function=in_place {{.*}}Reason="the value before the sum is its output too"
// CHECK-LABEL: func.func @in_place
// CHECK-NOT:   addends
func.func @in_place(%r: tensor<?x4xf32>, %tr: tensor<?x2xi32>, %ts: tensor<?x2xi32>, %w: tensor<?x2xf32>, %e: tensor<?x4xf32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.combine ins(%r, %tr, %ts, %w : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<?x2xf32>)
      outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m : tensor<?x4xf32>, tensor<?x4xf32>) outs(%m : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %sum = arith.addf %a0, %a1 : f32
    linalg.yield %sum : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
