// RUN: moe-opt %s -split-input-file -moe-select-shared | FileCheck %s
// RUN: moe-opt %s -split-input-file -moe-select-shared --remarks-filter='moe-select-shared' --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Two experts of one width, added to each other and to something else.

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>
#column = affine_map<(r, n) -> (n)>

// CHECK-LABEL: func.func @two(
// CHECK-COUNT-2: moe.shared {wide = 0 : i64}
func.func @two(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %bg = moe.weight "b.gate" : tensor<4x8xf32>
  %bu = moe.weight "b.up" : tensor<4x8xf32>
  %bd = moe.weight "b.down" : tensor<8x4xf32>
  %sa = moe.shared ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu : tensor<?x4xf32>, tensor<?x4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      linalg.yield %m0 : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %sb = moe.shared ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu : tensor<?x4xf32>, tensor<?x4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      linalg.yield %m0 : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sa, %sb : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a0: f32, %a1: f32, %a2: f32, %o: f32):
    %s1 = arith.addf %a0, %a1 : f32
    %s2 = arith.addf %s1, %a2 : f32
    linalg.yield %s2 : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>
#column = affine_map<(r, n) -> (n)>

// One after another, with widths of their own.

// CHECK-LABEL: func.func @widths(
// CHECK-COUNT-2: moe.shared {wide = 0 : i64}
func.func @widths(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %bg = moe.weight "b.gate" : tensor<6x8xf32>
  %bu = moe.weight "b.up" : tensor<6x8xf32>
  %bd = moe.weight "b.down" : tensor<8x6xf32>
  %sa = moe.shared ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu : tensor<?x4xf32>, tensor<?x4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      linalg.yield %m0 : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sa : tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %s1 = arith.addf %a0, %a1 : f32
    linalg.yield %s1 : f32
  } -> tensor<?x8xf32>
  %sb = moe.shared ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd : tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<6x8xf32>, %u: tensor<6x8xf32>, %d: tensor<8x6xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x6xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x6xf32>) -> tensor<?x6xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<6x8xf32>) outs(%fi : tensor<?x6xf32>) -> tensor<?x6xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<6x8xf32>) outs(%fi : tensor<?x6xf32>) -> tensor<?x6xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu : tensor<?x6xf32>, tensor<?x6xf32>) outs(%efi : tensor<?x6xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      linalg.yield %m0 : f32
    } -> tensor<?x6xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x6xf32>, tensor<8x6xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s, %sb : tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %s1 = arith.addf %a0, %a1 : f32
    linalg.yield %s1 : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>
#column = affine_map<(r, n) -> (n)>

// Three, two of which agree: those.

// CHECK-LABEL: func.func @pairs(
// CHECK: moe.shared {wide = 0 : i64}
// CHECK: moe.shared ins
// CHECK: moe.shared {wide = 0 : i64}
func.func @pairs(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %bg = moe.weight "b.gate" : tensor<4x8xf32>
  %bu = moe.weight "b.up" : tensor<4x8xf32>
  %bd = moe.weight "b.down" : tensor<8x4xf32>
  %cg = moe.weight "c.gate" : tensor<4x8xf32>
  %cu = moe.weight "c.up" : tensor<4x8xf32>
  %cd = moe.weight "c.down" : tensor<8x4xf32>
  %sa = moe.shared ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu : tensor<?x4xf32>, tensor<?x4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      linalg.yield %m0 : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %sb = moe.shared ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu : tensor<?x4xf32>, tensor<?x4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %m0 = arith.mulf %a, %b : f32
      linalg.yield %m0 : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %sc = moe.shared ins(%x : tensor<?x8xf32>) params(%cg, %cu, %cd : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu : tensor<?x4xf32>, tensor<?x4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      linalg.yield %m0 : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%sa, %sb, %sc : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a0: f32, %a1: f32, %a2: f32, %o: f32):
    %s1 = arith.addf %a0, %a1 : f32
    %s2 = arith.addf %s1, %a2 : f32
    linalg.yield %s2 : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
// REMARK: [Missed] shared {{.*}}Function=pairs {{.*}}they compute different things

// -----

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>
#column = affine_map<(r, n) -> (n)>

// A vector over the columns is a part of the network.

// CHECK-LABEL: func.func @biases(
// CHECK-COUNT-2: moe.shared {wide = 0 : i64}
func.func @biases(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %ac = moe.weight "a.bias" : tensor<4xf32>
  %bg = moe.weight "b.gate" : tensor<4x8xf32>
  %bu = moe.weight "b.up" : tensor<4x8xf32>
  %bd = moe.weight "b.down" : tensor<8x4xf32>
  %bc = moe.weight "b.bias" : tensor<4xf32>
  %sa = moe.shared ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad, %ac : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>, tensor<4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>, %c: tensor<4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #column, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu, %c : tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %k: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.addf %m0, %k : f32
      linalg.yield %m : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %sb = moe.shared ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd, %bc : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>, tensor<4xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<4x8xf32>, %u: tensor<4x8xf32>, %d: tensor<8x4xf32>, %c: tensor<4xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x4xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<4x8xf32>) outs(%fi : tensor<?x4xf32>) -> tensor<?x4xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #column, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu, %c : tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>) outs(%efi : tensor<?x4xf32>) {
    ^bb1(%a: f32, %b: f32, %k: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.addf %m0, %k : f32
      linalg.yield %m : f32
    } -> tensor<?x4xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x4xf32>, tensor<8x4xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%sa, %sb : tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %s1 = arith.addf %a0, %a1 : f32
    linalg.yield %s1 : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
