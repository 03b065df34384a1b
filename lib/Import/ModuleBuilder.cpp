//===- ModuleBuilder.cpp - Runs a family's program to build IR ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The module around the ops: the entry, the layers that it calls, and how
// weights and states reach the bodies that use them.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

ModuleBuilder::ModuleBuilder(MLIRContext &context, Config &config,
                             const weights::Checkpoint &checkpoint,
                             ModelSummary &summary, Diagnostics &diagnostics)
    : context(context), config(config), checkpoint(checkpoint),
      summary(summary), diagnostics(diagnostics),
      evaluator(config.family().definitions, *this, diagnostics),
      builder(&context), f32(builder.getF32Type()), i32(builder.getI32Type()) {}

//===----------------------------------------------------------------------===//
// Host
//===----------------------------------------------------------------------===//

std::optional<Datum> ModuleBuilder::key(const std::string &name) {
  if (!config.family().keys.count(name))
    return Null();
  return config.get(name, evaluator);
}

bool ModuleBuilder::variable(const std::string &name,
                             std::optional<Datum> &value) {
  if (name == "layer") {
    if (currentLayer)
      value = *currentLayer;
    else
      evaluator.fail("'layer' is the number of a layer, and is used outside of "
                     "layers");
    return true;
  }
  if (!config.family().keys.count(name))
    return false;
  value = config.get(name, evaluator);
  return true;
}

/// Numbers take part in elementwise expressions as constants.
static RowsRef toRows(const Datum &value) {
  if (value.isNumber())
    return makeConstant(value.number());
  const ObjectRef *object = value.as<ObjectRef>();
  if (!object || (*object)->kind() != Object::Kind::Rows)
    return nullptr;
  return std::static_pointer_cast<const Rows>(*object);
}

std::optional<Datum> ModuleBuilder::arithmetic(const std::string &op,
                                               const Datum &left,
                                               const Datum &right) {
  RowsRef a = toRows(left), b = toRows(right);
  auto elementwise = elementwiseOp(op);
  if (!a || !b || !elementwise)
    return evaluator.fail("'" + op + "' is not possible with " + toText(left) +
                          " and " + toText(right));
  std::string error;
  auto rows = makeElementwise(*elementwise, {a, b}, error);
  if (!rows)
    return evaluator.fail(error);
  return ObjectRef(*rows);
}

std::optional<Datum> ModuleBuilder::named(const Datum &value) {
  const ObjectRef *object = value.as<ObjectRef>();
  if (!object || (*object)->kind() != Object::Kind::Rows)
    return value;
  auto rows = std::static_pointer_cast<const Rows>(*object);
  if (!rows->count)
    return value;
  auto tensor = emit(rows);
  if (!tensor)
    return std::nullopt;
  return leaf(*tensor);
}

bool ModuleBuilder::checkConfig() {
  const Family &family = config.family();
  size_t before = diagnostics.numErrors();
  for (const Check &check : family.checks) {
    std::set<std::string> names;
    collectNames(check.condition, names);
    if (dependsOnLayer(family, names) == currentLayer.has_value())
      runCheck(check, names);
  }
  return diagnostics.numErrors() == before;
}

/// Whether a check that does not pass in this layer passes in no other one, as
/// where the lists that layers may have are single values.
bool ModuleBuilder::isSameInAllLayers(const Check &check) {
  std::string place = config.family().file + ", check: " + check.source;
  for (int64_t layer = 0; layer < numLayers; ++layer) {
    llvm::SaveAndRestore<std::optional<int64_t>> other(currentLayer, layer);
    auto value = evaluator.evaluate(check.condition, place);
    if (!value || !isEqual(*value, Datum(true)))
      return false;
  }
  return true;
}

void ModuleBuilder::runCheck(const Check &check,
                             const std::set<std::string> &names) {
  auto value = evaluator.evaluate(
      check.condition, config.family().file + ", check: " + check.source);
  const bool *holds = value ? value->as<bool>() : nullptr;
  if (value && !holds)
    evaluator.fail("a check must be a boolean: " + check.source);
  if (!holds || !*holds)
    return;
  std::string message = config.fileName() + ": " + check.message;
  for (const std::string &name : names)
    if (config.family().keys.count(name))
      if (auto key = config.get(name, evaluator))
        message += "; " + name + " = " + toText(*key);
  if (currentLayer && !isSameInAllLayers(check))
    message += "; layer = " + std::to_string(*currentLayer);
  diagnostics.error(check.isUnsupported ? code::unsupportedValue
                                        : code::contradiction,
                    message);
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// The inputs of the entry, each with its dimension.
static constexpr std::pair<StringLiteral, StringLiteral> kInputs[] = {
    {"ids", "T"},
    {"positions", "T"},
    {"seq_offsets", "S+1"},
    {"slots", "S"},
    {"rows", "R"}};

static void setDims(func::FuncOp func, unsigned argument, StringRef dim) {
  Builder builder(func.getContext());
  func.setArgAttr(argument, "moe.dims", builder.getStrArrayAttr({dim}));
}

/// The rows of a value; null when it is the same for all rows.
static RowsRef rowsOf(const Datum &value) {
  RowsRef rows = toRows(value);
  return rows && rows->count ? rows : nullptr;
}

std::optional<mlir::Value> ModuleBuilder::buildLayer(int64_t index,
                                                     mlir::Value x) {
  currentLayer = index;
  std::optional<Layer> layer;
  if (checkConfig())
    layer =
        createLayer(index, cast<RankedTensorType>(x.getType()).getDimSize(1));
  currentLayer.reset();
  if (!layer)
    return std::nullopt;
  layer->func = shareLayer(layer->func);
  return callLayer(*layer, index, x);
}

std::optional<ModuleBuilder::Layer> ModuleBuilder::createLayer(int64_t index,
                                                               int64_t width) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(frames.front()->block->getParentOp());
  auto xType = RankedTensorType::get({ShapedType::kDynamic, width}, f32);
  auto tokens = RankedTensorType::get({ShapedType::kDynamic}, i32);
  auto func = func::FuncOp::create(
      builder, loc(), "layer",
      builder.getFunctionType({xType, tokens, tokens}, {xType}));
  func.setPrivate();

  Frame body{};
  body.kind = Frame::Kind::Layer;
  body.block = func.addEntryBlock();
  body.positions = body.block->getArgument(1);
  body.tokenSlots = body.block->getArgument(2);
  if (index == static_cast<int64_t>(summary.layers.size()))
    summary.layers.emplace_back();
  body.summary = &summary.layers[index];
  builder.setInsertionPointToStart(body.block);
  body.zero = arith::ConstantIndexOp::create(builder, loc(), 0);
  body.count = tensor::DimOp::create(builder, loc(), body.block->getArgument(0),
                                     body.zero);
  frames.push_back(&body);
  bool done = runLayer(func, body);
  frames.pop_back();
  if (!done)
    return std::nullopt;
  Layer layer{func, std::move(body.arguments), {}};
  for (const auto &each : body.passed)
    layer.passed.push_back(each.first);
  return layer;
}

bool ModuleBuilder::runLayer(func::FuncOp func, Frame &body) {
  auto value =
      evaluator.run(config.family().layer, config.family().file + ", layer",
                    {{"x", leaf(body.block->getArgument(0))}});
  if (!value)
    return false;
  RowsRef rows = rowsOf(*value);
  auto result = rows ? emit(rows) : std::nullopt;
  if (!result || result->getType() != func.getFunctionType().getResult(0)) {
    if (!rows || result)
      evaluator.fail("a layer must give rows like those that it got, not " +
                     std::string(importer::describe(*value)));
    return false;
  }
  SmallVector<mlir::Value> results{*result};
  for (const auto &each : body.passed)
    results.push_back(each.second);
  func::ReturnOp::create(builder, loc(), results);
  func.setFunctionType(builder.getFunctionType(body.block->getArgumentTypes(),
                                               ValueRange(results).getTypes()));
  for (unsigned i = 0; i < kFixedArguments; ++i)
    setDims(func, i, "T");
  for (auto [i, argument] : llvm::enumerate(body.arguments))
    if (argument.kind == ArgumentKind::Passed ||
        argument.kind == ArgumentKind::Places)
      setDims(func, kFixedArguments + i, "T");
    else if (argument.kind == ArgumentKind::Sequences)
      setDims(func, kFixedArguments + i, kInputs[argument.state].second);
  return true;
}

/// An earlier layer that computes the same (of other weights), or the given
/// one, which then gets its name.
func::FuncOp ModuleBuilder::shareLayer(func::FuncOp func) {
  for (func::FuncOp known : distinctLayers)
    if (known.getFunctionType() == func.getFunctionType() &&
        OperationEquivalence::isRegionEquivalentTo(
            &known.getBody(), &func.getBody(),
            OperationEquivalence::IgnoreLocations)) {
      func.erase();
      return known;
    }
  func.setName("layer_" + std::to_string(distinctLayers.size()));
  distinctLayers.push_back(func);
  return func;
}

mlir::Value ModuleBuilder::callLayer(const Layer &layer, int64_t index,
                                     mlir::Value x) {
  Frame &entry = frame();
  SmallVector<mlir::Value> operands{x, entry.positions, entry.tokenSlots};
  for (const LayerArgument &argument : layer.arguments)
    switch (argument.kind) {
    case ArgumentKind::Places:
      operands.push_back(entry.places);
      break;
    case ArgumentKind::Passed:
      operands.push_back(passed.at(argument.weight));
      break;
    case ArgumentKind::Sequences:
      operands.push_back(inputOf(entry, argument.state));
      break;
    case ArgumentKind::State:
      operands.push_back(
          nn::StateOp::create(builder, loc(), argument.type, argument.state));
      break;
    case ArgumentKind::Table:
    case ArgumentKind::Weight:
      operands.push_back(use({argument.weight, argument.type},
                             frames.size() - 1, argument.kind));
      break;
    }
  auto call = func::CallOp::create(builder, loc(), layer.func, operands);
  call->setAttr("layer", builder.getI64IntegerAttr(index));
  // A layer that recurs has taps in each recursion.
  if (entry.kind == Frame::Kind::Recursion)
    call->setAttr("recursion", builder.getI64IntegerAttr(recursions->number));
  for (auto [name, value] :
       llvm::zip_equal(layer.passed, call.getResults().drop_front()))
    passed[name] = value;
  return call.getResult(0);
}

//===----------------------------------------------------------------------===//
// The module
//===----------------------------------------------------------------------===//

func::FuncOp ModuleBuilder::createEntry() {
  auto vector = RankedTensorType::get({ShapedType::kDynamic}, i32);
  SmallVector<Type> types(std::size(kInputs), vector);
  auto entry = func::FuncOp::create(builder, builder.getUnknownLoc(), "step",
                                    builder.getFunctionType(types, {}));
  for (const auto &[index, input] : llvm::enumerate(kInputs)) {
    entry.setArgAttr(index, "moe.name", builder.getStringAttr(input.first));
    setDims(entry, index, input.second);
  }
  entry->setAttr("moe.entry", builder.getStringAttr("step"));
  return entry;
}

bool ModuleBuilder::runModel(func::FuncOp entry) {
  Location unknown = builder.getUnknownLoc();
  Frame body{};
  body.kind = Frame::Kind::Entry;
  body.block = entry.addEntryBlock();
  builder.setInsertionPointToStart(body.block);
  body.ids = body.block->getArgument(0);
  body.positions = body.block->getArgument(1);
  body.wantedRows = body.block->getArgument(4);
  body.zero = arith::ConstantIndexOp::create(builder, unknown, 0);
  body.count = tensor::DimOp::create(builder, unknown, body.ids, body.zero);
  mlir::Value empty = tensor::EmptyOp::create(
      builder, unknown, ArrayRef<int64_t>{ShapedType::kDynamic}, i32,
      ValueRange{body.count});
  body.tokenSlots =
      nn::TokenSlotsOp::create(builder, unknown, TypeRange{empty.getType()},
                               body.block->getArgument(2),
                               body.block->getArgument(3), empty)
          ->getResult(0);
  frames.push_back(&body);
  auto value =
      evaluator.run(config.family().model, config.family().file + ", model");
  RowsRef rows = value ? rowsOf(*value) : nullptr;
  auto logits = rows ? emit(rows) : std::nullopt;
  frames.pop_back();
  if (!logits) {
    if (value && !rows)
      evaluator.fail("the model must give rows of logits, not " +
                     std::string(importer::describe(*value)));
    return false;
  }
  func::ReturnOp::create(builder, unknown, *logits);
  entry.setFunctionType(builder.getFunctionType(
      entry.getFunctionType().getInputs(), {logits->getType()}));
  entry.setResultAttr(0, "moe.name", builder.getStringAttr("logits"));
  entry.setResultAttr(0, "moe.dims", builder.getStrArrayAttr({"R"}));
  return true;
}

/// Puts values where {expressions} of keys stand.
std::optional<std::string> ModuleBuilder::withKeys(std::string pattern) {
  size_t begin = 0;
  while ((begin = pattern.find('{', begin)) != std::string::npos) {
    size_t end = pattern.find('}', begin);
    std::string source = pattern.substr(begin + 1, end - begin - 1), error;
    std::optional<Expression> expression;
    if (end != std::string::npos)
      expression = parseExpression(source, error);
    if (!expression || (expression->kind == Expression::Kind::Name &&
                        !config.family().keys.count(source)))
      return diagnostics.error(code::badFamilyFile,
                               config.family().file + ": ignore_tensors: '" +
                                   pattern + "' names no key in braces");
    auto value = evaluator.evaluate(*expression,
                                    config.family().file + ", ignore_tensors");
    if (!value)
      return std::nullopt;
    std::string text = toText(*value);
    pattern.replace(begin, end + 1 - begin, text);
    begin += text.size();
  }
  return pattern;
}

/// Reports the tensors of the checkpoint that the model did not ask for.
bool ModuleBuilder::checkTensors() {
  std::vector<std::string> ignored;
  for (const IgnoredTensor &tensor : config.family().ignoredTensors) {
    std::optional<Datum> holds = true;
    if (tensor.condition)
      holds = evaluator.evaluate(*tensor.condition,
                                 config.family().file + ", ignore_tensors");
    if (!holds)
      return false;
    if (!isEqual(*holds, Datum(true)))
      continue;
    auto pattern = withKeys(tensor.pattern);
    if (!pattern)
      return false;
    ignored.push_back(storedName(*pattern));
  }
  recipes->checkUnused(ignored, config.family().leftOut);
  return true;
}

OwningOpRef<ModuleOp> ModuleBuilder::build() {
  Location unknown = builder.getUnknownLoc();
  weightElement = summary.dtype == "bf16" ? Type(builder.getBF16Type()) : f32;
  OwningOpRef<ModuleOp> module = ModuleOp::create(unknown);
  builder.setInsertionPointToStart(module->getBody());
  auto recipesOp = moe::RecipesOp::create(builder, unknown);
  recipesOp.getBody().emplaceBlock();
  recipes = std::make_unique<Recipes>(recipesOp, checkpoint, diagnostics);
  if (auto block = key("weight_block_size"))
    if (const List *sizes = block->as<List>(); sizes && (*sizes)->size() == 2)
      recipes->setScaleBlock(
          {*(**sizes)[0].as<int64_t>(), *(**sizes)[1].as<int64_t>()});
  bool done = runModel(createEntry());
  for (const auto &[role, totals] : recipes->totals()) {
    summary.roles[role] = totals;
    summary.parameters += totals.parameters;
  }
  summary.activeParameters = summary.parameters - inactiveParameters;
  if (!done || !checkTensors())
    return nullptr;
  return module;
}

void ModuleBuilder::describe(ModuleOp module) {
  NamedAttrList model;
  auto text = [&](StringRef name, const std::string &value) {
    model.append(name, builder.getStringAttr(value));
  };
  auto number = [&](StringRef name, int64_t value) {
    model.append(name, builder.getI64IntegerAttr(value));
  };
  text("family", summary.family);
  text("model_type", summary.modelType);
  text("dtype", summary.dtype);
  number("vocabulary", summary.vocabulary);
  number("layers", summary.layers.size());
  number("hidden", summary.hidden);
  number("context", summary.maxContext);
  number("sequences", summary.maxSequences);
  number("step_tokens", summary.maxStepTokens);
  SmallVector<int64_t> sparse, experts, perToken;
  for (const auto &[index, layer] : llvm::enumerate(summary.layers))
    // Of layers that recur, a step tells no experts for every token.
    if (layer.experts && layer.recursion.empty()) {
      sparse.push_back(index);
      experts.push_back(layer.experts);
      perToken.push_back(layer.expertsPerToken);
    }
  model.append("moe_layers", builder.getDenseI64ArrayAttr(sparse));
  model.append("experts", builder.getDenseI64ArrayAttr(experts));
  model.append("experts_per_token", builder.getDenseI64ArrayAttr(perToken));
  model.append("eos", builder.getDenseI64ArrayAttr(summary.eos));
  if (summary.bos)
    number("bos", *summary.bos);
  module->setAttr("moe.model", model.getDictionary(&context));
}
