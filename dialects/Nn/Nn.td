//===- Nn.td - What upstream dialects cannot say about layers -*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_DIALECTS_NN_NN
#define MOEC_DIALECTS_NN_NN

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Nn_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::moec::nn";
  let summary = "attention over state, rotary embedding, normalisation";
  let description = [{
    What upstream dialects cannot say: operations on the state of sequences, which lives across steps and is
    never a value, and those whose reductions must have one fixed order. A batch is ragged: T tokens of S sequences lie one after
    another. Compute ops are in destination-passing style, on tensors before bufferization and on memrefs after it.
  }];
  let useDefaultTypePrinterParser = 1;
}

def Nn_StateType : TypeDef<Nn_Dialect, "State"> {
  let mnemonic = "state";
  let summary = "keys and values of all sequences for one layer";
  let description = [{
    `!nn.state<heads = 2, key = 24, value = 24, element = f32, sequences = 8, positions = 256>`. Positions are stored in blocks of
    32; a table, which belongs to the session, maps the blocks of each slot to storage. A block of keys is
    [heads, key, 32] (a panel, as a matrix product wants it), one of values [heads, 32, value]. A state is a
    reference: ops on it have memory effects, and nothing copies it.

    With `prefix = true`, the value of a head are the first `value` elements of its key, and are stored once: a block is [heads, 32, key].
    So attention over a latent has its state: one head, whose key is the latent and the part of the key that all heads share.
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$key, "int64_t":$value,
                        "::mlir::Type":$element, "int64_t":$sequences, "int64_t":$positions,
                        DefaultValuedParameter<"bool", "false">:$prefix);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    static constexpr int64_t blockPositions = 32;
    /// Blocks of the pool: enough for every sequence at full length.
    int64_t getBlocks() const;
    /// [blocks, heads, key, 32] of keys and [blocks, heads, 32, value] of values;
    /// or, where these are a prefix, [blocks, heads, 32, key] alone.
    ::llvm::SmallVector<::mlir::MemRefType> getPoolTypes() const;
    ::mlir::MemRefType getTableType() const;     // i32 [sequences, blocks of the context]
  }];
}

def Nn_RecurrentType : TypeDef<Nn_Dialect, "Recurrent"> {
  let mnemonic = "recurrent";
  let summary = "what a layer remembers of all sequences, in a size that does not grow with them";
  let description = [{
    `!nn.recurrent<rows = 2, columns = 64, sequences = 8>`: f32 [rows, columns] for each slot; what they mean is the
    business of the op that reads and writes them. A sequence begins at position 0, where its state counts as zero. Like an `!nn.state`
    it is a reference; resolved, it is one pool f32 [sequences, rows, columns].
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "int64_t":$sequences);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::mlir::MemRefType getPoolType() const;
  }];
}

class Nn_Op<string mnemonic, list<Trait> traits = []>
    : Op<Nn_Dialect, mnemonic, traits>;

def Nn_Shaped : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef]>;
/// One `!nn.state`; or, once it is resolved, its pools and the table.
def Nn_StateOperand : AnyTypeOf<[Nn_StateType, AnyStridedMemRef]>;
/// One `!nn.recurrent`; or, once it is resolved, its pool.
def Nn_RecurrentOperand : AnyTypeOf<[Nn_RecurrentType, AnyStridedMemRef]>;

class Nn_ComputeOp<string mnemonic, list<Trait> traits = []>
    : Nn_Op<mnemonic, !listconcat(traits, [
        DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>])> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
}

def Nn_RmsNormOp : Nn_ComputeOp<"rms_norm", [AttrSizedOperandSegments]> {
  let summary = "root-mean-square normalisation over the last dimension";
  let description = [{
    `y = x / sqrt(mean(x^2) + eps) * (weight + offset)` over chunks of `size` elements of the last dimension (its whole length for a norm over the full width; the
    size of a head for one per head), in f32, rounded once to the output's element type.

    ins: `x` [T, D], `weight` f32 [size]; outs: `y` [T, D]; D is a multiple of size.
  }];
  let arguments = (ins Nn_Shaped:$x, Optional<Nn_Shaped>:$weight, Variadic<Nn_Shaped>:$outs,
                       I64Attr:$size, F64Attr:$eps, DefaultValuedAttr<F64Attr, "0.0">:$offset);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `:` type($x) `)` (`weight` `(` $weight^ `:` type($weight) `)`)?
    `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_LayerNormOp : Nn_ComputeOp<"layer_norm", [AttrSizedOperandSegments]> {
  let summary = "layer normalisation over the last dimension";
  let description = [{
    `y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * weight + bias` over chunks of `size` elements of the last dimension, in f32,
    rounded once to the output's element type.

    ins: `x` [T, D], optional `weight` f32 [size], optional `bias` f32 [size]; outs: `y` [T, D]; D is a multiple of size.
  }];
  let arguments = (ins Nn_Shaped:$x, Optional<Nn_Shaped>:$weight, Optional<Nn_Shaped>:$bias,
                       Variadic<Nn_Shaped>:$outs, I64Attr:$size, F64Attr:$eps);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `:` type($x) `)` (`weight` `(` $weight^ `:` type($weight) `)`)?
    (`bias` `(` $bias^ `:` type($bias) `)`)? `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_RopeOp : Nn_ComputeOp<"rope"> {
  let summary = "rotary position embedding of heads";
  let description = [{
    Turns d elements of each head of `size` elements, from element `offset` on, by the angle of the token's position; d is twice the
    width of the table. A pair are elements i and i + d/2 of these, or, `interleaved`, the neighbours 2i and 2i + 1. The rest of the head is
    copied.

    ins: `x` [T, heads * size], `table` f32 [positions, 2, d/2] (`moe.rope_table`), `positions` i32 [T]; outs: like x.
  }];
  let arguments = (ins Nn_Shaped:$x, Nn_Shaped:$table, Nn_Shaped:$positions,
                       Variadic<Nn_Shaped>:$outs, I64Attr:$size,
                       DefaultValuedAttr<I64Attr, "0">:$offset,
                       DefaultValuedAttr<BoolAttr, "false">:$interleaved);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `,` $table `,` $positions `:` type($x) `,` type($table) `,` type($positions) `)`
    `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_JoinHeadsOp : Nn_ComputeOp<"join_heads", [AttrSizedOperandSegments]> {
  let summary = "rows whose heads are put together from parts of other heads";
  let description = [{
    Head h of the output has, one after another, for every input i, `counts[i]` elements from `offsets[i]` on of head h of that
    input, whose heads have `sizes[i]` elements. An input of a single head lends it to every head of the output; one whose heads have
    a single element repeats that `counts[i]` times.

    ins: each [T, heads * size] or [T, size]; outs: [T, heads * sum of counts].
  }];
  let arguments = (ins Variadic<Nn_Shaped>:$ins, Variadic<Nn_Shaped>:$outs, I64Attr:$heads,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$offsets, DenseI64ArrayAttr:$counts);
  let assemblyFormat = [{
    attr-dict `ins` `(` $ins `:` type($ins) `)` `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
    /// Whether an input has one head for all heads of the output.
    bool isLent(unsigned input);
  }];
}

def Nn_GatherRowsOp : Nn_ComputeOp<"gather_rows"> {
  let summary = "rows of a table, widened to the output's element type";
  let description = [{
    `y[i] = table[indices[i]]`: token embeddings, and the choice of the rows whose logits are wanted. `table` may be the packed form of an
    embedding [V, H] that is an output matrix too; `columns` is then H. A table may be a vector of i32 too, whose elements are taken.

    ins: `table` [V, H] or i32 [V], `indices` i32 [N], or more than N, of which the first N count; outs: [N, H] or i32 [N].
  }];
  let arguments = (ins Nn_Shaped:$table, Nn_Shaped:$indices, Variadic<Nn_Shaped>:$outs);
  let assemblyFormat = [{
    attr-dict `ins` `(` $table `,` $indices `:` type($table) `,` type($indices) `)`
    `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_TokenSlotsOp : Nn_ComputeOp<"token_slots"> {
  let summary = "the slot of every token of a ragged batch";
  let description = [{
    `y[t] = slots[s]` for `seq_offsets[s] <= t < seq_offsets[s + 1]`.

    ins: `seq_offsets` i32 [S + 1], `slots` i32 [S]; outs: i32 [T].
  }];
  let arguments = (ins Nn_Shaped:$seq_offsets, Nn_Shaped:$slots, Variadic<Nn_Shaped>:$outs);
  let assemblyFormat = [{
    attr-dict `ins` `(` $seq_offsets `,` $slots `:` type($seq_offsets) `,` type($slots) `)`
    `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_StateOp : Nn_Op<"state_ref", [Pure]> {
  let summary = "a state of the model, by number";
  let arguments = (ins I64Attr:$index);
  let results = (outs AnyTypeOf<[Nn_StateType, Nn_RecurrentType]>:$result);
  let assemblyFormat = "$index attr-dict `:` type($result)";
}

def Nn_AppendOp : Nn_Op<"append", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "store the keys and values of the tokens of a step";
  let description = [{
    Where values are a prefix of keys, `keys` are what follows it: [T, heads * (key - value)].

    ins: `keys` [T, heads * key], `values` [T, heads * value], `positions` i32 [T], `token_slots` i32 [T]; writes the state.
  }];
  let arguments = (ins Nn_Shaped:$keys, Nn_Shaped:$values, Nn_Shaped:$positions,
                       Nn_Shaped:$token_slots, Variadic<Nn_StateOperand>:$state);
  let hasVerifier = 1;
  let assemblyFormat = [{
    attr-dict `ins` `(` $keys `,` $values `,` $positions `,` $token_slots `:` type($keys) `,`
    type($values) `,` type($positions) `,` type($token_slots) `)` `state` `(` $state `:` type($state) `)`
  }];
}

def Nn_AttentionOp : Nn_ComputeOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "causal attention of the tokens of a step over the state of their sequences";
  let description = [{
    For a token at position p of its sequence and query head h, over the stored positions j <= p:
    softmax of `scale * q . key_j`, times the values. Query head h reads head `h / (query heads / state heads)` of the state.
    Blocks of 32 positions, aligned to absolute positions, are reduced in ascending order with a running maximum, so
    that the result depends on nothing but the sequence.

    With a `window`, only positions j > p - window count; with a `chunk`, only those of p's own chunk, j >= p - p mod chunk. Where positions are
    places (`nn.places`), it is `first` that says so: only j >= first[t] count, and `first` does not fall along a sequence. A `softcap` c
    turns each score s into `c * tanh(s / c)`. `sinks` holds one more score for each head, that takes part in the softmax and has no value.

    ins: `q` [T, heads * key], `positions` i32 [T], `token_slots` i32 [T], optional `first` i32 [T] from 0 to the position, optional
    `sinks` f32 [heads]; outs: [T, heads * value].
  }];
  let arguments = (ins Nn_Shaped:$q, Nn_Shaped:$positions, Nn_Shaped:$token_slots,
                       Variadic<Nn_StateOperand>:$state, Optional<Nn_Shaped>:$first,
                       Optional<Nn_Shaped>:$sinks,
                       Variadic<Nn_Shaped>:$outs,
                       I64Attr:$heads, I64Attr:$kv_heads, F64Attr:$scale,
                       DefaultValuedAttr<I64Attr, "0">:$window,
                       DefaultValuedAttr<I64Attr, "0">:$chunk,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap);
  let assemblyFormat = [{
    attr-dict `ins` `(` $q `,` $positions `,` $token_slots `:` type($q) `,` type($positions) `,`
    type($token_slots) `)` `state` `(` $state `:` type($state) `)`
    (`first` `(` $first^ `:` type($first) `)`)? (`sinks` `(` $sinks^ `:` type($sinks) `)`)? `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

class Nn_MixerOp<string mnemonic, list<Trait> traits = []>
    : Nn_ComputeOp<mnemonic, traits> {
  string batch = [{
    The tokens of sequence s, which are at consecutive positions of slot `slots[s]`, are the rows from `seq_offsets[s]` to
    `seq_offsets[s + 1]`. The state of a slot holds what its earlier positions left; it is updated.
  }];
}

def Nn_PlacesOp : Nn_MixerOp<"places"> {
  let summary = "the place of every token among those of its sequence that take part";
  let description = [{
    `y[t]` is the number of tokens of t's sequence in front of it, in this step and in earlier ones, whose id is at least `from`. Where keys and
    values are stored of these tokens only, it is where those of t go; places ascend as positions do.
    }] # batch # [{
    ins: `ids` i32 [T, 1], `positions` i32 [T], `seq_offsets` i32 [S + 1], `slots` i32 [S]; outs: i32 [T]. State: for every position the number of
    these tokens in front of it, f32 [1, positions + 1], exact below 2^24.
  }];
  let arguments = (ins Nn_Shaped:$ids, Nn_Shaped:$positions, Nn_Shaped:$seq_offsets, Nn_Shaped:$slots,
                       Nn_RecurrentOperand:$state, Variadic<Nn_Shaped>:$outs,
                       DefaultValuedAttr<I64Attr, "0">:$from);
  let assemblyFormat = [{
    attr-dict `ins` `(` $ids `,` $positions `,` $seq_offsets `,` $slots `:` type($ids) `,` type($positions) `,`
    type($seq_offsets) `,` type($slots) `)` `state` `(` $state `:` type($state) `)` `outs` `(` $outs `:` type($outs) `)`
    (`->` type($results)^)?
  }];
}

def Nn_FirstPlacesOp : Nn_ComputeOp<"first_places"> {
  let summary = "the place from which on a token sees those that take part";
  let description = [{
    `y[t]` is the number of tokens that take part and that the token at position p does not see: those at positions up to p - window, or in
    front of p's own chunk, p - p mod chunk. So the window of attention means positions where keys are stored at places.

    ins: `positions` i32 [T], `token_slots` i32 [T]; the state that `nn.places` wrote, of these tokens too, is read; outs: i32 [T].
  }];
  let arguments = (ins Nn_Shaped:$positions, Nn_Shaped:$token_slots, Nn_RecurrentOperand:$state,
                       Variadic<Nn_Shaped>:$outs,
                       DefaultValuedAttr<I64Attr, "0">:$window,
                       DefaultValuedAttr<I64Attr, "0">:$chunk);
  let assemblyFormat = [{
    attr-dict `ins` `(` $positions `,` $token_slots `:` type($positions) `,` type($token_slots) `)`
    `state` `(` $state `:` type($state) `)` `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_SeqRowsOp : Nn_ComputeOp<"seq_rows"> {
  let summary = "where the rows of each sequence begin, of the tokens that take part";
  let description = [{
    `y[s]` to `y[s + 1]` are the rows whose slot is `slots[s]`, none where no token of the sequence takes part: what `seq_offsets` are for all
    tokens. Rows are in the order of the tokens of a step, so those of a sequence lie one after another, in the order of `slots`.

    ins: `token_slots` i32 [T], `slots` i32 [S]; outs: i32 [S + 1].
  }];
  let arguments = (ins Nn_Shaped:$token_slots, Nn_Shaped:$slots, Variadic<Nn_Shaped>:$outs);
  let assemblyFormat = [{
    attr-dict `ins` `(` $token_slots `,` $slots `:` type($token_slots) `,` type($slots) `)`
    `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_ShortConvOp : Nn_MixerOp<"short_conv", [AttrSizedOperandSegments]> {
  let summary = "causal convolution of every channel over a few positions of its sequence";
  let description = [{
    `y[t, c] = bias[c] + sum over j < L of weight[c, 0, j] * x[t - L + 1 + j, c]`, j ascending, where rows before a sequence's first one
    of this step come from the state (its last L - 1 inputs, f32 [L - 1, C], oldest first) and are zero before position 0.
    }] # batch # [{
    ins: `x` [T, C], `weight` f32 [C, 1, L], `positions` i32 [T], `seq_offsets` i32 [S + 1], `slots` i32 [S];
    bias f32 [C]; outs: [T, C].
  }];
  let arguments = (ins Nn_Shaped:$x, Nn_Shaped:$weight, Nn_Shaped:$positions, Nn_Shaped:$seq_offsets,
                       Nn_Shaped:$slots, Optional<Nn_Shaped>:$bias, Nn_RecurrentOperand:$state,
                       Variadic<Nn_Shaped>:$outs);
  let assemblyFormat = [{
    attr-dict `ins` `(` $x `,` $weight `,` $positions `,` $seq_offsets `,` $slots `:` type($x) `,` type($weight) `,`
    type($positions) `,` type($seq_offsets) `,` type($slots) `)` (`bias` `(` $bias^ `:` type($bias) `)`)?
    `state` `(` $state `:` type($state) `)` `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
}

def Nn_GatedDeltaOp : Nn_MixerOp<"gated_delta"> {
  let summary = "linear attention by the gated delta rule";
  let description = [{
    For each head a matrix S [key, value], which a token changes and then reads:
    `S = exp(decay) * S; S = S + k * (beta * (v - k . S)); y = q . S`. Value head h uses the q and k of head `h / (heads / key_heads)`.
    A step is computed in chunks of 32 positions, aligned to absolute positions: the state holds S at the beginning of the
    sequence's chunk and what the chunk's earlier tokens add to it, so that one token and many give the same bytes.
    }] # batch # [{
    ins: `q`, `k` [T, key_heads * key], `v` [T, heads * value], `decay`, `beta` f32 [T, heads] (decay is a logarithm, at most 0), `positions` i32
    [T], `seq_offsets` i32 [S + 1], `slots` i32 [S]; outs: [T, heads * value]. State: f32 [heads, columns(key, value)].
  }];
  let arguments = (ins Nn_Shaped:$q, Nn_Shaped:$k, Nn_Shaped:$v, Nn_Shaped:$decay, Nn_Shaped:$beta,
                       Nn_Shaped:$positions, Nn_Shaped:$seq_offsets, Nn_Shaped:$slots,
                       Nn_RecurrentOperand:$state, Variadic<Nn_Shaped>:$outs,
                       I64Attr:$heads, I64Attr:$key_heads);
  let assemblyFormat = [{
    attr-dict `ins` `(` $q `,` $k `,` $v `,` $decay `,` $beta `,` $positions `,` $seq_offsets `,` $slots `:` type($q) `,` type($k) `,`
    type($v) `,` type($decay) `,` type($beta) `,` type($positions) `,` type($seq_offsets) `,` type($slots) `)`
    `state` `(` $state `:` type($state) `)` `outs` `(` $outs `:` type($outs) `)` (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
    static constexpr int64_t chunk = 32;
    /// Columns of a state, for each head: S [key, value], then of the running
    /// chunk k [key, 32], the additions [32, value] and the sums of decays [32].
    static int64_t columns(int64_t key, int64_t value);
    int64_t getKey();
    int64_t getValue();
  }];
}

#endif // MOEC_DIALECTS_NN_NN
