//===- ModuleInput.cpp - Modules that users write -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/ModuleInput.h"
#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"

#include "passes/Pipeline.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Builders.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace moec;

/// The type of an argument or result, if an artifact can declare it.
static RankedTensorType declarable(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getRank() < 1 || tensor.getRank() > 8)
    return {};
  for (int64_t i = 1; i < tensor.getRank(); ++i)
    if (tensor.isDynamicDim(i))
      return {};
  Type element = tensor.getElementType();
  bool isKnown =
      element.isF32() || element.isBF16() || element.isSignlessInteger(32);
  return isKnown ? tensor : RankedTensorType();
}

static bool isEntryName(StringRef name) {
  return !name.empty() && name.size() <= 200 && llvm::all_of(name, [](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '.';
  });
}

namespace {
/// One function of the module.
class Signature {
public:
  explicit Signature(func::FuncOp func)
      : func(func), builder(func.getContext()) {}

  LogicalResult prepare() {
    if (func.isExternal())
      return func.emitError("[MOE0151] the function '")
             << func.getSymName() << "' has no body";
    bool isEntry = func.isPublic() || func->hasAttr("moe.entry");
    if (isEntry && failed(makeEntry()))
      return failure();
    for (unsigned i = 0, e = func.getNumArguments(); i < e; ++i)
      if (failed(prepareArgument(i, isEntry)))
        return failure();
    for (unsigned i = 0, e = func.getNumResults(); isEntry && i < e; ++i)
      if (failed(prepareResult(i)))
        return failure();
    return success();
  }

private:
  LogicalResult makeEntry() {
    if (!func->hasAttr("moe.entry"))
      func->setAttr("moe.entry", func.getSymNameAttr());
    auto name = func->getAttrOfType<StringAttr>("moe.entry");
    if (!name || !isEntryName(name.getValue()))
      return func.emitError("[MOE0152] the name of the function '")
             << func.getSymName()
             << "' is not of letters, digits, '_' and '.', up to 200 of them";
    return success();
  }

  LogicalResult prepareArgument(unsigned i, bool isEntry) {
    auto tensor = dyn_cast<RankedTensorType>(func.getArgumentTypes()[i]);
    if (isEntry && !declarable(func.getArgumentTypes()[i]))
      return refuse("argument", i, func.getArgumentTypes()[i]);
    if (tensor && tensor.getRank() && tensor.isDynamicDim(0) &&
        !func.getArgAttr(i, "moe.dims"))
      func.setArgAttr(i, "moe.dims", builder.getStrArrayAttr({"T"}));
    if (!isEntry)
      return success();
    if (tensor.getElementType().isInteger(32)) {
      auto below = func.getArgAttrOfType<IntegerAttr>(i, "moe.below");
      if (!below || below.getInt() < 1 || below.getInt() > (1 << 24))
        return func.emitError("[MOE0152] argument ")
               << i << " of '" << func.getSymName()
               << "' holds integers, which may be indices; say what they are "
               << "below, from 1 to 16777216, as in {moe.below = 8}";
    }
    return name("in", i, func.getArgAttrOfType<StringAttr>(i, "moe.name"),
                [&](Attribute attr) { func.setArgAttr(i, "moe.name", attr); });
  }

  LogicalResult prepareResult(unsigned i) {
    RankedTensorType tensor = declarable(func.getResultTypes()[i]);
    if (!tensor)
      return refuse("result", i, func.getResultTypes()[i]);
    if (tensor.isDynamicDim(0) && !func.getResultAttr(i, "moe.dims"))
      func.setResultAttr(i, "moe.dims", builder.getStrArrayAttr({"T"}));
    return name(
        "out", i, func.getResultAttrOfType<StringAttr>(i, "moe.name"),
        [&](Attribute attr) { func.setResultAttr(i, "moe.name", attr); });
  }

  /// Callers know arguments and results by their names.
  LogicalResult name(StringRef prefix, unsigned i, StringAttr given,
                     function_ref<void(Attribute)> set) {
    if (!given)
      set(given = builder.getStringAttr(prefix + Twine(i)));
    if (names.insert((prefix + ":" + given.getValue()).str()).second)
      return success();
    return func.emitError("[MOE0152] '")
           << given.getValue() << "' names two arguments or two results of '"
           << func.getSymName() << "'";
  }

  LogicalResult refuse(StringRef what, unsigned i, Type type) {
    return func.emitError("[MOE0152] ")
           << what << " " << i << " of '" << func.getSymName() << "' is "
           << type << "; expected a tensor of f32, bf16 or i32 of rank 1 to 8, "
           << "of which only the first dimension may be '?'";
  }

  func::FuncOp func;
  Builder builder;
  llvm::StringSet<> names;
};
} // namespace

/// Every weight is defined, once, and as it is used.
static LogicalResult checkWeights(ModuleOp module) {
  llvm::StringMap<moe::DefineOp> defines;
  bool isTwice = false;
  module.walk([&](moe::DefineOp define) {
    if (defines.try_emplace(define.getName(), define).second)
      return;
    define.emitError("[MOE0153] a second recipe defines the weight '")
        << define.getName() << "'";
    isTwice = true;
  });
  WalkResult result = module.walk([&](moe::WeightOp weight) {
    moe::DefineOp define = defines.lookup(weight.getName());
    if (!define)
      weight.emitError("[MOE0153] no recipe defines the weight '")
          << weight.getName() << "'";
    else if (define.getValue().getType() != weight.getType())
      weight.emitError("[MOE0153] the weight '")
          << weight.getName() << "' is " << weight.getType()
          << " here, but its recipe makes " << define.getValue().getType();
    else
      return WalkResult::advance();
    return WalkResult::interrupt();
  });
  return failure(isTwice || result.wasInterrupted());
}

static LogicalResult checkStateless(ModuleOp module) {
  WalkResult result = module.walk([&](nn::StateOp state) {
    state.emitError("[MOE0342] a state of sequences outside of a language "
                    "model is not supported; give the module the attribute "
                    "'moe.model' and one entry 'step' (docs/architectures.md)");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// What the manifest says of a model, where there is none.
static DictionaryAttr describe(MLIRContext *context, int64_t stepTokens) {
  Builder builder(context);
  SmallVector<NamedAttribute> facts;
  for (auto [name, number] :
       std::initializer_list<std::pair<StringRef, int64_t>>{
           {"context", 1},
           {"hidden", 0},
           {"layers", 0},
           {"sequences", 1},
           {"step_tokens", stepTokens},
           {"vocabulary", 0}})
    facts.push_back(
        builder.getNamedAttr(name, builder.getI64IntegerAttr(number)));
  for (StringRef name : {"eos", "experts", "experts_per_token", "moe_layers"})
    facts.push_back(
        builder.getNamedAttr(name, builder.getDenseI64ArrayAttr({})));
  for (auto [name, text] :
       {std::pair<StringRef, StringRef>{"family", "module"}, {"dtype", "f32"}})
    facts.push_back(builder.getNamedAttr(name, builder.getStringAttr(text)));
  return builder.getDictionaryAttr(facts);
}

bool driver::fulfils(ModuleOp module, Phase phase, const char *code,
                     CompileReport &report) {
  PassManager pm(module.getContext());
  addContract(pm, phase);
  size_t before = report.messages.size();
  bool isSound = succeeded(pm.run(module));
  for (CompileReport::Message &message :
       llvm::MutableArrayRef(report.messages).drop_front(before))
    if (message.code == "MOE0902")
      message.code = code;
  return isSound;
}

OwningOpRef<ModuleOp> driver::readModule(MLIRContext &context,
                                         const std::string &path) {
  // A module need not use the dialects itself.
  context.loadDialect<moe::MoeDialect>();
  return parseSourceFile<ModuleOp>(path, &context);
}

static LogicalResult declare(ModuleOp module, int64_t stepTokens) {
  if (module.getOps<moe::RecipesOp>().empty()) {
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    auto recipes = moe::RecipesOp::create(builder, module.getLoc());
    recipes.getBody().emplaceBlock();
  }
  if (module->hasAttr("moe.model"))
    return success();
  bool hasEntry = false;
  for (auto func : module.getOps<func::FuncOp>()) {
    if (failed(Signature(func).prepare()))
      return failure();
    hasEntry |= func->hasAttr("moe.entry");
  }
  if (!hasEntry)
    return module.emitError("[MOE0151] the module has no public function");
  module->setAttr("moe.model", describe(module.getContext(), stepTokens));
  return failure(failed(checkWeights(module)) ||
                 failed(checkStateless(module)));
}

/// "12:5 linalg.matmul", and "#1" behind it for a second result.
static std::string placeOf(OpResult value) {
  Operation *op = value.getOwner();
  std::string place = op->getName().getStringRef().str();
  if (auto at = dyn_cast<FileLineColLoc>(op->getLoc()))
    place = std::to_string(at.getLine()) + ":" +
            std::to_string(at.getColumn()) + " " + place;
  if (value.getResultNumber())
    place += "#" + std::to_string(value.getResultNumber());
  return place;
}

/// Whether an op computes what one may want to see.
static bool isWorth(Operation *op) {
  StringRef dialect = op->getName().getDialectNamespace();
  return isa<func::CallOp, linalg::MatmulOp, linalg::GenericOp>(op) ||
         ((dialect == "moe" || dialect == "nn") && !isa<moe::WeightOp>(op));
}

static void addTaps(func::FuncOp entry) {
  SmallVector<Operation *> ops;
  for (Operation &op : entry.getOps())
    if (isWorth(&op))
      ops.push_back(&op);
  llvm::StringSet<> names;
  for (Operation *op : ops) {
    OpBuilder builder(op->getContext());
    builder.setInsertionPointAfter(op);
    for (OpResult value : op->getResults())
      if (std::string name = placeOf(value);
          isa<RankedTensorType>(value.getType()) && names.insert(name).second)
        moe::TapOp::create(builder, op->getLoc(), value, name,
                           /*always=*/false);
  }
}

LogicalResult driver::prepareModule(ModuleOp module, int64_t stepTokens,
                                    bool taps, CompileReport &report) {
  bool isModel = module->hasAttr("moe.model");
  if (failed(declare(module, stepTokens)))
    return failure();
  if (taps && !isModel)
    for (auto func : module.getOps<func::FuncOp>())
      if (func->hasAttr("moe.entry"))
        addTaps(func);
  return success(fulfils(module, Phase::Import, "MOE0155", report));
}

static bool loadsTensors(ModuleOp module) {
  return module
      .walk([](Operation *op) {
        if (isa<ModuleOp>(op))
          return WalkResult::advance();
        bool loads =
            isa<moe::RecipesOp>(op->getParentOp()) && op->hasAttr("tensor");
        return loads ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

bool driver::lacksParams(ModuleOp module, const std::string &path,
                         const std::string &params, Messages &messages) {
  if (!params.empty() || !loadsTensors(module))
    return false;
  messages.add(CompileReport::Message::Kind::Error,
               "[MOE0154] the recipes of " + path +
                   " load tensors; say with --params where they are");
  return true;
}
