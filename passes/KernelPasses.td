//===- KernelPasses.td - From buffers to code ---------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The second part of Passes.td: the phases kernels and target.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_KERNEL_PASSES
#define MOEC_KERNEL_PASSES

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def OutlineKernelsPass : Pass<"moe-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "one function for each distinct computation";
  let description = [{
    Does: moves every compute op on memrefs into a private function of its own, marked `moe.kernel`; ops that are equal in everything but the
    memory that they work on share one. Gives every function the host's functions as its first argument.
    Requires: bufferized functions whose compute ops do not nest.
    Leaves: entries and layers that only call; the number of kernels does not depend on the number of layers or experts.
    Rejects: nothing.
    No invalid input: an op that is not a computation stays where it is.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::func::FuncDialect"];
}

def OutlineTasksPass : Pass<"moe-outline-tasks", "::mlir::ModuleOp"> {
  let summary = "cut parallel loops into tasks";
  let description = [{
    Does: moves the body of every `scf.forall` into a function of its own, marked `moe.task`, whose last argument is the number of the task, and runs it by `moe.parallel`.
    Requires: a `!moe.host` argument in the function around.
    Leaves: no `scf.forall`.
    Rejects: a `scf.forall` with results, with several dimensions, or with a lower bound or step other than 0 and 1.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

//===----------------------------------------------------------------------===//
// Cpu
//===----------------------------------------------------------------------===//

def EmulateIntrinsicsPass : Pass<"moe-cpu-emulate-intrinsics", "::mlir::ModuleOp"> {
  let summary = "replace target intrinsics by vector arithmetic";
  let description = [{
    Does: where the target says `emulate`, replaces the ops of x86vector by arithmetic on vectors that any machine runs, in the same order.
    Requires: nothing.
    Leaves: no x86vector op where the target says `emulate`.
    Rejects: nothing.
    No invalid input: every module is legal.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect"];
}

def ExpandMathPass : Pass<"moe-cpu-expand-math", "::mlir::ModuleOp"> {
  let summary = "functions as polynomials, rounding as arithmetic";
  let description = [{
    Does: replaces math functions that no instruction computes by polynomials, and the rounding to bf16 by integer arithmetic where the
    target has no instruction for it: generated code calls no library.
    Requires: f32 or vectors of it.
    Leaves: no function of math but those with an instruction (square root, absolute value, rounding).
    Rejects: nothing.
    No invalid input: what is not known stays, and the contract of the phase names it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

def Bf16AsBitsPass : Pass<"moe-cpu-bf16-as-bits", "::mlir::ModuleOp"> {
  let summary = "bf16 in memory as 16-bit integers";
  let description = [{
    Does: where the target has no instructions for bf16, makes every bf16 of the LLVM dialect an i16. Values of bf16 are only moved and widened by
    then; as floats, the code generator would take vectors of them apart and round each element by a library call.
    Requires: the LLVM dialect; no arithmetic on bf16 (`moe-cpu-expand-math`).
    Leaves: no bf16 in functions on such a target.
    Rejects: nothing.
    No invalid input: every module is legal.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def LowerMatmulPass : Pass<"moe-cpu-lower-matmul", "::mlir::ModuleOp"> {
  let summary = "matrix products as tasks of register tiles";
  let description = [{
    Does: lowers `moe.grouped_matmul` on memrefs with packed weights into an `scf.forall` over (expert or block of rows, chunk of columns), whose tasks pick a
    variant by their number of rows and run its register tiles; the epilogue runs on the accumulators. `moe.combine_matmul` becomes the same behind a
    combine of all rows as tasks; but where its rows are no more than one such task has, the tasks of the product combine them: the first for all, another
    one for itself if it comes before the first is done.
    Requires: `moe.target` on the module, `variants` on the op.
    Leaves: scf, vector, memref, arith, math; `x86vector.avx512.dot` where the target multiplies bf16 pairs and the rows are bf16.
    Rejects: nothing; an op that lacks what is required stays, and the phase's contract names it.
    No invalid input: every module is legal.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect", "::mlir::memref::MemRefDialect",
    "::mlir::arith::ArithDialect", "::mlir::x86vector::X86VectorDialect"];
}

def LowerNormalizationPass : Pass<"moe-cpu-lower-normalization", "::mlir::ModuleOp"> {
  let summary = "norms as vector code";
  let description = [{
    Does: replaces every `nn.rms_norm` and `nn.layer_norm` by tasks of some rows each. Sums are taken in an order that depends on the size
    alone: four vectors side by side, added up as a tree.
    Requires: `moe.target` on the module.
    Leaves: `scf.forall`, `scf`, `vector`, `arith` and `math` ops. Rounding to bf16 is `arith.truncf`, which `arith-expand` can expand.
    Rejects: operands that are not memrefs of static width with adjacent elements; a module without `moe.target`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerRopePass : Pass<"moe-cpu-lower-rope", "::mlir::ModuleOp"> {
  let summary = "rotary embeddings as vector code";
  let description = [{
    Does: replaces every `nn.rope` by tasks of some rows each. Products and sums are rounded one by one, as the original implementations do.
    Requires: `moe.target` on the module; positions within the table.
    Leaves: `scf.forall`, `scf`, `vector` and `arith` ops.
    Rejects: operands that are not memrefs of static width with adjacent elements; a module without `moe.target`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def LowerRowsPass : Pass<"moe-cpu-lower-rows", "::mlir::ModuleOp"> {
  let summary = "copies of rows and token slots as vector code";
  let description = [{
    Does: replaces every `nn.gather_rows`, whose table may be packed, every `nn.join_heads` and every `nn.token_slots`.
    Requires: `moe.target` on the module; indices within the table; sequence offsets that ascend within the tokens.
    Leaves: `scf.forall`, `scf`, `vector` and `arith` ops.
    Rejects: operands that are not memrefs of static width with adjacent elements; a table of rank 3 or 4 that is not a packed matrix of
    rows as wide as the output's; an output narrower than the table's elements; a module without `moe.target`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def LowerAppendPass : Pass<"moe-cpu-lower-append", "::mlir::ModuleOp"> {
  let summary = "stores to the state as vector code";
  let description = [{
    Does: replaces every `nn.append` by tasks of some tokens each, head by head.
    Requires: `moe.target` on the module; resolved states (`moe-resolve-states`); positions and slots within the block table; no two tokens
    of one position and slot.
    Leaves: `scf.forall`, `scf`, `vector` and `arith` ops.
    Rejects: a state that is not resolved; keys or values that are not memrefs as wide as its heads with adjacent elements; a module without
    `moe.target`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def LowerAttentionPass : Pass<"moe-cpu-lower-attention", "::mlir::ModuleOp"> {
  let summary = "attention over state as vector code";
  let description = [{
    Does: replaces every `nn.attention` by tasks of one head of the state, with the query heads that read it, and some tokens. A task goes over the
    blocks of 32 positions in ascending order with a running maximum; both matrix products are register tiles, whose rows are query heads
    of tokens of one sequence. A row's bits depend on its own sequence alone, and storage that it may not see is never
    multiplied, whatever it holds.
    Requires: `moe.target` on the module; resolved states (`moe-resolve-states`); positions and slots within the block table; the keys and values
    of all positions up to each token's own are stored.
    Leaves: `scf.forall`, `scf`, `vector`, `arith` and `math` ops (`math.exp` on vectors).
    Rejects: a state that is not resolved; queries or output that are not memrefs as wide as their heads with adjacent elements; rows
    too wide for a task's stack; a module without `moe.target`, or with vectors of more than 32 lanes.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerShortConvPass : Pass<"moe-cpu-lower-short-conv", "::mlir::ModuleOp"> {
  let summary = "short convolutions as vector code";
  let description = [{
    Does: replaces every `nn.short_conv` by tasks of one sequence and some channels, which go over the tokens with the last inputs in registers; the
    state is read before the first and written after the last token. One token is the same code as many.
    Requires: `moe.target` on the module; resolved states (`moe-resolve-states`); at least one token in every sequence, slots within the state.
    Leaves: `scf.forall`, `scf`, `vector`, `memref` and `arith` ops.
    Rejects: nothing.
    No invalid input: a state that is not resolved, operands that are not memrefs of static width with adjacent elements, lengths beyond 9, and all ops of
    a module without `moe.target` stay for `moe-lower-to-linalg`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def LowerGatedDeltaPass : Pass<"moe-cpu-lower-gated-delta", "::mlir::ModuleOp"> {
  let summary = "the gated delta rule as vector code";
  let description = [{
    Does: replaces every `nn.gated_delta` by tasks of one sequence and one head, which go over chunks of 32 absolute positions. Products with the
    chunk's matrix and keys are register tiles over the tokens that the step has of the chunk; the matrix changes when a chunk is complete. Every sum
    is one chain in ascending order, so that one token and many give the same bytes.
    Requires: `moe.target` on the module; resolved states (`moe-resolve-states`); at least one token in every sequence, slots within the state.
    Leaves: `scf.forall`, `scf`, `vector`, `memref`, `arith` and `math` ops (`math.exp` on vectors).
    Rejects: nothing.
    No invalid input: a state that is not resolved, operands that are not memrefs of static width with adjacent elements, keys and values too wide for
    a task's stack, and all ops of a module without `moe.target`, or with vectors of more than 32 lanes, stay for `moe-lower-to-linalg`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerRoutingPass : Pass<"moe-cpu-lower-routing", "::mlir::ModuleOp"> {
  let summary = "the choice of experts as vector code";
  let description = [{
    Does: replaces every `moe.route` and `moe.gate` by tasks of some tokens each. A gate's product runs in register tiles, each sum one chain over
    ascending k; logits are written out and the experts chosen while they are in cache. Only the stages that `#moe.routing` has are generated. k
    times the largest key wins; of equal keys the one of the lowest index, and a key that is not a number counts as minus infinity, so that ids are in range
    whatever the logits. Where a softmax orders experts as their logits do, these are the keys, free of rounding. Capacities and expert choice
    look at the whole step: their tasks follow those of single tokens.
    Requires: `moe.target` on the module; a plain matrix or one packed by `moe.pack` (the fast one).
    Leaves: `scf.forall`, `scf`, `vector`, `memref`, `arith` and `math` ops (`math.exp` on vectors).
    Rejects: nothing.
    No invalid input: operands that are not memrefs of static width with adjacent
    elements, and all ops of a module without `moe.target`, or with vectors of more than 16 lanes, stay for `moe-lower-to-linalg`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerDispatchPass : Pass<"moe-cpu-lower-dispatch", "::mlir::ModuleOp"> {
  let summary = "plan and combine as tasks";
  let description = [{
    Does: replaces every `moe.plan` by a counting sort on one thread, and every `moe.combine` by tasks of some tokens each, which sum up the rows of
    a token, by ascending expert and then the addends, in registers. Entries of `active`, `row_token`, `token_row` and `token_slot` that stand for nothing become -1.
    Requires: `moe.target` on the module; ids from -1 to the last expert; less than 2^30 rows.
    Leaves: `scf.forall`, `scf`, `vector`, `memref` and `arith` ops.
    Rejects: nothing.
    No invalid input: operands that are not memrefs of static width with adjacent elements, and all ops of a module without `moe.target`, stay for
    `moe-lower-to-linalg`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

//===----------------------------------------------------------------------===//
// Fallback
//===----------------------------------------------------------------------===//

def LowerToLinalgPass : Pass<"moe-lower-to-linalg", "::mlir::ModuleOp"> {
  let summary = "every op through linalg, without regard to speed";
  let description = [{
    Does: replaces every compute op of moe and nn on memrefs by an `scf.forall` over rows (tokens, columns of a product) with `linalg.generic` and
    `linalg.fill` inside, and scalar loops where linalg cannot say it (selection, sorting, addresses in the state). Weights may be packed or not; K is
    summed in ascending order in f32.
    Requires: bufferized functions, resolved states (`moe-resolve-states`).
    Leaves: scf, linalg, memref, arith, math and affine ops; no compute op of moe or nn.
    Rejects: widths that are not static; a router that `moe-check-support` refuses; a state that is not resolved.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::affine::AffineDialect"];
}

//===----------------------------------------------------------------------===//
// Host
//===----------------------------------------------------------------------===//

def LowerParallelPass : Pass<"moe-lower-parallel", "::mlir::ModuleOp"> {
  let summary = "parallel regions call the host";
  let description = [{
    Does: turns `moe.parallel` into a call of the host's `parallel` with a struct of the arguments and a trampoline to the task; the host
    becomes a pointer.
    Requires: arguments whose types have an LLVM form.
    Leaves: no `moe.parallel`, no `!moe.host`.
    Rejects: an argument of another type.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect"];
}

def EmitEntriesPass : Pass<"moe-emit-entries", "::mlir::ModuleOp"> {
  let summary = "the functions that an artifact exports";
  let description = [{
    Does: for every function with `moe.entry`, emits `moec_entry_<name>` with the signature of `moec_entry_fn`, which takes the memrefs out of the environment, the inputs and
    the outputs and calls the function.
    Requires: bufferized entries; `moe.env`, `moe.output` on their arguments.
    Leaves: one exported function for each entry, everything else private.
    Rejects: an argument that is no memref with the identity layout and not the host.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect"];
}

#endif // MOEC_KERNEL_PASSES
