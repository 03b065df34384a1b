//===- ReferenceRun.cpp - What a checkpoint computes by definition --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/ReferenceRun.h"
#include "lib/Driver/Messages.h"
#include "lib/Driver/ModuleInput.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/Margin.h"
#include "lib/Reference/RecipeWeights.h"
#include "passes/Pipeline.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"

using namespace mlir;
using namespace moec;
using namespace moec::driver;

using Floats = reference::Tensor<float>;

static DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registerAll(registry);
  return registry;
}

/// ids, positions, seq_offsets, slots, rows: one sequence, logits of all
/// tokens.
static std::vector<Floats> stepInputs(std::span<const int32_t> ids) {
  int64_t tokens = ids.size();
  Floats given = reference::intTensor<float>({tokens});
  given.ints.assign(ids.begin(), ids.end());
  Floats positions = reference::intTensor<float>({tokens});
  std::iota(positions.ints.begin(), positions.ints.end(), 0);
  Floats offsets = reference::intTensor<float>({2});
  offsets.ints = {0, tokens};
  Floats slots = reference::intTensor<float>({1});
  return {given, positions, offsets, slots, positions};
}

static Rows toRows(const Floats &tensor) {
  Rows rows;
  rows.rows = tensor.rows();
  rows.reals = tensor.reals;
  rows.ints.assign(tensor.ints.begin(), tensor.ints.end());
  return rows;
}

static std::optional<Recorded> evaluate(ModuleOp module,
                                        std::shared_ptr<MLIRContext> context,
                                        const std::string &checkpointPath,
                                        std::span<const int32_t> ids,
                                        Messages &messages) {
  auto fail = [&](const weights::Status &status) {
    messages.add(CompileReport::Message::Kind::Error, textOf(status));
    return std::nullopt;
  };
  auto checkpoint = weights::Checkpoint::open(checkpointPath);
  if (!checkpoint)
    return fail(checkpoint.status());
  auto recipes = *module.getOps<moe::RecipesOp>().begin();
  auto executor = weights::RecipeExecutor::create(recipes, *checkpoint);
  if (!executor)
    return fail(executor.status());
  reference::RecipeWeights weights(*executor);
  reference::Evaluator<float> evaluator(module, weights);
  Recorded recorded;
  std::shared_ptr<reference::KeptChoice> choice;
  auto keep = [&](const std::string &name, const Floats &value) {
    if (!recorded.values.emplace(name, toRows(value)).second)
      return;
    recorded.order.push_back(name);
    // The tap of the ids stands behind what chose them. Attributes live as long
    // as the context.
    if (llvm::StringRef(name).ends_with(".experts") && choice)
      recorded.margins[name] =
          [choice = std::exchange(choice, nullptr), context,
           tokens = evaluator.tappedTokens()](int64_t token,
                                              const std::vector<int32_t> &ids) {
            // In a recursion, the choice is of the tokens that pass through.
            int64_t row = token;
            if (tokens) {
              auto at = std::lower_bound(tokens->begin(), tokens->end(), token);
              if (at == tokens->end() || *at != token)
                return Margin{std::numeric_limits<double>::infinity(), 0};
              row = at - tokens->begin();
            }
            return Margin{choice->gap(row, ids), choice->largestLogit(row)};
          };
  };
  evaluator.onTap(keep);
  evaluator.onRoute([&](moe::RoutingAttr routing, const Floats &logits,
                        const reference::Operands<float> &operands) {
    choice = std::make_shared<reference::KeptChoice>(routing, logits, operands);
  });
  auto results = evaluator.evaluate("step", stepInputs(ids));
  if (failed(results))
    return std::nullopt;
  keep("logits", results->front());
  return recorded;
}

/// Whether a checkpoint can be what an artifact was made from.
static bool hasShape(ModuleOp module, const ModelShape &shape,
                     const std::string &checkpoint, Messages &messages) {
  auto model = module->getAttrOfType<DictionaryAttr>("moe.model");
  for (auto [name, size] :
       {std::pair<llvm::StringRef, int64_t>{"vocabulary", shape.vocabulary},
        {"layers", shape.layers},
        {"hidden", shape.hidden}})
    if (auto found = model.getAs<IntegerAttr>(name);
        found && found.getInt() != size) {
      messages.add(CompileReport::Message::Kind::Error,
                   "[MOE0160] " + checkpoint +
                       " is another model than the artifact: its " +
                       name.str() + " is " + std::to_string(found.getInt()) +
                       ", the artifact's " + std::to_string(size));
      return false;
    }
  return true;
}

std::optional<Recorded>
driver::runReference(const std::string &checkpoint,
                     const importer::ImportOptions &options,
                     const ModelShape &shape, std::span<const int32_t> ids,
                     CompileReport &report) {
  auto context = std::make_shared<MLIRContext>(
      makeRegistry(), MLIRContext::Threading::DISABLED);
  CompileListener silent;
  Messages messages(*context, report, silent);
  importer::Diagnostics diagnostics;
  OwningOpRef<ModuleOp> module =
      importer::importCheckpoint(*context, checkpoint, options, diagnostics);
  for (const importer::Diagnostic &diagnostic : diagnostics.list())
    messages.add(diagnostic);
  if (!module || !hasShape(*module, shape, checkpoint, messages))
    return std::nullopt;
  return evaluate(*module, context, checkpoint, ids, messages);
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

struct ModuleReference::Implementation {
  MLIRContext context{makeRegistry(), MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  std::optional<weights::Checkpoint> checkpoint;
  std::optional<weights::RecipeExecutor> executor;
};

ModuleReference::ModuleReference(std::unique_ptr<Implementation> made)
    : implementation(std::move(made)) {}
ModuleReference::~ModuleReference() = default;

std::unique_ptr<ModuleReference>
ModuleReference::open(const std::string &path, const std::string &params,
                      CompileReport &report) {
  auto made = std::make_unique<Implementation>();
  CompileListener silent;
  Messages messages(made->context, report, silent);
  messages.codeForErrors = "MOE0150";
  made->module = readModule(made->context, path);
  // How many rows a step may have is not said by what they are.
  constexpr int64_t anyTokens = 1;
  if (!made->module || failed(prepareModule(*made->module, anyTokens,
                                            /*taps=*/true, report)))
    return nullptr;
  messages.codeForErrors.clear();
  auto refuse = [&](llvm::StringRef text) {
    messages.add(CompileReport::Message::Kind::Error, text);
    return nullptr;
  };
  if (lacksParams(*made->module, path, params, messages))
    return nullptr;
  auto checkpoint = params.empty() ? weights::Checkpoint::none()
                                   : weights::Checkpoint::open(params);
  if (!checkpoint)
    return refuse(textOf(checkpoint.status()));
  made->checkpoint.emplace(std::move(*checkpoint));
  auto recipes = *made->module->getOps<moe::RecipesOp>().begin();
  auto executor = weights::RecipeExecutor::create(recipes, *made->checkpoint);
  if (!executor)
    return refuse(textOf(executor.status()));
  made->executor.emplace(std::move(*executor));
  return std::unique_ptr<ModuleReference>(new ModuleReference(std::move(made)));
}

bool ModuleReference::isNarrow() const {
  auto isBf16 = [](Type type) {
    if (auto bank = dyn_cast<moe::BankType>(type))
      type = bank.getMember();
    return getElementTypeOrSelf(type).isBF16();
  };
  return implementation->module
      ->walk([&](Operation *op) {
        bool narrow = llvm::any_of(op->getOperandTypes(), isBf16) ||
                      llvm::any_of(op->getResultTypes(), isBf16);
        return narrow ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

static Floats toTensor(const GivenTensor &given) {
  Floats tensor;
  tensor.shape = given.shape;
  tensor.reals = given.reals;
  tensor.ints.assign(given.ints.begin(), given.ints.end());
  return tensor;
}

static func::FuncOp entryOf(ModuleOp module, llvm::StringRef name) {
  for (auto func : module.getOps<func::FuncOp>())
    if (auto entry = func->getAttrOfType<StringAttr>("moe.entry");
        entry && entry.getValue() == name)
      return func;
  return {};
}

/// Whether a function takes tensors of these shapes and kinds.
static bool takes(func::FuncOp func, const std::vector<GivenTensor> &inputs) {
  if (func.getNumArguments() != inputs.size())
    return false;
  for (auto [type, input] : llvm::zip(func.getArgumentTypes(), inputs)) {
    auto tensor = cast<RankedTensorType>(type);
    bool isReal = isa<FloatType>(tensor.getElementType());
    if (tensor.getRank() != int64_t(input.shape.size()) ||
        isReal != input.ints.empty())
      return false;
    for (int64_t i = 0; i < tensor.getRank(); ++i)
      if (!tensor.isDynamicDim(i) && tensor.getDimSize(i) != input.shape[i])
        return false;
  }
  return true;
}

std::optional<Recorded>
ModuleReference::run(const std::string &function,
                     const std::vector<GivenTensor> &inputs,
                     CompileReport &report) {
  CompileListener silent;
  Messages messages(implementation->context, report, silent);
  ModuleOp module = *implementation->module;
  func::FuncOp entry = entryOf(module, function);
  if (!entry || !takes(entry, inputs)) {
    messages.add(CompileReport::Message::Kind::Error,
                 "[MOE0501] the module has no function '" + function +
                     "' of the inputs that the artifact's has");
    return std::nullopt;
  }
  reference::RecipeWeights weights(*implementation->executor);
  reference::Evaluator<float> evaluator(module, weights);
  Recorded recorded;
  auto keep = [&](const std::string &name, const Floats &value) {
    if (recorded.values.emplace(name, toRows(value)).second)
      recorded.order.push_back(name);
  };
  evaluator.onTap(keep);
  std::vector<Floats> given;
  llvm::transform(inputs, std::back_inserter(given), toTensor);
  auto results = evaluator.evaluate(function, given);
  if (failed(results))
    return std::nullopt;
  for (auto [i, value] : llvm::enumerate(*results))
    keep(entry.getResultAttrOfType<StringAttr>(i, "moe.name").str(), value);
  return recorded;
}
