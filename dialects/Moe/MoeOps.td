//===- MoeOps.td - Routing, dispatch, experts, combine ------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_DIALECTS_MOE_MOEOPS
#define MOEC_DIALECTS_MOE_MOEOPS

include "dialects/Moe/MoeDialect.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Moe_Op<string mnemonic, list<Trait> traits = []>
    : Op<Moe_Dialect, mnemonic, traits>;

/// A tensor before bufferization, a memref after it.
def Moe_Shaped : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef]>;
/// Like Moe_Shaped, and a bank of experts before bufferization (after it, a
/// memref whose first dimension counts the experts).
def Moe_Weights : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef, Moe_BankType]>;

/// A computation in destination-passing style: `outs` are tensors that are
/// returned updated, or memrefs that are written.
class Moe_ComputeOp<string mnemonic, list<Trait> traits = []>
    : Moe_Op<mnemonic, !listconcat(traits, [
        DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>])> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasVerifier = 1;
  code baseDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let extraClassDeclaration = baseDeclaration;
}

//===----------------------------------------------------------------------===//
// Choose
//===----------------------------------------------------------------------===//

/// What a choice of experts may read besides its logits.
defvar Moe_RoutingInputs = (ins
  Optional<Moe_Shaped>:$bias, Optional<Moe_Shaped>:$eligible, Optional<Moe_Shaped>:$class_id,
  Optional<Moe_Shaped>:$token_k, Optional<Moe_Shaped>:$table, Optional<Moe_Shaped>:$token_id,
  Optional<Moe_Shaped>:$expert_scale, Optional<Moe_Shaped>:$sequence);
defvar Moe_RoutingOuts = (ins
  Variadic<Moe_Shaped>:$outs, Moe_RoutingAttr:$routing,
  OptionalAttr<DenseBoolArrayAttr>:$class_mask, OptionalAttr<DenseI32ArrayAttr>:$alias,
  OptionalAttr<I64Attr>:$count_rows);
defvar Moe_RoutingFormat = [{
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`eligible` `(` $eligible^ `:` type($eligible) `)`)?
    (`class_id` `(` $class_id^ `:` type($class_id) `)`)?
    (`token_k` `(` $token_k^ `:` type($token_k) `)`)?
    (`table` `(` $table^ `:` type($table) `)`)?
    (`token_id` `(` $token_id^ `:` type($token_id) `)`)?
    (`expert_scale` `(` $expert_scale^ `:` type($expert_scale) `)`)?
    (`sequence` `(` $sequence^ `:` type($sequence) `)`)?
    `outs` `(` $outs `:` type($outs) `)`
}];
defvar Moe_ResultsFormat = "(`->` type($results)^)?";

def Moe_RouteOp : Moe_ComputeOp<"route", [AttrSizedOperandSegments]> {
  let summary = "choose and weigh experts from router logits";
  let description = [{
    For every token, the pipeline of `routing` from its logits: which experts, in the order of descending
    selection key, and with which weights. Ties go to the lowest expert index.

    ins: `logits` f32 [T, E]. outs: `ids` i32 [T, k], `weights` f32 [T, k] and, with `shared_experts = n`, the weights of
    these, f32 [T, n]; logits are then [T, E + n]. Further operands and attributes, all optional:
    - `bias` f32 [E]: added to the selection key;
    - `eligible` i1 or i8 [T, E]: 0 where a token must not choose an expert;
    - `class_id` i32 [T] with the attribute `class_mask` (C rows of E): the same by class of token; no expert is eligible for an id outside 0 to C - 1;
    - `token_k` i32 [T]: the number of experts of a token, at most k;
    - `table` i32 [V, k] and `token_id` i32 [T]: for `policy = table`;
    - `expert_scale` f32 [E]: multiplies the weight of each expert;
    - `sequence` i32 [T]: equal for neighbours of one sequence, for capacities that count by sequence;
    - the attribute `alias` (E numbers below M): the expert that computes in place of each; ids are then below M. M may exceed E;
    - the attribute `count_rows`, which adds an output behind all others: `counts` i32 [B, max(E, M)], how often the tokens of a block chose each
      expert. A block has the `count_rows * ceil(T / (count_rows * B))` tokens behind those of the blocks before it; blocks
      without tokens are not written. What a capacity drops is not a choice.

    What happens in front of the logits, such as a norm, a hidden layer, or adding a map of the previous layer's logits, is ordinary ops.

    Why not upstream: no upstream op selects with ties defined, and a softmax, a sort and a gather could
    not be recognised again with certainty.

    ```mlir
    %ids, %weights = moe.route {routing = #moe.routing<k = 8>} ins(%logits : tensor<?x64xf32>)
        outs(%i, %w : tensor<?x8xi32>, tensor<?x8xf32>) -> tensor<?x8xi32>, tensor<?x8xf32>
    ```
  }];
  let arguments = !con((ins Moe_Shaped:$logits), Moe_RoutingInputs, Moe_RoutingOuts);
  let assemblyFormat = !strconcat("attr-dict `ins` `(` $logits `:` type($logits) `)`", Moe_RoutingFormat, Moe_ResultsFormat);
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$results, "::mlir::Value":$logits,
      "const ::moec::moe::RoutingInputs &":$inputs, "::mlir::ValueRange":$outs, "::moec::moe::RoutingAttr":$routing)>];
  let extraClassDeclaration = baseDeclaration # [{
    ::moec::moe::RoutingInputs getInputs();
    /// Among which it chooses: those that have a logit, but for shared ones.
    int64_t numExperts();
    /// The outputs that not every choice has; null where absent.
    ::mlir::Value getShared();
    ::mlir::Value getCounts();
  }];
}

def Moe_GateOp : Moe_ComputeOp<"gate", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "router product and choice of experts, fused";
  let description = [{
    `moe.route` of the logits `epilogue(x * weight^T, extras...)`, in one kernel. The logits are an output too: a later check of
    routing margins wants them, and they are small.

    ins: `x` [T, H], `weight` [E, H] or packed, and what `moe.route` has besides logits; outs: `ids` i32
    [T, k], `weights` f32 [T, k], `logits` f32 [T, E], and the weights of shared experts, f32 [T, n], where there are any.
    The region, which may be missing, and `extras` are those of `moe.grouped_matmul`: a bias, a factor or a softcap of the logits, a sum with other
    rows.

    ```mlir
    %ids, %weights, %logits = moe.gate {routing = #moe.routing<k = 2>} ins(%x, %weight : tensor<?x4xf32>, tensor<8x4xf32>)
        extras(%bias : tensor<8xf32>) outs(%i, %w, %l : ...) {
    ^bb0(%sum: f32, %b: f32):
      %logit = arith.addf %sum, %b : f32
      moe.yield %logit : f32
    } -> tensor<?x2xi32>, tensor<?x2xf32>, tensor<?x8xf32>
    ```
  }];
  let arguments = !con((ins Moe_Shaped:$x, Moe_Shaped:$weight, Variadic<Moe_Shaped>:$extras),
                       Moe_RoutingInputs, Moe_RoutingOuts);
  let regions = (region AnyRegion:$epilogue);
  let assemblyFormat = !strconcat([{
    attr-dict `ins` `(` $x `,` $weight `:` type($x) `,` type($weight) `)`
    (`extras` `(` $extras^ `:` type($extras) `)`)?
  }], Moe_RoutingFormat, "($epilogue^)?", Moe_ResultsFormat);
  /// Without an epilogue.
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$results, "::mlir::Value":$x, "::mlir::Value":$weight,
      "::mlir::ValueRange":$extras, "const ::moec::moe::RoutingInputs &":$inputs, "::mlir::ValueRange":$outs,
      "::moec::moe::RoutingAttr":$routing)>];
  let extraClassDeclaration = baseDeclaration # [{
    ::moec::moe::RoutingInputs getInputs();
    ::moec::moe::ProductParts getProduct();
    /// Among which it chooses: those that have a logit, but for shared ones.
    int64_t numExperts();
    /// The outputs that not every choice has; null where absent.
    ::mlir::Value getShared();
    ::mlir::Value getCounts();
  }];
}

//===----------------------------------------------------------------------===//
// Group by expert, bring back
//===----------------------------------------------------------------------===//

def Moe_PlanOp : Moe_ComputeOp<"plan", [AttrSizedOperandSegments]> {
  let summary = "sort the chosen (token, expert) pairs by expert";
  let description = [{
    A stable counting sort: pairs by expert, those of an expert by token. The ids `first` to `first + E` are those of the
    E experts that are planned for; of the ids behind them, there are `others`. Only planned ids make rows: not those of others, and
    not -1, which is none. With `open`, the others make rows of the last planned expert.

    Whoever chose may have counted: `counts` i32 [B, N or more] are the choices of each of N ids by block of tokens (with `count_rows` as in `moe.route`),
    which are added up instead of counted again. Where `groups` is above 1, each token is known to have chosen `k / groups` experts of each of as many
    neighbouring parts of the ids; the rows of a group then begin at `g * T * k / groups` whatever was chosen, and groups are planned independently.

    ins: `ids` i32 [T, k], optional `counts`. outs:
    - `offsets` i32 [E + 1]: the rows of expert `first + e` are `offsets[e]` to `offsets[e + 1]`;
    - `active` i32 [E + 1]: the e that have rows, ascending; the last entry is their number;
    - `row_token` i32 [T * k]: the token of each row;
    - `token_row` i32 [T, k]: the rows of each token, by ascending expert, -1 behind the last one;
    - `token_slot` i32 [T, k]: beside each entry of `token_row`, its column in `ids`.
  }];
  let arguments = (ins Moe_Shaped:$ids, Optional<Moe_Shaped>:$counts, Variadic<Moe_Shaped>:$outs,
                       DefaultValuedAttr<I64Attr, "0">:$first,
                       DefaultValuedAttr<I64Attr, "0">:$others,
                       DefaultValuedAttr<I64Attr, "1">:$groups,
                       OptionalAttr<I64Attr>:$count_rows, UnitAttr:$open);
  let assemblyFormat = [{
    attr-dict `ins` `(` $ids `:` type($ids) `)` (`counts` `(` $counts^ `:` type($counts) `)`)? `outs` `(` $outs `:` type($outs) `)`
    (`->` type($results)^)?
  }];
}

def Moe_SpreadOp : Moe_ComputeOp<"spread"> {
  let summary = "a vector of each expert beside every row of that expert";
  let description = [{
    `rows[r] = bank[e]` for the rows r of expert e. `moe-fuse-epilogues` makes it a part of the products that it is read with.

    ins: `bank` of vectors [N], `offsets` of `moe.plan`; outs: `rows` [R, N].
  }];
  let arguments = (ins Moe_Weights:$bank, Moe_Shaped:$offsets, Variadic<Moe_Shaped>:$outs);
  let assemblyFormat = [{
    attr-dict `ins` `(` $bank `,` $offsets `:` type($bank) `,` type($offsets) `)`
    `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Moe_RowWeightsOp : Moe_ComputeOp<"row_weights"> {
  let summary = "the weights of the experts in the order of their rows";
  let description = [{
    `rows[token_row[t, j], 0] = weights[t, token_slot[t, j]]`, for experts whose input is weighed and not their output.

    ins: `weights` f32 [T, k], `token_row` and `token_slot` of `moe.plan`; outs: `rows` f32 [T * k, 1].
  }];
  let arguments = (ins Moe_Shaped:$weights, Moe_Shaped:$token_row, Moe_Shaped:$token_slot,
                       Variadic<Moe_Shaped>:$outs);
  let assemblyFormat = [{
    attr-dict `ins` `(` $weights `,` $token_row `,` $token_slot `:` type($weights) `,` type($token_row) `,`
    type($token_slot) `)` `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Moe_CombineOp : Moe_ComputeOp<"combine", [AttrSizedOperandSegments]> {
  let summary = "the weighted sum of the rows of each token";
  let description = [{
    `y[t] = sum over j of weights[t, token_slot[t, j]] * rows[token_row[t, j]] + sum of share_i[t] * locals_i[t] + sum of addends[t]`,
    in f32: by ascending expert, then the locals and the addends in their order. With `unweighted`, rows count as they are.

    `locals` are what experts make of every token without its rows being moved: the i-th one is that of the ids
    `ranges[2 i]` to `ranges[2 i + 1]`, and `share_i[t]` is the sum of the weights beside these ids, by ascending column.

    ins: `rows` [T * k, H], `token_row` and `token_slot` i32 [T, k], `weights` f32 [T, k], `ids` i32 [T, k] where there are locals
    [T, H], addends [T, H]; outs: `y` [T, H].
  }];
  let arguments = (ins Moe_Shaped:$rows, Moe_Shaped:$token_row, Moe_Shaped:$token_slot,
                       Moe_Shaped:$weights, Optional<Moe_Shaped>:$ids,
                       Variadic<Moe_Shaped>:$locals, Variadic<Moe_Shaped>:$addends,
                       Variadic<Moe_Shaped>:$outs,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$ranges,
                       UnitAttr:$unweighted);
  let assemblyFormat = [{
    attr-dict `ins` `(` $rows `,` $token_row `,` $token_slot `,` $weights `:` type($rows) `,`
    type($token_row) `,` type($token_slot) `,` type($weights) `)`
    (`ids` `(` $ids^ `:` type($ids) `)`)? (`locals` `(` $locals^ `:` type($locals) `)`)?
    (`addends` `(` $addends^ `:` type($addends) `)`)?
    `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
  let extraClassDeclaration = baseDeclaration # [{
    ::moec::moe::CombineParts getCombined();
  }];
}

//===----------------------------------------------------------------------===//
// Compute
//===----------------------------------------------------------------------===//

def Moe_ExpertsOp : Moe_ComputeOp<"experts", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "apply to every token the experts that its router chose, and sum";
  let description = [{
    The region is the computation of one expert: its arguments are some rows of `x` [?, H] and one member of every
    bank, and it yields rows [?, H']. `y[t]` is the sum over j of `weights[t, j]` times the row that expert `ids[t, j]` makes of `x[t]`.
    With `weight_on_input`, it is the sum of what that expert makes of `weights[t, j] * x[t]`.
    How it runs (which tokens together, in which order) is not said here.

    Experts of several kinds stand side by side where `ranges` says how many ids each kind has, in ascending order:

    | kind | what it makes of x | region | banks |
    |---|---|---|---|
    | `ffn` | what the region makes | one | of as many members as the range has ids |
    | `local` | what the region makes, cheap enough for every token | one | tensors, the same for all ids |
    | `identity` | x | | |
    | `zero` | nothing | | |

    Regions take the banks in order, each as many as it has arguments behind the rows. Only ranges of `ffn` get rows of their own:
    tokens are never moved to the other experts, whose shares are added where rows are combined.
    Without `ranges`, there is one range of `ffn`.

    ```mlir
    %y = moe.experts ins(%x, %ids, %weights : ...) banks(%gate, %up, %down : ...) outs(%e : ...) {
    ^bb0(%rows: tensor<?x64xf32>, %g: tensor<48x64xbf16>, %u: tensor<48x64xbf16>, %d: tensor<64x48xbf16>):
      ...
      moe.yield %o : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Moe_Shaped:$x, Moe_Shaped:$ids, Moe_Shaped:$weights,
                       Variadic<Moe_Weights>:$banks, Variadic<Moe_Shaped>:$outs,
                       OptionalAttr<Moe_ExpertRangesAttr>:$ranges,
                       UnitAttr:$weight_on_input);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `,` $ids `,` $weights `:` type($x) `,` type($ids) `,` type($weights) `)`
    `banks` `(` $banks `:` type($banks) `)` `outs` `(` $outs `:` type($outs) `)` $bodies
    (`->` type($results)^)?
  }];
  let extraClassDeclaration = baseDeclaration # [{
    /// One range of ids.
    struct Range {
      ExpertKind kind;
      int64_t first, count;
      ::mlir::Block *body;        ///< Null where the kind has no region.
      ::mlir::OperandRange banks; ///< Those of the region.
    };
    ::llvm::SmallVector<Range> rangeList();
    /// The number of ids.
    int64_t numExperts();
  }];
}

def Moe_SharedOp : Moe_ComputeOp<"shared", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "an expert that every token passes through";
  let description = [{
    The region maps `x` [T, H] and the weights to [T, H']. It is the same as its region inlined; that it is
    an op lets passes see shared experts as such.

    Shared experts of one block with the same number `wide` are to become one expert of their widths together
    (`moe-select-shared` says which, `moe-fuse-shared` does it).
  }];
  let arguments = (ins Moe_Shaped:$x, Variadic<Moe_Shaped>:$params, Variadic<Moe_Shaped>:$outs,
                       OptionalAttr<I64Attr>:$wide);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `:` type($x) `)` `params` `(` $params `:` type($params) `)`
    `outs` `(` $outs `:` type($outs) `)` $body (`->` type($results)^)?
  }];
}

def Moe_GroupedMatmulOp : Moe_ComputeOp<"grouped_matmul", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "matrix products of groups of rows, each with its expert's matrix";
  let description = [{
    For the rows r of group e, `offsets[e] <= r < offsets[e + 1]`: `acc_b = x[gather[r]] * bank_b[e]^T` for one or two banks b, and `out[r] =
    epilogue(acc_0, (acc_1), extras...)`. Without `offsets` there is one group of all rows; without `gather`, x[r].
    Accumulation is in f32, along K in ascending order from zero, whatever the number of rows.

    With `side_by_side`, groups are of columns instead: all rows of x [R, E * K] have E parts of K elements, part e is multiplied with
    `bank_b[e]`, and gives part e of the output [R, E * N]. There are then neither offsets nor extras.

    ins: `x` [R, K]. banks: [N, K] tensors, banks of these, or their packed forms (see `moe.pack`).
    `extras` are further inputs of the epilogue, by shape: [R, N] one value each, [R, 1] one for a row, [N] one for a column, [1] one for all.
    `group_extras` are banks of vectors [N], of which a row's group gives one value for a column (the biases of experts).
    The region's arguments are scalars: f32 for each bank, then one of the element type of each extra and group extra; it yields
    the output's element. Its ops are elementwise ones of arith and math, and become vector code.
    `active` is that of `moe.plan`. `variants`, when present, says which kernels are generated.

    Why not upstream: `linalg` has no ragged contraction with gathered rows.
  }];
  let arguments = (ins Moe_Shaped:$x, Variadic<Moe_Weights>:$banks,
                       Optional<Moe_Shaped>:$offsets, Optional<Moe_Shaped>:$active,
                       Optional<Moe_Shaped>:$gather, Variadic<Moe_Shaped>:$extras,
                       Variadic<Moe_Weights>:$group_extras, Variadic<Moe_Shaped>:$outs,
                       OptionalAttr<Moe_VariantsAttr>:$variants, UnitAttr:$side_by_side);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `:` type($x) `)` `banks` `(` $banks `:` type($banks) `)`
    (`offsets` `(` $offsets^ `:` type($offsets) `)`)?
    (`active` `(` $active^ `:` type($active) `)`)?
    (`gather` `(` $gather^ `:` type($gather) `)`)?
    (`extras` `(` $extras^ `:` type($extras) `)`)?
    (`group_extras` `(` $group_extras^ `:` type($group_extras) `)`)?
    `outs` `(` $outs `:` type($outs) `)` $epilogue (`->` type($results)^)?
  }];
  let builders = [
    /// An epilogue that only rounds to the element type of `init`.
    OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$bank, "::mlir::Value":$offsets, "::mlir::Value":$active,
                   "::mlir::Value":$gather, "::mlir::Value":$init, "bool":$sideBySide)>];
  let extraClassDeclaration = baseDeclaration # [{
    /// Rows of a group's matrix: the columns of the output, or of a part of it.
    int64_t getN();
    /// Length of the reduction.
    int64_t getK();
    /// Whether the banks have a matrix for each group.
    bool isGrouped() { return getOffsets() || getSideBySide(); }
    /// Element type of the banks.
    ::mlir::Type getWeightType();
    /// Groups: the experts of a bank, 1 for a plain matrix.
    int64_t getGroups();
    /// Whether the banks are in their packed form.
    bool isPacked();
    ::moec::moe::ProductParts getProduct();
  }];
}

def Moe_CombineMatmulOp : Moe_ComputeOp<"combine_matmul", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::moec::moe::YieldOp">]> {
  let summary = "a combine, and the matrix product that reads its rows, fused";
  let description = [{
    `moe.combine` into y, and `moe.grouped_matmul` of y with all rows in one group, in one kernel: where there are few rows, a task combines
    those that it multiplies. Both mean what they mean alone, to the bit, and y has the elements that the product reads.

    ins: those of `moe.combine`; `banks`, `extras`, the region and `variants` of `moe.grouped_matmul`; outs: `y` [T, K], then that of the product, [T, N].
  }];
  let arguments = (ins Moe_Shaped:$rows, Moe_Shaped:$token_row, Moe_Shaped:$token_slot, Moe_Shaped:$row_weights,
                       Optional<Moe_Shaped>:$row_ids, Variadic<Moe_Shaped>:$locals, Variadic<Moe_Shaped>:$addends,
                       Variadic<Moe_Weights>:$banks, Variadic<Moe_Shaped>:$extras, Variadic<Moe_Shaped>:$outs,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$ranges, UnitAttr:$unweighted,
                       OptionalAttr<Moe_VariantsAttr>:$variants);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    attr-dict `ins` `(` $rows `,` $token_row `,` $token_slot `,` $row_weights `:` type($rows) `,`
    type($token_row) `,` type($token_slot) `,` type($row_weights) `)`
    (`ids` `(` $row_ids^ `:` type($row_ids) `)`)? (`locals` `(` $locals^ `:` type($locals) `)`)?
    (`addends` `(` $addends^ `:` type($addends) `)`)? `banks` `(` $banks `:` type($banks) `)`
    (`extras` `(` $extras^ `:` type($extras) `)`)?
    `outs` `(` $outs `:` type($outs) `)` $epilogue (`->` type($results)^)?
  }];
  let extraClassDeclaration = baseDeclaration # [{
    ::moec::moe::CombineParts getCombined();
    /// Of what is combined.
    ::moec::moe::ProductParts getProduct();
  }];
}

def Moe_YieldOp : Moe_Op<"yield", [Pure, ReturnLike, Terminator,
    ParentOneOf<["ExpertsOp", "SharedOp", "IterateOp", "RecurseOp", "GateOp", "CombineGateOp", "GroupedMatmulOp",
                  "CombineMatmulOp"]>]> {
  let summary = "what a region of this dialect returns";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
  let builders = [OpBuilder<(ins), [{ }]>];
}

//===----------------------------------------------------------------------===//
// Observe, run
//===----------------------------------------------------------------------===//

def Moe_TapOp : Moe_Op<"tap", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "give a value a name under which it can be read after a step";
  let description = [{
    A tap `always` stays in every artifact; the others only where taps were asked for. In a function that is
    called for several layers the name contains `{layer}`, which the call's `layer` attribute replaces.
  }];
  let arguments = (ins Moe_Shaped:$value, StrAttr:$name, UnitAttr:$always);
  let assemblyFormat = "$name (`always` $always^)? `,` $value attr-dict `:` type($value)";
}

def Moe_ParallelOp : Moe_Op<"parallel"> {
  let summary = "run the tasks of a parallel region";
  let description = [{
    Calls `callee(args..., i)` for every i from 0 to `tasks`, in any order and on any threads of `host`, and waits for all.
  }];
  let arguments = (ins Moe_HostType:$host, Index:$tasks, FlatSymbolRefAttr:$callee,
                       Variadic<AnyType>:$args);
  let assemblyFormat = [{
    $callee `(` $args `)` `tasks` `(` $tasks `)` `on` $host attr-dict (`:` type($args)^)?
  }];
}

include "dialects/Moe/MoeRecipes.td"
include "dialects/Moe/MoeRepeat.td"

#endif // MOEC_DIALECTS_MOE_MOEOPS
