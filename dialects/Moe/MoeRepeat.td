//===- MoeRepeat.td - A network that runs several times -----*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Part of MoeOps.td: the ops that apply a region again and again, and what
// passes make of two neighbouring iterations.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_DIALECTS_MOE_MOEREPEAT
#define MOEC_DIALECTS_MOE_MOEREPEAT

def Moe_IterateOp : Moe_ComputeOp<"iterate", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "a network that is applied to its own result, several times";
  let description = [{
    `x_0 = x`; for i from 1 to `count`, `x_i = f_i(x_(i - 1), each, all)`; y is `x_count`. `all` are the same in every iteration, such as
    the banks of experts that all share; `each` are its own, such as its router: as many for every iteration, those of the first one
    in front. There is one region for all iterations, or one for each, which then may differ in its number of experts.

    `residual` says what is added besides: nothing (`none`), `x_(i - 1)` to each `f_i` (`inner`), `x` to each (`initial`), or `x` to the
    last one (`outer`).

    ```mlir
    %y = moe.iterate {count = 2, residual = #moe.residual<inner>} ins(%x : tensor<?x64xf32>) each(%router_1, %router_2 : ...) all(%gate, %up, %down : ...)
        outs(%e : tensor<?x64xf32>) {
    ^bb0(%x_i: tensor<?x64xf32>, %router: tensor<8x64xf32>, %g: !moe.bank<...>, %u: !moe.bank<...>, %d: !moe.bank<...>):
      ...
      moe.yield %sum : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Moe_Shaped:$x, Variadic<AnyType>:$each, Variadic<AnyType>:$all, Variadic<Moe_Shaped>:$outs,
                       I64Attr:$count, DefaultValuedAttr<Moe_ResidualAttr, "::moec::moe::Residual::None">:$residual);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `:` type($x) `)` (`each` `(` $each^ `:` type($each) `)`)? (`all` `(` $all^ `:` type($all) `)`)?
    `outs` `(` $outs `:` type($outs) `)` $bodies (`->` type($results)^)?
  }];
  let extraClassDeclaration = baseDeclaration # [{
    /// More would be a mistake: iterations are unrolled.
    static constexpr int64_t mostIterations = 64;
    /// The region of an iteration.
    ::mlir::Block &bodyOf(int64_t iteration);
    /// The operands of an iteration's own.
    ::mlir::OperandRange eachOf(int64_t iteration);
  }];
}

def Moe_RecurseOp : Moe_ComputeOp<"recurse", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "networks that a token passes through as many of as its id says";
  let description = [{
    Token t with `ids[t, 0] = i` passes through the first i + 1 regions, one after another; none for -1. `y[t] = x[t] + weights[t, 0] * h[t]`, where h
    is what the last of these regions makes of it, and `y[t] = x[t]` for -1.

    A region computes the rows of those tokens only that pass through it, in the order of the tokens: its first argument are these rows
    [?, H], and it yields rows like them. Then come, for the same tokens, the members of each of `along`, vectors of i32
    such as positions and slots; then all of `params`: weights, and the states of sequences. With `all_first` the first region
    computes all tokens, whether they pass through it or not, since their keys and values are wanted.

    Which tokens these are is chosen in front, by `moe.route`: with `k = 1` among as many experts as there are regions, a
    token chooses its depth; with `policy = expert_choice` and one region, the region chooses its tokens. Whether a token's result depends
    on others of its step is what that routing's attributes say.

    ```mlir
    %y = moe.recurse ins(%x, %ids, %weights : ...) along(%positions, %slots : ...) params(%w, %state : ...) outs(%e : ...) {
    ^bb0(%rows: tensor<?x64xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %w_: tensor<64x64xf32>, %state_: !nn.state<...>):
      ...
      moe.yield %h : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Moe_Shaped:$x, Moe_Shaped:$ids, Moe_Shaped:$weights, Variadic<Moe_Shaped>:$along,
                       Variadic<AnyType>:$params, Variadic<Moe_Shaped>:$outs, UnitAttr:$all_first);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `,` $ids `,` $weights `:` type($x) `,` type($ids) `,` type($weights) `)`
    (`along` `(` $along^ `:` type($along) `)`)? (`params` `(` $params^ `:` type($params) `)`)?
    `outs` `(` $outs `:` type($outs) `)` $bodies (`->` type($results)^)?
  }];
}

def Moe_CombineGateOp : Moe_ComputeOp<"combine_gate", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "a combine, and the gate that reads its rows, fused";
  let description = [{
    `moe.combine` into y, and `moe.gate` of y with `matrix`, in one kernel: a row is multiplied by the router's matrix where it was made.
    Both mean what they mean alone, to the bit.

    ins: those of `moe.combine`; `matrix` [E, H] or packed, `extras`, the region, and what `moe.route` has besides logits, of `moe.gate`; outs: `y` [T, H],
    then those of `moe.gate`.
  }];
  let arguments = !con(
      (ins Moe_Shaped:$rows, Moe_Shaped:$token_row, Moe_Shaped:$token_slot, Moe_Shaped:$row_weights,
           Optional<Moe_Shaped>:$row_ids, Variadic<Moe_Shaped>:$locals, Variadic<Moe_Shaped>:$addends,
           Moe_Shaped:$matrix, Variadic<Moe_Shaped>:$extras),
      Moe_RoutingInputs, Moe_RoutingOuts,
      (ins DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$ranges, UnitAttr:$unweighted));
  let regions = (region AnyRegion:$epilogue);
  let assemblyFormat = !strconcat([{
    attr-dict `ins` `(` $rows `,` $token_row `,` $token_slot `,` $row_weights `,` $matrix `:` type($rows) `,`
    type($token_row) `,` type($token_slot) `,` type($row_weights) `,` type($matrix) `)`
    (`ids` `(` $row_ids^ `:` type($row_ids) `)`)? (`locals` `(` $locals^ `:` type($locals) `)`)?
    (`addends` `(` $addends^ `:` type($addends) `)`)? (`extras` `(` $extras^ `:` type($extras) `)`)?
  }], Moe_RoutingFormat, "($epilogue^)?", Moe_ResultsFormat);
  let extraClassDeclaration = baseDeclaration # [{
    ::moec::moe::CombineParts getCombined();
    /// Of what is combined.
    ::moec::moe::ProductParts getProduct();
    ::moec::moe::RoutingInputs getInputs();
    /// The outputs that not every choice has; null where absent.
    ::mlir::Value getShared();
    ::mlir::Value getCounts();
  }];
}

#endif // MOEC_DIALECTS_MOE_MOEREPEAT
