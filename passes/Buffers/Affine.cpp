//===- Affine.cpp - Sizes affine in the dimensions of a step --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Buffers/Affine.h"
#include "passes/Calls.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace moec;

std::optional<StepSize> StepSize::parse(StringRef dim) {
  auto [name, shift] = dim.split('+');
  int64_t added = 0;
  if (!shift.empty() && shift.getAsInteger(10, added))
    return std::nullopt;
  for (size_t i = 1; i < kNames.size(); ++i) {
    if (name != kNames[i])
      continue;
    StepSize size = constant(added);
    size.coefficients[i] = 1;
    return size;
  }
  return std::nullopt;
}

bool StepSize::isConstant() const {
  return !coefficients[1] && !coefficients[2] && !coefficients[3];
}

StepSize StepSize::operator+(const StepSize &other) const {
  StepSize sum;
  for (size_t i = 0; i < coefficients.size(); ++i)
    sum.coefficients[i] = coefficients[i] + other.coefficients[i];
  return sum;
}

StepSize StepSize::operator*(int64_t factor) const {
  StepSize product = *this;
  for (int64_t &coefficient : product.coefficients)
    coefficient *= factor;
  return product;
}

StepSize StepSize::max(const StepSize &other) const {
  StepSize result;
  for (size_t i = 0; i < coefficients.size(); ++i)
    result.coefficients[i] = std::max(coefficients[i], other.coefficients[i]);
  return result;
}

StepSize StepSize::alignTo(int64_t alignment) const {
  StepSize result;
  for (size_t i = 0; i < coefficients.size(); ++i)
    result.coefficients[i] = llvm::alignTo(coefficients[i], alignment);
  return result;
}

int64_t StepSize::typical() const {
  return coefficients[0] + 256 * coefficients[1] + 4 * coefficients[2] +
         16 * coefficients[3];
}

DictionaryAttr StepSize::toAttr(MLIRContext *context) const {
  Builder builder(context);
  SmallVector<NamedAttribute> attrs;
  for (auto [name, coefficient] : llvm::zip(kNames, coefficients))
    attrs.push_back(
        builder.getNamedAttr(name, builder.getI64IntegerAttr(coefficient)));
  return builder.getDictionaryAttr(attrs);
}

StepSize StepSize::fromAttr(DictionaryAttr attr) {
  StepSize size;
  for (auto [name, coefficient] : llvm::zip(kNames, size.coefficients))
    if (auto value = attr.getAs<IntegerAttr>(name))
      coefficient = value.getInt();
  return size;
}

/// The size of dimension `dim` of a buffer.
static std::optional<StepSize> dimensionOf(func::FuncOp func, Value buffer,
                                           int64_t dim) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return StepSize::constant(type.getDimSize(dim));
  if (auto alloc = buffer.getDefiningOp<memref::AllocOp>())
    return stepSizeOf(func,
                      alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)]);
  auto arg = dyn_cast<BlockArgument>(buffer);
  if (!arg || dim != 0 || arg.getOwner() != &func.front())
    return std::nullopt;
  return StepSize::parse(dimName(func, arg.getArgNumber()));
}

std::optional<StepSize> moec::stepSizeOf(func::FuncOp func, Value index) {
  if (auto constant = index.getDefiningOp<arith::ConstantIndexOp>())
    return StepSize::constant(constant.value());
  if (auto dim = index.getDefiningOp<memref::DimOp>()) {
    std::optional<int64_t> i = dim.getConstantIndex();
    return i ? dimensionOf(func, dim.getSource(), *i) : std::nullopt;
  }
  Operation *op = index.getDefiningOp();
  if (!isa_and_nonnull<arith::AddIOp, arith::MulIOp, arith::MinSIOp>(op))
    return std::nullopt;
  auto lhs = stepSizeOf(func, op->getOperand(0));
  auto rhs = stepSizeOf(func, op->getOperand(1));
  if (isa<arith::MinSIOp>(op))
    return rhs ? rhs : lhs;
  if (!lhs || !rhs)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return *lhs + *rhs;
  if (lhs->isConstant())
    return *rhs * lhs->coefficients[0];
  if (rhs->isConstant())
    return *lhs * rhs->coefficients[0];
  return std::nullopt;
}

/// The value of T, S or R in `func`.
static Value emitDimension(OpBuilder &builder, func::FuncOp func,
                           unsigned which) {
  Location loc = func.getLoc();
  for (unsigned i = 0, e = func.getNumArguments(); i < e; ++i) {
    auto size = StepSize::parse(dimName(func, i));
    if (!size || size->coefficients[which] != 1)
      continue;
    Value dim = memref::DimOp::create(builder, loc, func.getArgument(i), 0);
    if (!size->coefficients[0])
      return dim;
    Value shift =
        arith::ConstantIndexOp::create(builder, loc, size->coefficients[0]);
    return arith::SubIOp::create(builder, loc, dim, shift);
  }
  return {};
}

Value moec::emitStepSize(OpBuilder &builder, func::FuncOp func,
                         const StepSize &size) {
  Location loc = func.getLoc();
  Value sum =
      arith::ConstantIndexOp::create(builder, loc, size.coefficients[0]);
  for (unsigned i = 1; i < size.coefficients.size(); ++i) {
    if (!size.coefficients[i])
      continue;
    Value dim = emitDimension(builder, func, i);
    Value factor =
        arith::ConstantIndexOp::create(builder, loc, size.coefficients[i]);
    Value product = arith::MulIOp::create(builder, loc, dim, factor);
    sum = arith::AddIOp::create(builder, loc, sum, product);
  }
  return sum;
}
