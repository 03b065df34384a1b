//===- MoeRecipes.td - The ops that make weights ------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Part of MoeOps.td: a weight, and the program that makes it.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_DIALECTS_MOE_MOERECIPES
#define MOEC_DIALECTS_MOE_MOERECIPES

def Moe_WeightOp : Moe_Op<"weight", [Pure]> {
  let summary = "a weight of the model, made by a recipe";
  let arguments = (ins StrAttr:$name);
  let results = (outs Moe_Weights:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
}

def Moe_RecipesOp : Moe_Op<"recipes", [NoTerminator, NoRegionArguments, SingleBlock, IsolatedFromAbove]> {
  let summary = "the programs that make the weights, run by the artifact writer";
  let description = [{
    One region for the whole module, so that recipes share work and ordinary patterns rewrite them. Nothing
    else runs it: the IR holds no weight bytes.
  }];
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword $body";
}

class Moe_RecipeOp<string mnemonic, list<Trait> traits = []>
    : Moe_Op<mnemonic, !listconcat([Pure], traits)>;

def Moe_LoadOp : Moe_RecipeOp<"load"> {
  let summary = "a tensor of the checkpoint";
  let arguments = (ins StrAttr:$tensor);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$tensor attr-dict `:` type($result)";
}

def Moe_LoadBankOp : Moe_RecipeOp<"load_bank"> {
  let summary = "a tensor of the checkpoint for every expert";
  let description = [{
    `tensor` contains `{expert}`, which stands for `first`, `first + 1`, ... Or one tensor is `stacked` of the members: it has their
    shape, and in front of it one more dimension for their number, which may be merged with the next.
  }];
  let arguments = (ins StrAttr:$tensor, DefaultValuedAttr<I64Attr, "0">:$first,
                       UnitAttr:$stacked);
  let results = (outs Moe_BankType:$result);
  let hasVerifier = 1;
  let assemblyFormat = "$tensor attr-dict `:` type($result)";
}

def Moe_CastOp : Moe_RecipeOp<"cast"> {
  let summary = "change the element type of a weight";
  let description = "Widening is exact; narrowing rounds to nearest, ties to even.";
  let arguments = (ins Moe_Weights:$input);
  let results = (outs Moe_Weights:$result);
  let hasFolder = 1;
  let hasVerifier = 1;
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
}

def Moe_TransposeOp : Moe_RecipeOp<"transpose"> {
  let summary = "a matrix [K, N] as [N, K]";
  let arguments = (ins Moe_Weights:$input);
  let results = (outs Moe_Weights:$result);
  let hasVerifier = 1;
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
}

def Moe_DequantizeOp : Moe_RecipeOp<"dequantize"> {
  let summary = "the numbers that a quantized matrix stands for";
  let description = [{
    Each element times the scale of its block, in f32, and rounded once: `scales` [N / rows, K / columns], rounded up, has one
    scale for every block of `block = [rows, columns]` elements. `f4E2M1FN` in blocks of [1, 32] with scales of `f8E8M0FNU` is MXFP4;
    `f8E4M3FN` in blocks of [128, 128] with scales of f32 is what DeepSeek-V3 is stored as.

    Loaded from a checkpoint, f4 are the nibbles of bytes, the lower one first, and exponents (e8m0) are bytes.
  }];
  let arguments = (ins Moe_Weights:$input, Moe_Weights:$scales, DenseI64ArrayAttr:$block);
  let results = (outs Moe_Weights:$result);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $input `,` $scales attr-dict `:` type($input) `,` type($scales) `to` type($result)
  }];
}

def Moe_ConcatOp : Moe_RecipeOp<"concat"> {
  let summary = "matrices as one, below or beside each other (for banks: of every expert)";
  let arguments = (ins Variadic<Moe_Weights>:$inputs, UnitAttr:$columns);
  let results = (outs Moe_Weights:$result);
  let hasVerifier = 1;
  let assemblyFormat = "$inputs attr-dict `:` type($inputs) `to` type($result)";
}

def Moe_SliceOp : Moe_RecipeOp<"slice"> {
  let summary = "some rows of every group of rows (for banks: of every expert)";
  let description = [{
    Cuts the rows into groups of `group` and keeps, of each, the `size` rows from `begin` on. So it takes one projection out of several
    that a checkpoint holds as one matrix, head by head or one below the other.
  }];
  let arguments = (ins Moe_Weights:$input, I64Attr:$group, I64Attr:$begin, I64Attr:$size);
  let results = (outs Moe_Weights:$result);
  let hasVerifier = 1;
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
}

def Moe_SplitOp : Moe_RecipeOp<"split"> {
  let summary = "a matrix as a bank of the matrices that lie in it one below the other";
  let description = [{
    Member e has the rows from `e * N` to `(e + 1) * N`. So the matrix of all heads becomes one for each head.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input);
  let results = (outs Moe_BankType:$result);
  let hasVerifier = 1;
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
}

def Moe_PackOp : Moe_RecipeOp<"pack"> {
  let summary = "lay a matrix [N, K] out in column panels for register tiles";
  let description = [{
    f32: [N/16, K, 16]; bf16: [N/16, K/2, 16, 2], so that a 32-bit lane holds two consecutive k. N is padded
    with zeros to a multiple of 16, K to one of 2 (bf16). One layout serves every vector width up to 512 bits.
  }];
  let arguments = (ins Moe_Weights:$input);
  let results = (outs Moe_Weights:$result);
  let hasVerifier = 1;
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let extraClassDeclaration = [{
    /// The packed form of a matrix type, or of a bank of matrices.
    static ::mlir::Type packedType(::mlir::Type type);
  }];
}

def Moe_RopeTableOp : Moe_RecipeOp<"rope_table"> {
  let summary = "cosines and sines of a rotary embedding";
  let description = [{
    f32 [positions, 2, dims / 2]: for each position the cosines, then the sines, of `position * frequency`, times
    `attention_factor`. `frequencies` (f64, dims / 2 of them) already hold any scaling; the product is rounded to f32 before the
    cosine, as the original implementations do.
  }];
  let arguments = (ins DenseF64ArrayAttr:$frequencies, F64Attr:$attention_factor);
  let results = (outs AnyStaticShapeTensor:$result);
  let hasVerifier = 1;
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Moe_DefineOp : Moe_Op<"define", [HasParent<"RecipesOp">]> {
  let summary = "give a weight its name";
  let arguments = (ins StrAttr:$name, Moe_Weights:$value, StrAttr:$role);
  let assemblyFormat = "$name `role` $role `,` $value attr-dict `:` type($value)";
}

#endif // MOEC_DIALECTS_MOE_MOERECIPES
