//===- Recursion.cpp - Layers that run several times ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// recurse(). Either every recursion chooses its tokens, and is an op of one
// region, or every token has chosen its number of recursions in front, and all
// of them are the regions of one op. A region calls the layers with the rows
// that take part; their weights are the same each time, their states are not.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

/// Calls the function that chooses in front of a recursion, and puts what it
/// gives into `chosen`.
const Routing *ModuleBuilder::chooseTokens(const std::string &function,
                                           mlir::Value x, int64_t number,
                                           const Datum &before, Datum &chosen) {
  Arguments arguments;
  arguments.positional = {leaf(x), number, before};
  auto value = evaluator.call(function, std::move(arguments));
  if (!value)
    return nullptr;
  const ObjectRef *object = value->as<ObjectRef>();
  if (!object || (*object)->kind() != Object::Kind::Routing) {
    evaluator.fail("recurse(): '" + function + "' must give a routing, not " +
                   std::string(importer::describe(*value)));
    return nullptr;
  }
  chosen = *value;
  return static_cast<const Routing *>(chosen.as<ObjectRef>()->get());
}

std::optional<Datum> ModuleBuilder::recurse(Arguments arguments) {
  CallArguments a("recurse", {"x", "choose", "layers", "times", "cache"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  std::string choose = a.function("choose");
  int64_t count = a.integer("layers"), times = a.integer("times");
  std::string cache = a.text("cache", "own");
  if (frame().kind != Frame::Kind::Entry)
    a.fail("belongs into the model, not into a layer");
  needAllRows(a);
  if (!a.failed() && (count < 1 || times < 1 || times > 64))
    a.fail("runs at least 1 layer from 1 to 64 times, got " +
           std::to_string(count) + " layers " + std::to_string(times) +
           " times");
  if (!a.failed() && cache != "own" && cache != "first")
    a.fail("has keys and values of its 'own' in each recursion, or those of "
           "the 'first', got '" +
           cache + "'");
  auto rows = a.failed() ? std::nullopt : emit(x);
  if (!rows)
    return std::nullopt;
  recursions.emplace();
  recursions->first = static_cast<int64_t>(summary.layers.size());
  recursions->count = count;
  recursions->sharesFirst = cache == "first";
  Datum chosen = Null();
  std::string words;
  for (int64_t done = 0; done < times;) {
    Recursions running = *std::exchange(recursions, std::nullopt);
    const Routing *routing = chooseTokens(choose, *rows, done, chosen, chosen);
    recursions = running;
    bool byToken = routing && routing->experts == times && times > 1;
    if (routing && (routing->k != 1 || (!byToken && routing->experts != 1))) {
      evaluator.fail("recurse(): the routing must choose 1 of " +
                     std::to_string(times) +
                     " depths, or be of one expert, which chooses its tokens; "
                     "got " +
                     std::to_string(routing->k) + " of " +
                     std::to_string(routing->experts));
      routing = nullptr;
    }
    rows = routing ? recursion(*rows, *routing, done, byToken ? times : 1)
                   : std::nullopt;
    if (!rows) {
      recursions.reset();
      return std::nullopt;
    }
    words = routing->words;
    done += byToken ? times : 1;
  }
  for (int64_t i = 0; i < count; ++i)
    summary.layers[recursions->first + i].recursion =
        std::to_string(times) + " recursions, by " + words +
        (cache == "first" ? ", keys and values of the first" : "");
  recursions.reset();
  return leaf(*rows);
}

/// The place of every token among those of its sequence with ids from `from`
/// on.
mlir::Value ModuleBuilder::placesOf(const Routing &routing, int64_t from) {
  Frame &entry = frame();
  recursions->placeStates.resize(from + 1);
  auto type = nn::RecurrentType::get(&context, 1, summary.maxContext + 1,
                                     summary.maxSequences);
  summary.stateBytes += type.getPoolType().getNumElements() * 4;
  recursions->placeStates[from] = {ArgumentKind::State, "", numStates, type};
  mlir::Value state = nn::StateOp::create(builder, loc(), type, numStates++);
  mlir::Value empty = emptyIntegers();
  return nn::PlacesOp::create(builder, loc(), TypeRange{empty.getType()},
                              routing.ids, entry.positions,
                              entry.block->getArgument(2),
                              entry.block->getArgument(3), state, empty, from)
      ->getResult(0);
}

/// From which place on a token sees those that are stored, so that a window is
/// one of positions, whoever takes part.
mlir::Value ModuleBuilder::firstPlaces(int64_t window, int64_t chunk) {
  Frame &layer = frame();
  mlir::Value empty = emptyIntegers();
  mlir::Value counts = layerArgument(layer, recursions->placeState);
  return nn::FirstPlacesOp::create(builder, loc(), TypeRange{empty.getType()},
                                   layer.positions, layer.tokenSlots, counts,
                                   empty, window, chunk)
      ->getResult(0);
}

/// One op of `regions` recursions, of which the first is the given one.
std::optional<mlir::Value> ModuleBuilder::recursion(mlir::Value x,
                                                    const Routing &routing,
                                                    int64_t number,
                                                    int64_t regions) {
  Frame &entry = frame();
  SmallVector<mlir::Value> along{entry.positions, entry.tokenSlots, entry.ids};
  // What delimits sequences, of which mixers want to know.
  SmallVector<mlir::Value> params{entry.block->getArgument(2),
                                  entry.block->getArgument(3)};
  for (int64_t r = 0; r < regions && !recursions->sharesFirst; ++r)
    along.push_back(placesOf(routing, r));
  // Keys and values that all recursions read are those of all tokens.
  bool allFirst = recursions->sharesFirst && number == 0;
  mlir::Value empty =
      emptyRows(cast<RankedTensorType>(x.getType()).getDimSize(1));
  auto op = moe::RecurseOp::create(
      builder, loc(), TypeRange{empty.getType()}, x, routing.ids,
      routing.weights, along, params, ValueRange{empty}, allFirst, regions);
  for (int64_t r = 0; r < regions; ++r) {
    OpBuilder::InsertionGuard guard(builder);
    Block &block = op.getBodies()[r].emplaceBlock();
    block.addArgument(empty.getType(), loc());
    for (mlir::Value value : llvm::concat<mlir::Value>(along, params))
      block.addArgument(value.getType(), loc());
    mlir::Value places;
    if (!recursions->sharesFirst) {
      places = block.getArgument(4 + r);
      recursions->placeState = recursions->placeStates[r];
    }
    auto made = runRecursion(&block, number + r, places);
    if (!made)
      return std::nullopt;
    moe::YieldOp::create(builder, loc(), *made);
  }
  return op->getResult(0);
}

/// Calls the layers of a recursion in its region, behind which the builder then
/// stands.
std::optional<mlir::Value>
ModuleBuilder::runRecursion(Block *block, int64_t number, mlir::Value places) {
  Frame body{};
  body.kind = Frame::Kind::Recursion;
  body.block = block;
  body.positions = block->getArgument(1);
  body.tokenSlots = block->getArgument(2);
  body.ids = block->getArgument(3);
  body.sequences.second = block->getArguments().back();
  body.places = places;
  recursions->number = number;
  numLayers = recursions->first + recursions->count;
  builder.setInsertionPointToEnd(block);
  frames.push_back(&body);
  std::optional<mlir::Value> rows = block->getArgument(0);
  for (int64_t i = 0; rows && i < recursions->count; ++i)
    rows = buildLayer(recursions->first + i, *rows);
  frames.pop_back();
  return rows;
}
