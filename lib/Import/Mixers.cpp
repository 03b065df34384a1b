//===- Mixers.cpp - Recurrent layers of family programs -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// short_conv() and gated_delta(). Each has a state of its own. They need to
// know where sequences begin and end, which a layer is told when it asks.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

std::pair<mlir::Value, mlir::Value> ModuleBuilder::sequences() {
  Frame &layer = frame();
  if (layer.sequences.first)
    return layer.sequences;
  auto argument = [&](unsigned index) {
    Type type = frames.front()->block->getArgument(index).getType();
    return layerArgument(layer, {ArgumentKind::Sequences, "", index, type});
  };
  mlir::Value offsets = argument(2), slots = argument(3);
  return layer.sequences = {offsets, slots};
}

mlir::Value ModuleBuilder::inputOf(Frame &caller, int64_t input) {
  if (caller.kind != Frame::Kind::Recursion)
    return caller.block->getArgument(input);
  if (input == 0)
    return caller.ids;
  auto &[offsets, slots] = caller.sequences;
  if (input == 3)
    return slots;
  // Those of the tokens that take part.
  if (!offsets) {
    mlir::Value size = tensor::DimOp::create(
        builder, loc(), caller.block->getArguments().end()[-2], 0);
    mlir::Value empty = tensor::EmptyOp::create(
        builder, loc(), ArrayRef<int64_t>{ShapedType::kDynamic}, i32,
        ValueRange{size});
    offsets = nn::SeqRowsOp::create(builder, loc(), TypeRange{empty.getType()},
                                    caller.tokenSlots, slots, empty)
                  ->getResult(0);
  }
  return offsets;
}

/// A mixer goes over the tokens that take part as if there were no others,
/// which only its own state can be of.
void ModuleBuilder::needOwnState(CallArguments &a) {
  if (recursions && recursions->sharesFirst)
    a.fail("remembers what the last token left, and not what every token saw, "
           "so that later recursions cannot read it as they read keys and "
           "values of the first; give cache='own'");
}

mlir::Value ModuleBuilder::recurrentState(int64_t rows, int64_t columns) {
  auto type =
      nn::RecurrentType::get(&context, rows, columns, summary.maxSequences);
  summary.stateBytes += type.getPoolType().getNumElements() * 4;
  return layerArgument(frame(), {ArgumentKind::State, "", numStates++, type});
}

std::optional<Datum> ModuleBuilder::shortConv(Arguments arguments) {
  CallArguments a("short_conv",
                  {"x", "name", "length", "bias", "channels", "first"},
                  std::move(arguments), evaluator);
  RowsRef x = a.rows("x");
  std::string name = a.text("name");
  int64_t length = a.integer("length");
  bool hasBias = a.boolean("bias", false);
  int64_t channels = a.integer("channels", x ? x->width : 0);
  int64_t first = a.integer("first", 0);
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  needOwnState(a);
  if (!a.failed() && length < 2)
    a.fail("needs a length of at least 2, got " + std::to_string(length));
  if (!a.failed() && (first < 0 || x->width > channels - first))
    a.fail("needs channels " + std::to_string(first) + " to " +
           std::to_string(first + x->width) + " of " +
           std::to_string(channels));
  if (a.failed())
    return std::nullopt;
  auto rows = emit(x);
  if (!rows)
    return std::nullopt;
  auto part = [&](const char *tensor,
                  SmallVector<int64_t> shape) -> std::optional<mlir::Value> {
    StoredTensor stored(name + tensor);
    if (x->width < channels)
      stored.rows = channels;
    stored.begin = first;
    shape.front() = x->width;
    return weight(stored, shape, f32, "attention");
  };
  auto filter = part(".weight", {channels, 1, length});
  mlir::Value bias;
  if (hasBias) {
    auto found = part(".bias", {channels});
    if (!found)
      return std::nullopt;
    bias = *found;
  }
  if (!filter)
    return std::nullopt;
  // Where it only prepares the inputs of another mixer, that one counts.
  if (frame().summary->mixer.empty())
    frame().summary->mixer =
        "short convolution over " + std::to_string(length) + " positions";
  auto [offsets, slots] = sequences();
  mlir::Value empty = emptyRows(x->width);
  auto conv = nn::ShortConvOp::create(
      builder, loc(), TypeRange{empty.getType()}, *rows, *filter, places(),
      offsets, slots, bias, recurrentState(length - 1, x->width), empty);
  return leaf(conv->getResult(0));
}

std::optional<Datum> ModuleBuilder::gatedDelta(Arguments arguments) {
  CallArguments a("gated_delta",
                  {"q", "k", "v", "decay", "beta", "heads", "key_heads"},
                  std::move(arguments), evaluator);
  RowsRef q = a.rows("q"), k = a.rows("k"), v = a.rows("v");
  RowsRef decay = a.rows("decay"), beta = a.rows("beta");
  int64_t heads = a.integer("heads"), keyHeads = a.integer("key_heads");
  if (frame().kind != Frame::Kind::Layer)
    a.fail("belongs into a layer");
  needOwnState(a);
  if (!a.failed() &&
      (heads < 1 || keyHeads < 1 || heads % keyHeads || q->width != k->width ||
       k->width < 1 || k->width % keyHeads || v->width < 1 ||
       v->width % heads || decay->width != heads || beta->width != heads))
    a.fail("does not fit: " + std::to_string(keyHeads) + " heads of keys in " +
           std::to_string(k->width) + " elements, queries of " +
           std::to_string(q->width) + ", " + std::to_string(heads) +
           " heads of values in " + std::to_string(v->width) +
           ", for which there are " + std::to_string(decay->width) +
           " decays and " + std::to_string(beta->width) + " betas");
  if (a.failed())
    return std::nullopt;
  SmallVector<mlir::Value> inputs;
  for (const RowsRef &rows : {q, k, v, decay, beta}) {
    auto value = emit(rows);
    if (!value)
      return std::nullopt;
    inputs.push_back(*value);
  }
  frame().summary->mixer =
      "gated delta rule of " + std::to_string(heads) + " heads";
  auto [offsets, slots] = sequences();
  mlir::Value empty = emptyRows(v->width);
  int64_t columns =
      nn::GatedDeltaOp::columns(k->width / keyHeads, v->width / heads);
  auto delta = nn::GatedDeltaOp::create(
      builder, loc(), TypeRange{empty.getType()}, inputs[0], inputs[1],
      inputs[2], inputs[3], inputs[4], places(), offsets, slots,
      recurrentState(heads, columns), empty, heads, keyHeads);
  return leaf(delta->getResult(0));
}
