//===- Recipes.cpp - Weights from tensors of a checkpoint -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A recipe loads what the checkpoint holds and makes of it what the model
// computes with. A weight is called like its tensor.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Recipes.h"
#include "lib/Weights/Recipes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace moec;
using namespace moec::importer;

static constexpr llvm::StringLiteral kExpert = "{expert}";

Recipes::Recipes(moe::RecipesOp op, const weights::Checkpoint &checkpoint,
                 Diagnostics &diagnostics)
    : builder(op.getContext()), loc(op.getLoc()), checkpoint(checkpoint),
      diagnostics(diagnostics), used(checkpoint.tensors().size()) {
  builder.setInsertionPointToEnd(&op.getBody().front());
}

static std::string replaceExpert(const std::string &pattern,
                                 const std::string &by) {
  std::string name = pattern;
  size_t at = name.find(kExpert);
  if (at != std::string::npos)
    name.replace(at, kExpert.size(), by);
  return name;
}

/// The name of a weight: its tensor's, without the number of the expert, and
/// which part of it.
std::string Recipes::nameOf(const WeightRequest &request) {
  const StoredTensor &tensor = request.tensor;
  std::string name = tensor.name;
  size_t at = name.find(kExpert);
  if (at != std::string::npos) {
    bool isPart = name.compare(at + kExpert.size(), 1, ".") == 0;
    name.erase(at, kExpert.size() + isPart);
  }
  if (request.firstExpert)
    name += ".from" + std::to_string(request.firstExpert);
  if (tensor.isSliced())
    name += ".rows" + std::to_string(tensor.begin) + "_" +
            std::to_string(request.groupSize()) + "_" +
            std::to_string(request.group());
  return name;
}

std::string WeightRequest::whyNotShape() const {
  int64_t rows = storedRows(), every = group(), size = groupSize();
  std::string what = "rows " + std::to_string(tensor.begin) + " to " +
                     std::to_string(tensor.begin + size) + " of every " +
                     std::to_string(every) + " of " + std::to_string(rows);
  if (tensor.begin < 0 || size < 1 || every < 1 ||
      size > every - tensor.begin || rows % every)
    return "there are no " + what;
  if (rows / every * size != shape.front())
    return what + " are not the " + std::to_string(shape.front()) +
           " that are needed";
  if (tensor.transposed && shape.size() != 2)
    return "only a matrix can be transposed";
  return "";
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// The shape in which one member of a weight is stored.
static SmallVector<int64_t> storedShape(const WeightRequest &request) {
  SmallVector<int64_t> shape = request.shape;
  if (!shape.empty())
    shape.front() = request.storedRows();
  if (request.tensor.transposed)
    std::swap(shape[0], shape[1]);
  return shape;
}

/// The shape of the tensor that holds members of this shape.
static SmallVector<int64_t> tensorShape(const WeightRequest &request,
                                        SmallVector<int64_t> member) {
  if (request.tensor.stacked == StoredTensor::Stacked::Experts)
    member.insert(member.begin(), request.experts);
  else if (request.tensor.stacked == StoredTensor::Stacked::Rows)
    member.front() *= request.experts;
  return member;
}

static Type elementType(weights::DType type, Builder &builder) {
  switch (type) {
  case weights::DType::F32:
    return builder.getF32Type();
  case weights::DType::F16:
    return builder.getF16Type();
  case weights::DType::BF16:
    return builder.getBF16Type();
  case weights::DType::I32:
    return builder.getI32Type();
  case weights::DType::I64:
    return builder.getI64Type();
  default:
    return {};
  }
}

/// The tensor of this name and shape; reports when there is none.
const weights::Tensor *Recipes::findTensor(const std::string &name,
                                           ArrayRef<int64_t> shape) {
  const weights::Tensor *tensor = checkpoint.find(name);
  std::string expected = "expected shape " + shapeText(shape);
  if (!tensor) {
    diagnostics.error(code::missingTensor, checkpoint.path() + ": no tensor " +
                                               weights::inQuotes(name) + "; " +
                                               expected);
    return nullptr;
  }
  used[tensor - checkpoint.tensors().data()] = true;
  if (weights::hasShape(*tensor, shape))
    return tensor;
  diagnostics.error(code::wrongShape, checkpoint.path() + ": tensor " +
                                          weights::inQuotes(name) + ": " +
                                          expected + ", found " +
                                          shapeText(tensor->shape()));
  return nullptr;
}

/// How many numbers of MXFP4 share a scale.
static constexpr int64_t kMxBlock = 32;

/// Finds the scales of a quantized tensor.
bool Recipes::checkScales(const std::string &name, int64_t expert,
                          const WeightRequest &request, Source &source) {
  std::string what = checkpoint.path() + ": tensor " + weights::inQuotes(name);
  bool isMx = isa<Float4E2M1FNType>(source.element);
  if (isMx)
    source.block = {1, kMxBlock};
  else
    source.block = scaleBlock;
  SmallVector<int64_t> shape = storedShape(request);
  if (source.block.size() != 2 || shape.size() != 2) {
    diagnostics.error(code::unsupportedElements,
                      what + " has elements of type F8_E4M3, which need a "
                             "matrix and quantization_config.weight_block_size "
                             "in the configuration");
    return false;
  }
  // Without a name of their own, scales are called after their tensor.
  source.scales = request.tensor.scales.empty()
                      ? request.tensor.name + "_scale_inv"
                      : request.tensor.scales;
  for (int i = 0; i < 2; ++i)
    shape[i] = llvm::divideCeilSigned(shape[i], source.block[i]);
  std::string scales = replaceExpert(source.scales, std::to_string(expert));
  const weights::Tensor *tensor =
      findTensor(scales, tensorShape(request, shape));
  if (!tensor)
    return false;
  bool isExponent = tensor->dtype() == weights::DType::U8 ||
                    tensor->dtype() == weights::DType::F8_E8M0;
  source.scale = isMx && isExponent
                     ? Type(Float8E8M0FNUType::get(builder.getContext()))
                     : elementType(tensor->dtype(), builder);
  if (isa_and_nonnull<FloatType>(source.scale) && isMx == isExponent)
    return true;
  diagnostics.error(code::wrongElements,
                    checkpoint.path() + ": tensor " +
                        weights::inQuotes(scales) + " has elements of type " +
                        std::string(weights::name(tensor->dtype())) +
                        "; expected " + (isMx ? "U8" : "F32, F16 or BF16") +
                        " for the scales of " + weights::inQuotes(name));
  return false;
}

std::optional<Recipes::Source>
Recipes::checkTensor(const std::string &name, int64_t expert,
                     const WeightRequest &request) {
  SmallVector<int64_t> member = storedShape(request);
  // MXFP4 has no element type of its own in files: bytes of two numbers each,
  // 16 of which make a block.
  bool isMx = !request.tensor.scales.empty() && scaleBlock.empty();
  if (isMx && member.back() % kMxBlock)
    return diagnostics.error(code::wrongShape,
                             checkpoint.path() + ": tensor " +
                                 weights::inQuotes(name) + " of MXFP4 has " +
                                 std::to_string(member.back()) +
                                 " columns, which must be a multiple of " +
                                 std::to_string(kMxBlock));
  SmallVector<int64_t> held = member;
  if (isMx) {
    held.back() /= kMxBlock;
    held.push_back(kMxBlock / 2);
  }
  const weights::Tensor *tensor = findTensor(name, tensorShape(request, held));
  if (!tensor)
    return std::nullopt;
  Source source;
  MLIRContext *context = builder.getContext();
  if (isMx && tensor->dtype() == weights::DType::U8)
    source.element = Float4E2M1FNType::get(context);
  else if (!isMx && tensor->dtype() == weights::DType::F8_E4M3 &&
           !request.element.isInteger())
    source.element = Float8E4M3FNType::get(context);
  if (source.element) {
    if (!checkScales(name, expert, request, source))
      return std::nullopt;
    return source;
  }
  source.element = elementType(tensor->dtype(), builder);
  bool wantsIntegers = request.element.isInteger();
  if (!isMx && source.element && source.element.isInteger() == wantsIntegers)
    return source;
  // Integers are nobody's weights; everything else is a quantized format.
  std::string what = checkpoint.path() + ": tensor " + weights::inQuotes(name);
  std::string type(weights::name(tensor->dtype()));
  bool quantized =
      !isMx && !wantsIntegers && type.starts_with("F") && type != "F64";
  return diagnostics.error(
      quantized ? code::unsupportedElements : code::wrongElements,
      what + " has elements of type " + type +
          (quantized ? ", which is not supported" : "") + "; expected " +
          (wantsIntegers ? "I32 or I64"
           : isMx        ? "U8"
                         : "F32, F16, BF16 or F8_E4M3"));
}

std::optional<Recipes::Source>
Recipes::checkTensors(const WeightRequest &request) {
  bool isOne =
      !request.experts || request.tensor.stacked != StoredTensor::Stacked::No;
  if (isOne)
    return checkTensor(request.tensor.name, 0, request);
  std::optional<Source> common;
  for (int64_t i = 0; i < request.experts; ++i) {
    int64_t expert = request.firstExpert + i;
    std::string name =
        replaceExpert(request.tensor.name, std::to_string(expert));
    auto source = checkTensor(name, expert, request);
    if (!source)
      return std::nullopt;
    if (common &&
        (common->element != source->element || common->scale != source->scale))
      return diagnostics.error(
          code::wrongElements,
          checkpoint.path() + ": tensor " + weights::inQuotes(name) +
              " has other elements than the same tensor of expert " +
              std::to_string(request.firstExpert));
    common = source;
  }
  return common;
}

//===----------------------------------------------------------------------===//
// Recipes
//===----------------------------------------------------------------------===//

int64_t moec::importer::numElements(Type type) {
  if (auto bank = dyn_cast<moe::BankType>(type))
    return bank.getExperts() * bank.getMember().getNumElements();
  return cast<RankedTensorType>(type).getNumElements();
}

/// A tensor, or a bank of them.
static Type valueType(const WeightRequest &request, ArrayRef<int64_t> shape,
                      Type element) {
  auto tensor = RankedTensorType::get(shape, element);
  if (!request.experts)
    return tensor;
  return moe::BankType::get(element.getContext(), request.experts, tensor);
}

Value Recipes::load(const WeightRequest &request, const std::string &name,
                    ArrayRef<int64_t> shape, Type element) {
  Type type = valueType(request, shape, element);
  if (!request.experts)
    return moe::LoadOp::create(builder, loc, type, name);
  return moe::LoadBankOp::create(builder, loc, type, name, request.firstExpert,
                                 request.tensor.stacked !=
                                     StoredTensor::Stacked::No);
}

/// The recipe: what is stored becomes numbers, then the matrix, then the rows,
/// then the elements that are wanted.
Value Recipes::make(const WeightRequest &request, const Source &source) {
  SmallVector<int64_t> shape = storedShape(request);
  Type element = source.element;
  Value value = load(request, request.tensor.name, shape, element);
  if (source.scale) {
    SmallVector<int64_t> blocks(shape);
    for (int i = 0; i < 2; ++i)
      blocks[i] = llvm::divideCeilSigned(shape[i], source.block[i]);
    Value scales = load(request, source.scales, blocks, source.scale);
    element = request.element;
    value = moe::DequantizeOp::create(builder, loc,
                                      valueType(request, shape, element), value,
                                      scales, source.block);
  }
  if (request.tensor.transposed) {
    std::swap(shape[0], shape[1]);
    value = moe::TransposeOp::create(builder, loc,
                                     valueType(request, shape, element), value);
  }
  if (request.tensor.isSliced())
    value = moe::SliceOp::create(
        builder, loc, valueType(request, request.shape, element), value,
        request.group(), request.tensor.begin, request.groupSize());
  if (element != request.element)
    value = moe::CastOp::create(
        builder, loc, valueType(request, request.shape, request.element),
        value);
  return value;
}

void Recipes::account(const WeightRef &weight, const std::string &role) {
  int64_t elements = numElements(weight.type);
  auto bank = dyn_cast<moe::BankType>(weight.type);
  Type element = bank ? bank.getMember().getElementType()
                      : cast<RankedTensorType>(weight.type).getElementType();
  roles[role].bytes += elements * element.getIntOrFloatBitWidth() / 8;
  roles[role].parameters += elements;
}

std::optional<WeightRef> Recipes::find(const std::string &name,
                                       Type type) const {
  auto it = defined.find(name);
  if (it == defined.end() || it->second != type)
    return std::nullopt;
  return WeightRef{name, type};
}

/// A matrix for each head.
static moe::BankType bankOf(int64_t heads, int64_t rows, int64_t columns,
                            Type element) {
  return moe::BankType::get(element.getContext(), heads,
                            RankedTensorType::get({rows, columns}, element));
}

Value Recipes::makePart(Value matrix, const HeadRows &part, Type result) {
  auto type = cast<RankedTensorType>(matrix.getType());
  int64_t rows = type.getDimSize(0) / part.heads, columns = type.getDimSize(1);
  auto bank = [&](int64_t size) {
    return bankOf(part.heads, size, columns, type.getElementType());
  };
  Value heads = moe::SplitOp::create(builder, loc, bank(rows), matrix);
  Value kept = moe::SliceOp::create(builder, loc, bank(part.count), heads, rows,
                                    part.first, part.count);
  return part.transposed
             ? moe::TransposeOp::create(builder, loc, result, kept).getResult()
             : kept;
}

std::optional<WeightRef> Recipes::define(const WeightRequest &request) {
  return define(
      request, nullptr,
      {nameOf(request), valueType(request, request.shape, request.element)});
}

std::optional<WeightRef> Recipes::define(const WeightRequest &request,
                                         const HeadRows &part) {
  std::string name = nameOf(request) + ".heads" + std::to_string(part.first) +
                     "_" + std::to_string(part.count);
  int64_t rows = part.count, columns = request.shape[1];
  if (part.transposed)
    std::swap(rows, columns);
  return define(request, &part,
                {name, bankOf(part.heads, rows, columns, request.element)});
}

std::optional<WeightRef> Recipes::define(const WeightRequest &request,
                                         const HeadRows *part,
                                         WeightRef weight) {
  // Several parts of one weight are not several errors.
  if (refused.count(nameOf(request)))
    return weight;
  auto source = checkTensors(request);
  if (!source) {
    refused.insert(nameOf(request));
    if (++tensorErrors == maxTensorErrors)
      return std::nullopt;
    return weight;
  }
  if (find(weight.name, weight.type))
    return weight;
  // One tensor may serve with two element types.
  if (defined.count(weight.name)) {
    llvm::raw_string_ostream(weight.name) << '.' << request.element;
    if (find(weight.name, weight.type))
      return weight;
  }
  Value value = make(request, *source);
  if (part)
    value = makePart(value, *part, weight.type);
  moe::DefineOp::create(builder, loc, weight.name, value, request.role);
  defined[weight.name] = weight.type;
  account(weight, request.role);
  return weight;
}

WeightRef Recipes::ropeTable(const RopeFrequencies &frequencies,
                             int64_t positions) {
  for (const auto &[known, weight] : tables)
    if (known.frequencies == frequencies.frequencies &&
        known.attentionFactor == frequencies.attentionFactor)
      return weight;
  auto half = static_cast<int64_t>(frequencies.frequencies.size());
  auto type = RankedTensorType::get({positions, 2, half}, builder.getF32Type());
  WeightRef weight{"rope", type};
  if (!tables.empty())
    weight.name += "." + std::to_string(tables.size());
  Value table = moe::RopeTableOp::create(
      builder, loc, type, builder.getDenseF64ArrayAttr(frequencies.frequencies),
      builder.getF64FloatAttr(frequencies.attentionFactor));
  moe::DefineOp::create(builder, loc, weight.name, table, "rope");
  tables.emplace_back(frequencies, weight);
  roles["rope"].bytes += numElements(type) * 4;
  return weight;
}
