//===- MoeDialect.td - The moe dialect, its types and attributes -*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_DIALECTS_MOE_MOEDIALECT
#define MOEC_DIALECTS_MOE_MOEDIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Moe_Dialect : Dialect {
  let name = "moe";
  let cppNamespace = "::moec::moe";
  let summary = "Mixture-of-Experts: routing, dispatch, experts, combine, weights";
  let description = [{
    A token of a sparse layer passes through a router, which chooses `k` of `E` experts and weighs them, and
    through the chosen experts; the weighted sum of their outputs is the layer's output.

    | stage | ops |
    |---|---|
    | choose | `moe.route` (from logits), `moe.gate` (router product and choice in one kernel) |
    | group by expert | `moe.plan`, `moe.spread`, `moe.row_weights` |
    | compute | `moe.experts` (a region per expert), `moe.shared`, `moe.grouped_matmul` |
    | bring back | `moe.combine` |
    | weights | `moe.recipes` with `moe.load`, `moe.load_bank`, `moe.cast`, `moe.slice`, `moe.transpose`, `moe.dequantize`, `moe.concat`, `moe.pack`, `moe.rope_table`, `moe.define`; `moe.weight` |
    | observe | `moe.tap` |
    | run | `moe.parallel`, `moe.host` |

    Compute ops are in destination-passing style, on tensors before bufferization and on memrefs after it.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class Moe_Type<string cppName, string typeMnemonic>
    : TypeDef<Moe_Dialect, cppName> {
  let mnemonic = typeMnemonic;
}

def Moe_BankType : Moe_Type<"Bank", "bank"> {
  let summary = "the weights of the experts of one layer, addressed one by one";
  let description = [{
    `!moe.bank<64 x tensor<1024x2048xbf16>>`: 64 members of one type. A bank is not a stacked tensor: its
    members are placed, prefetched, quantized and aliased one by one, each at an address of its own.
  }];
  let parameters = (ins "int64_t":$experts, "::mlir::RankedTensorType":$member);
  let assemblyFormat = "`<` $experts `x` $member `>`";
  let genVerifyDecl = 1;
}

def Moe_HostType : Moe_Type<"Host", "host"> {
  let summary = "the functions that generated code may call (`moec_host`)";
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

class Moe_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::moec::moe";
  let genSpecializedAttr = 0;
}

def Moe_Score : Moe_Enum<"Score", "what turns logits into scores", [
  I32EnumAttrCase<"Softmax", 0, "softmax">,
  I32EnumAttrCase<"Sigmoid", 1, "sigmoid">,
  I32EnumAttrCase<"Identity", 2, "identity">,
  I32EnumAttrCase<"SqrtSoftplus", 3, "sqrt_softplus">,
  I32EnumAttrCase<"Tanh", 4, "tanh">]>;
def Moe_Scope : Moe_Enum<"Scope", "over which experts a softmax normalises", [
  I32EnumAttrCase<"All", 0, "all">,
  I32EnumAttrCase<"Selected", 1, "selected">,
  I32EnumAttrCase<"Window", 2, "window">]>;
def Moe_Source : Moe_Enum<"Source", "a value of the score or of the logit", [
  I32EnumAttrCase<"Score", 0, "score">,
  I32EnumAttrCase<"Logit", 1, "logit">]>;
def Moe_Policy : Moe_Enum<"Policy", "how experts are selected", [
  I32EnumAttrCase<"TopK", 0, "topk">,
  I32EnumAttrCase<"TopP", 1, "topp">,
  I32EnumAttrCase<"ExpertChoice", 2, "expert_choice">,
  I32EnumAttrCase<"Threshold", 3, "threshold">,
  I32EnumAttrCase<"SequentialMasked", 4, "sequential_masked">,
  I32EnumAttrCase<"Table", 5, "table">,
  I32EnumAttrCase<"Dense", 6, "dense">]>;
def Moe_Renorm : Moe_Enum<"Renorm", "how the selected weights are normalised", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Sum", 1, "sum">,
  I32EnumAttrCase<"Lp", 2, "lp">,
  I32EnumAttrCase<"Softmax", 3, "softmax">,
  I32EnumAttrCase<"LogSigmoidSoftmax", 4, "logsigmoid_softmax">]>;
def Moe_EpsMode : Moe_Enum<"EpsMode", "how the epsilon of a renormalisation enters", [
  I32EnumAttrCase<"Add", 0, "add">,
  I32EnumAttrCase<"Clamp", 1, "clamp">]>;
def Moe_GroupReduce : Moe_Enum<"GroupReduce", "the score of a group of experts", [
  I32EnumAttrCase<"Max", 0, "max">,
  I32EnumAttrCase<"Top2Sum", 1, "top2_sum">]>;
def Moe_GroupFill : Moe_Enum<"GroupFill", "what the keys of groups that are not kept become", [
  I32EnumAttrCase<"NegInf", 0, "neg_inf">,
  I32EnumAttrCase<"Zero", 1, "zero">]>;
def Moe_WindowBy : Moe_Enum<"WindowBy", "what the distances in a window are relative to", [
  I32EnumAttrCase<"Signed", 0, "signed">,
  I32EnumAttrCase<"Magnitude", 1, "magnitude">]>;
def Moe_CapacityUnit : Moe_Enum<"CapacityUnit", "what a capacity counts", [
  I32EnumAttrCase<"Tokens", 0, "tokens">,
  I32EnumAttrCase<"Fraction", 1, "fraction">,
  I32EnumAttrCase<"Factor", 2, "factor">]>;
def Moe_CapacityScope : Moe_Enum<"CapacityScope", "the tokens that share a capacity", [
  I32EnumAttrCase<"Global", 0, "global">,
  I32EnumAttrCase<"Sequence", 1, "sequence">]>;
def Moe_Priority : Moe_Enum<"Priority", "which tokens an expert of limited capacity keeps", [
  I32EnumAttrCase<"Position", 0, "position">,
  I32EnumAttrCase<"Prob", 1, "prob">]>;
def Moe_DropOrder : Moe_Enum<"DropOrder", "whether first choices come before all second ones", [
  I32EnumAttrCase<"KMajor", 0, "k_major">,
  I32EnumAttrCase<"TokenMajor", 1, "token_major">]>;
def Moe_Dedupe : Moe_Enum<"Dedupe", "what becomes of choices that an alias makes equal", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Sum", 1, "sum">]>;

def Moe_ExpertKind : Moe_Enum<"ExpertKind", "what an expert computes", [
  I32EnumAttrCase<"Ffn", 0, "ffn">,
  I32EnumAttrCase<"Local", 1, "local">,
  I32EnumAttrCase<"Identity", 2, "identity">,
  I32EnumAttrCase<"Zero", 3, "zero">]>;

def Moe_Residual : Moe_Enum<"Residual", "what is added to an iteration's result", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Inner", 1, "inner">,
  I32EnumAttrCase<"Initial", 2, "initial">,
  I32EnumAttrCase<"Outer", 3, "outer">]>;
def Moe_ResidualAttr : EnumAttr<Moe_Dialect, Moe_Residual, "residual"> {
  let assemblyFormat = "`<` $value `>`";
}

class Moe_Attr<string cppName, string attrMnemonic>
    : AttrDef<Moe_Dialect, cppName> {
  let mnemonic = attrMnemonic;
}

def Moe_RoutingAttr : Moe_Attr<"Routing", "routing"> {
  let summary = "the routing pipeline from the logits on, stage by stage";
  let description = [{
    Stages in order, each with its parameters; what is left out is the default. Operands and attributes of the op
    (see `moe.route`) are in italics.

    | stage | parameters |
    |---|---|
    | softcap of the logits | `softcap` (0: none): `softcap * tanh(l / softcap)` |
    | eligibility | *eligible*, *class_id* with *class_mask*: the logits of other experts become minus infinity, and these are never chosen |
    | score | `score`, `scope` (`selected` needs `weight_from = logit`), `window`, `window_by` |
    | selection key | `select_on`; *bias* is added to the key, never to the weight |
    | groups | `groups`, `group_reduce`, `group_keep`, `group_fill`; or `group_quota` experts out of each group |
    | select | `policy`, `k`, `threshold`, *token_k*, *table*; ties to the lowest expert index |
    | weights | `weight_from`, `null_experts` (the last experts weigh nothing), `null_before_norm` |
    | renormalise | `renorm`, `eps_mode`, `eps`, `lp`; with `shared_experts` over these too |
    | scale | `scale`, *expert_scale* |
    | capacity | `capacity`, `capacity_unit`, `capacity_min`, `capacity_scope`, `priority`, `drop_order`, `light_experts`, `light_share`, `renorm_after_drop` |
    | alias | *alias*, `dedupe` |

    All arithmetic is in f32. The weights come in the order of descending key. Where fewer than k experts are chosen, the rest of the
    ids is -1 and of the weights 0; an entry of a table that is no expert, one that is not eligible among all, or a choice that is dropped, leaves
    its slot empty like this.

    **Scores.** Softmax over `all` experts, over those in a `window`, or over the `selected`. An expert e is in the window when
    `(m - l_e) / max(|l_e|, m) <= window` for the largest logit m (`window_by = magnitude`: |m| in the divisor).

    **Policies.** `topk`: the k largest keys. `topp`: by descending key until their scores reach `threshold` together, the one that reaches it
    included, at most k. `threshold`: keys above it, at most k. `sequential_masked`: k rounds, in each the largest logit (plus bias) that is left,
    weighed by the score that it has when those chosen before are masked (the window compares with the logits as they were); with a
    `threshold`, as many rounds as `topp` would choose experts. `table`: `ids[t] = table[token_id[t]]`; a token id outside the table, or an
    entry that is no expert, chooses nothing. `dense`: all experts, each in the slot of its number. `expert_choice`: each expert takes the
    `max(1, floor(C))` tokens of the largest keys, the earliest among equals, out of each sequence (or the step), C being the capacity;
    again each expert has the slot of its number.

    **Shared experts.** The last `shared_experts` logits belong to experts that every token passes through. They are not chosen;
    their weights go through the last stages with those of the chosen ones and become an output of their own.

    **Capacity.** An expert keeps at most C of its tokens: `tokens`: capacity; `fraction`: ceil(capacity * T); `factor`: ceil(capacity * T / E); at
    least `capacity_min`; T counts the step's tokens or, by `capacity_scope`, those of a sequence in it. With `light_experts = z` and `light_share =
    s`, `factor` gives the last z experts ceil(capacity * T / (s * (E - z) + z)) and the others ceil(s * capacity * T / (s * (E - z) + z)). Choices are admitted
    in the order of tokens (`position`) or of descending weight as it is then (`prob`), all first choices before all second ones (`k_major`)
    or together (`token_major`). With `renorm_after_drop`, renormalisation and scale come after the drop, and over what is kept.

    **Alias.** Expert e becomes `alias[e]`; with `dedupe = sum`, a later choice of the same expert becomes -1 and adds its weight to the first one.

    `expert_choice` and a capacity make a token's result depend on the others of its step or sequence (`dependsOnBatch`); nothing else does.

    Example: `#moe.routing<k = 8, renorm = sum>`.
  }];
  let parameters = (ins
    "int64_t":$k,
    DefaultValuedParameter<"Policy", "Policy::TopK">:$policy,
    DefaultValuedParameter<"Score", "Score::Softmax">:$score,
    DefaultValuedParameter<"Scope", "Scope::All">:$scope,
    DefaultValuedParameter<"Source", "Source::Score">:$select_on,
    DefaultValuedParameter<"Source", "Source::Score">:$weight_from,
    DefaultValuedParameter<"Renorm", "Renorm::None">:$renorm,
    DefaultValuedParameter<"EpsMode", "EpsMode::Add">:$eps_mode,
    OptionalParameter<"::mlir::FloatAttr", "f64, 0 when absent">:$eps,
    OptionalParameter<"::mlir::FloatAttr", "f64, 1 when absent">:$lp,
    OptionalParameter<"::mlir::FloatAttr", "f64, 1 when absent">:$scale,
    OptionalParameter<"::mlir::FloatAttr", "f64, none when absent">:$softcap,
    OptionalParameter<"::mlir::FloatAttr", "f64, none when absent">:$window,
    OptionalParameter<"::mlir::FloatAttr", "f64, none when absent">:$threshold,
    DefaultValuedParameter<"int64_t", "1">:$groups,
    DefaultValuedParameter<"GroupReduce", "GroupReduce::Max">:$group_reduce,
    DefaultValuedParameter<"int64_t", "0">:$group_keep,
    DefaultValuedParameter<"GroupFill", "GroupFill::NegInf">:$group_fill,
    DefaultValuedParameter<"int64_t", "0">:$group_quota,
    DefaultValuedParameter<"int64_t", "0">:$null_experts,
    DefaultValuedParameter<"bool", "false">:$null_before_norm,
    DefaultValuedParameter<"WindowBy", "WindowBy::Signed">:$window_by,
    DefaultValuedParameter<"int64_t", "0">:$shared_experts,
    OptionalParameter<"::mlir::FloatAttr", "f64, none when absent">:$capacity,
    DefaultValuedParameter<"CapacityUnit", "CapacityUnit::Tokens">:$capacity_unit,
    DefaultValuedParameter<"int64_t", "0">:$capacity_min,
    DefaultValuedParameter<"CapacityScope", "CapacityScope::Global">:$capacity_scope,
    DefaultValuedParameter<"Priority", "Priority::Position">:$priority,
    DefaultValuedParameter<"DropOrder", "DropOrder::KMajor">:$drop_order,
    DefaultValuedParameter<"int64_t", "0">:$light_experts,
    OptionalParameter<"::mlir::FloatAttr", "f64, none when absent">:$light_share,
    DefaultValuedParameter<"bool", "false">:$renorm_after_drop,
    DefaultValuedParameter<"Dedupe", "Dedupe::None">:$dedupe);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The value of an optional f64 parameter, or `absent`.
    static double valueOr(::mlir::FloatAttr attr, double absent) {
      return attr ? attr.getValueAsDouble() : absent;
    }
    double epsValue() const { return valueOr(getEps(), 0.0); }
    double scaleValue() const { return valueOr(getScale(), 1.0); }
    /// The same with another scale.
    RoutingAttr withScale(double scale) const;
    /// Whether groups of experts restrict the choice.
    bool restrictsGroups() const {
      bool keepsAll = getGroupKeep() == 0 || getGroupKeep() == getGroups();
      return getGroups() > 1 && (getGroupQuota() || !keepsAll);
    }
    bool is(Policy policy) const { return getPolicy() == policy; }
    /// Whether experts keep only so many of the tokens that chose them.
    bool drops() const {
      return getCapacity() && !is(Policy::ExpertChoice);
    }
    /// Whether other tokens of a step have a say in what a token gets.
    bool dependsOnBatch() const {
      return getCapacity() || is(Policy::ExpertChoice);
    }
    /// Whether it needs to know the sequence of each token.
    bool needsSequence() const {
      return getCapacityScope() == CapacityScope::Sequence;
    }
    /// The router in words: "softmax, top-8, renormalised".
    std::string inWords(const RoutingInputs &inputs) const;
  }];
}

def Moe_ExpertRangeAttr : Moe_Attr<"ExpertRange", "range"> {
  let summary = "neighbouring expert ids of one kind";
  let description = "Example: `#moe.range<identity, 256>`.";
  let parameters = (ins EnumParameter<Moe_ExpertKind>:$kind, "int64_t":$count);
  let assemblyFormat = "`<` $kind `,` $count `>`";
  let genVerifyDecl = 1;
}

def Moe_ExpertRangesAttr : Moe_Attr<"ExpertRanges", "ranges"> {
  let summary = "the kinds of all expert ids, in ascending order";
  let parameters = (ins ArrayRefParameter<"ExpertRangeAttr">:$list);
  let assemblyFormat = "`<` `[` $list `]` `>`";
  let genVerifyDecl = 1;
}

def Moe_VariantAttr : Moe_Attr<"Variant", "variant"> {
  let summary = "one kernel variant of a matrix product";
  let description = [{
    Used for a group of at most `max_rows` rows (0: any number). The register tile has up to `tile_rows`
    rows and `tile_vectors` vectors of columns; `prefetch` bytes ahead in the weights are asked for. Variants of one
    matrix never differ in the order of the reduction.
  }];
  let parameters = (ins
    DefaultValuedParameter<"int64_t", "0">:$max_rows,
    "int64_t":$tile_rows,
    "int64_t":$tile_vectors,
    DefaultValuedParameter<"int64_t", "0">:$prefetch);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Moe_VariantsAttr : Moe_Attr<"Variants", "variants"> {
  let summary = "the kernel variants of a matrix product, by ascending row count";
  let parameters = (ins ArrayRefParameter<"VariantAttr">:$list);
  let assemblyFormat = "`<` `[` $list `]` `>`";
  let genVerifyDecl = 1;
}

def Moe_TargetAttr : Moe_Attr<"Target", "target"> {
  let summary = "what passes may know of the machine that they generate code for";
  let description = [{
    The description that a target puts on the module as `moe.target`; passes ask it questions and never
    name a target. `vector_bits`: width of a vector register; `vector_registers`: how many there are;
    `bf16_dot`: pairs of bf16 are multiplied and added to f32 in one instruction; `l2_bytes`: what a core
    may assume of its own cache; `emulate`: target intrinsics are replaced by generic vector arithmetic.
  }];
  let parameters = (ins
    "int64_t":$vector_bits,
    "int64_t":$vector_registers,
    DefaultValuedParameter<"bool", "false">:$bf16_dot,
    DefaultValuedParameter<"int64_t", "524288">:$l2_bytes,
    DefaultValuedParameter<"bool", "false">:$emulate);
  let assemblyFormat = "`<` struct(params) `>`";
  let extraClassDeclaration = [{
    /// Lanes of f32 in a vector register.
    int64_t lanes() const { return getVectorBits() / 32; }
    /// The description on the module around `op`, or null.
    static TargetAttr of(::mlir::Operation *op);
  }];
}

#endif // MOEC_DIALECTS_MOE_MOEDIALECT
