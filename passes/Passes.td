//===- Passes.td - The passes, by phase ---------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One entry here = one .cpp of the same name in the phase's folder = one folder
// test/passes/<flag>/. Each description has the headings Does, Requires,
// Leaves, Rejects. KernelPasses.td goes on with the phases after buffers.
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
    Rejects: MOE0902 an op, a form or a type that the contract does not allow, each once, with what is expected. It is an error of the compiler,
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
    key, no groups, no epsilon, no null experts, not after a drop); what softmax selects without bias and groups is selected on the logits, and so is what has its
    scores over the selected; groups that are all kept go, and so do parameters without effect;
    as many choices as experts become all experts, unless a number by token or a capacity asks for their rank; groups of one expert go by its key.
    Requires: nothing.
    Leaves: routings of one meaning as equal attributes. The scale stays; a sigmoid keeps its selection on scores, whose rounding makes ties.
    Rejects: nothing.
    No invalid input: a routing that no rule fits stays as it is.
  }];
}

def SpecialiseEligibilityPass : Pass<"moe-specialise-eligibility", "::mlir::ModuleOp"> {
  let summary = "leave experts that no token may choose out of the router";
  let description = [{
    Does: where all tokens of a `moe.route` have one class, because `class_id` is a `linalg.fill` of a constant, only the rows of the router's matrix
    that belong to the experts of this class are multiplied, through a recipe that takes them out, and an alias gives the experts their
    numbers back. A class of all experts is no restriction. Taps of the logits that not every artifact has go.
    Requires: nothing.
    Leaves: a `moe.route` without `class_id` where the class is static and the rest of the routing does not count all experts: no groups, null
    or shared experts, no capacity as a factor, a policy that ranks experts; others as they are, with a remark that says why.
    Rejects: nothing.
    No invalid input: a routing of another form is left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::tensor::TensorDialect", "::mlir::linalg::LinalgDialect"];
}

def CheckSupportPass : Pass<"moe-check-support", "::mlir::ModuleOp"> {
  let summary = "refuse by name what later phases cannot compile";
  let description = [{
    Does: checks every routing, weight and argument, and reports all that is not supported, each under a stable code; says in words what each
    supported router does.
    Requires: nothing.
    Leaves: the module unchanged.
    Rejects: MOE0321 a router that needs more than its code can hold; MOE0159 a router with more experts than the experts that read its choice;
    MOE0329 an element type other than f32 and bf16. Warns (MOE0345) of groups
    whose keys become 0 while a bias may make those of the groups that are kept smaller.
  }];
}

def UnrollIterationsPass : Pass<"moe-unroll-iterations", "::mlir::ModuleOp"> {
  let summary = "write the iterations of a network one behind the other";
  let description = [{
    Does: replaces every `moe.iterate` by its regions, each on the result of the one before, with the residual as an elementwise sum.
    Requires: nothing.
    Leaves: no `moe.iterate`. Equal computations of several iterations become one kernel later.
    Rejects: nothing.
    No invalid input: every `moe.iterate` that verifies can be unrolled.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def FuseGatePass : Pass<"moe-fuse-gate", "::mlir::ModuleOp"> {
  let summary = "fuse the router's product with the choice of experts";
  let description = [{
    Does: replaces a `linalg.matmul` with an f32 weight [E, H], the elementwise ops between it and the logits, which become the epilogue, and the
    `moe.route` that reads the logits by `moe.gate`. Other readers of the logits, such as taps, read the gate's logits. Of several products, the
    longest is fused, and the others' rows are extras.
    Requires: logits made in the block of the `moe.route`; nobody else who reads what the epilogue computes on the way; a selection bias that
    exists before them.
    Leaves: `moe.gate` where the logits were made; a `moe.route` whose logits come from elsewhere stays, with a remark that says why.
    Rejects: nothing.
    No invalid input: a router of another form is left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

def NormalizeExpertsPass : Pass<"moe-normalize-experts", "::mlir::ModuleOp"> {
  let summary = "bring experts and what scales them to their canonical form";
  let description = [{
    Does: makes `zero` of ranges of `moe.experts` whose ids the routing gives no weight (`null_experts`), so that no rows are made for them; joins
    neighbouring ranges that do the same; multiplies the routing's `scale` by a constant that the result is multiplied by, and drops that product.
    Requires: for null experts, ids and weights of one choice without an alias, weights on the output, ranges that are null as a whole. For a
    scale, besides, weights that nobody else reads, no shared experts weighed by the router, a finite constant above 0, a result read once.
    Leaves: what does not fit stays, with a remark that says why.
    Rejects: nothing.
    No invalid input: other experts are left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect"];
}

def SelectSharedPass : Pass<"moe-select-shared", "::mlir::ModuleOp"> {
  let summary = "decide which shared experts become one wide one";
  let description = [{
    Does: gives `moe.shared` ops that are added to each other the same number `wide`, where they read the same rows, compute the same up to
    their width, and end in a product over it.
    Requires: nothing.
    Leaves: shared experts that stay as they are, with a remark that says why where there are several of the same rows.
    Rejects: nothing.
    No invalid input: other shared experts are left alone.
  }];
}

def FuseSharedPass : Pass<"moe-fuse-shared", "::mlir::ModuleOp"> {
  let summary = "make one wide expert of several shared ones";
  let description = [{
    Does: replaces the `moe.shared` ops of one number `wide` by one whose width is the sum of theirs: matrices and vectors over the width are
    concatenated, those of the last product column by column. What added their results adds one.
    Requires: what `moe-select-shared` chose.
    Leaves: no `wide`; `moe.concat` of weights, which `moe-hoist-recipes` moves.
    Rejects: MOE0331 shared experts with a number `wide` that do not fit together.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

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

def DispatchRecursionsPass : Pass<"moe-dispatch-recursions", "::mlir::ModuleOp"> {
  let summary = "run recursions on the rows of the tokens that pass through";
  let description = [{
    Does: replaces `moe.recurse` by a `moe.plan` for each region, `nn.gather_rows` of the tokens that pass through it, the region on these rows, and
    a `moe.combine` of the tokens that end there.
    Requires: taps exported. One inside of a region gets rows for all tokens, which are 0, or -1 of integers, for those that do not pass through; of
    several with one name, the first stays.
    Leaves: no `moe.recurse`; numbers of rows that are read from a plan, and are at most the tokens of the step.
    Rejects: nothing.
    No invalid input: every `moe.recurse` that verifies can be dispatched.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::moec::nn::NnDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def DispatchExpertsPass : Pass<"moe-dispatch-experts", "::mlir::ModuleOp"> {
  let summary = "turn experts into a plan, products of sorted rows and a combine";
  let description = [{
    Does: replaces `moe.experts` by `moe.plan`, the products of its region as `moe.grouped_matmul` on the banks (those of the region's rows gather
    them from `x`), its elementwise ops on T * k sorted rows, and `moe.combine`. What the region makes of its rows without weights, such as a norm
    in front of the first product, is computed of `x`; what it adds at the end to one of these (`x + f(x)`) becomes a local of the combine.
    Requires: a region for any number of rows.
    Leaves: no `moe.experts`.
    Rejects: MOE0330 an op in the region other than `linalg.matmul` with a bank's member as transposed weight, elementwise `linalg.generic`, norms
    without weights, `linalg.fill`, `tensor.empty`, `tensor.dim` of the number of rows, `arith.constant`; an elementwise op that reads rows besides
    what a product makes of them, but for such a sum at the end; one that reads a matrix.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def CountChoicesPass : Pass<"moe-count-choices", "::mlir::ModuleOp"> {
  let summary = "decide who counts the rows of experts, and whether anybody has to";
  let description = [{
    Does: for every `moe.plan` whose ids a `moe.gate` or `moe.route` of the same function makes, either says that each token chose as many
    experts of every group (`groups`), where the routing has a quota for each group or takes all experts, and nothing drops, forbids or renames
    choices; or lets the choice count by blocks of tokens (`counts`), which the plan then adds up.
    Requires: tensors.
    Leaves: plans without either keep counting, with a remark that says why.
    Rejects: nothing.
    No invalid input: other plans are left alone.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def FormMatmulsPass : Pass<"moe-form-matmuls", "::mlir::ModuleOp"> {
  let summary = "write dense products as products of one group";
  let description = [{
    Does: replaces every `linalg.matmul` with a transposed weight [N, K] by `moe.grouped_matmul` without groups, whose epilogue only rounds;
    a `linalg.fill` of a constant that is no product's zeros by elementwise work.
    Requires: f32 or bf16 operands, an output that starts as zeros.
    Leaves: a product of another form stays, with a remark that says why.
    Rejects: nothing.
    No invalid input: a product of another form is left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect"];
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
    elementwise op that rounds. It is part of compilations with `--activations bf16`.
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

def FuseNextGatePass : Pass<"moe-fuse-next-gate", "::mlir::ModuleOp"> {
  let summary = "compute a router where the combine that it reads makes a row";
  let description = [{
    Does: replaces a `moe.gate` and the `moe.combine` that makes its rows by `moe.combine_gate`, as when experts are applied to their own result.
    Requires: rows of f32; nobody reads them in front of the gate. Runs behind `moe-pack-weights`, which packs the gate's matrix.
    Leaves: the fused op where the gate was, with the same results to the bit; what blocks a fusion is a remark.
    Rejects: nothing.
    No invalid input: other gates are left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect"];
}

def FuseProjectionPass : Pass<"moe-fuse-projection", "::mlir::ModuleOp"> {
  let summary = "multiply what a combine makes where it makes it";
  let description = [{
    Does: replaces a `moe.grouped_matmul` of one group and the `moe.combine` that makes its rows by `moe.combine_matmul`, as where experts work in a narrower
    space than the layer and a projection leads back. Says, where a projection leads there too, what both cost and what the experts save.
    Requires: nobody reads the rows in front of the product. Runs behind `moe-pack-weights` and `moe-select-variants`, which see the product alone.
    Leaves: the fused op where the product was, with the same results to the bit; what blocks a fusion is a remark.
    Rejects: nothing.
    No invalid input: other products are left alone.
  }];
  let dependentDialects = ["::moec::moe::MoeDialect"];
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
    Does: replaces every `!nn.state` by memrefs: its key pool and its value pool (one of both where values are a prefix of keys), views of the
    state pool, and the block table; and every `!nn.recurrent` by its pool, a view too. Functions and calls are rewritten. The entry gets the state pool and the block table as arguments.
    Requires: bufferized functions; `nn.state_ref` in entries only.
    Leaves: no value of type `!nn.state` or `!nn.recurrent`; the module attribute `moe.state` (bytes, buffers, recurrent) for the manifest.
    Rejects: keys and values that differ in sequences or positions, since one block table serves all; two states of one index with different types.
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
    Requires: sizes of allocations that are affine in the sizes that `moe.dims` names on arguments, or the minimum of one that is and any other;
    straight-line functions; no recursion.
    Leaves: no allocation, no tap; the arena as an argument, `moe.arena` (coefficients) on every function; `moe.taps` on entries.
    Rejects: an allocation whose size is not affine, or inside a region.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}




include "passes/KernelPasses.td"

#endif // MOEC_PASSES
