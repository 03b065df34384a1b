// Mixture-of-Recursions (arXiv 2507.10524): one block runs again and again, on fewer and fewer tokens. Here the
// block is a feed-forward network, so that the functions say how tokens are chosen and nothing else; the whole
// model, with attention, its keys and values and generation, is the family mixture_of_recursions.
//
// A region of moe.recurse computes the rows of the tokens that pass through it, and no others.

#x = affine_map<(t, n, k) -> (t, k)>
#w = affine_map<(t, n, k) -> (n, k)>
#y = affine_map<(t, n, k) -> (t, n)>
#rows = affine_map<(t, n) -> (t, n)>

module {
  moe.recipes {
    %w0 = moe.load "up.weight" : tensor<96x64xf32>
    moe.define "up.weight" role "mlp", %w0 : tensor<96x64xf32>
    %w1 = moe.load "down.weight" : tensor<64x96xf32>
    moe.define "down.weight" role "mlp", %w1 : tensor<64x96xf32>
    %w2 = moe.load "router.0.weight" : tensor<1x64xf32>
    moe.define "router.0.weight" role "router", %w2 : tensor<1x64xf32>
    %w3 = moe.load "router.1.weight" : tensor<1x64xf32>
    moe.define "router.1.weight" role "router", %w3 : tensor<1x64xf32>
    %w4 = moe.load "router.weight" : tensor<3x64xf32>
    moe.define "router.weight" role "router", %w4 : tensor<3x64xf32>
  }
  // x + down(relu(up(x))).
  func.func private @block(%x: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>) -> tensor<?x64xf32> {
    %i0 = arith.constant 0 : index
    %it = tensor.dim %x, %i0 : tensor<?x64xf32>
    %izero = arith.constant 0.0 : f32
    %i1 = tensor.empty(%it) : tensor<?x96xf32>
    %i2 = linalg.fill ins(%izero : f32) outs(%i1 : tensor<?x96xf32>) -> tensor<?x96xf32>
    %iup = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %u : tensor<?x64xf32>, tensor<96x64xf32>) outs(%i2 : tensor<?x96xf32>) -> tensor<?x96xf32>
    %i3 = tensor.empty(%it) : tensor<?x96xf32>
    %irelu = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%iup : tensor<?x96xf32>) outs(%i3 : tensor<?x96xf32>) {
    ^bb0(%a: f32, %o: f32):
      %zero = arith.constant 0.0 : f32
      %larger = arith.maximumf %a, %zero : f32
      linalg.yield %larger : f32
    } -> tensor<?x96xf32>
    %i4 = tensor.empty(%it) : tensor<?x64xf32>
    %i5 = linalg.fill ins(%izero : f32) outs(%i4 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %idown = linalg.matmul indexing_maps = [#x, #w, #y] ins(%irelu, %d : tensor<?x96xf32>, tensor<64x96xf32>) outs(%i5 : tensor<?x64xf32>) -> tensor<?x64xf32>
    %i6 = tensor.empty(%it) : tensor<?x64xf32>
    %h = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%x, %idown : tensor<?x64xf32>, tensor<?x64xf32>) outs(%i6 : tensor<?x64xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %sum = arith.addf %a, %b : f32
      linalg.yield %sum : f32
    } -> tensor<?x64xf32>
    return %h : tensor<?x64xf32>
  }
  // Each recursion takes the largest of a sequence, among those that the recursion before took. This looks at later tokens.
  func.func @by_expert(%x: tensor<?x64xf32> {moe.name = "x"}, %sequence: tensor<?xi32> {moe.name = "sequence", moe.below = 1024})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x1xi32> {moe.name = "first"}, tensor<?x1xi32> {moe.name = "second"}) {
    %up = moe.weight "up.weight" : tensor<96x64xf32>
    %down = moe.weight "down.weight" : tensor<64x96xf32>
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %a_w = moe.weight "router.0.weight" : tensor<1x64xf32>
    %a_e = tensor.empty(%t) : tensor<?x1xf32>
    %a_f = linalg.fill ins(%zero : f32) outs(%a_e : tensor<?x1xf32>) -> tensor<?x1xf32>
    %a = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %a_w : tensor<?x64xf32>, tensor<1x64xf32>) outs(%a_f : tensor<?x1xf32>) -> tensor<?x1xf32>
    %first_i = tensor.empty(%t) : tensor<?x1xi32>
    %first_e = tensor.empty(%t) : tensor<?x1xf32>
    %first, %first_w = moe.route {routing = #moe.routing<k = 1, policy = expert_choice, score = sigmoid, scale = 0.1, capacity = 0.67, capacity_unit = fraction, capacity_scope = sequence>} ins(%a : tensor<?x1xf32>) sequence(%sequence : tensor<?xi32>)
        outs(%first_i, %first_e : tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x1xi32>, tensor<?x1xf32>
    %x1_e = tensor.empty(%t) : tensor<?x64xf32>
    %x1 = moe.recurse ins(%x, %first, %first_w : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
        params(%up, %down : tensor<96x64xf32>, tensor<64x96xf32>) outs(%x1_e : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>):
      %h = func.call @block(%rows, %u, %d) : (tensor<?x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    %b_w = moe.weight "router.1.weight" : tensor<1x64xf32>
    %b_e = tensor.empty(%t) : tensor<?x1xf32>
    %b_f = linalg.fill ins(%zero : f32) outs(%b_e : tensor<?x1xf32>) -> tensor<?x1xf32>
    %b = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x1, %b_w : tensor<?x64xf32>, tensor<1x64xf32>) outs(%b_f : tensor<?x1xf32>) -> tensor<?x1xf32>
    // A token that was not chosen is of class -1, which may choose nothing.
    %second_class = tensor.collapse_shape %first [[0, 1]] : tensor<?x1xi32> into tensor<?xi32>
    %second_i = tensor.empty(%t) : tensor<?x1xi32>
    %second_e = tensor.empty(%t) : tensor<?x1xf32>
    %second, %second_w = moe.route {routing = #moe.routing<k = 1, policy = expert_choice, score = sigmoid, scale = 0.1, capacity = 0.29, capacity_unit = fraction, capacity_scope = sequence>, class_mask = array<i1: true>} ins(%b : tensor<?x1xf32>) class_id(%second_class : tensor<?xi32>) sequence(%sequence : tensor<?xi32>)
        outs(%second_i, %second_e : tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x1xi32>, tensor<?x1xf32>
    %x2_e = tensor.empty(%t) : tensor<?x64xf32>
    %x2 = moe.recurse ins(%x1, %second, %second_w : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
        params(%up, %down : tensor<96x64xf32>, tensor<64x96xf32>) outs(%x2_e : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>):
      %h = func.call @block(%rows, %u, %d) : (tensor<?x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %x2, %first, %second : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xi32>
  }
  // What training aims at, and what generation needs: a token takes part when its own score says so.
  func.func @by_threshold(%x: tensor<?x64xf32> {moe.name = "x"})
      -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x1xi32> {moe.name = "first"}, tensor<?x1xi32> {moe.name = "second"}) {
    %up = moe.weight "up.weight" : tensor<96x64xf32>
    %down = moe.weight "down.weight" : tensor<64x96xf32>
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %a_w = moe.weight "router.0.weight" : tensor<1x64xf32>
    %a_e = tensor.empty(%t) : tensor<?x1xf32>
    %a_f = linalg.fill ins(%zero : f32) outs(%a_e : tensor<?x1xf32>) -> tensor<?x1xf32>
    %a = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %a_w : tensor<?x64xf32>, tensor<1x64xf32>) outs(%a_f : tensor<?x1xf32>) -> tensor<?x1xf32>
    %first_i = tensor.empty(%t) : tensor<?x1xi32>
    %first_e = tensor.empty(%t) : tensor<?x1xf32>
    %first, %first_w = moe.route {routing = #moe.routing<k = 1, policy = threshold, threshold = 0.5, score = sigmoid, scale = 0.1>} ins(%a : tensor<?x1xf32>)
        outs(%first_i, %first_e : tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x1xi32>, tensor<?x1xf32>
    %x1_e = tensor.empty(%t) : tensor<?x64xf32>
    %x1 = moe.recurse ins(%x, %first, %first_w : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
        params(%up, %down : tensor<96x64xf32>, tensor<64x96xf32>) outs(%x1_e : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>):
      %h = func.call @block(%rows, %u, %d) : (tensor<?x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    %b_w = moe.weight "router.1.weight" : tensor<1x64xf32>
    %b_e = tensor.empty(%t) : tensor<?x1xf32>
    %b_f = linalg.fill ins(%zero : f32) outs(%b_e : tensor<?x1xf32>) -> tensor<?x1xf32>
    %b = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x1, %b_w : tensor<?x64xf32>, tensor<1x64xf32>) outs(%b_f : tensor<?x1xf32>) -> tensor<?x1xf32>
    // A token that was not chosen is of class -1, which may choose nothing.
    %second_class = tensor.collapse_shape %first [[0, 1]] : tensor<?x1xi32> into tensor<?xi32>
    %second_i = tensor.empty(%t) : tensor<?x1xi32>
    %second_e = tensor.empty(%t) : tensor<?x1xf32>
    %second, %second_w = moe.route {routing = #moe.routing<k = 1, policy = threshold, threshold = 0.5, score = sigmoid, scale = 0.1>, class_mask = array<i1: true>} ins(%b : tensor<?x1xf32>) class_id(%second_class : tensor<?xi32>)
        outs(%second_i, %second_e : tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x1xi32>, tensor<?x1xf32>
    %x2_e = tensor.empty(%t) : tensor<?x64xf32>
    %x2 = moe.recurse ins(%x1, %second, %second_w : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
        params(%up, %down : tensor<96x64xf32>, tensor<64x96xf32>) outs(%x2_e : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>):
      %h = func.call @block(%rows, %u, %d) : (tensor<?x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %x2, %first, %second : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xi32>
  }
  // A token chooses its depth, in front of the first recursion.
  func.func @by_token(%x: tensor<?x64xf32> {moe.name = "x"}) -> (tensor<?x64xf32> {moe.name = "y"}, tensor<?x1xi32> {moe.name = "depth"}) {
    %up = moe.weight "up.weight" : tensor<96x64xf32>
    %down = moe.weight "down.weight" : tensor<64x96xf32>
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %t = tensor.dim %x, %c0 : tensor<?x64xf32>
    %a_w = moe.weight "router.weight" : tensor<3x64xf32>
    %a_e = tensor.empty(%t) : tensor<?x3xf32>
    %a_f = linalg.fill ins(%zero : f32) outs(%a_e : tensor<?x3xf32>) -> tensor<?x3xf32>
    %a = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %a_w : tensor<?x64xf32>, tensor<3x64xf32>) outs(%a_f : tensor<?x3xf32>) -> tensor<?x3xf32>
    %depth_i = tensor.empty(%t) : tensor<?x1xi32>
    %depth_e = tensor.empty(%t) : tensor<?x1xf32>
    %depth, %depth_w = moe.route {routing = #moe.routing<k = 1>} ins(%a : tensor<?x3xf32>)
        outs(%depth_i, %depth_e : tensor<?x1xi32>, tensor<?x1xf32>) -> tensor<?x1xi32>, tensor<?x1xf32>
    %h_e = tensor.empty(%t) : tensor<?x64xf32>
    %h = moe.recurse ins(%x, %depth, %depth_w : tensor<?x64xf32>, tensor<?x1xi32>, tensor<?x1xf32>)
        params(%up, %down : tensor<96x64xf32>, tensor<64x96xf32>) outs(%h_e : tensor<?x64xf32>) {
    ^bb0(%rows: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>):
      %h = func.call @block(%rows, %u, %d) : (tensor<?x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    }, {
    ^bb0(%rows: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>):
      %h = func.call @block(%rows, %u, %d) : (tensor<?x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    }, {
    ^bb0(%rows: tensor<?x64xf32>, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>):
      %h = func.call @block(%rows, %u, %d) : (tensor<?x64xf32>, tensor<96x64xf32>, tensor<64x96xf32>) -> tensor<?x64xf32>
      moe.yield %h : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    return %h, %depth : tensor<?x64xf32>, tensor<?x1xi32>
  }
}
