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
// Contracts
//===----------------------------------------------------------------------===//

def VerifyPhasePass : Pass<"moe-verify-phase", "::mlir::ModuleOp"> {
  let summary = "check what a phase leaves";
  let description = [{
    Does: checks that the module holds only what the contract of `phase` allows: its ops, their form, and values as tensors or memrefs.
    Requires: the name of a phase of `Phases.def`.
    Leaves: the module unchanged.
    Rejects: MOE0901 an op, a form or a type that the contract does not allow, each once, with what is expected. It is an error of the compiler,
    or of who wrote the IR by hand.
  }];
  let options = [Option<"phase", "phase", "std::string", /*default=*/"\"import\"", "the phase that just ended">];
}

//===----------------------------------------------------------------------===//
// Gating
//===----------------------------------------------------------------------===//

def NormalizeRoutingPass : Pass<"moe-normalize-routing", "::mlir::ModuleOp"> {
  let summary = "bring every routing to its canonical form";
  let description = [{
    Does: rewrites `routing` of `moe.route` and `moe.gate`: a renormalised softmax over all experts becomes one over the selected (no bias on the
    key, no groups, no epsilon, no null experts); what softmax selects without bias and groups is selected on the logits, and so is what has its
    scores over the selected; groups that are all kept go, and so do parameters without effect.
    Requires: nothing.
    Leaves: routings of one meaning as equal attributes. The scale stays; a sigmoid keeps its selection on scores, whose rounding makes ties.
    Rejects: nothing.
    No invalid input: a routing that no rule fits stays as it is.
  }];
}

def CheckSupportPass : Pass<"moe-check-support", "::mlir::ModuleOp"> {
  let summary = "refuse by name what later phases cannot compile";
  let description = [{
    Does: checks every routing, weight and argument, and reports all that is not supported, each under a stable code; says in words what each
    supported router does.
    Requires: nothing.
    Leaves: the module unchanged.
    Rejects: MOE0321 a selection other than top-k; MOE0322 a score other than softmax and sigmoid; MOE0323 a window; MOE0324 a softcap; MOE0325
    groups of experts, unless all are kept; MOE0326 logits as weights; MOE0327 null experts; MOE0328 a renormalisation other than none and sum; MOE0329 an
    element type other than f32 and bf16.
  }];
}

def FuseGatePass : Pass<"moe-fuse-gate", "::mlir::ModuleOp"> {
  let summary = "fuse the router's product with the choice of experts";
  let description = [{
    Does: replaces a `linalg.matmul` with an f32 weight [E, H], an addition of a bias [E] behind it, and the `moe.route` that reads the logits
    by `moe.gate`. Other readers of the logits, such as taps, read the gate's logits.
    Requires: logits made in the block of the `moe.route`; a selection bias that exists before them.
    Leaves: `moe.gate` where the logits were made; a `moe.route` whose logits come from elsewhere stays, with a remark that says why.
    Rejects: nothing.
    No invalid input: a router of another form is left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

def InlineSharedPass : Pass<"moe-inline-shared", "::mlir::ModuleOp"> {
  let summary = "make shared experts part of their layer";
  let description = [{
    Does: replaces every `moe.shared` by its region.
    Requires: nothing.
    Leaves: no `moe.shared`.
    Rejects: nothing.
    No invalid input: every `moe.shared` that verifies can be inlined.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def DispatchExpertsPass : Pass<"moe-dispatch-experts", "::mlir::ModuleOp"> {
  let summary = "turn experts into a plan, products of sorted rows and a combine";
  let description = [{
    Does: replaces `moe.experts` by `moe.plan`, the products of its region as `moe.grouped_matmul` on the banks (those of the region's rows gather
    them from `x`), its elementwise ops on T * k sorted rows, and `moe.combine`.
    Requires: a region for any number of rows.
    Leaves: no `moe.experts`.
    Rejects: MOE0330 an op in the region other than `linalg.matmul` with a bank's member as transposed weight, elementwise `linalg.generic`,
    `linalg.fill`, `tensor.empty`, `tensor.dim` of the number of rows, `arith.constant`; an elementwise op that reads the rows or a member itself.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def FormMatmulsPass : Pass<"moe-form-matmuls", "::mlir::ModuleOp"> {
  let summary = "write dense products as products of one group";
  let description = [{
    Does: replaces every `linalg.matmul` with a transposed weight [N, K] by `moe.grouped_matmul` without groups, whose epilogue only rounds.
    Requires: f32 or bf16 operands, an output that starts as zeros.
    Leaves: a product of another form stays, with a remark that says why.
    Rejects: nothing.
    No invalid input: a product of another form is left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::arith::ArithDialect"];
}

def FuseCombinePass : Pass<"moe-fuse-combine", "::mlir::ModuleOp"> {
  let summary = "make sums behind a combine its addends";
  let description = [{
    Does: folds elementwise additions of an f32 matrix to the result of `moe.combine` (residual, shared expert) into its addends, in their order.
    Requires: nobody else reads the value before the sum. Runs before `moe-fuse-epilogues`, which would take the sum into another product.
    Leaves: the combine where the last sum was; what blocks a sum is a remark.
    Rejects: nothing.
    No invalid input: other sums are left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect"];
}

def FuseEpiloguesPass : Pass<"moe-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "compute what follows a product in its registers";
  let description = [{
    Does: merges elementwise `linalg.generic` ops (activation, bias, clamp, gate, residual) into the epilogue of the `moe.grouped_matmul` that
    they read, their other inputs as extras; makes one product with two banks of two products of the same rows that one op reads (SwiGLU).
    Requires: nobody else reads the product, a tap included; at most 4 extras; kernel variants not chosen yet.
    Leaves: a product where the elementwise op was; what blocks a fusion is a remark.
    Rejects: nothing.
    No invalid input: other ops are left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect"];
}

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

def BufferizePass : Pass<"moe-bufferize", "::mlir::ModuleOp"> {
  let summary = "from tensors to memrefs, in functions";
  let description = [{
    Does: upstream's one-shot bufferization of all functions and calls, with memrefs of the identity layout at their boundaries; recipes stay as they are.
    Requires: functions that return only what they wrote into an argument.
    Leaves: memrefs in functions; allocations for the temporaries, without deallocations.
    Rejects: an op on tensors that does not bufferize.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect"];
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
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
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
    variant by their number of rows and run its register tiles; the epilogue runs on the accumulators.
    Requires: `moe.target` on the module, `variants` on the op.
    Leaves: scf, vector, memref, arith, math; `x86vector.avx512.dot` where the target multiplies bf16 pairs and the rows are bf16.
    Rejects: nothing; an op that lacks what is required stays, and the phase's contract names it.
    No invalid input: every module is legal.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect", "::mlir::memref::MemRefDialect",
    "::mlir::arith::ArithDialect", "::mlir::x86vector::X86VectorDialect"];
}

def LowerNormalizationPass : Pass<"moe-cpu-lower-normalization", "::mlir::ModuleOp"> {
  let summary = "RMS norms as vector code";
  let description = [{
    Does: replaces every `nn.rms_norm` by tasks of some rows each. The squares are summed in an order that depends on the size alone:
    four vectors side by side, added up as a tree.
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
  let summary = "gathers of rows and token slots as vector code";
  let description = [{
    Does: replaces every `nn.gather_rows`, whose table may be packed, and every `nn.token_slots`.
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

def LowerRoutingPass : Pass<"moe-cpu-lower-routing", "::mlir::ModuleOp"> {
  let summary = "the choice of experts as vector code";
  let description = [{
    Does: replaces every `moe.route` and `moe.gate` by tasks of some tokens each. A gate's product runs in register tiles, each sum one chain over
    ascending k; logits are written out and the experts chosen while they are in cache. k times the largest key wins; of equal keys the
    one of the lowest index, and a key that is not a number counts as minus infinity, so that ids are in range whatever the logits. Without a
    selection bias the keys are the logits themselves, which order experts as softmax and sigmoid do, free of rounding.
    Requires: `moe.target` on the module; a plain matrix or one packed by `moe.pack` (the fast one).
    Leaves: `scf.forall`, `scf`, `vector`, `memref`, `arith` and `math` ops (`math.exp` on vectors).
    Rejects: a stage of `#moe.routing` that `moe-check-support` refuses; operands that are not memrefs of static width with adjacent elements; a
    module without `moe.target`, or with vectors of more than 16 lanes.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerDispatchPass : Pass<"moe-cpu-lower-dispatch", "::mlir::ModuleOp"> {
  let summary = "plan and combine as tasks";
  let description = [{
    Does: replaces every `moe.plan` by a counting sort in one task, and every `moe.combine` by tasks of some tokens each, which sum up the rows of
    a token, by ascending expert and then the addends, in registers. Entries of `active`, `row_token`, `token_row` and `token_slot` that stand for nothing become -1.
    Requires: `moe.target` on the module; ids from -1 to the last expert; less than 2^30 rows.
    Leaves: `scf.forall`, `scf`, `vector`, `memref` and `arith` ops.
    Rejects: operands that are not memrefs of static width with adjacent elements; a module without `moe.target`.
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
    Rejects: widths that are not static; a stage of `#moe.routing` that `moe-check-support` refuses; a state that is not resolved.
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

#endif // MOEC_PASSES
