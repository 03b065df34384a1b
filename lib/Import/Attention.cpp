//===- Attention.cpp - The attention part of family programs --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// head_part(), join_heads(), rope_table(), rotate() and
// attention(). Every attention has a state of its own, unless it reads that of
// an earlier layer.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace moec;
using namespace moec::importer;

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

std::optional<Datum> ModuleBuilder::headPart(Arguments arguments) {
  CallArguments a("head_part", {"x", "size", "first", "count"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  int64_t size = a.integer("size"), first = a.integer("first");
  int64_t count = a.integer("count");
  if (!a.failed() && (size < 1 || x->width % size))
    a.fail("needs a size of heads that divides the width " +
           std::to_string(x->width) + ", got " + std::to_string(size));
  if (!a.failed() && (first < 0 || count < 1 || first > size - count))
    a.fail("takes " + std::to_string(count) + " elements from " +
           std::to_string(first) + " on of heads of " + std::to_string(size));
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  int64_t heads = x->width / size;
  return leaf(joinParts(*rows, heads, size, first, count));
}

/// Of each of the heads, `counts[i]` elements from `offsets[i]` on of part i,
/// whose heads have `sizes[i]`.
mlir::Value ModuleBuilder::joinParts(ValueRange parts, int64_t heads,
                                     ArrayRef<int64_t> sizes,
                                     ArrayRef<int64_t> offsets,
                                     ArrayRef<int64_t> counts) {
  mlir::Value empty = emptyRows(
      heads * std::accumulate(counts.begin(), counts.end(), int64_t(0)));
  return nn::JoinHeadsOp::create(builder, loc(), TypeRange{empty.getType()},
                                 parts, empty, heads, sizes, offsets, counts)
      ->getResult(0);
}

std::optional<Datum> ModuleBuilder::joinHeads(Arguments arguments) {
  CallArguments a("join_heads", {"a", "b", "heads", "lend"},
                  std::move(arguments), evaluator);
  RowsRef parts[] = {a.rows("a"), a.rows("b")};
  int64_t heads = a.integer("heads");
  bool lend = a.boolean("lend", false);
  SmallVector<int64_t> sizes;
  for (size_t i = 0; i < std::size(parts) && !a.failed(); ++i) {
    int64_t own = i == 1 && lend ? 1 : heads;
    if (own < 1 || parts[i]->width % own)
      a.fail("needs a number of heads that divides the width " +
             std::to_string(parts[i]->width) + ", got " + std::to_string(own));
    else
      sizes.push_back(parts[i]->width / own);
  }
  if (a.failed())
    return std::nullopt;
  auto first = emit(parts[0]), second = emit(parts[1]);
  if (!first || !second)
    return std::nullopt;
  return leaf(joinParts({*first, *second}, heads, sizes, {0, 0}, sizes));
}

std::optional<Datum> ModuleBuilder::repeat(Arguments arguments) {
  CallArguments a("repeat", {"x", "times"}, std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  int64_t times = a.integer("times");
  if (!a.failed() && times < 1)
    a.fail("needs a number of times of at least 1, got " +
           std::to_string(times));
  if (!a.failed() && !x->width)
    a.fail("needs rows or a parameter, not a number");
  if (a.failed())
    return std::nullopt;
  if (!x->count) {
    // Of a parameter: the same in every row.
    auto all = std::make_shared<Rows>(*x);
    all->count = frame().count;
    x = all;
  }
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  if (times == 1)
    return leaf(*rows);
  return leaf(joinParts(*rows, x->width, /*sizes=*/int64_t(1),
                        /*offsets=*/int64_t(0), /*counts=*/times));
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

std::optional<Datum> ModuleBuilder::ropeTable(Arguments arguments) {
  CallArguments a("rope_table",
                  {"type", "dims", "theta", "factor", "original_context",
                   "low_freq_factor", "high_freq_factor", "attention_factor",
                   "mscale", "mscale_all_dim", "beta_fast", "beta_slow",
                   "truncate", "short_factor", "long_factor", "short_mscale",
                   "long_mscale", "proportion"},
                  std::move(arguments), evaluator);
  RopeParameters p;
  p.type = a.text("type", "default");
  p.dims = a.integer("dims");
  p.theta = a.number("theta");
  p.factor = a.maybeNumber("factor").value_or(p.factor);
  p.originalContext = a.maybeNumber("original_context").value_or(0);
  p.lowFrequencyFactor =
      a.maybeNumber("low_freq_factor").value_or(p.lowFrequencyFactor);
  p.highFrequencyFactor =
      a.maybeNumber("high_freq_factor").value_or(p.highFrequencyFactor);
  p.attentionFactor = a.maybeNumber("attention_factor");
  p.mscale = a.maybeNumber("mscale");
  p.mscaleAllDims = a.maybeNumber("mscale_all_dim");
  p.betaFast = a.maybeNumber("beta_fast").value_or(p.betaFast);
  p.betaSlow = a.maybeNumber("beta_slow").value_or(p.betaSlow);
  p.truncate = a.boolean("truncate", true);
  p.shortFactors = a.numbers("short_factor");
  p.longFactors = a.numbers("long_factor");
  p.shortMscale = a.maybeNumber("short_mscale");
  p.longMscale = a.maybeNumber("long_mscale");
  p.positions = summary.maxContext;
  p.proportion = a.maybeNumber("proportion").value_or(p.proportion);
  if (a.failed())
    return std::nullopt;
  std::string error;
  auto frequencies = ropeFrequencies(p, error);
  if (!frequencies)
    return evaluator.fail(config.fileName() + ": " + error,
                          code::valueOutOfRange);
  auto table = std::make_shared<RopeTable>();
  table->weight = recipes->ropeTable(*frequencies, summary.maxContext);
  return ObjectRef(table);
}

std::optional<Datum> ModuleBuilder::rotate(Arguments arguments) {
  CallArguments a("rotate", {"x", "table", "size", "offset", "interleaved"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  const auto *table = static_cast<const RopeTable *>(
      a.object("table", Object::Kind::RopeTable, "a rotary table"));
  int64_t size = a.integer("size"), offset = a.integer("offset", 0);
  bool interleaved = a.boolean("interleaved", false);
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (!a.failed() && (size < 1 || x->width % size))
    a.fail("needs a size of heads that divides the width " +
           std::to_string(x->width) + ", got " + std::to_string(size));
  if (a.failed())
    return std::nullopt;
  int64_t turned = 2 * cast<RankedTensorType>(table->weight.type).getDimSize(2);
  if (turned > size)
    return a.fail("turns " + std::to_string(turned) +
                  " elements of heads of only " + std::to_string(size));
  if (offset < 0 || offset > size - turned)
    return a.fail("turns " + std::to_string(turned) + " elements from " +
                  std::to_string(offset) + " on of heads of " +
                  std::to_string(size));
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  mlir::Value tableValue =
      use(table->weight, frames.size() - 1, ArgumentKind::Table);
  mlir::Value empty = emptyRows(x->width);
  auto rope = nn::RopeOp::create(builder, loc(), TypeRange{empty.getType()},
                                 *rows, tableValue, frame().positions, empty,
                                 size, offset, interleaved);
  return leaf(rope->getResult(0));
}

/// A state of its own for an attention of this layer.
mlir::Value ModuleBuilder::state(int64_t heads, int64_t key, int64_t value,
                                 bool prefix) {
  auto type =
      nn::StateType::get(&context, heads, key, value, weightElement,
                         summary.maxSequences, summary.maxContext, prefix);
  for (MemRefType pool : type.getPoolTypes())
    summary.stateBytes +=
        pool.getNumElements() * pool.getElementTypeBitWidth() / 8;
  LayerArgument argument{ArgumentKind::State, "", numStates++, type};
  attentionStates[*currentLayer].push_back(argument);
  return layerArgument(frame(), argument);
}

/// The state that the same attention has in the first recursion.
mlir::Value ModuleBuilder::firstState() {
  return layerArgument(frame(),
                       attentionStates[*currentLayer][frame().attentions]);
}

/// Where keys and values of a layer's tokens are stored.
mlir::Value ModuleBuilder::places() {
  Frame &layer = frame();
  if (!recursions || recursions->sharesFirst)
    return layer.positions;
  if (!layer.places)
    layer.places = layerArgument(
        layer, {ArgumentKind::Places, "", 0, layer.positions.getType()});
  return layer.places;
}

/// The state that an earlier layer stores to.
std::optional<mlir::Value> ModuleBuilder::sharedState(CallArguments &a,
                                                      int64_t layer) {
  auto found = attentionStates.find(layer);
  if (layer < 0 || layer >= *currentLayer || found == attentionStates.end())
    return a.fail("reads the keys and values of layer " +
                  std::to_string(layer) +
                  ", which is no earlier layer that stores any");
  if (found->second.size() != 1)
    return a.fail("reads the keys and values of layer " +
                  std::to_string(layer) + ", which has several attentions");
  return layerArgument(frame(), found->second.front());
}

/// Stores keys and values to a state of their own, or gives that of the first
/// recursion where it serves all.
std::optional<mlir::Value> ModuleBuilder::store(const RowsRef &keys,
                                                const RowsRef &values,
                                                Stored stored) {
  if (recursions && recursions->readsFirst())
    return firstState();
  mlir::Value where = places();
  auto keyRows = emit(keys), valueRows = emit(values);
  if (!keyRows || !valueRows)
    return std::nullopt;
  mlir::Value to = state(stored.heads, stored.key, stored.value, stored.prefix);
  nn::AppendOp::create(builder, loc(), *keyRows, *valueRows, where,
                       frame().tokenSlots, ValueRange{to});
  return to;
}

/// Reads and checks what every attention may have.
ModuleBuilder::Scoring ModuleBuilder::scoringOf(CallArguments &a) {
  Scoring scoring;
  scoring.window = a.integer("window", 0);
  scoring.chunk = a.integer("chunk", 0);
  scoring.softcap = a.maybeNumber("softcap").value_or(0);
  scoring.sinks = a.maybeText("sinks");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  if (!a.failed() && (scoring.window < 0 || scoring.chunk < 0))
    a.fail("needs a window and a chunk that are not negative, got window " +
           std::to_string(scoring.window) + ", chunk " +
           std::to_string(scoring.chunk));
  if (!a.failed() && !(scoring.softcap >= 0 && std::isfinite(scoring.softcap)))
    a.fail("needs a softcap that is finite and not negative, got " +
           toText(Datum(scoring.softcap)));
  return scoring;
}

/// The attention of the tokens over what a state holds.
std::optional<mlir::Value>
ModuleBuilder::attend(mlir::Value q, mlir::Value state, const Attending &how) {
  auto type = cast<nn::StateType>(state.getType());
  ++frame().attentions;
  Scoring scoring = how.scoring;
  mlir::Value sinks;
  if (scoring.sinks) {
    auto found = weight(*scoring.sinks, {how.heads}, f32, "attention");
    if (!found)
      return std::nullopt;
    sinks = *found;
  }
  if (LayerSummary *summary = frame().summary) {
    summary->window = scoring.window;
    summary->chunk = scoring.chunk;
  }
  mlir::Value where = places(), first;
  if (where != frame().positions && (scoring.window || scoring.chunk)) {
    first = firstPlaces(scoring.window, scoring.chunk);
    scoring.window = scoring.chunk = 0;
  }
  mlir::Value empty = emptyRows(how.heads * type.getValue());
  auto attention = nn::AttentionOp::create(
      builder, loc(), TypeRange{empty.getType()}, q, where, frame().tokenSlots,
      ValueRange{state}, first, sinks, ValueRange{empty}, how.heads,
      type.getHeads(), APFloat(how.scale), scoring.window, scoring.chunk,
      APFloat(scoring.softcap));
  return attention->getResult(0);
}

std::optional<Datum> ModuleBuilder::attention(Arguments arguments) {
  CallArguments a("attention",
                  {"q", "k", "v", "heads", "kv_heads", "scale", "window",
                   "chunk", "softcap", "sinks", "layer"},
                  std::move(arguments), evaluator);
  auto layer = a.maybeInteger("layer");
  RowsRef q = a.rows("q"), k = layer ? nullptr : a.rows("k"),
          v = layer ? nullptr : a.rows("v");
  int64_t heads = a.integer("heads"), kvHeads = a.integer("kv_heads");
  auto scale = a.maybeNumber("scale");
  Scoring scoring = scoringOf(a);
  if (recursions && layer)
    a.fail("has no keys of another layer in a layer of a recursion, since that "
           "one has keys for each recursion");
  if (!a.failed() &&
      (heads < 1 || kvHeads < 1 || heads % kvHeads || q->width % heads))
    a.fail("does not fit: " + std::to_string(heads) + " heads of queries in " +
           std::to_string(q->width) + " elements, for " +
           std::to_string(kvHeads) + " heads of keys and values");
  if (!a.failed() && !layer &&
      (v->width % kvHeads || k->width != q->width / heads * kvHeads))
    a.fail("does not fit: " + std::to_string(heads) + " heads of queries in " +
           std::to_string(q->width) + " elements, " + std::to_string(kvHeads) +
           " of keys in " + std::to_string(k->width) + " and of values in " +
           std::to_string(v->width));
  if (a.failed())
    return std::nullopt;
  auto qRows = emit(q);
  if (!qRows)
    return std::nullopt;
  int64_t key = q->width / heads;
  std::optional<mlir::Value> keysAndValues;
  if (layer && !(recursions && recursions->readsFirst()))
    keysAndValues = sharedState(a, *layer);
  else
    keysAndValues =
        store(k, v, {kvHeads, key, v ? v->width / kvHeads : 0, false});
  if (!keysAndValues)
    return std::nullopt;
  auto type = cast<nn::StateType>(keysAndValues->getType());
  if (type.getHeads() != kvHeads || type.getKey() != key)
    return a.fail("reads " + std::to_string(type.getHeads()) + " heads of " +
                  std::to_string(type.getKey()) +
                  " elements, but its queries are for " +
                  std::to_string(kvHeads) + " of " + std::to_string(key));
  double byDefault = 1.0 / std::sqrt(static_cast<double>(key));
  auto result = attend(*qRows, *keysAndValues,
                       {heads, scale.value_or(byDefault), scoring});
  if (!result)
    return std::nullopt;
  return leaf(*result);
}
