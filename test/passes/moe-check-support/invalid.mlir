// RUN: moe-opt %s -moe-check-support -split-input-file -verify-diagnostics

// Everything is reported, not only the first.

func.func @weights() {
  // expected-error @+1 {{[MOE0329] weight 'w' of element type f16 is not supported; supported: f32, bf16}}
  %weight = moe.weight "w" : tensor<4x4xf16>
  // expected-error @+1 {{[MOE0329] weight 'v' of element type f64 is not supported; supported: f32, bf16}}
  %other = moe.weight "v" : tensor<4x4xf64>
  return
}

// -----

// expected-error @+1 {{[MOE0329] argument 1 of element type f64 is not supported; supported: f32, bf16}}
func.func @argument(%x: tensor<?x4xf32>, %bank: !moe.bank<8 x tensor<4x4xf64>>) {
  return
}

// -----

// What no expert computes would be nothing.

func.func @experts(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>,
                   %b: !moe.bank<6 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>} ins(%l : tensor<?x8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  // expected-error @+1 {{[MOE0159] the router chooses among 8 experts, of which there are only 6}}
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b : !moe.bank<6 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %w: tensor<4x4xf32>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

// An alias says how many they are.

func.func @aliases(%x: tensor<?x4xf32>, %l: tensor<?x8xf32>, %i: tensor<?x2xi32>, %v: tensor<?x2xf32>,
                   %b: !moe.bank<6 x tensor<4x4xf32>>, %o: tensor<?x4xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 2>, alias = array<i32: 0, 1, 2, 3, 4, 5, 5, 6>} ins(%l : tensor<?x8xf32>)
      outs(%i, %v : tensor<?x2xi32>, tensor<?x2xf32>) -> tensor<?x2xi32>, tensor<?x2xf32>
  // expected-error @+1 {{[MOE0159] the router chooses among 7 experts, of which there are only 6}}
  %y = moe.experts ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x2xi32>, tensor<?x2xf32>)
      banks(%b : !moe.bank<6 x tensor<4x4xf32>>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>, %w: tensor<4x4xf32>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}

// -----

// A depth that no recursion has.

func.func @recursions(%x: tensor<?x4xf32>, %l: tensor<?x3xf32>, %i: tensor<?x1xi32>, %v: tensor<?x1xf32>, %o: tensor<?x4xf32>) {
  %ids, %weights = moe.route {routing = #moe.routing<k = 1>} ins(%l : tensor<?x3xf32>)
      outs(%i, %v : tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x1xi32>, tensor<?x1xf32>
  // expected-error @+1 {{[MOE0159] the router chooses among 3 recursions, of which there are only 2}}
  %y = moe.recurse ins(%x, %ids, %weights : tensor<?x4xf32>, tensor<?x1xi32>, tensor<?x1xf32>) outs(%o : tensor<?x4xf32>) {
  ^bb0(%rows: tensor<?x4xf32>):
    moe.yield %rows : tensor<?x4xf32>
  }, {
  ^bb0(%rows: tensor<?x4xf32>):
    moe.yield %rows : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return
}
