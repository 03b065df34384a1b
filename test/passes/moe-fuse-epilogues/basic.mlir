// RUN: moe-opt %s -moe-fuse-epilogues | FileCheck %s
// RUN: moe-opt %s -moe-fuse-epilogues --remarks-filter='moe-fuse-epilogues' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#id = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>
#row = affine_map<(d0, d1) -> (d0, 0)>
#t = affine_map<(d0, d1) -> (d1, d0)>

// Bias, clamp and residual, one after the other.

// REMARK-COUNT-3: [Passed] epilogue {{.*}}Function=chain{{.*}}"computed in the registers of its product"
// CHECK-LABEL: func.func @chain
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x8xf32>, %[[W:[^:]*]]: tensor<4x8xbf16>, %[[E:[^:]*]]: tensor<?x4xf32>, %[[B:[^:]*]]: tensor<4xf32>, %[[R:[^:]*]]: tensor<?x4xf32>)
// CHECK-NEXT:  %[[Y:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x8xf32>) banks(%[[W]] : tensor<4x8xbf16>) extras(%[[B]], %[[R]] : tensor<4xf32>, tensor<?x4xf32>) outs(%[[E]] : tensor<?x4xf32>) {
// CHECK-NEXT:  ^bb0(%[[ACC:.*]]: f32, %[[BIAS:.*]]: f32, %[[RES:.*]]: f32):
// CHECK-NEXT:    %[[S:.*]] = arith.addf %[[ACC]], %[[BIAS]] : f32
// CHECK-NEXT:    %[[LOW:.*]] = arith.constant -8.000000e+00 : f32
// CHECK-NEXT:    %[[HIGH:.*]] = arith.constant 8.000000e+00 : f32
// CHECK-NEXT:    %[[M:.*]] = arith.maximumf %[[S]], %[[LOW]] : f32
// CHECK-NEXT:    %[[C:.*]] = arith.minimumf %[[M]], %[[HIGH]] : f32
// CHECK-NEXT:    %[[V:.*]] = arith.addf %[[RES]], %[[C]] : f32
// CHECK-NEXT:    moe.yield %[[V]] : f32
// CHECK:       return %[[Y]]
func.func @chain(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %b: tensor<4xf32>, %r: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %b : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %low = arith.constant -8.0 : f32
    %high = arith.constant 8.0 : f32
    %l = arith.maximumf %a0, %low : f32
    %h = arith.minimumf %l, %high : f32
    linalg.yield %h : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%r, %c : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Two products of the same rows become one, each with its own accumulator.

// REMARK: [Passed] epilogue {{.*}}Function=swiglu{{.*}}"two products paired, and computed on"
// CHECK-LABEL: func.func @swiglu
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x8xf32>, {{.*}}, %[[E:[^:]*]]: tensor<?x4xf32>, %[[G:[^:]*]]: !moe.bank<3 x tensor<4x8xbf16>>, %[[U:[^:]*]]: !moe.bank<3 x tensor<4x8xbf16>>, %[[O:[^:]*]]: tensor<4xi32>, %[[A:[^:]*]]: tensor<4xi32>, %[[T:[^:]*]]: tensor<?xi32>)
// CHECK-NEXT:  %[[Y:.*]] = moe.grouped_matmul ins(%[[X]] : tensor<?x8xf32>) banks(%[[G]], %[[U]] : {{.*}}) offsets(%[[O]] : tensor<4xi32>) active(%[[A]] : tensor<4xi32>) gather(%[[T]] : tensor<?xi32>) outs(%[[E]]
// CHECK-NEXT:  ^bb0(%[[AG:.*]]: f32, %[[AU:.*]]: f32):
// CHECK-NEXT:    %[[P:.*]] = arith.subf %[[AU]], %[[AG]] : f32
// CHECK-NEXT:    moe.yield %[[P]]
// CHECK:       return %[[Y]]
func.func @swiglu(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %g: !moe.bank<3 x tensor<4x8xbf16>>, %u: !moe.bank<3 x tensor<4x8xbf16>>, %off: tensor<4xi32>, %act: tensor<4xi32>, %tok: tensor<?xi32>) -> tensor<?x4xf32> {
  %mg = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%g : !moe.bank<3 x tensor<4x8xbf16>>) offsets(%off : tensor<4xi32>) active(%act : tensor<4xi32>)
      gather(%tok : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %mu = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%u : !moe.bank<3 x tensor<4x8xbf16>>) offsets(%off : tensor<4xi32>) active(%act : tensor<4xi32>)
      gather(%tok : tensor<?xi32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%mu, %mg : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.subf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @pair_of_biased
// CHECK:       moe.grouped_matmul {{.*}} banks(%{{.*}}, %{{.*}} : tensor<4x8xbf16>, tensor<4x8xbf16>) extras(%[[B:.*]], %[[C:.*]] : tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT:  ^bb0(%[[A0:.*]]: f32, %[[A1:.*]]: f32, %[[E0:.*]]: f32, %[[E1:.*]]: f32):
// CHECK-NEXT:    %[[S0:.*]] = arith.addf %[[A0]], %[[E0]]
// CHECK-NEXT:    %[[S1:.*]] = arith.addf %[[A1]], %[[E1]]
// CHECK-NEXT:    %[[P:.*]] = arith.mulf %[[S0]], %[[S1]]
// CHECK-NEXT:    moe.yield %[[P]]
// CHECK-NOT:   linalg
func.func @pair_of_biased(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %w1: tensor<4x8xbf16>, %b: tensor<4xf32>, %c: tensor<4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %n = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w1 : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %b : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %t = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%n, %c : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s, %t : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.mulf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Products of different rows: the later one takes the earlier one as an extra.

// CHECK-LABEL: func.func @other_rows
// CHECK:       %[[M:.*]] = moe.grouped_matmul {{.*}} banks(%{{.*}} : tensor<4x8xbf16>) outs
// CHECK:       moe.grouped_matmul {{.*}} banks(%{{.*}} : tensor<4x8xbf16>) extras(%[[M]] : tensor<?x4xf32>)
// CHECK-NOT:   linalg
func.func @other_rows(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %x1: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %n = moe.grouped_matmul ins(%x1 : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %n : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.mulf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// One value for each row; the product moves behind what it now reads.

// CHECK-LABEL: func.func @gate
// CHECK:       %[[G:.*]] = moe.grouped_matmul {{.*}} outs(%{{.*}} : tensor<?x1xf32>) {
// CHECK:       moe.grouped_matmul {{.*}} extras(%[[G]] : tensor<?x1xf32>)
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32, %[[S:.*]]: f32):
// CHECK-NEXT:    arith.mulf %[[A]], %[[S]]
// CHECK-NOT:   linalg
func.func @gate(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %wg: tensor<1x8xbf16>, %eg: tensor<?x1xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %g = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%wg : tensor<1x8xbf16>) outs(%eg : tensor<?x1xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x1xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %g : tensor<?x4xf32>, tensor<?x1xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.mulf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @square
// CHECK:       moe.grouped_matmul
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    %[[V:.*]] = arith.mulf %[[A]], %[[A]]
// CHECK-NEXT:    moe.yield %[[V]]
func.func @square(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %m : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.mulf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// An input that is an extra already is read once.

// CHECK-LABEL: func.func @shared_extra
// CHECK:       moe.grouped_matmul {{.*}} extras(%[[R:.*]] : tensor<?x4xf32>)
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32, %[[E:.*]]: f32):
// CHECK-NEXT:    %[[S:.*]] = arith.addf %[[A]], %[[E]]
// CHECK-NEXT:    arith.mulf %[[S]], %[[E]]
func.func @shared_extra(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %r: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %r : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s, %r : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.mulf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A rounding between the two stays.

// CHECK-LABEL: func.func @rounded
// CHECK:       moe.grouped_matmul {{.*}} outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    %[[N:.*]] = arith.truncf %[[A]] : f32 to bf16
// CHECK-NEXT:    %[[V:.*]] = arith.extf %[[N]] : bf16 to f32
// CHECK-NEXT:    moe.yield %[[V]] : f32
func.func @rounded(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %eb: tensor<?x4xbf16>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%eb : tensor<?x4xbf16>) {
  ^bb0(%acc: f32):
    %narrow = arith.truncf %acc : f32 to bf16
    moe.yield %narrow : bf16
  } -> tensor<?x4xbf16>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x4xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: bf16, %o: f32):
    %v = arith.extf %a0 : bf16 to f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A constant outside comes along.

// CHECK-LABEL: func.func @captured
// CHECK:       moe.grouped_matmul
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    %[[C:.*]] = arith.constant 2.000000e+00 : f32
// CHECK-NEXT:    arith.mulf %[[A]], %[[C]]
func.func @captured(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %two = arith.constant 2.0 : f32
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %v = arith.mulf %a0, %two : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What blocks a fusion is said.

// REMARK: [Missed] epilogue {{.*}}Function=tapped {{.*}}Reason="the product is read by moe.tap 'product' too"
// CHECK-LABEL: func.func @tapped
// CHECK:       linalg.generic
func.func @tapped(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %r: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  moe.tap "product", %m : tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %r : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=two_readers {{.*}}Reason="the product is read by linalg.generic too"
// CHECK-LABEL: func.func @two_readers
// CHECK-COUNT-2: linalg.generic
func.func @two_readers(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %r: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %v = arith.negf %a0 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %z = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %r : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  moe.tap "z", %z : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=many_extras {{.*}}Reason="the epilogue would read 5 extras, at most 4 are allowed"
// CHECK-LABEL: func.func @many_extras
// CHECK:       moe.grouped_matmul {{.*}} extras(%{{[^:]*}} : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
// CHECK:       linalg.generic
func.func @many_extras(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %b0: tensor<4xf32>, %b1: tensor<4xf32>, %b2: tensor<4xf32>, %b3: tensor<4xf32>, %b4: tensor<4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %s0 = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %b0 : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %s1 = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s0, %b1 : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %s2 = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s1, %b2 : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %s3 = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s2, %b3 : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %s4 = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s3, %b4 : tensor<?x4xf32>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %s4 : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=transposed {{.*}}Reason="an input is not [R, N], [R, 1], [N] or [1]"
// CHECK-LABEL: func.func @transposed
// CHECK:       linalg.generic
func.func @transposed(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %r: tensor<4x?xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #t, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %r : tensor<?x4xf32>, tensor<4x?xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=as_gate {{.*}}Reason="the product is one value for each row or column there"
// CHECK-LABEL: func.func @as_gate
// CHECK:       linalg.generic
func.func @as_gate(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %wg: tensor<1x8xbf16>, %eg: tensor<?x1xf32>, %r: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %g = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%wg : tensor<1x8xbf16>) outs(%eg : tensor<?x1xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x1xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%r, %g : tensor<?x4xf32>, tensor<?x1xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.mulf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=chosen {{.*}}Reason="the kernels of the product are chosen already"
// CHECK-LABEL: func.func @chosen
// CHECK:       linalg.generic
func.func @chosen(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %r: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul {variants = #moe.variants<[<tile_rows = 6, tile_vectors = 2>]>} ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %r : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %v = arith.addf %a0, %a1 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=reads_output {{.*}}Reason="it reads its output"
// CHECK-LABEL: func.func @reads_output
// CHECK:       linalg.generic
func.func @reads_output(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %v = arith.addf %a0, %o : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=in_place {{.*}}Reason="the product is its output too"
// CHECK-LABEL: func.func @in_place
// CHECK:       linalg.generic
func.func @in_place(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x4xf32>) outs(%m : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %v = arith.negf %a0 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=index {{.*}}Reason="its body holds an op that is not elementwise"
// CHECK-LABEL: func.func @index
// CHECK:       linalg.generic
func.func @index(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %i = linalg.index 0 : index
    linalg.yield %a0 : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// REMARK: [Missed] epilogue {{.*}}Function=captured_argument {{.*}}Reason="its body reads a value from outside that is no constant"
// CHECK-LABEL: func.func @captured_argument
// CHECK:       linalg.generic
func.func @captured_argument(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %s: f32) -> tensor<?x4xf32> {
  %m = moe.grouped_matmul ins(%x : tensor<?x8xf32>) banks(%w : tensor<4x8xbf16>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %v = arith.mulf %a0, %s : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// What reads no product is no missed fusion.

// CHECK-LABEL: func.func @no_product
// CHECK:       linalg.generic
// REMARK-NOT: Function=no_product
func.func @no_product(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>, %e: tensor<?x4xf32>, %r: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%r : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a0: f32, %o: f32):
    %v = arith.negf %a0 : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// The columns of products side by side belong to several matrices.

// REMARK: [Missed] epilogue {{.*}}Function=side_by_side {{.*}}Reason="the columns of the product belong to several matrices"
// CHECK-LABEL: func.func @side_by_side
// CHECK:       moe.grouped_matmul {side_by_side}
// CHECK:       linalg.generic
func.func @side_by_side(%x: tensor<?x16xf32>, %w: !moe.bank<2 x tensor<4x8xf32>>, %e: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %m = moe.grouped_matmul {side_by_side} ins(%x : tensor<?x16xf32>) banks(%w : !moe.bank<2 x tensor<4x8xf32>>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%acc: f32):
    moe.yield %acc : f32
  } -> tensor<?x8xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.addf %a, %a : f32
    linalg.yield %t : f32
  } -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}
