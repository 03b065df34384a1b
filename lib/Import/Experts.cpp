//===- Experts.cpp - The sparse part of family programs -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// experts() and shared(). What one expert computes is a function of the
// program, run once into the region that stands for all of them.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// Splits the arguments of experts(x, routing, f, a, b, n=c) in front of those
/// that f gets behind its rows.
static Arguments takeOwn(Arguments &arguments, size_t number) {
  Arguments own;
  auto &all = arguments.positional;
  size_t count = std::min(number, all.size());
  own.positional.assign(std::make_move_iterator(all.begin()),
                        std::make_move_iterator(all.begin() + count));
  all.erase(all.begin(), all.begin() + count);
  return own;
}

std::optional<mlir::Value> ModuleBuilder::runRegion(Frame &region,
                                                    const RowsRef &x,
                                                    const std::string &function,
                                                    Arguments arguments) {
  OpBuilder::InsertionGuard guard(builder);
  auto type = RankedTensorType::get({ShapedType::kDynamic, x->width}, f32);
  mlir::Value rows = region.block->addArgument(type, loc());
  builder.setInsertionPointToEnd(region.block);
  region.zero = arith::ConstantIndexOp::create(builder, loc(), 0);
  region.count = tensor::DimOp::create(builder, loc(), rows, region.zero);
  frames.push_back(&region);
  arguments.positional.insert(arguments.positional.begin(), leaf(rows));
  auto value = evaluator.call(function, std::move(arguments));
  const ObjectRef *object = value ? value->as<ObjectRef>() : nullptr;
  std::optional<mlir::Value> result;
  if (object && (*object)->kind() == Object::Kind::Rows)
    result = emit(std::static_pointer_cast<const Rows>(*object));
  else if (value)
    evaluator.fail("an expert must give rows, not " +
                   std::string(importer::describe(*value)));
  if (result)
    moe::YieldOp::create(builder, loc(), *result);
  frames.pop_back();
  return result;
}

/// Takes an argument that is not for the expert's function.
static std::optional<Datum> takeNamed(Arguments &arguments,
                                      const std::string &name) {
  auto &named = arguments.named;
  auto found =
      llvm::find_if(named, [&](auto &each) { return each.first == name; });
  if (found == named.end())
    return std::nullopt;
  Datum value = std::move(found->second);
  named.erase(found);
  return value;
}

std::optional<Datum> ModuleBuilder::expertRange(const char *function,
                                                moe::ExpertKind kind,
                                                Arguments arguments) {
  bool computes =
      kind == moe::ExpertKind::Ffn || kind == moe::ExpertKind::Local;
  Arguments own =
      computes ? takeOwn(arguments, 2) : std::exchange(arguments, Arguments());
  auto a = computes
               ? CallArguments(function, {"count", "function"}, std::move(own),
                               evaluator)
               : CallArguments(function, {"count"}, std::move(own), evaluator);
  auto range = std::make_shared<ExpertRange>(kind, a.integer("count"));
  if (computes)
    range->function = a.function("function");
  if (!a.failed() && range->count < 1)
    a.fail("needs at least 1 expert, got " + std::to_string(range->count));
  if (a.failed())
    return std::nullopt;
  range->arguments = std::move(arguments);
  return ObjectRef(range);
}

std::optional<Datum> ModuleBuilder::ffnExperts(Arguments arguments) {
  return expertRange("ffn_experts", moe::ExpertKind::Ffn, std::move(arguments));
}

std::optional<Datum> ModuleBuilder::localExperts(Arguments arguments) {
  return expertRange("local_experts", moe::ExpertKind::Local,
                     std::move(arguments));
}

std::optional<Datum> ModuleBuilder::identityExperts(Arguments arguments) {
  return expertRange("identity_experts", moe::ExpertKind::Identity,
                     std::move(arguments));
}

std::optional<Datum> ModuleBuilder::zeroExperts(Arguments arguments) {
  return expertRange("zero_experts", moe::ExpertKind::Zero,
                     std::move(arguments));
}

std::optional<Datum> ModuleBuilder::tensor(Arguments arguments) {
  CallArguments a("tensor",
                  {"name", "rows", "begin", "size", "group", "transposed",
                   "stacked", "scales", "bias"},
                  std::move(arguments), evaluator);
  auto stored = std::make_shared<StoredTensor>(a.text("name"));
  stored->rows = a.maybeInteger("rows");
  stored->begin = a.integer("begin", 0);
  stored->size = a.maybeInteger("size");
  stored->group = a.maybeInteger("group");
  stored->transposed = a.boolean("transposed", false);
  stored->scales = a.text("scales", "");
  stored->bias = a.text("bias", "");
  std::string stacked = a.text("stacked", "no");
  if (stacked == "experts")
    stored->stacked = StoredTensor::Stacked::Experts;
  else if (stacked == "rows")
    stored->stacked = StoredTensor::Stacked::Rows;
  else if (stacked != "no")
    a.fail("knows no '" + stacked +
           "' as 'stacked'; it knows no, experts and "
           "rows");
  if (a.failed())
    return std::nullopt;
  return ObjectRef(stored);
}

std::optional<Datum> ModuleBuilder::hasTensor(Arguments arguments) {
  CallArguments a("has_tensor", {"name", "shape"}, std::move(arguments),
                  evaluator);
  auto name = tensorName(a.text("name"));
  std::vector<double> shape = a.numbers("shape");
  if (a.failed() || !name)
    return std::nullopt;
  const weights::Tensor *found = checkpoint.find(*name);
  return found && (shape.empty() || llvm::equal(found->shape(), shape));
}

/// Runs the function of a range into its region.
std::optional<mlir::Value>
ModuleBuilder::runRange(const ExpertRange &range, int64_t first,
                        int64_t perToken, const RowsRef &x, Frame &region) {
  bool isFfn = range.expertKind == moe::ExpertKind::Ffn;
  region.kind = isFfn ? Frame::Kind::Experts : Frame::Kind::Shared;
  region.experts = range.count;
  region.firstExpert = first;
  region.expertsPerToken = perToken;
  auto result = runRegion(region, x, range.function, range.arguments);
  if (result && isFfn && region.outer.empty())
    return evaluator.fail("experts() needs a function with weights, and " +
                          range.function + "() has none");
  return result;
}

std::optional<Datum> ModuleBuilder::experts(Arguments arguments) {
  auto weightOn = takeNamed(arguments, "weight_on");
  CallArguments a("experts", {"x", "routing", "function"},
                  takeOwn(arguments, 3), evaluator);
  RowsRef x = a.rows("x");
  const auto *routing = static_cast<const Routing *>(
      a.object("routing", Object::Kind::Routing, "a routing"));
  std::vector<ObjectRef> ranges;
  if (a.isList("function")) {
    ranges = a.objects("function", Object::Kind::ExpertRange,
                       "a list of ranges of experts");
    if (!arguments.positional.empty() || !arguments.named.empty())
      a.fail("takes the arguments of functions in their ranges");
  } else if (routing) {
    auto all =
        std::make_shared<ExpertRange>(moe::ExpertKind::Ffn, routing->experts);
    all->function = a.function("function");
    all->arguments = std::move(arguments);
    ranges.push_back(all);
  }
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  const std::string *place = weightOn ? weightOn->as<std::string>() : nullptr;
  if (weightOn && (!place || (*place != "input" && *place != "output")))
    a.fail("knows 'input' and 'output' as 'weight_on', not " +
           toText(*weightOn));
  if (a.failed())
    return std::nullopt;
  bool onInput = place && *place == "input";
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  SmallVector<moe::ExpertRangeAttr> kinds;
  SmallVector<mlir::Value> banks;
  std::vector<std::unique_ptr<Block>> bodies;
  int64_t first = 0, width = x->width;
  for (const ObjectRef &object : ranges) {
    const auto &range = static_cast<const ExpertRange &>(*object);
    kinds.push_back(
        moe::ExpertRangeAttr::get(&context, range.expertKind, range.count));
    if (!range.function.empty()) {
      bodies.push_back(std::make_unique<Block>());
      Frame region{};
      region.block = bodies.back().get();
      auto result = runRange(range, first, routing->k, x, region);
      if (!result)
        return std::nullopt;
      llvm::append_range(banks, region.outer);
      int64_t made = cast<RankedTensorType>(result->getType()).getDimSize(1);
      if (bodies.size() > 1 && made != width)
        return a.fail("gets " + std::to_string(width) + " and " +
                      std::to_string(made) + " columns from its experts");
      width = made;
    }
    first += range.count;
  }
  auto is = [](moe::ExpertKind kind) {
    return
        [kind](moe::ExpertRangeAttr range) { return range.getKind() == kind; };
  };
  if (first != routing->experts)
    return a.fail("has " + std::to_string(first) +
                  " experts for a routing of " +
                  std::to_string(routing->experts));
  if (llvm::none_of(kinds, is(moe::ExpertKind::Ffn)))
    return a.fail("needs at least one range of ffn_experts()");
  if (llvm::any_of(kinds, is(moe::ExpertKind::Identity)) && width != x->width)
    return a.fail("has identity experts for " + std::to_string(x->width) +
                  " columns and others that make " + std::to_string(width));
  if (llvm::any_of(kinds, is(moe::ExpertKind::Local)) && onInput)
    return a.fail(
        "cannot weigh the input of local experts: weight_on = 'input' "
        "is for the other kinds");
  moe::ExpertRangesAttr attr;
  if (kinds.size() > 1)
    attr = moe::ExpertRangesAttr::get(&context, kinds);
  std::string &words = frame().summary->otherExperts;
  words.clear();
  for (moe::ExpertRangeAttr range : kinds)
    if (range.getKind() != moe::ExpertKind::Ffn)
      words += (words.empty() ? "" : ", ") + std::to_string(range.getCount()) +
               " " + stringifyExpertKind(range.getKind()).str();
  mlir::Value empty = emptyRows(width);
  auto op = moe::ExpertsOp::create(
      builder, loc(), TypeRange{empty.getType()}, *rows, routing->ids,
      routing->weights, banks, ValueRange{empty}, attr, onInput, bodies.size());
  for (auto [region, body] : llvm::zip(op.getBodies(), bodies))
    region.push_back(body.release());
  return leaf(op->getResult(0));
}

std::optional<Datum> ModuleBuilder::shared(Arguments arguments) {
  CallArguments a("shared", {"x", "function"}, takeOwn(arguments, 2),
                  evaluator);
  RowsRef x = a.rows("x");
  std::string function = a.function("function");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  auto block = std::make_unique<Block>();
  Frame region{};
  region.kind = Frame::Kind::Shared;
  region.block = block.get();
  auto result = runRegion(region, x, function, std::move(arguments));
  if (!result)
    return std::nullopt;
  mlir::Value empty =
      emptyRows(cast<RankedTensorType>(result->getType()).getDimSize(1));
  auto op = moe::SharedOp::create(builder, loc(), TypeRange{empty.getType()},
                                  *rows, region.outer, ValueRange{empty},
                                  /*wide=*/mlir::IntegerAttr());
  op.getBody().push_back(block.release());
  return leaf(op->getResult(0));
}
