// RUN: moe-opt %s -moe-dispatch-experts -split-input-file -verify-diagnostics

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @other_op(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    // expected-error @+1 {{[MOE0330] 'tensor.cast' in an expert is not supported: expected linalg.matmul with a bank's member, elementwise linalg.generic, norms without weights, linalg.fill, tensor.empty, tensor.dim, arith.constant}}
    %s = tensor.cast %rows : tensor<?x4xf32> to tensor<3x4xf32>
    // expected-error @+1 {{[MOE0330] 'tensor.cast' in an expert is not supported: expected linalg.matmul with a bank's member, elementwise linalg.generic, norms without weights, linalg.fill, tensor.empty, tensor.dim, arith.constant}}
    %m1 = tensor.cast %s : tensor<3x4xf32> to tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @constant_weight(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %k = arith.constant dense<1.0> : tensor<4x4xf32>
    // expected-error @+1 {{[MOE0330] 'linalg.matmul' in an expert is not supported: its weight is not a member of a bank}}
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %k : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @weight_as_rows(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %e2 = tensor.empty() : tensor<4x4xf32>
    %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<4x4xf32>) -> tensor<4x4xf32>
    // expected-error @+1 {{[MOE0330] 'linalg.matmul' in an expert is not supported: only products, and a sum at the end, read an expert's rows, what all experts make of them alike, and weights}}
    %m0 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%m, %m : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f2 : tensor<4x4xf32>) -> tensor<4x4xf32>
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @not_transposed(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    // expected-error @+1 {{[MOE0330] 'linalg.matmul' in an expert is not supported: its second operand is not a transposed weight [N, K]}}
    %m1 = linalg.matmul indexing_maps = [#x, #wn, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @not_from_zero(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    // expected-error @+1 {{[MOE0330] 'linalg.matmul' in an expert is not supported: its output does not start as zeros}}
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @reduction(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m0 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    // expected-error @+1 {{[MOE0330] 'linalg.generic' in an expert is not supported: it is not one parallel computation of a matrix}}
    %m1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "reduction"]}
        ins(%m0 : tensor<?x4xf32>) outs(%e1 : tensor<?x4xf32>) {
    ^bb1(%a0: f32, %o: f32):
      %p = arith.addf %a0, %a0 : f32
      linalg.yield %p : f32
    } -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Rows are not copied into expert order: products gather them, and only what is added to the result needs no order.

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @reads_rows(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m0 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    // expected-error @+1 {{[MOE0330] 'linalg.generic' in an expert is not supported: only products, and a sum at the end, read an expert's rows, what all experts make of them alike, and weights}}
    %m1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%m0, %rows : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e1 : tensor<?x4xf32>) {
    ^bb1(%a0: f32, %a1: f32, %o: f32):
      %p = arith.mulf %a0, %a1 : f32
      linalg.yield %p : f32
    } -> tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @identity(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    // expected-error @+1 {{[MOE0330] 'moe.yield' in an expert is not supported: only products, and a sum at the end, read an expert's rows, what all experts make of them alike, and weights}}
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @columns(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %m: tensor<4x4xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %r = tensor.dim %rows, %c0 : tensor<?x4xf32>
    %e1 = tensor.empty(%r) : tensor<?x4xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %m1 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%rows, %m : tensor<?x4xf32>, tensor<4x4xf32>) outs(%f1 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %c1 = arith.constant 1 : index
    // expected-error @+1 {{[MOE0330] 'tensor.dim' in an expert is not supported: only the number of rows may be asked for}}
    %n = tensor.dim %rows, %c1 : tensor<?x4xf32>
    moe.yield %m1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// The region must do for any number of rows.

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d1, d2)>
#wn = affine_map<(d0, d1, d2) -> (d2, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#tr = affine_map<(d0, d1) -> (d1, d0)>
func.func @fixed_rows(%x: tensor<?x4xf32>, %ids: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %bank: !moe.bank<3 x tensor<4x4xf32>>, %e: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{[MOE0330] 'moe.experts' in an expert is not supported: the region must take any number of rows}}
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%bank : !moe.bank<3 x tensor<4x4xf32>>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<3x4xf32>, %m: tensor<4x4xf32>):
    // expected-error @+1 {{[MOE0330] 'moe.yield' in an expert}}
    moe.yield %rows : tensor<3x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
