//===- Passes.td - The passes, by phase ---------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One entry here = one .cpp of the same name in the phase's folder = one folder
// test/passes/<flag>/. Each description has the headings Does, Requires,
// Leaves, Rejects.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_PASSES
#define MOEC_PASSES

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// Gating
//===----------------------------------------------------------------------===//

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

def NarrowActivationsPass : Pass<"moe-narrow-activations", "::mlir::ModuleOp"> {
  let summary = "round the inputs of matrix products to bf16 where products of bf16 are fast";
  let description = [{
    Does: where the target multiplies pairs of bf16, gives every `moe.grouped_matmul` with bf16 weights an input of bf16. The op that makes
    the value then rounds it itself (once, from f32); a norm that others read in f32 too is computed twice; any other value gets an
    elementwise op that rounds.
    Requires: `moe.target` on the module.
    Leaves: no product of bf16 weights with f32 rows on such a target; other targets unchanged.
    Rejects: nothing.
    No invalid input: every module is legal.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def SelectVariantsPass : Pass<"moe-select-variants", "::mlir::ModuleOp"> {
  let summary = "choose the kernels of every matrix product";
  let description = [{
    Does: sets `variants` on every `moe.grouped_matmul` that has none: for a few rows one that streams the weights through several column
    vectors and prefetches, for more the largest register tile that leaves registers for the operands.
    Requires: `moe.target` on the module.
    Leaves: `variants` on every `moe.grouped_matmul`.
    Rejects: a module without `moe.target`.
  }];
}

def PackWeightsPass : Pass<"moe-pack-weights", "::mlir::ModuleOp"> {
  let summary = "lay weights out for the kernels that read them";
  let description = [{
    Does: puts `moe.pack` in front of the matrices of `moe.grouped_matmul` and `moe.gate`, and of an embedding that is packed for a product too.
    Requires: plain matrices [N, K].
    Leaves: packed operands; the `moe.pack` ops stand where the matrices were used (`moe-hoist-recipes` moves them).
    Rejects: nothing.
    No invalid input: what is not a plain matrix is left alone.
  }];
}

def HoistRecipesPass : Pass<"moe-hoist-recipes", "::mlir::ModuleOp"> {
  let summary = "move what is computed of weights alone into the recipes";
  let description = [{
    Does: moves ops of recipes (`moe.pack`, `moe.cast`, `moe.concat`) out of functions: from a private function to its callers, from there
    into `moe.recipes` as part of a weight of its own, one for equal ones. Arguments and weights that nobody reads any more go.
    Requires: weights come from `moe.weight` or from arguments of private functions.
    Leaves: no op of recipes outside `moe.recipes`.
    Rejects: an op of recipes on a value that is not a weight.
  }];
}

def ExportTapsPass : Pass<"moe-export-taps", "::mlir::ModuleOp"> {
  let summary = "bring taps to the entry, or drop them";
  let description = [{
    Does: in private functions, turns the taps that stay (those marked `always`, and all with `keep-all`) into results, and taps these where the
    function is called, under the name with the call's `layer` in place of `{layer}`. Drops the others.
    Requires: calls with a `layer` attribute where a name contains `{layer}`.
    Leaves: taps in entries only.
    Rejects: a call without `layer` of a function whose taps need it.
  }];
  let options = [Option<"keepAll", "keep-all", "bool", "false", "keep every tap">];
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

def OutputsToArgumentsPass : Pass<"moe-outputs-to-arguments", "::mlir::ModuleOp"> {
  let summary = "let callers say where results go";
  let description = [{
    Does: gives every function an argument for each tensor that it returns, in which the result is materialised, so that bufferization needs no
    buffer that crosses a call. Callers pass empty tensors; an entry's new arguments carry the name of the result.
    Requires: dynamic sizes of a private function's results equal the number of tokens (`moe.dims = ["T"]` on an argument).
    Leaves: every function returns the arguments that it wrote, which bufferization drops.
    Rejects: a private function that returns a tensor with a dynamic size but has no argument that says T.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def ResolveStatesPass : Pass<"moe-resolve-states", "::mlir::ModuleOp"> {
  let summary = "replace states by the buffers that hold them";
  let description = [{
    Does: replaces every `!nn.state` by three memrefs: its key pool and its value pool, views of the state pool, and the block table;
    functions and calls are rewritten. The entry gets the state pool and the block table as arguments.
    Requires: bufferized functions; `nn.state_ref` in entries only.
    Leaves: no value of type `!nn.state`; the module attribute `moe.state` (bytes, blocks, buffers) for the manifest.
    Rejects: states that differ in sequences or positions, since one block table serves all; two states of one index with different types.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def PlaceWeightsPass : Pass<"moe-place-weights", "::mlir::ModuleOp"> {
  let summary = "give every weight its place in the weights file";
  let description = [{
    Does: assigns each `moe.define` an offset (a multiple of 4096 for weights of 4096 bytes and more, of 64 else; banks expert by expert), and replaces
    `moe.weight` by views of the weights argument that entries get. Banks become memrefs whose first dimension counts the experts.
    Requires: bufferized functions.
    Leaves: no `moe.weight`; `offset` and, for banks, `stride` on every `moe.define`; the size in the module attribute `moe.weights_bytes`.
    Rejects: a `moe.weight` that no `moe.define` names, or that has another type.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def PlanArenaPass : Pass<"moe-plan-arena", "::mlir::ModuleOp"> {
  let summary = "place every temporary in one arena";
  let description = [{
    Does: replaces every `memref.alloc` by a view of the arena at an offset affine in the tokens T, sequences S and rows R of the step.
    Buffers whose lifetimes overlap get places that do not; functions work behind the buffers of their callers. Tapped buffers live to the end.
    Requires: sizes of allocations that are affine in the sizes that `moe.dims` names on arguments; straight-line functions; no recursion.
    Leaves: no allocation, no tap; the arena as an argument, `moe.arena` (coefficients) on every function; `moe.taps` on entries.
    Rejects: an allocation whose size is not affine, or inside a region.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}




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
  let dependentDialects = ["::mlir::func::FuncDialect"];
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

def CpuLowerMatmulPass : Pass<"moe-cpu-lower-matmul", "::mlir::ModuleOp"> {
  let summary = "matrix products as tasks of register tiles";
  let description = [{
    Does: lowers `moe.grouped_matmul` on memrefs with packed weights into an `scf.forall` over (expert or block of rows, chunk of columns), whose tasks pick a
    variant by their number of rows and run its register tiles; the epilogue runs on the accumulators.
    Requires: `moe.target` on the module, `variants` on the op.
    Leaves: scf, vector, memref, arith, math; `x86vector.avx512.dot` where the target multiplies bf16 pairs and the rows are bf16.
    Rejects: nothing; an op that lacks what is required stays, and the phase's contract names it.
    No invalid input: every module is legal.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect", "::mlir::memref::MemRefDialect",
    "::mlir::arith::ArithDialect", "::mlir::x86vector::X86VectorDialect"];
}

//===----------------------------------------------------------------------===//
// Fallback
//===----------------------------------------------------------------------===//

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

#endif // MOEC_PASSES
