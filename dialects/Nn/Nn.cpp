//===- Nn.cpp - The nn dialect: types, effects, verifiers -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Nn/Nn.h"
#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace moec;
using namespace moec::nn;

#include "dialects/Nn/NnDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Nn/NnTypes.cpp.inc"

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static constexpr int64_t kAny = ShapedType::kDynamic;

void NnDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Nn/NnTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Nn/NnOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

LogicalResult StateType::verify(function_ref<InFlightDiagnostic()> emitError,
                                int64_t heads, int64_t key, int64_t value,
                                Type element, int64_t sequences,
                                int64_t positions, bool prefix) {
  if (heads < 1 || key < 1 || value < 1 || sequences < 1 || positions < 1)
    return emitError() << "all sizes of a state must be at least 1";
  if (!element.isF32() && !element.isBF16())
    return emitError() << "a state holds f32 or bf16, got " << element;
  if (prefix && value >= key)
    return emitError()
           << "values that are a prefix of keys must be shorter, got " << value
           << " of " << key << " elements";
  return success();
}

static int64_t blocksOfContext(StateType type) {
  return llvm::divideCeil(type.getPositions(), StateType::blockPositions);
}

int64_t StateType::getBlocks() const {
  return getSequences() * blocksOfContext(*this);
}

SmallVector<MemRefType> StateType::getPoolTypes() const {
  auto pool = [&](int64_t rows, int64_t columns) {
    return MemRefType::get({getBlocks(), getHeads(), rows, columns},
                           getElement());
  };
  if (getPrefix())
    return {pool(blockPositions, getKey())};
  return {pool(getKey(), blockPositions), pool(blockPositions, getValue())};
}

MemRefType StateType::getTableType() const {
  return MemRefType::get({getSequences(), blocksOfContext(*this)},
                         IntegerType::get(getContext(), 32));
}

/// One state, or the buffers that it is resolved to.
static LogicalResult verifyState(Operation *op, OperandRange state) {
  if (state.size() == 1 && isa<StateType>(state[0].getType()))
    return success();
  if ((state.size() == 2 || state.size() == 3) &&
      llvm::all_of(state.getTypes(),
                   [](Type type) { return isa<MemRefType>(type); }))
    return success();
  return op->emitOpError("expects one !nn.state, or a key pool, a value pool "
                         "and a block table, or a pool of both and the table");
}

LogicalResult
RecurrentType::verify(function_ref<InFlightDiagnostic()> emitError,
                      int64_t rows, int64_t columns, int64_t sequences) {
  if (rows < 1 || columns < 1 || sequences < 1)
    return emitError() << "all sizes of a state must be at least 1";
  return success();
}

MemRefType RecurrentType::getPoolType() const {
  return MemRefType::get({getSequences(), getRows(), getColumns()},
                         Float32Type::get(getContext()));
}

//===----------------------------------------------------------------------===//
// Effects
//===----------------------------------------------------------------------===//

void RmsNormOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void LayerNormOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}
void JoinHeadsOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}
void RopeOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }
void GatherRowsOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}
void TokenSlotsOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
}

// A state is no SSA value that changes: reading and writing it orders the ops,
// on tensors too.
void AttentionOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
  for (OpOperand &state : getStateMutable())
    effects.emplace_back(MemoryEffects::Read::get(), &state);
}

void FirstPlacesOp::getEffects(Effects &effects) {
  getDpsEffects(*this, effects);
  effects.emplace_back(MemoryEffects::Read::get(), &getStateMutable());
}

void SeqRowsOp::getEffects(Effects &effects) { getDpsEffects(*this, effects); }

static void getMixerEffects(DestinationStyleOpInterface op, OpOperand &state,
                            Effects &effects) {
  getDpsEffects(op, effects);
  effects.emplace_back(MemoryEffects::Read::get(), &state);
  effects.emplace_back(MemoryEffects::Write::get(), &state);
}

void ShortConvOp::getEffects(Effects &effects) {
  getMixerEffects(*this, getStateMutable(), effects);
}

void PlacesOp::getEffects(Effects &effects) {
  getMixerEffects(*this, getStateMutable(), effects);
}

void GatedDeltaOp::getEffects(Effects &effects) {
  getMixerEffects(*this, getStateMutable(), effects);
}

void AppendOp::getEffects(Effects &effects) {
  for (OpOperand &operand : (*this)->getOpOperands())
    if (isa<MemRefType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  for (OpOperand &state : getStateMutable())
    effects.emplace_back(MemoryEffects::Write::get(), &state);
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

static int64_t dim(Value value, unsigned i) {
  return cast<ShapedType>(value.getType()).getDimSize(i);
}

static LogicalResult verifyOneOut(DestinationStyleOpInterface op) {
  if (failed(verifyDps(op)))
    return failure();
  if (op.getNumDpsInits() != 1)
    return op->emitOpError("expects 1 output, got ") << op.getNumDpsInits();
  return success();
}

static Type i32(Operation *op) {
  return IntegerType::get(op->getContext(), 32);
}
static Type f32(Operation *op) { return Float32Type::get(op->getContext()); }

/// What norms have in common; the additional operands have an element for each
/// of a chunk.
template <typename Norm>
static LogicalResult
verifyNorm(Norm op, ArrayRef<std::pair<Value, StringRef>> operands) {
  if (failed(verifyOneOut(op)) ||
      failed(verifyShape(op, op.getX(), "x", {kAny, kAny})))
    return failure();
  int64_t width = dim(op.getX(), 1), size = op.getSize();
  if (size < 1 || width % size)
    return op.emitOpError("size must divide the width ")
           << width << ", got " << size;
  for (auto [value, name] : operands)
    if (value && failed(verifyShape(op, value, name, {size}, f32(op))))
      return failure();
  return verifyShape(op, op.getOuts()[0], "output", {kAny, width});
}

LogicalResult RmsNormOp::verify() {
  return verifyNorm(*this, {{getWeight(), "weight"}});
}

LogicalResult LayerNormOp::verify() {
  return verifyNorm(*this, {{getWeight(), "weight"}, {getBias(), "bias"}});
}

LogicalResult RopeOp::verify() {
  if (failed(verifyOneOut(*this)) ||
      failed(verifyShape(*this, getX(), "x", {kAny, kAny})) ||
      failed(verifyShape(*this, getTable(), "table", {kAny, 2, kAny},
                         f32(*this))) ||
      failed(
          verifyShape(*this, getPositions(), "positions", {kAny}, i32(*this))))
    return failure();
  int64_t width = dim(getX(), 1), size = getSize();
  if (size < 1 || width % size)
    return emitOpError("size must divide the width ")
           << width << ", got " << size;
  if (2 * dim(getTable(), 2) > size)
    return emitOpError("turns ")
           << 2 * dim(getTable(), 2) << " elements of heads of only " << size;
  int64_t last = size - 2 * dim(getTable(), 2), offset = getOffset();
  if (offset < 0 || offset > last)
    return emitOpError("offset must be from 0 to ")
           << last << ", where the elements to turn fit, got " << offset;
  return verifyShape(*this, getOuts()[0], "output", {kAny, width});
}

bool JoinHeadsOp::isLent(unsigned input) {
  return dim(getIns()[input], 1) == getSizes()[input];
}

LogicalResult JoinHeadsOp::verify() {
  if (failed(verifyOneOut(*this)))
    return failure();
  size_t inputs = getIns().size();
  int64_t heads = getHeads(), width = 0;
  if (!inputs || getSizes().size() != inputs || getOffsets().size() != inputs ||
      getCounts().size() != inputs)
    return emitOpError("needs a size, an offset and a count for each of its ")
           << inputs << " inputs";
  if (heads < 1)
    return emitOpError("heads must be at least 1, got ") << heads;
  for (auto [i, in] : llvm::enumerate(getIns())) {
    int64_t size = getSizes()[i], offset = getOffsets()[i],
            count = getCounts()[i];
    if (failed(verifyShape(*this, in, "input", {kAny, kAny})))
      return failure();
    if (size < 1 || (dim(in, 1) != size && dim(in, 1) != heads * size))
      return emitOpError("input ")
             << i << " must have 1 or " << heads << " heads of " << size
             << " elements, got a width of " << dim(in, 1);
    int64_t taken = size == 1 ? 1 : count; // A single element is repeated.
    if (offset < 0 || count < 1 || offset > size - taken)
      return emitOpError("takes ") << count << " elements from " << offset
                                   << " on of heads of " << size;
    width += count;
  }
  return verifyShape(*this, getOuts()[0], "output", {kAny, heads * width});
}

LogicalResult GatherRowsOp::verify() {
  if (failed(verifyOneOut(*this)) ||
      failed(verifyShape(*this, getIndices(), "indices", {kAny}, i32(*this))))
    return failure();
  auto table = cast<ShapedType>(getTable().getType());
  if (table.getRank() == 1)
    return success(succeeded(verifyShape(*this, getTable(), "table", {kAny},
                                         i32(*this))) &&
                   succeeded(verifyShape(*this, getOuts()[0], "output", {kAny},
                                         i32(*this))));
  if (failed(verifyShape(*this, getOuts()[0], "output", {kAny, kAny})))
    return failure();
  if (table.getRank() == 2)
    return verifyShape(*this, getTable(), "table",
                       {kAny, dim(getOuts()[0], 1)});
  if (table.getRank() != 3 && table.getRank() != 4)
    return emitOpError("table must be a matrix, packed or not, got ") << table;
  return success();
}

LogicalResult TokenSlotsOp::verify() {
  if (failed(verifyOneOut(*this)) ||
      failed(verifyShape(*this, getSeqOffsets(), "seq_offsets", {kAny},
                         i32(*this))) ||
      failed(verifyShape(*this, getSlots(), "slots", {kAny}, i32(*this))))
    return failure();
  return verifyShape(*this, getOuts()[0], "output", {kAny}, i32(*this));
}

static LogicalResult verifyTokens(Operation *op, Value positions, Value slots) {
  return success(
      succeeded(verifyShape(op, positions, "positions", {kAny}, i32(op))) &&
      succeeded(verifyShape(op, slots, "token_slots", {kAny}, i32(op))));
}

LogicalResult AppendOp::verify() {
  if (failed(verifyState(*this, getState())) ||
      failed(verifyTokens(*this, getPositions(), getTokenSlots())))
    return failure();
  auto state = dyn_cast<StateType>(getState()[0].getType());
  if (!state)
    return success();
  int64_t key = state.getKey() - (state.getPrefix() ? state.getValue() : 0);
  if (failed(verifyShape(*this, getKeys(), "keys",
                         {kAny, state.getHeads() * key})))
    return failure();
  return verifyShape(*this, getValues(), "values",
                     {kAny, state.getHeads() * state.getValue()});
}

static LogicalResult verifyReach(Operation *op, int64_t window, int64_t chunk) {
  if (window < 0)
    return op->emitOpError("window must not be negative, got ") << window;
  if (chunk < 0)
    return op->emitOpError("chunk must not be negative, got ") << chunk;
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyOneOut(*this)) || failed(verifyState(*this, getState())) ||
      failed(verifyTokens(*this, getPositions(), getTokenSlots())))
    return failure();
  int64_t heads = getHeads(), kvHeads = getKvHeads();
  if (heads < 1 || kvHeads < 1 || heads % kvHeads)
    return emitOpError("query heads must be a multiple of the key-value "
                       "heads, got ")
           << heads << " and " << kvHeads;
  if (failed(verifyReach(*this, getWindow(), getChunk())))
    return failure();
  if (getFirst() && (getWindow() || getChunk()))
    return emitOpError("has a window or a chunk of positions, and 'first', "
                       "which says the same for places");
  if (getFirst() &&
      failed(verifyShape(*this, getFirst(), "first", {kAny}, i32(*this))))
    return failure();
  if (double softcap = getSoftcap().convertToDouble();
      !(softcap >= 0) || !std::isfinite(softcap))
    return emitOpError("softcap must be finite and not negative, got ")
           << softcap;
  if (getSinks() &&
      failed(verifyShape(*this, getSinks(), "sinks", {heads}, f32(*this))))
    return failure();
  auto state = dyn_cast<StateType>(getState()[0].getType());
  if (!state)
    return success();
  if (state.getHeads() != kvHeads)
    return emitOpError("has ")
           << kvHeads << " key-value heads, its state " << state.getHeads();
  if (failed(verifyShape(*this, getQ(), "q", {kAny, heads * state.getKey()})))
    return failure();
  return verifyShape(*this, getOuts()[0], "output",
                     {kAny, heads * state.getValue()});
}

//===----------------------------------------------------------------------===//
// Mixers
//===----------------------------------------------------------------------===//

static LogicalResult verifySequences(Operation *op, Value positions,
                                     Value seqOffsets, Value slots) {
  return success(
      succeeded(verifyShape(op, positions, "positions", {kAny}, i32(op))) &&
      succeeded(verifyShape(op, seqOffsets, "seq_offsets", {kAny}, i32(op))) &&
      succeeded(verifyShape(op, slots, "slots", {kAny}, i32(op))));
}

/// A state of so many rows and columns, or its pool.
static LogicalResult verifyRecurrent(Operation *op, Value state, int64_t rows,
                                     int64_t columns) {
  auto type = dyn_cast<RecurrentType>(state.getType());
  if (!type)
    return verifyShape(op, state, "state", {kAny, rows, columns}, f32(op));
  if (type.getRows() == rows && type.getColumns() == columns)
    return success();
  return op->emitOpError("needs a state of ")
         << rows << " rows and " << columns << " columns, got " << type;
}

LogicalResult ShortConvOp::verify() {
  if (failed(verifyOneOut(*this)) ||
      failed(verifyShape(*this, getX(), "x", {kAny, kAny})))
    return failure();
  int64_t channels = dim(getX(), 1);
  if (failed(verifyShape(*this, getWeight(), "weight", {channels, 1, kAny},
                         f32(*this))) ||
      failed(
          verifySequences(*this, getPositions(), getSeqOffsets(), getSlots())))
    return failure();
  int64_t length = dim(getWeight(), 2);
  if (length < 2)
    return emitOpError("needs a static length of at least 2, got ")
           << getWeight().getType();
  if (getBias() &&
      failed(verifyShape(*this, getBias(), "bias", {channels}, f32(*this))))
    return failure();
  if (failed(verifyRecurrent(*this, getState(), length - 1, channels)))
    return failure();
  return verifyShape(*this, getOuts()[0], "output", {kAny, channels});
}

/// How many take part in front of every position, and behind the last one.
static LogicalResult verifyPlacesState(Operation *op, Value state) {
  auto type = dyn_cast<RecurrentType>(state.getType());
  if (!type)
    return verifyShape(op, state, "state", {kAny, 1, kAny}, f32(op));
  if (type.getRows() == 1 && type.getColumns() > 1)
    return success();
  return op->emitOpError("needs a state of 1 row and a column more than there "
                         "are positions, got ")
         << type;
}

LogicalResult PlacesOp::verify() {
  if (failed(verifyOneOut(*this)) ||
      failed(verifyShape(*this, getIds(), "ids", {kAny, 1}, i32(*this))) ||
      failed(
          verifySequences(*this, getPositions(), getSeqOffsets(), getSlots())))
    return failure();
  if (int64_t from = getFrom(); from < 0)
    return emitOpError("from must not be negative, got ") << from;
  if (failed(verifyPlacesState(*this, getState())))
    return failure();
  return verifyShape(*this, getOuts()[0], "output", {kAny}, i32(*this));
}

LogicalResult FirstPlacesOp::verify() {
  if (failed(verifyOneOut(*this)) ||
      failed(verifyTokens(*this, getPositions(), getTokenSlots())) ||
      failed(verifyReach(*this, getWindow(), getChunk())) ||
      failed(verifyPlacesState(*this, getState())))
    return failure();
  if (!getWindow() && !getChunk())
    return emitOpError("needs a window or a chunk");
  return verifyShape(*this, getOuts()[0], "output", {kAny}, i32(*this));
}

LogicalResult SeqRowsOp::verify() {
  if (failed(verifyOneOut(*this)) ||
      failed(verifyTokens(*this, getSlots(), getTokenSlots())))
    return failure();
  return verifyShape(*this, getOuts()[0], "output", {kAny}, i32(*this));
}

int64_t GatedDeltaOp::columns(int64_t key, int64_t value) {
  return key * value + chunk * (key + value + 1);
}

int64_t GatedDeltaOp::getKey() {
  return dim(getK(), 1) / int64_t(getKeyHeads());
}
int64_t GatedDeltaOp::getValue() {
  return dim(getV(), 1) / int64_t(getHeads());
}

LogicalResult GatedDeltaOp::verify() {
  int64_t heads = getHeads(), keyHeads = getKeyHeads();
  if (heads < 1 || keyHeads < 1 || heads % keyHeads)
    return emitOpError("heads must be a multiple of the key heads, got ")
           << heads << " and " << keyHeads;
  if (failed(verifyOneOut(*this)) ||
      failed(verifyShape(*this, getK(), "k", {kAny, kAny})) ||
      failed(verifyShape(*this, getV(), "v", {kAny, kAny})))
    return failure();
  int64_t keys = dim(getK(), 1), values = dim(getV(), 1);
  if (keys < 1 || keys % keyHeads || values < 1 || values % heads)
    return emitOpError("k and v must have a static width for each of ")
           << keyHeads << " and " << heads << " heads, got " << getK().getType()
           << " and " << getV().getType();
  if (failed(verifyShape(*this, getQ(), "q", {kAny, keys})) ||
      failed(
          verifyShape(*this, getDecay(), "decay", {kAny, heads}, f32(*this))) ||
      failed(
          verifyShape(*this, getBeta(), "beta", {kAny, heads}, f32(*this))) ||
      failed(verifySequences(*this, getPositions(), getSeqOffsets(),
                             getSlots())) ||
      failed(verifyRecurrent(*this, getState(), heads,
                             columns(getKey(), getValue()))))
    return failure();
  return verifyShape(*this, getOuts()[0], "output", {kAny, values});
}

#define GET_OP_CLASSES
#include "dialects/Nn/NnOps.cpp.inc"
