//===- ReferenceRun.cpp - What a checkpoint computes by definition --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/ReferenceRun.h"
#include "lib/Driver/Messages.h"
#include "lib/Reference/Evaluator.h"
#include "lib/Reference/Margin.h"
#include "lib/Reference/RecipeWeights.h"
#include "passes/Pipeline.h"

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
      recorded.margins[name] = [choice = std::exchange(choice, nullptr),
                                context](int64_t token,
                                         const std::vector<int32_t> &ids) {
        return Margin{choice->gap(token, ids), choice->largestLogit(token)};
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

std::optional<Recorded>
driver::runReference(const std::string &checkpoint,
                     const importer::ImportOptions &options,
                     std::span<const int32_t> ids, CompileReport &report) {
  auto context = std::make_shared<MLIRContext>(
      makeRegistry(), MLIRContext::Threading::DISABLED);
  CompileListener silent;
  Messages messages(*context, report, silent);
  importer::Diagnostics diagnostics;
  OwningOpRef<ModuleOp> module =
      importer::importCheckpoint(*context, checkpoint, options, diagnostics);
  for (const importer::Diagnostic &diagnostic : diagnostics.list())
    messages.add(diagnostic);
  if (!module)
    return std::nullopt;
  return evaluate(*module, context, checkpoint, ids, messages);
}
