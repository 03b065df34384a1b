//===- MoeVerify.cpp - What moe ops require of their operands -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static constexpr int64_t kAny = ShapedType::kDynamic;

LogicalResult moec::verifyDps(DestinationStyleOpInterface op) {
  bool anyTensor = false, anyMemref = false;
  for (Value operand : op->getOperands()) {
    anyTensor |= isa<TensorType>(operand.getType());
    anyMemref |= isa<MemRefType>(operand.getType());
  }
  if (anyTensor && anyMemref)
    return op->emitOpError("mixes tensor and memref operands");
  auto inits = op.getDpsInits();
  if (inits.empty())
    return op->emitOpError("expects at least one output");
  size_t expected = anyMemref ? 0 : inits.size();
  if (op->getNumResults() != expected)
    return op->emitOpError("expects ")
           << expected << " results, one for each output "
           << "tensor, got " << op->getNumResults();
  for (auto [result, init] : llvm::zip(op->getResults(), inits))
    if (result.getType() != init.getType())
      return op->emitOpError("result type ")
             << result.getType() << " differs from its output's, "
             << init.getType();
  return success();
}

LogicalResult moec::verifyShape(Operation *op, Value value, StringRef what,
                                ArrayRef<int64_t> shape, Type element) {
  auto type = cast<ShapedType>(value.getType());
  if (type.getRank() != static_cast<int64_t>(shape.size()))
    return op->emitOpError()
           << what << " must have rank " << shape.size() << ", got " << type;
  for (auto [i, pair] : llvm::enumerate(llvm::zip(type.getShape(), shape))) {
    auto [actual, wanted] = pair;
    if (!ShapedType::isDynamic(wanted) && !ShapedType::isDynamic(actual) &&
        actual != wanted)
      return op->emitOpError() << what << " must have size " << wanted
                               << " in dimension " << i << ", got " << type;
  }
  if (element && type.getElementType() != element)
    return op->emitOpError() << what << " must have elements of type "
                             << element << ", got " << type;
  return success();
}

static int64_t dim(Value value, unsigned i) {
  return cast<ShapedType>(value.getType()).getDimSize(i);
}

LogicalResult moec::verifyMatrix(Operation *op, StringRef what, Value value,
                                 ArrayRef<int64_t> shape, int64_t n,
                                 int64_t k) {
  if (ShapedType::isDynamic(n) || ShapedType::isDynamic(k))
    return op->emitOpError("expects static numbers of columns");
  auto bank = dyn_cast<BankType>(value.getType());
  Type element =
      bank ? bank.getMember().getElementType() : getElementTypeOrSelf(value);
  auto plain = RankedTensorType::get({n, k}, element);
  auto packed = cast<RankedTensorType>(PackOp::packedType(plain));
  if (shape != plain.getShape() && shape != packed.getShape())
    return op->emitOpError()
           << what << " must be [" << n << ", " << k
           << "] or the packed form of that, got " << value.getType();
  return success();
}

LogicalResult moec::verifyOuts(Operation *op, OperandRange outs,
                               size_t number) {
  if (outs.size() != number)
    return op->emitOpError("expects ")
           << number << " outputs, got " << outs.size();
  return success();
}

LogicalResult moec::verifyCounts(Operation *op, Value counts, int64_t rows,
                                 int64_t experts) {
  if (rows < 1)
    return op->emitOpError("count_rows must be at least 1, got ") << rows;
  if (failed(verifyShape(op, counts, "counts", {kAny, kAny},
                         IntegerType::get(op->getContext(), 32))))
    return failure();
  int64_t blocks = dim(counts, 0), width = dim(counts, 1);
  // An alias leaves the last experts of a choice without any.
  if (ShapedType::isDynamic(width) || width < experts)
    return op->emitOpError("counts must have a column for each of ")
           << experts << " experts, got " << counts.getType();
  if (ShapedType::isDynamic(blocks) || blocks < 1)
    return op->emitOpError("counts must have a static number of blocks, got ")
           << counts.getType();
  return success();
}

LogicalResult PlanOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 5)))
    return failure();
  Type i32 = IntegerType::get(getContext(), 32);
  if (getFirst() < 0 || getOthers() < 0)
    return emitOpError("first and others must not be negative");
  if (getOpen() && dim(getOuts()[0], 0) < 2)
    return emitOpError("open needs an expert for the ids behind the last one");
  if (failed(verifyShape(*this, getIds(), "ids", {kAny, kAny}, i32)))
    return failure();
  int64_t k = dim(getIds(), 1);
  if (failed(verifyShape(*this, getOuts()[0], "offsets", {kAny}, i32)))
    return failure();
  int64_t end = dim(getOuts()[0], 0);
  if (ShapedType::isDynamic(end))
    return emitOpError("offsets must have a static size");
  int64_t ids = end - 1 + getFirst() + getOthers();
  if (bool(getCounts()) != bool(getCountRows()))
    return emitOpError("counts and count_rows need each other");
  if (Value counts = getCounts())
    if (failed(verifyCounts(*this, counts, *getCountRows(), ids)))
      return failure();
  if (getGroups() < 1 || ids % getGroups() || k % getGroups())
    return emitOpError("groups must divide the ")
           << ids << " ids and the " << k << " choices of a token, got "
           << getGroups();
  if (getGroups() > 1 && (getCounts() || getFirst() || getOthers()))
    return emitOpError("groups need a plan of all ids, without counts");
  if (getOpen() && (getCounts() || getGroups() > 1))
    return emitOpError("open does not go with counts or groups");
  return success(
      succeeded(verifyShape(*this, getOuts()[1], "active", {end}, i32)) &&
      succeeded(verifyShape(*this, getOuts()[2], "row_token", {kAny}, i32)) &&
      succeeded(
          verifyShape(*this, getOuts()[3], "token_row", {kAny, k}, i32)) &&
      succeeded(
          verifyShape(*this, getOuts()[4], "token_slot", {kAny, k}, i32)));
}

/// Checks a bank of vectors, one for each expert that `offsets` counts, or what
/// it is in memory.
static LogicalResult verifyVectors(Operation *op, StringRef what, Value bank,
                                   int64_t experts, int64_t width) {
  auto type = dyn_cast<BankType>(bank.getType());
  auto memref = dyn_cast<MemRefType>(bank.getType());
  bool fits =
      type ? type.getExperts() == experts &&
                 type.getMember().getShape() == ArrayRef(width)
           : memref && memref.getShape() == ArrayRef<int64_t>({experts, width});
  if (!fits)
    return op->emitOpError()
           << what << " must be a bank of " << experts << " vectors of "
           << width << ", got " << bank.getType();
  return success();
}

LogicalResult SpreadOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)))
    return failure();
  Type i32 = IntegerType::get(getContext(), 32);
  if (failed(verifyShape(*this, getOffsets(), "offsets", {kAny}, i32)) ||
      failed(verifyShape(*this, getOuts()[0], "rows", {kAny, kAny})))
    return failure();
  return verifyVectors(*this, "bank", getBank(), dim(getOffsets(), 0) - 1,
                       dim(getOuts()[0], 1));
}

LogicalResult RowWeightsOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)))
    return failure();
  Type i32 = IntegerType::get(getContext(), 32);
  Type f32 = Float32Type::get(getContext());
  if (failed(verifyShape(*this, getWeights(), "weights", {kAny, kAny}, f32)) ||
      failed(verifyShape(*this, getOuts()[0], "rows", {kAny, 1}, f32)))
    return failure();
  int64_t k = dim(getWeights(), 1);
  return success(succeeded(verifyShape(*this, getTokenRow(), "token_row",
                                       {kAny, k}, i32)) &&
                 succeeded(verifyShape(*this, getTokenSlot(), "token_slot",
                                       {kAny, k}, i32)));
}

LogicalResult moec::verifyCombine(Operation *op, const CombineParts &parts) {
  Type i32 = IntegerType::get(op->getContext(), 32);
  Type f32 = Float32Type::get(op->getContext());
  if (failed(verifyShape(op, parts.rows, "rows", {kAny, kAny})) ||
      failed(verifyShape(op, parts.weights, "weights", {kAny, kAny}, f32)))
    return failure();
  int64_t k = dim(parts.weights, 1), width = dim(parts.rows, 1);
  if (failed(verifyShape(op, parts.tokenRow, "token_row", {kAny, k}, i32)) ||
      failed(verifyShape(op, parts.tokenSlot, "token_slot", {kAny, k}, i32)))
    return failure();
  for (Value addend : parts.addends)
    if (failed(verifyShape(op, addend, "addend", {kAny, width})))
      return failure();
  if (bool(parts.ids) != !parts.locals.empty() ||
      parts.ranges.size() != 2 * parts.locals.size())
    return op->emitOpError("locals need ids and two bounds of ids each, got ")
           << parts.locals.size() << " locals and " << parts.ranges.size()
           << " bounds";
  if (parts.ids && failed(verifyShape(op, parts.ids, "ids", {kAny, k}, i32)))
    return failure();
  for (Value local : parts.locals)
    if (failed(verifyShape(op, local, "local", {kAny, width})))
      return failure();
  return verifyShape(op, parts.y, "y", {kAny, width});
}

LogicalResult CombineOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)))
    return failure();
  return verifyCombine(*this, getCombined());
}

LogicalResult CombineGateOp::verify() {
  if (failed(verifyDps(*this)) ||
      failed(verifyOuts(*this, getOuts(),
                        1 + numGateOuts(getRouting(), getCountRows()))) ||
      failed(verifyCombine(*this, getCombined())))
    return failure();
  return verifyGate(*this, getProduct(), getRouting(), getInputs(),
                    getOuts().drop_front(), getCountRows());
}

/// Checks the arguments and the result of a region that stands for a
/// computation on rows.
static LogicalResult verifyRowRegion(Operation *op, Block &body, Value x,
                                     ArrayRef<Type> params, Value out) {
  if (body.getNumArguments() != params.size() + 1)
    return op->emitOpError("region expects ")
           << params.size() + 1 << " arguments (rows, then one for each "
           << "weight), got " << body.getNumArguments();
  auto rows = dyn_cast<RankedTensorType>(body.getArgument(0).getType());
  auto xType = cast<ShapedType>(x.getType());
  if (!rows || rows.getRank() != 2 ||
      rows.getElementType() != xType.getElementType() ||
      rows.getDimSize(1) != xType.getDimSize(1))
    return op->emitOpError("region argument 0 must hold rows of x, got ")
           << body.getArgument(0).getType();
  for (auto [i, type] : llvm::enumerate(params))
    if (body.getArgument(i + 1).getType() != type)
      return op->emitOpError("region argument ")
             << i + 1 << " must have type " << type << ", got "
             << body.getArgument(i + 1).getType();
  auto yield = cast<YieldOp>(body.getTerminator());
  auto yielded =
      yield.getValues().size() == 1
          ? dyn_cast<RankedTensorType>(yield.getValues().front().getType())
          : RankedTensorType();
  auto outType = cast<ShapedType>(out.getType());
  if (!yielded || yielded.getRank() != 2 ||
      yielded.getDimSize(1) != outType.getDimSize(1) ||
      yielded.getElementType() != outType.getElementType())
    return op->emitOpError("region must yield rows of the output type ")
           << outType;
  return success();
}

/// Checks the regions of experts against the kinds and banks; what is found
/// wrong would make rangeList() meaningless.
static LogicalResult verifyRanges(ExpertsOp op) {
  SmallVector<std::pair<ExpertKind, int64_t>> kinds;
  if (auto ranges = op.getRanges())
    for (ExpertRangeAttr range : ranges->getList())
      kinds.push_back({range.getKind(), range.getCount()});
  else
    kinds.push_back({ExpertKind::Ffn, 0});
  auto hasRegion = [](ExpertKind kind) {
    return kind == ExpertKind::Ffn || kind == ExpertKind::Local;
  };
  size_t regions =
      llvm::count_if(kinds, [&](auto &kind) { return hasRegion(kind.first); });
  if (op.getBodies().size() != regions)
    return op.emitOpError("expects ")
           << regions << " regions, one for each range of kind ffn or local, "
           << "got " << op.getBodies().size();
  size_t banks = 0;
  for (Region &body : op.getBodies()) {
    if (body.front().getNumArguments() == 0)
      return op.emitOpError("region expects arguments: rows, then one for each "
                            "weight");
    banks += body.front().getNumArguments() - 1;
  }
  if (banks != op.getBanks().size())
    return op.emitOpError("the regions have ")
           << banks << " arguments behind their rows, for "
           << op.getBanks().size() << " banks";
  size_t body = 0, next = 0;
  for (auto [kind, count] : kinds) {
    if (!hasRegion(kind))
      continue;
    size_t taken = op.getBodies()[body++].front().getNumArguments() - 1;
    OperandRange own = op.getBanks().slice(next, taken);
    next += taken;
    if (kind == ExpertKind::Ffn && own.empty())
      return op.emitOpError("expects at least one bank for a range of ffn");
    for (Value bank : own) {
      auto type = dyn_cast<BankType>(bank.getType());
      if (bool(type) != (kind == ExpertKind::Ffn))
        return op.emitOpError("a range of ffn takes banks, one of local takes "
                              "tensors, got ")
               << bank.getType() << " for " << stringifyExpertKind(kind);
      int64_t expected =
          count ? count : cast<BankType>(own.front().getType()).getExperts();
      if (type && type.getExperts() != expected)
        return op.emitOpError("banks must have the same number of experts, "
                              "got ")
               << expected << " and " << type.getExperts();
    }
  }
  return success();
}

LogicalResult ExpertsOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)) ||
      failed(verifyRanges(*this)))
    return failure();
  int64_t width = dim(getX(), 1), outWidth = dim(getOuts()[0], 1);
  for (const Range &range : rangeList()) {
    if (range.kind == ExpertKind::Identity && width != outWidth)
      return emitOpError("an identity expert makes ")
             << width << " columns of an output of " << outWidth;
    // What a local expert makes of 0 may be anything, so its weight cannot
    // stand for not being chosen.
    if (range.kind == ExpertKind::Local && getWeightOnInput())
      return emitOpError("local experts are weighed on their output, not with "
                         "weight_on_input");
    if (!range.body)
      continue;
    SmallVector<Type> members;
    for (Value bank : range.banks) {
      auto type = dyn_cast<BankType>(bank.getType());
      members.push_back(type ? type.getMember() : bank.getType());
    }
    if (failed(
            verifyRowRegion(*this, *range.body, getX(), members, getOuts()[0])))
      return failure();
  }
  return success();
}

LogicalResult SharedOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)))
    return failure();
  return verifyRowRegion(*this, getBody().front(), getX(),
                         llvm::to_vector(getParams().getTypes()), getOuts()[0]);
}

/// The shape of the matrix of one group.
static ArrayRef<int64_t> groupShape(Value bank, bool grouped) {
  if (auto type = dyn_cast<BankType>(bank.getType()))
    return type.getMember().getShape();
  auto shape = cast<ShapedType>(bank.getType()).getShape();
  return grouped && !shape.empty() ? shape.drop_front() : shape;
}

/// Groups of columns, which no row tells apart.
static LogicalResult verifySideBySide(Operation *op,
                                      const ProductParts &parts) {
  if (parts.offsets || !parts.extras.empty() || !parts.groupExtras.empty())
    return op->emitOpError("has neither offsets nor extras where its groups "
                           "are side by side");
  for (Value bank : parts.banks)
    if (!isa<BankType, MemRefType>(bank.getType()))
      return op->emitOpError("needs a bank where its groups are side by side, "
                             "got ")
             << bank.getType();
  int64_t groups = parts.groups();
  for (Value rows : {parts.x, parts.out})
    if (int64_t width = cast<ShapedType>(rows.getType()).getDimSize(1);
        width % groups)
      return op->emitOpError("rows of ")
             << width << " columns are not " << groups << " parts side by side";
  return success();
}

LogicalResult moec::verifyEpilogue(Operation *op, const ProductParts &parts) {
  if (parts.epilogue->empty())
    return parts.extras.empty() ? success()
                                : op->emitOpError("extras need an epilogue");
  size_t banks = parts.banks.size();
  for (Value extra : parts.extras) {
    auto type = cast<ShapedType>(extra.getType());
    bool one = type.getRank() == 1 && type.getDimSize(0) == 1;
    bool column = type.getRank() == 1 && type.getDimSize(0) == parts.n();
    bool row = type.getRank() == 2 && type.getDimSize(1) == 1;
    bool full = type.getRank() == 2 && type.getDimSize(1) == parts.n();
    if (!one && !column && !row && !full)
      return op->emitOpError("an extra must be [R, N], [R, 1], [N] or [1] "
                             "with N = ")
             << parts.n() << ", got " << type;
  }
  Block &body = parts.epilogue->front();
  if (!parts.groupExtras.empty() && !parts.offsets)
    return op->emitOpError("group extras need offsets");
  for (Value extra : parts.groupExtras)
    if (failed(
            verifyVectors(op, "group extra", extra, parts.groups(), parts.n())))
      return failure();
  SmallVector<Type> elements;
  for (Value extra : parts.extras)
    elements.push_back(getElementTypeOrSelf(extra));
  for (Value extra : parts.groupExtras) {
    auto bank = dyn_cast<BankType>(extra.getType());
    elements.push_back(bank ? bank.getMember().getElementType()
                            : getElementTypeOrSelf(extra));
  }
  if (body.getNumArguments() != banks + elements.size())
    return op->emitOpError("epilogue expects ")
           << banks + elements.size() << " arguments, got "
           << body.getNumArguments();
  for (size_t i = 0; i < banks; ++i)
    if (!body.getArgument(i).getType().isF32())
      return op->emitOpError("epilogue argument ") << i << " must be f32";
  for (auto [arg, element] :
       llvm::zip(body.getArguments().drop_front(banks), elements))
    if (arg.getType() != element)
      return op->emitOpError(
                 "epilogue argument must have the element type of its "
                 "extra, got ")
             << arg.getType();
  auto yield = cast<YieldOp>(body.getTerminator());
  Type element = cast<ShapedType>(parts.out.getType()).getElementType();
  if (yield.getValues().size() != 1 ||
      yield.getValues().front().getType() != element)
    return op->emitOpError("epilogue must yield one ") << element;
  for (Operation &inner : body.without_terminator())
    if (!OpTrait::hasElementwiseMappableTraits(&inner) &&
        !isa<arith::ConstantOp>(inner))
      return op->emitOpError("epilogue holds '")
             << inner.getName() << "', which is not elementwise";
  return success();
}

/// Checks the banks, the rows, the extras and the epilogue of a product.
static LogicalResult verifyProduct(Operation *op, const ProductParts &parts) {
  size_t banks = parts.banks.size();
  if (banks < 1 || banks > 2)
    return op->emitOpError("expects one or two banks, got ") << banks;
  if (banks == 2 && parts.banks[0].getType() != parts.banks[1].getType())
    return op->emitOpError("banks must have the same type");
  if (isa<BankType>(parts.banks[0].getType()) && !parts.isGrouped())
    return op->emitOpError("a bank of experts needs offsets");
  if (failed(verifyShape(op, parts.x, "x", {kAny, kAny})) ||
      failed(verifyShape(op, parts.out, "output", {kAny, kAny})))
    return failure();
  if (parts.sideBySide && failed(verifySideBySide(op, parts)))
    return failure();
  for (Value bank : parts.banks)
    if (failed(verifyMatrix(op, "bank", bank,
                            groupShape(bank, parts.isGrouped()), parts.n(),
                            parts.k())))
      return failure();
  return verifyEpilogue(op, parts);
}
LogicalResult GroupedMatmulOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 1)))
    return failure();
  if (bool(getOffsets()) != bool(getActive()))
    return emitOpError("offsets and active need each other");
  if (getGather() && !getOffsets())
    return emitOpError("gather needs offsets");
  return verifyProduct(*this, getProduct());
}

LogicalResult CombineMatmulOp::verify() {
  if (failed(verifyDps(*this)) || failed(verifyOuts(*this, getOuts(), 2)) ||
      failed(verifyCombine(*this, getCombined())))
    return failure();
  return verifyProduct(*this, getProduct());
}
