// RUN: moe-opt %s -split-input-file -moe-fuse-shared | FileCheck %s

// The second's addend goes, and with it its input.

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>
#column = affine_map<(r, n) -> (n)>

// CHECK-LABEL: func.func @sum_of_three(
// CHECK: %[[G:.*]] = moe.concat %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32> to tensor<10x8xf32>
// CHECK: %[[U:.*]] = moe.concat %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32> to tensor<10x8xf32>
// CHECK: %[[D:.*]] = moe.concat %{{.*}}, %{{.*}} {columns} : tensor<8x4xf32>, tensor<8x6xf32> to tensor<8x10xf32>
// CHECK: %[[S:.*]] = moe.shared ins(%{{.*}} : tensor<?x8xf32>) params(%[[G]], %[[U]], %[[D]] : tensor<10x8xf32>, tensor<10x8xf32>, tensor<8x10xf32>)
// CHECK: linalg.matmul {{.*}} -> tensor<?x10xf32>
// CHECK: linalg.matmul {{.*}} -> tensor<?x10xf32>
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x10xf32>, tensor<?x10xf32>)
// CHECK: linalg.matmul {{.*}} -> tensor<?x8xf32>
// CHECK-NOT: moe.shared
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[S]] : tensor<?x8xf32>, tensor<?x8xf32>)
func.func @sum_of_three(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %bg = moe.weight "b.gate" : tensor<6x8xf32>
  %bu = moe.weight "b.up" : tensor<6x8xf32>
  %bd = moe.weight "b.down" : tensor<8x6xf32>
  %sa = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
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
  %sb = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd : tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>) outs(%e : tensor<?x8xf32>) {
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

// A sum of the two is the wide one's result.

// CHECK-LABEL: func.func @sum_of_two(
// CHECK: %[[G:.*]] = moe.concat %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32> to tensor<10x8xf32>
// CHECK: %[[U:.*]] = moe.concat %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32> to tensor<10x8xf32>
// CHECK: %[[D:.*]] = moe.concat %{{.*}}, %{{.*}} {columns} : tensor<8x4xf32>, tensor<8x6xf32> to tensor<8x10xf32>
// CHECK: %[[S:.*]] = moe.shared ins(%{{.*}} : tensor<?x8xf32>) params(%[[G]], %[[U]], %[[D]] : tensor<10x8xf32>, tensor<10x8xf32>, tensor<8x10xf32>)
// CHECK: linalg.matmul {{.*}} -> tensor<?x10xf32>
// CHECK: linalg.matmul {{.*}} -> tensor<?x10xf32>
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x10xf32>, tensor<?x10xf32>)
// CHECK: linalg.matmul {{.*}} -> tensor<?x8xf32>
// CHECK-NOT: moe.shared
// CHECK-NOT: linalg.generic
// CHECK: return %[[S]]
func.func @sum_of_two(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %bg = moe.weight "b.gate" : tensor<6x8xf32>
  %bu = moe.weight "b.up" : tensor<6x8xf32>
  %bd = moe.weight "b.down" : tensor<8x6xf32>
  %sa = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
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
  %sb = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd : tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>) outs(%e : tensor<?x8xf32>) {
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
      ins(%sa, %sb : tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
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

// Sums one after another, and weights that are made later.

// CHECK-LABEL: func.func @chain(
// CHECK: %[[G:.*]] = moe.concat %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32> to tensor<10x8xf32>
// CHECK: %[[U:.*]] = moe.concat %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32> to tensor<10x8xf32>
// CHECK: %[[D:.*]] = moe.concat %{{.*}}, %{{.*}} {columns} : tensor<8x4xf32>, tensor<8x6xf32> to tensor<8x10xf32>
// CHECK: %[[S:.*]] = moe.shared ins(%{{.*}} : tensor<?x8xf32>) params(%[[G]], %[[U]], %[[D]] : tensor<10x8xf32>, tensor<10x8xf32>, tensor<8x10xf32>)
// CHECK: linalg.matmul {{.*}} -> tensor<?x10xf32>
// CHECK: linalg.matmul {{.*}} -> tensor<?x10xf32>
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x10xf32>, tensor<?x10xf32>)
// CHECK: linalg.matmul {{.*}} -> tensor<?x8xf32>
// CHECK-NOT: moe.shared
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} ins(%{{.*}}, %[[S]] :
// CHECK-NOT: linalg.generic
// CHECK: return %[[Y]]
func.func @chain(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %sa = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) outs(%e : tensor<?x8xf32>) {
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
  %bg = moe.weight "b.gate" : tensor<6x8xf32>
  %bu = moe.weight "b.up" : tensor<6x8xf32>
  %bd = moe.weight "b.down" : tensor<8x6xf32>
  %sb = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd : tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>) outs(%e : tensor<?x8xf32>) {
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

// Three become one concatenation, vectors too.

// CHECK-LABEL: func.func @three(
// CHECK: moe.concat %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32>, tensor<2x8xf32> to tensor<12x8xf32>
// CHECK: moe.concat %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<6x8xf32>, tensor<2x8xf32> to tensor<12x8xf32>
// CHECK: moe.concat %{{.*}}, %{{.*}}, %{{.*}} {columns} : tensor<8x4xf32>, tensor<8x6xf32>, tensor<8x2xf32> to tensor<8x12xf32>
// CHECK: moe.concat %{{.*}}, %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<6xf32>, tensor<2xf32> to tensor<12xf32>
// CHECK-NOT: moe.concat
// CHECK: %[[S:.*]] = moe.shared
// CHECK: return %[[S]]
func.func @three(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%t) : tensor<?x8xf32>
  %ag = moe.weight "a.gate" : tensor<4x8xf32>
  %au = moe.weight "a.up" : tensor<4x8xf32>
  %ad = moe.weight "a.down" : tensor<8x4xf32>
  %ac = moe.weight "a.bias" : tensor<4xf32>
  %bg = moe.weight "b.gate" : tensor<6x8xf32>
  %bu = moe.weight "b.up" : tensor<6x8xf32>
  %bd = moe.weight "b.down" : tensor<8x6xf32>
  %bc = moe.weight "b.bias" : tensor<6xf32>
  %cg = moe.weight "c.gate" : tensor<2x8xf32>
  %cu = moe.weight "c.up" : tensor<2x8xf32>
  %cd = moe.weight "c.down" : tensor<8x2xf32>
  %cc = moe.weight "c.bias" : tensor<2xf32>
  %sa = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%ag, %au, %ad, %ac : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>, tensor<4xf32>) outs(%e : tensor<?x8xf32>) {
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
  %sb = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%bg, %bu, %bd, %bc : tensor<6x8xf32>, tensor<6x8xf32>, tensor<8x6xf32>, tensor<6xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<6x8xf32>, %u: tensor<6x8xf32>, %d: tensor<8x6xf32>, %c: tensor<6xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x6xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x6xf32>) -> tensor<?x6xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<6x8xf32>) outs(%fi : tensor<?x6xf32>) -> tensor<?x6xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<6x8xf32>) outs(%fi : tensor<?x6xf32>) -> tensor<?x6xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #column, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu, %c : tensor<?x6xf32>, tensor<?x6xf32>, tensor<6xf32>) outs(%efi : tensor<?x6xf32>) {
    ^bb1(%a: f32, %b: f32, %k: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.addf %m0, %k : f32
      linalg.yield %m : f32
    } -> tensor<?x6xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x6xf32>, tensor<8x6xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
    moe.yield %p : tensor<?x8xf32>
  } -> tensor<?x8xf32>
  %sc = moe.shared {wide = 0 : i64} ins(%x : tensor<?x8xf32>) params(%cg, %cu, %cd, %cc : tensor<2x8xf32>, tensor<2x8xf32>, tensor<8x2xf32>, tensor<2xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%rows: tensor<?x8xf32>, %g: tensor<2x8xf32>, %u: tensor<2x8xf32>, %d: tensor<8x2xf32>, %c: tensor<2xf32>):
    %d0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %d0 : tensor<?x8xf32>
    %efi = tensor.empty(%r) : tensor<?x2xf32>
    %fi = linalg.fill ins(%zero : f32) outs(%efi : tensor<?x2xf32>) -> tensor<?x2xf32>
    %vg = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %g : tensor<?x8xf32>, tensor<2x8xf32>) outs(%fi : tensor<?x2xf32>) -> tensor<?x2xf32>
    %vu = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %u : tensor<?x8xf32>, tensor<2x8xf32>) outs(%fi : tensor<?x2xf32>) -> tensor<?x2xf32>
    %h = linalg.generic {indexing_maps = [#id, #id, #column, #id], iterator_types = ["parallel", "parallel"]}
        ins(%vg, %vu, %c : tensor<?x2xf32>, tensor<?x2xf32>, tensor<2xf32>) outs(%efi : tensor<?x2xf32>) {
    ^bb1(%a: f32, %b: f32, %k: f32, %o: f32):
      %m0 = arith.maximumf %a, %b : f32
      %m = arith.addf %m0, %k : f32
      linalg.yield %m : f32
    } -> tensor<?x2xf32>
    %efo = tensor.empty(%r) : tensor<?x8xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%efo : tensor<?x8xf32>) -> tensor<?x8xf32>
    %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%h, %d : tensor<?x2xf32>, tensor<8x2xf32>) outs(%fo : tensor<?x8xf32>) -> tensor<?x8xf32>
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

// -----

#x = affine_map<(r, n, k) -> (r, k)>
#w = affine_map<(r, n, k) -> (n, k)>
#y = affine_map<(r, n, k) -> (r, n)>
#id = affine_map<(r, n) -> (r, n)>
#column = affine_map<(r, n) -> (n)>

// Without a decision, nothing.

// CHECK-LABEL: func.func @undecided(
// CHECK-COUNT-2: moe.shared ins
func.func @undecided(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
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
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%sa, %sb : tensor<?x8xf32>, tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) {
  ^bb0(%a0: f32, %a1: f32, %o: f32):
    %s1 = arith.addf %a0, %a1 : f32
    linalg.yield %s1 : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
