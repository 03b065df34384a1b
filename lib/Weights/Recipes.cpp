//===- Recipes.cpp - Makes the weights that recipes describe --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Turns the operations of a moe.recipes region into values that can be read by
// rows, each checked against the checkpoint first.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Recipes.h"

#include "lib/Weights/SafetensorsLayout.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

namespace moec::weights {

namespace {

Status invalid(std::string message) {
  return Status::failure(ErrorCode::InvalidArgument, std::move(message));
}

std::string textOf(mlir::Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

std::string textOf(const Tensor &tensor) {
  std::string text(name(tensor.dtype()));
  text += " [";
  for (size_t i = 0; i < tensor.shape().size(); ++i)
    text += (i ? ", " : "") + std::to_string(tensor.shape()[i]);
  return text + "]";
}

mlir::RankedTensorType memberType(mlir::Type type) {
  if (auto bank = mlir::dyn_cast<moe::BankType>(type))
    return bank.getMember();
  return mlir::cast<mlir::RankedTensorType>(type);
}

int64_t expertsOf(mlir::Type type) {
  auto bank = mlir::dyn_cast<moe::BankType>(type);
  return bank ? bank.getExperts() : 1;
}

std::optional<DType> storedType(mlir::Type element) {
  if (element.isF32())
    return DType::F32;
  if (element.isF16())
    return DType::F16;
  if (element.isBF16())
    return DType::BF16;
  if (mlir::isa<mlir::Float8E4M3FNType>(element))
    return DType::F8_E4M3;
  if (mlir::isa<mlir::Float8E8M0FNUType>(element))
    return DType::F8_E8M0;
  if (mlir::isa<mlir::Float4E2M1FNType>(element))
    return DType::F4;
  if (element.isInteger(32))
    return DType::I32;
  if (element.isInteger(64))
    return DType::I64;
  return std::nullopt;
}

/// The rows and the bytes of a row of a member.
struct Extent {
  DType dtype;
  uint64_t numRows, rowBytes;
};

Result<Extent> extentOf(mlir::Type type) {
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(
      mlir::isa<moe::BankType>(type) ? memberType(type) : type);
  std::optional<DType> dtype;
  if (tensor && tensor.hasStaticShape())
    dtype = storedType(tensor.getElementType());
  if (!dtype)
    return invalid("a weight of type " + textOf(type) +
                   " cannot be made; tensors of f32, f16, bf16, f8E4M3FN, "
                   "f8E8M0FNU, f4E2M1FN, i32 and i64 can");
  uint64_t numRows = tensor.getRank() ? tensor.getDimSize(0) : 1;
  uint64_t rowBits = bitWidth(*dtype);
  for (int64_t d = 1; d < tensor.getRank(); ++d)
    if (__builtin_mul_overflow(rowBits, uint64_t(tensor.getDimSize(d)),
                               &rowBits))
      return invalid("a weight of type " + textOf(type) + " is too large");
  if (rowBits % 8)
    return invalid("a weight of type " + textOf(type) +
                   " has rows of no whole number of bytes");
  uint64_t rowBytes = rowBits / 8;
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(numRows, rowBytes, &bytes))
    return invalid("a weight of type " + textOf(type) + " is too large");
  return Extent{*dtype, numRows, rowBytes};
}

/// Builds the values of a region, op by op.
class Builder {
public:
  explicit Builder(const Checkpoint &checkpoint) : checkpoint(checkpoint) {}

  /// Adds the value that an operation makes.
  Status add(mlir::Operation &op);
  Result<DefinedWeight> define(moe::DefineOp op);

private:
  Result<RowsRef> make(moe::LoadOp op);
  Result<RowsRef> make(moe::LoadBankOp op);
  Result<RowsRef> make(moe::CastOp op);
  Result<RowsRef> make(moe::TransposeOp op);
  Result<RowsRef> make(moe::DequantizeOp op);
  Result<RowsRef> make(moe::ConcatOp op);
  Result<RowsRef> make(moe::SliceOp op);
  Result<RowsRef> make(moe::SplitOp op);
  Result<RowsRef> make(moe::PackOp op);
  Result<RowsRef> make(moe::RopeTableOp op);
  Result<Tensor> find(const std::string &name, mlir::RankedTensorType type,
                      int64_t stacked = 0);

  const Checkpoint &checkpoint;
  llvm::DenseMap<mlir::Value, RowsRef> values;
};

/// Whether a tensor holds a value of this type, of which so many are stacked
/// in it, or none.
bool holds(const Tensor &tensor, mlir::RankedTensorType type, int64_t stacked) {
  std::vector<int64_t> shape = type.getShape().vec();
  std::optional<DType> dtype = storedType(type.getElementType());
  // Formats that files have no name for: bytes, of which 16 hold a block of f4.
  if (tensor.dtype() == DType::U8 && dtype == DType::F8_E8M0)
    dtype = DType::U8;
  if (tensor.dtype() == DType::U8 && dtype == DType::F4 && !shape.empty() &&
      shape.back() % 32 == 0) {
    dtype = DType::U8;
    shape.back() /= 32;
    shape.push_back(16);
  }
  if (dtype != tensor.dtype())
    return false;
  if (!stacked)
    return hasShape(tensor, shape);
  std::vector<int64_t> merged = shape;
  if (!merged.empty())
    merged.front() *= stacked;
  shape.insert(shape.begin(), stacked);
  return hasShape(tensor, shape) || hasShape(tensor, merged);
}

/// A tensor of the checkpoint that is of the type that the recipe says.
Result<Tensor> Builder::find(const std::string &name,
                             mlir::RankedTensorType type, int64_t stacked) {
  Result<Tensor> tensor = checkpoint.get(name);
  if (!tensor)
    return tensor;
  if (!holds(*tensor, type, stacked))
    return Status::failure(
        ErrorCode::SizeMismatch,
        tensorText(name) + " is " + textOf(*tensor) + ", the recipe expects " +
            (stacked ? std::to_string(stacked) + " times " : "") +
            textOf(type));
  return tensor;
}

Result<RowsRef> Builder::make(moe::LoadOp op) {
  auto type = mlir::dyn_cast<mlir::RankedTensorType>(op.getType());
  Result<Extent> extent = extentOf(op.getType());
  if (!extent)
    return extent.status();
  Result<Tensor> tensor = find(op.getTensor().str(), type);
  if (!tensor)
    return tensor.status();
  return loadedRows({*tensor}, /*stacked=*/false, extent->numRows,
                    extent->rowBytes);
}

Result<RowsRef> Builder::make(moe::LoadBankOp op) {
  Result<Extent> extent = extentOf(op.getType());
  if (!extent)
    return extent.status();
  const std::string placeholder = "{expert}";
  int64_t experts = expertsOf(op.getType());
  std::vector<Tensor> members;
  for (int64_t expert = 0; expert < (op.getStacked() ? 1 : experts); ++expert) {
    std::string name = op.getTensor().str();
    if (op.getStacked()) {
      Result<Tensor> tensor = find(name, memberType(op.getType()), experts);
      if (!tensor)
        return tensor.status();
      members.push_back(*tensor);
      break;
    }
    name.replace(name.find(placeholder), placeholder.size(),
                 std::to_string(op.getFirst() + expert));
    Result<Tensor> tensor = find(name, memberType(op.getType()));
    if (!tensor)
      return tensor.status();
    members.push_back(*tensor);
  }
  return loadedRows(std::move(members), op.getStacked(), extent->numRows,
                    extent->rowBytes);
}

Result<RowsRef> Builder::make(moe::CastOp op) {
  Result<Extent> from = extentOf(op.getInput().getType());
  Result<Extent> to = extentOf(op.getType());
  if (!from || !to)
    return from ? to.status() : from.status();
  if (from->dtype == DType::I64 && to->dtype == DType::I32)
    return narrowedRows(values.at(op.getInput()));
  bool isInteger = false;
  for (DType type : {from->dtype, to->dtype})
    isInteger |= type == DType::I32 || type == DType::I64;
  if (isInteger)
    return invalid("a cast from " + textOf(op.getInput().getType()) + " to " +
                   textOf(op.getType()) +
                   " cannot be made; of integers, i64 can become i32");
  return castRows(values.at(op.getInput()), from->dtype, to->dtype);
}

Result<RowsRef> Builder::make(moe::TransposeOp op) {
  Result<Extent> extent = extentOf(op.getType());
  if (!extent)
    return extent.status();
  if (bitWidth(extent->dtype) % 8)
    return invalid("a weight of type " + textOf(op.getType()) +
                   " cannot be transposed: its elements are no whole bytes");
  return transposedRows(values.at(op.getInput()), bitWidth(extent->dtype) / 8);
}

Result<RowsRef> Builder::make(moe::DequantizeOp op) {
  Result<Extent> from = extentOf(op.getInput().getType());
  Result<Extent> scales = extentOf(op.getScales().getType());
  Result<Extent> to = extentOf(op.getType());
  for (const Result<Extent> *extent : {&from, &scales, &to})
    if (!*extent)
      return extent->status();
  return dequantizedRows({values.at(op.getInput()), values.at(op.getScales()),
                          from->dtype, scales->dtype,
                          static_cast<uint64_t>(op.getBlock()[0]),
                          static_cast<uint64_t>(op.getBlock()[1])},
                         to->dtype);
}

Result<RowsRef> Builder::make(moe::ConcatOp op) {
  std::vector<RowsRef> inputs;
  for (mlir::Value input : op.getInputs())
    inputs.push_back(values.at(input));
  return op.getColumns() ? besideRows(std::move(inputs))
                         : concatRows(std::move(inputs));
}

Result<RowsRef> Builder::make(moe::SliceOp op) {
  return slicedRows(values.at(op.getInput()), op.getGroup(), op.getBegin(),
                    op.getSize());
}

Result<RowsRef> Builder::make(moe::SplitOp op) {
  Result<Extent> extent = extentOf(op.getType());
  if (!extent)
    return extent.status();
  return splitRows(values.at(op.getInput()), extent->numRows);
}

Result<RowsRef> Builder::make(moe::PackOp op) {
  Result<Extent> extent = extentOf(op.getType());
  if (!extent)
    return extent.status();
  return packedRows(values.at(op.getInput()), extent->dtype);
}

Result<RowsRef> Builder::make(moe::RopeTableOp op) {
  Result<Extent> extent = extentOf(op.getType());
  if (!extent)
    return extent.status();
  return ropeRows(extent->numRows, op.getFrequencies().vec(),
                  op.getAttentionFactor().convertToDouble());
}

Status Builder::add(mlir::Operation &op) {
  auto result =
      llvm::TypeSwitch<mlir::Operation *, Result<RowsRef>>(&op)
          .Case<moe::LoadOp, moe::LoadBankOp, moe::CastOp, moe::SliceOp,
                moe::TransposeOp, moe::DequantizeOp, moe::ConcatOp,
                moe::SplitOp, moe::PackOp, moe::RopeTableOp>(
              [&](auto typed) { return make(typed); })
          .Default([](mlir::Operation *other) {
            return invalid("the recipes hold '" +
                           other->getName().getStringRef().str() +
                           "', which makes no weight");
          });
  if (!result)
    return std::move(result).status();
  values[op.getResult(0)] = std::move(*result);
  return {};
}

std::optional<uint64_t> placed(moe::DefineOp op, llvm::StringRef attribute) {
  auto value = op->getAttrOfType<mlir::IntegerAttr>(attribute);
  if (!value || value.getInt() < 0)
    return std::nullopt;
  return value.getInt();
}

Result<DefinedWeight> Builder::define(moe::DefineOp op) {
  mlir::Type type = op.getValue().getType();
  Result<Extent> extent = extentOf(type);
  if (!extent)
    return extent.status();
  DefinedWeight weight;
  weight.name = op.getName().str();
  weight.role = op.getRole().str();
  weight.experts = expertsOf(type);
  weight.isBank = mlir::isa<moe::BankType>(type);
  weight.dtype = extent->dtype;
  weight.shape = memberType(type).getShape().vec();
  weight.memberBytes = extent->numRows * extent->rowBytes;
  weight.offset = placed(op, "offset");
  weight.stride = placed(op, "stride");
  weight.rows = values.at(op.getValue());
  return weight;
}

} // namespace

bool hasShape(const Tensor &tensor, std::span<const int64_t> shape) {
  auto isSame = [](uint64_t a, int64_t b) {
    return a == static_cast<uint64_t>(b);
  };
  if (std::equal(tensor.shape().begin(), tensor.shape().end(), shape.begin(),
                 shape.end(), isSame))
    return true;
  // A vector may lie in a tensor of more dimensions, row by row.
  return shape.size() == 1 &&
         tensor.numElements() == static_cast<uint64_t>(shape[0]);
}

Result<RecipeExecutor> RecipeExecutor::create(moe::RecipesOp recipes,
                                              const Checkpoint &checkpoint) {
  RecipeExecutor executor;
  Builder builder(checkpoint);
  for (mlir::Operation &op : recipes.getBody().front()) {
    auto define = mlir::dyn_cast<moe::DefineOp>(op);
    if (!define) {
      Status status = builder.add(op);
      if (!status.ok())
        return status;
      continue;
    }
    Result<DefinedWeight> weight = builder.define(define);
    if (!weight)
      return std::move(weight).status().in("weight '" + define.getName().str() +
                                           "'");
    if (!executor.byName.emplace(weight->name, executor.defined.size()).second)
      return invalid("two recipes define " + weight->text());
    executor.defined.push_back(std::move(*weight));
  }
  return executor;
}

const DefinedWeight *RecipeExecutor::find(std::string_view name) const {
  auto found = byName.find(name);
  return found == byName.end() ? nullptr : &defined[found->second];
}

Status RecipeExecutor::read(const DefinedWeight &weight, int64_t expert,
                            uint64_t firstRow, uint64_t count,
                            std::span<std::byte> out) {
  bool isInside = expert >= 0 && expert < weight.experts &&
                  firstRow <= weight.numRows() &&
                  count <= weight.numRows() - firstRow &&
                  out.size() == count * weight.rowBytes();
  if (!isInside)
    return invalid(weight.text() + " has " + std::to_string(weight.experts) +
                   " members of " + std::to_string(weight.numRows()) +
                   " rows; rows " + std::to_string(firstRow) + " to " +
                   std::to_string(firstRow + count) + " of member " +
                   std::to_string(expert) + " do not exist, or are not " +
                   std::to_string(out.size()) + " bytes");
  return weight.rows->read(expert, firstRow, count, out.data())
      .in(weight.text());
}

} // namespace moec::weights
