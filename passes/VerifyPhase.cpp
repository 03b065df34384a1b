//===- VerifyPhase.cpp - What each phase leaves to the next ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Between two phases stands a contract: the ops that may be left, what they
// must look like, and whether values are tensors or memrefs. A pass that leaves
// something else is found here, by the name of the op and of the phase, and not
// three phases later. One table holds all contracts.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"
#include "passes/Pipeline.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

namespace moec {
#define GEN_PASS_DEF_VERIFYPHASEPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

//===----------------------------------------------------------------------===//
// What an allowed op must look like
//===----------------------------------------------------------------------===//

/// What is wrong with an op that the phase allows; empty if nothing is.
using Check = std::string (*)(Operation *);

static std::string checkImportForm(Operation *op) {
  if (auto product = dyn_cast<linalg::MatmulOp>(op))
    return whyNotProduct(product).str();
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return whyNotImported(generic).str();
  if (auto product = dyn_cast<GroupedMatmulOp>(op);
      product && !product.getSideBySide())
    return "experts are not dispatched yet";
  if (op->hasTrait<OpTrait::ConstantLike>() &&
      isa<ShapedType>(op->getResult(0).getType()))
    return "weights are not literals in the IR, but recipes";
  return "";
}

static std::string checkTaps(Operation *op) {
  auto tap = dyn_cast<TapOp>(op);
  if (tap && !op->getParentOp()->hasAttr("moe.entry"))
    return "taps stand in entries only";
  return "";
}

static std::string checkChosen(Operation *op) {
  auto product = dyn_cast<GroupedMatmulOp>(op);
  auto fused = dyn_cast<CombineMatmulOp>(op);
  if ((product && !product.getVariants()) || (fused && !fused.getVariants()))
    return "it has no kernel variants";
  auto gate = dyn_cast<GateOp>(op);
  bool plainGate =
      gate && cast<ShapedType>(gate.getWeight().getType()).getRank() == 2;
  if (plainGate || (product && !product.isPacked()) ||
      (fused && !fused.getProduct().isPacked()))
    return "its weights are not packed";
  return checkTaps(op);
}

static std::string checkNothing(Operation *) { return ""; }

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

namespace {
enum class Values { Tensors, Memrefs, Neither };

struct Contract {
  Phase phase;
  /// Ops, and dialects for all of their ops, that may be left or not. An op's
  /// name counts more than its dialect's.
  ArrayRef<StringLiteral> allowed;
  ArrayRef<StringLiteral> refused;
  /// What is not listed at all may be left: a target's own ops.
  bool open;
  Values values;
  Check check;
};
} // namespace

static constexpr StringLiteral kImportOps[] = {"func",
                                               "arith",
                                               "math",
                                               "nn",
                                               "tensor.dim",
                                               "tensor.empty",
                                               "tensor.collapse_shape",
                                               "linalg.fill",
                                               "linalg.generic",
                                               "linalg.matmul",
                                               "linalg.yield",
                                               "moe.weight",
                                               "moe.route",
                                               "moe.experts",
                                               "moe.shared",
                                               "moe.iterate",
                                               "moe.recurse",
                                               "moe.grouped_matmul",
                                               "moe.yield",
                                               "moe.tap"};

static constexpr StringLiteral kGatingOps[] = {"func",
                                               "arith",
                                               "math",
                                               "nn",
                                               "tensor.dim",
                                               "tensor.empty",
                                               "tensor.collapse_shape",
                                               "linalg.fill",
                                               "linalg.generic",
                                               "linalg.matmul",
                                               "linalg.yield",
                                               "moe.weight",
                                               "moe.gate",
                                               "moe.route",
                                               "moe.experts",
                                               "moe.shared",
                                               "moe.recurse",
                                               "moe.grouped_matmul",
                                               "moe.yield",
                                               "moe.tap"};

static constexpr StringLiteral kDispatchOps[] = {"func",
                                                 "arith",
                                                 "math",
                                                 "nn",
                                                 "tensor.dim",
                                                 "tensor.empty",
                                                 "tensor.cast",
                                                 "tensor.collapse_shape",
                                                 "tensor.extract",
                                                 "linalg.generic",
                                                 "linalg.yield",
                                                 "moe.weight",
                                                 "moe.concat",
                                                 "moe.gate",
                                                 "moe.route",
                                                 "moe.plan",
                                                 "moe.spread",
                                                 "moe.row_weights",
                                                 "moe.combine",
                                                 "moe.combine_gate",
                                                 "moe.combine_matmul",
                                                 "moe.grouped_matmul",
                                                 "moe.yield",
                                                 "moe.tap"};

static constexpr StringLiteral kBuffersOps[] = {"func",
                                                "arith",
                                                "math",
                                                "memref",
                                                "nn",
                                                "linalg.copy",
                                                "linalg.generic",
                                                "linalg.yield",
                                                "moe.gate",
                                                "moe.route",
                                                "moe.plan",
                                                "moe.spread",
                                                "moe.row_weights",
                                                "moe.combine",
                                                "moe.combine_gate",
                                                "moe.combine_matmul",
                                                "moe.grouped_matmul",
                                                "moe.yield"};
// Temporaries live in the arena; state is resolved, not copied.
static constexpr StringLiteral kBuffersRefused[] = {
    "memref.alloc", "memref.alloca", "memref.dealloc", "nn.state_ref"};

static constexpr StringLiteral kKernelsOps[] = {
    "func", "arith", "scf", "memref", "vector", "moe.parallel",
    // Have an instruction.
    "math.absf", "math.ceil", "math.copysign", "math.floor", "math.fma",
    "math.roundeven", "math.sqrt"};
static constexpr StringLiteral kKernelsRefused[] = {
    "moe",        "nn",     "tensor",     "bufferization", "linalg",
    "math",       "affine", "scf.forall", "memref.alloc",  "memref.dealloc",
    "memref.copy"};

static constexpr StringLiteral kTargetOps[] = {"llvm"};

static const Contract kContracts[] = {
    {Phase::Import, kImportOps, {}, false, Values::Tensors, checkImportForm},
    {Phase::Gating, kGatingOps, {}, false, Values::Tensors, checkImportForm},
    {Phase::Dispatch, kDispatchOps, {}, false, Values::Tensors, checkTaps},
    {Phase::Experts, kDispatchOps, {}, false, Values::Tensors, checkChosen},
    {Phase::Buffers, kBuffersOps, kBuffersRefused, false, Values::Memrefs,
     checkNothing},
    {Phase::Kernels, kKernelsOps, kKernelsRefused, true, Values::Memrefs,
     checkNothing},
    {Phase::Target, kTargetOps, {}, false, Values::Neither, checkNothing},
};

//===----------------------------------------------------------------------===//
// Checking
//===----------------------------------------------------------------------===//

static bool contains(ArrayRef<StringLiteral> list, StringRef name) {
  return llvm::is_contained(list, name);
}

static bool allows(const Contract &contract, Operation *op) {
  StringRef name = op->getName().getStringRef();
  StringRef dialect = op->getName().getDialectNamespace();
  if (contains(contract.refused, name))
    return false;
  if (contains(contract.allowed, name))
    return true;
  if (contains(contract.refused, dialect))
    return false;
  return contract.open || contains(contract.allowed, dialect);
}

static StringRef whyNotType(Type type, Values values) {
  if (isa<UnrankedTensorType, UnrankedMemRefType>(type))
    return "shapes are ranked";
  if (values != Values::Tensors && isa<TensorType, BankType>(type))
    return "tensors are gone";
  if (values != Values::Tensors && isa<nn::StateType, nn::RecurrentType>(type))
    return "states are resolved to their buffers";
  if (values != Values::Memrefs && isa<MemRefType>(type))
    return "there are no memrefs";
  return "";
}

/// What is wrong with the types of an op's results and of the arguments of its
/// regions.
static std::string whyNotTypes(Operation *op, Values values) {
  SmallVector<Type> types(op->getResultTypes());
  for (Region &region : op->getRegions())
    for (Block &block : region)
      llvm::append_range(types, block.getArgumentTypes());
  for (Type type : types) {
    StringRef why = whyNotType(type, values);
    if (why.empty())
      continue;
    std::string out;
    llvm::raw_string_ostream(out)
        << "it makes a value of type '" << type << "', but " << why;
    return out;
  }
  return "";
}

static std::string whyNotIn(const Contract &contract, Operation *op) {
  if (allows(contract, op)) {
    std::string why = contract.check(op);
    return why.empty() ? whyNotTypes(op, contract.values) : why;
  }
  std::string why = "expected one of " + llvm::join(contract.allowed, ", ");
  if (!contract.refused.empty())
    why += ", and no other of " + llvm::join(contract.refused, ", ");
  return why;
}

namespace {
struct VerifyPhase : moec::impl::VerifyPhasePassBase<VerifyPhase> {
  using VerifyPhasePassBase::VerifyPhasePassBase;

  void runOnOperation() override {
    std::optional<Phase> phase = phaseByName(this->phase);
    if (!phase) {
      auto names = llvm::map_range(
          phases(), [](const PhaseInfo &info) { return info.name; });
      getOperation().emitError()
          << "unknown phase '" << this->phase.getValue()
          << "'; expected one of " << llvm::join(names, ", ");
      return signalPassFailure();
    }
    for (const Contract &contract : kContracts)
      if (contract.phase == *phase && !fulfils(contract))
        signalPassFailure();
    markAllAnalysesPreserved();
  }

  /// Names each kind of breach once, at its first place.
  bool fulfils(const Contract &contract) {
    llvm::StringSet<> seen;
    getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<ModuleOp>(op))
        return WalkResult::advance();
      // Recipes stay what they are until the artifact is written.
      if (isa<RecipesOp>(op))
        return WalkResult::skip();
      std::string why = whyNotIn(contract, op);
      StringRef name = op->getName().getStringRef();
      if (!why.empty() && seen.insert((name + why).str()).second)
        op->emitError() << "[MOE0902] '" << name << "' breaks the contract of "
                        << "phase '" << phase.getValue() << "': " << why;
      return WalkResult::advance();
    });
    return seen.empty();
  }
};
} // namespace
