//===- Elementwise.cpp - Scalar operations of arith and math --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One loop per operation. Floating-point results are rounded to their type
// where that is narrower than the arithmetic, integer results wrap.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <optional>

using namespace mlir;
using namespace moec;
using namespace moec::reference;

namespace {

/// The operands of one operation, read at an index.
template <typename Real> struct Operands {
  ArrayRef<const Tensor<Real> *> tensors;

  Real real(size_t operand, int64_t i) const {
    const std::vector<Real> &from = tensors[operand]->reals;
    return from[from.size() == 1 ? 0 : i];
  }
  int64_t integer(size_t operand, int64_t i) const {
    const std::vector<int64_t> &from = tensors[operand]->ints;
    return from[from.size() == 1 ? 0 : i];
  }
  /// The shape that all operands have, but for single elements.
  Shape shape() const {
    for (const Tensor<Real> *tensor : tensors)
      if (tensor->count() != 1)
        return tensor->shape;
    return tensors.empty() ? Shape() : tensors.front()->shape;
  }
};

template <typename Real> using Result = std::optional<Tensor<Real>>;

/// fn(x) for every element x.
template <typename Real, typename Fn>
Result<Real> unary(const Operands<Real> &in, Fn fn) {
  Tensor<Real> out = realTensor<Real>(in.shape());
  for (int64_t i = 0, e = out.count(); i < e; ++i)
    out.reals[i] = fn(in.real(0, i));
  return out;
}

template <typename Real, typename Fn>
Result<Real> binary(const Operands<Real> &in, Fn fn) {
  Tensor<Real> out = realTensor<Real>(in.shape());
  for (int64_t i = 0, e = out.count(); i < e; ++i)
    out.reals[i] = fn(in.real(0, i), in.real(1, i));
  return out;
}

template <typename Real, typename Fn>
Result<Real> unaryInt(const Operands<Real> &in, Fn fn) {
  Tensor<Real> out = intTensor<Real>(in.shape());
  for (int64_t i = 0, e = out.count(); i < e; ++i)
    out.ints[i] = fn(in.integer(0, i));
  return out;
}

template <typename Real, typename Fn>
Result<Real> binaryInt(const Operands<Real> &in, Fn fn) {
  Tensor<Real> out = intTensor<Real>(in.shape());
  for (int64_t i = 0, e = out.count(); i < e; ++i)
    out.ints[i] = fn(in.integer(0, i), in.integer(1, i));
  return out;
}

template <typename Real> Real nanOr(Real a, Real b, Real otherwise) {
  return std::isnan(a) ? a : std::isnan(b) ? b : otherwise;
}

//===----------------------------------------------------------------------===//
// Floating point
//===----------------------------------------------------------------------===//

template <typename Real>
Result<Real> unaryReal(Operation *op, const Operands<Real> &in) {
  auto apply = [&](auto fn) { return unary(in, fn); };
  return TypeSwitch<Operation *, Result<Real>>(op)
      .template Case<arith::ExtFOp, arith::TruncFOp>(
          [&](auto) { return apply([](Real x) { return x; }); })
      .Case([&](arith::NegFOp) { return apply([](Real x) { return -x; }); })
      .Case([&](math::AbsFOp) {
        return apply([](Real x) { return std::abs(x); });
      })
      .Case([&](math::ExpOp) {
        return apply([](Real x) { return std::exp(x); });
      })
      .Case([&](math::Exp2Op) {
        return apply([](Real x) { return std::exp2(x); });
      })
      .Case([&](math::ExpM1Op) {
        return apply([](Real x) { return std::expm1(x); });
      })
      .Case([&](math::LogOp) {
        return apply([](Real x) { return std::log(x); });
      })
      .Case([&](math::Log1pOp) {
        return apply([](Real x) { return std::log1p(x); });
      })
      .Case([&](math::SqrtOp) {
        return apply([](Real x) { return std::sqrt(x); });
      })
      .Case([&](math::RsqrtOp) {
        return apply([](Real x) { return 1 / std::sqrt(x); });
      })
      .Case([&](math::TanhOp) {
        return apply([](Real x) { return std::tanh(x); });
      })
      .Case([&](math::ErfOp) {
        return apply([](Real x) { return std::erf(x); });
      })
      .Case([&](math::SinOp) {
        return apply([](Real x) { return std::sin(x); });
      })
      .Case([&](math::CosOp) {
        return apply([](Real x) { return std::cos(x); });
      })
      .Case([&](math::FloorOp) {
        return apply([](Real x) { return std::floor(x); });
      })
      .Case([&](math::CeilOp) {
        return apply([](Real x) { return std::ceil(x); });
      })
      .Default(Result<Real>());
}

template <typename Real>
Result<Real> binaryReal(Operation *op, const Operands<Real> &in) {
  auto apply = [&](auto fn) { return binary(in, fn); };
  return TypeSwitch<Operation *, Result<Real>>(op)
      .Case([&](arith::AddFOp) {
        return apply([](Real a, Real b) { return a + b; });
      })
      .Case([&](arith::SubFOp) {
        return apply([](Real a, Real b) { return a - b; });
      })
      .Case([&](arith::MulFOp) {
        return apply([](Real a, Real b) { return a * b; });
      })
      .Case([&](arith::DivFOp) {
        return apply([](Real a, Real b) { return a / b; });
      })
      .Case([&](arith::MaximumFOp) {
        return apply(
            [](Real a, Real b) { return nanOr(a, b, std::fmax(a, b)); });
      })
      .Case([&](arith::MinimumFOp) {
        return apply(
            [](Real a, Real b) { return nanOr(a, b, std::fmin(a, b)); });
      })
      .Case([&](arith::MaxNumFOp) {
        return apply([](Real a, Real b) { return std::fmax(a, b); });
      })
      .Case([&](arith::MinNumFOp) {
        return apply([](Real a, Real b) { return std::fmin(a, b); });
      })
      .Case([&](math::PowFOp) {
        return apply([](Real a, Real b) { return std::pow(a, b); });
      })
      .Case([&](math::CopySignOp) {
        return apply([](Real a, Real b) { return std::copysign(a, b); });
      })
      .Default(Result<Real>());
}

template <typename Real>
Result<Real> fma(Operation *op, const Operands<Real> &in) {
  Tensor<Real> out = realTensor<Real>(in.shape());
  for (int64_t i = 0, e = out.count(); i < e; ++i)
    out.reals[i] = std::fma(in.real(0, i), in.real(1, i), in.real(2, i));
  return out;
}

//===----------------------------------------------------------------------===//
// Integers, comparisons, conversions
//===----------------------------------------------------------------------===//

/// A result as an integer of its type's width holds it, sign-extended; of one
/// bit, 0 or 1.
template <typename Real> void wrap(Tensor<Real> &tensor, Type type) {
  auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(type));
  if (!integer || integer.getWidth() >= 64)
    return;
  unsigned width = integer.getWidth();
  for (int64_t &value : tensor.ints)
    value = width == 1 ? value & 1 : llvm::SignExtend64(value, width);
}

template <typename Real>
Result<Real> binaryInteger(Operation *op, const Operands<Real> &in) {
  auto apply = [&](auto fn) { return binaryInt(in, fn); };
  return TypeSwitch<Operation *, Result<Real>>(op)
      .Case([&](arith::AddIOp) {
        return apply([](uint64_t a, uint64_t b) { return a + b; });
      })
      .Case([&](arith::SubIOp) {
        return apply([](uint64_t a, uint64_t b) { return a - b; });
      })
      .Case([&](arith::MulIOp) {
        return apply([](uint64_t a, uint64_t b) { return a * b; });
      })
      .Case([&](arith::AndIOp) {
        return apply([](int64_t a, int64_t b) { return a & b; });
      })
      .Case([&](arith::OrIOp) {
        return apply([](int64_t a, int64_t b) { return a | b; });
      })
      .Case([&](arith::XOrIOp) {
        return apply([](int64_t a, int64_t b) { return a ^ b; });
      })
      .Case([&](arith::MaxSIOp) {
        return apply([](int64_t a, int64_t b) { return std::max(a, b); });
      })
      .Case([&](arith::MinSIOp) {
        return apply([](int64_t a, int64_t b) { return std::min(a, b); });
      })
      .Default(Result<Real>());
}

/// Division, which has operands without a result.
template <typename Real>
Result<Real> divideInteger(Operation *op, const Operands<Real> &in) {
  if (!isa<arith::DivSIOp, arith::RemSIOp, arith::FloorDivSIOp,
           arith::CeilDivSIOp>(op))
    return {};
  for (int64_t i = 0, e = countOf(in.shape()); i < e; ++i)
    if (in.integer(1, i) == 0 ||
        (in.integer(1, i) == -1 && in.integer(0, i) == INT64_MIN))
      return {};
  if (isa<arith::DivSIOp>(op))
    return binaryInt(in, [](int64_t a, int64_t b) { return a / b; });
  if (isa<arith::RemSIOp>(op))
    return binaryInt(in, [](int64_t a, int64_t b) { return a % b; });
  if (isa<arith::FloorDivSIOp>(op))
    return binaryInt(
        in, [](int64_t a, int64_t b) { return llvm::divideFloorSigned(a, b); });
  return binaryInt(
      in, [](int64_t a, int64_t b) { return llvm::divideCeilSigned(a, b); });
}

/// The outcomes of a comparison for which a predicate holds, as a set of bits:
/// equal, greater, less, unordered.
unsigned outcomesOf(arith::CmpFPredicate predicate) {
  auto number = static_cast<unsigned>(predicate);
  if (predicate == arith::CmpFPredicate::UNO)
    return 8;
  bool isUnordered = number >= unsigned(arith::CmpFPredicate::UEQ) &&
                     number <= unsigned(arith::CmpFPredicate::UNE);
  return isUnordered ? number + 1 : number;
}

template <typename Real>
Result<Real> compareReals(arith::CmpFOp op, const Operands<Real> &in) {
  unsigned outcomes = outcomesOf(op.getPredicate());
  Tensor<Real> out = intTensor<Real>(in.shape());
  for (int64_t i = 0, e = out.count(); i < e; ++i) {
    Real a = in.real(0, i), b = in.real(1, i);
    unsigned outcome = a == b ? 1 : a > b ? 2 : a < b ? 4 : 8;
    out.ints[i] = (outcomes & outcome) != 0;
  }
  return out;
}

template <typename Real>
Result<Real> compareIntegers(arith::CmpIOp op, const Operands<Real> &in) {
  using P = arith::CmpIPredicate;
  P predicate = op.getPredicate();
  return binaryInt(in, [=](int64_t a, int64_t b) -> int64_t {
    uint64_t ua = a, ub = b;
    switch (predicate) {
    case P::eq:
      return a == b;
    case P::ne:
      return a != b;
    case P::slt:
      return a < b;
    case P::sle:
      return a <= b;
    case P::sgt:
      return a > b;
    case P::sge:
      return a >= b;
    case P::ult:
      return ua < ub;
    case P::ule:
      return ua <= ub;
    case P::ugt:
      return ua > ub;
    case P::uge:
      return ua >= ub;
    }
    llvm_unreachable("all predicates are handled");
  });
}

template <typename Real>
Result<Real> select(Operation *op, const Operands<Real> &in) {
  bool isReal =
      isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType()));
  Tensor<Real> out =
      isReal ? realTensor<Real>(in.shape()) : intTensor<Real>(in.shape());
  for (int64_t i = 0, e = out.count(); i < e; ++i) {
    size_t taken = in.integer(0, i) ? 1 : 2;
    if (isReal)
      out.reals[i] = in.real(taken, i);
    else
      out.ints[i] = in.integer(taken, i);
  }
  return out;
}

template <typename Real>
Result<Real> convert(Operation *op, const Operands<Real> &in) {
  if (isa<arith::SIToFPOp>(op)) {
    Tensor<Real> out = realTensor<Real>(in.shape());
    for (int64_t i = 0, e = out.count(); i < e; ++i)
      out.reals[i] = static_cast<Real>(in.integer(0, i));
    return out;
  }
  if (isa<arith::FPToSIOp>(op)) {
    // Beyond the integers it means nothing, but must not be undefined here.
    constexpr Real most = 0x1p31;
    Tensor<Real> out = intTensor<Real>(in.shape());
    for (int64_t i = 0, e = out.count(); i < e; ++i) {
      Real value = in.real(0, i);
      out.ints[i] = value >= -most && value < most ? int64_t(value) : 0;
    }
    return out;
  }
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(op)) {
    // One bit is held as 0 or 1, and -1 when it is extended with its sign.
    Type from = getElementTypeOrSelf(op->getOperand(0).getType());
    bool fromBit = from.isInteger(1);
    return unaryInt(in, [=](int64_t a) { return fromBit ? -a : a; });
  }
  if (auto extend = dyn_cast<arith::ExtUIOp>(op)) {
    unsigned width =
        getElementTypeOrSelf(extend.getIn().getType()).getIntOrFloatBitWidth();
    return unaryInt(in, [=](int64_t a) {
      return a & llvm::maskTrailingOnes<uint64_t>(width);
    });
  }
  return {};
}

template <typename Real> Result<Real> constant(arith::ConstantOp op) {
  auto shaped = dyn_cast<ShapedType>(op.getType());
  Shape shape = shaped ? Shape(shaped.getShape()) : Shape();
  Type element = getElementTypeOrSelf(op.getType());
  bool isReal = isa<FloatType>(element);
  Tensor<Real> out = isReal ? realTensor<Real>(shape) : intTensor<Real>(shape);
  auto store = [&](int64_t i, Attribute value) {
    if (auto real = dyn_cast<FloatAttr>(value))
      out.reals[i] = static_cast<Real>(real.getValueAsDouble());
    else if (auto integer = dyn_cast<IntegerAttr>(value))
      out.ints[i] = element.isInteger(1)
                        ? int64_t(integer.getValue().getZExtValue())
                        : integer.getValue().getSExtValue();
  };
  if (auto elements = dyn_cast<DenseElementsAttr>(op.getValue()))
    for (auto [i, value] : llvm::enumerate(elements.getValues<Attribute>()))
      store(i, value);
  else
    store(0, op.getValue());
  return out;
}

template <typename Real>
Result<Real> apply(Operation *op, const Operands<Real> &in) {
  if (auto value = dyn_cast<arith::ConstantOp>(op))
    return constant<Real>(value);
  if (isa<math::FmaOp>(op))
    return fma(op, in);
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return compareReals(compare, in);
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    return compareIntegers(compare, in);
  if (isa<arith::SelectOp>(op))
    return select(op, in);
  for (auto *kind : {unaryReal<Real>, binaryReal<Real>, binaryInteger<Real>,
                     divideInteger<Real>, convert<Real>})
    if (Result<Real> result = kind(op, in))
      return result;
  return {};
}

} // namespace

bool reference::isElementwise(Operation *op) {
  return isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
      op->getDialect());
}

template <typename Real>
FailureOr<Tensor<Real>>
reference::evaluateElementwise(Operation *op,
                               ArrayRef<const Tensor<Real> *> operands) {
  Operands<Real> in{operands};
  for (const Tensor<Real> *operand : operands)
    if (operand->count() != 1 && operand->shape != in.shape())
      return op->emitOpError("operands have the shapes ")
             << toString(operand->shape) << " and " << toString(in.shape());
  Result<Real> result = apply(op, in);
  if (!result)
    return op->emitOpError("has no reference semantics for these operands");
  Type type = op->getResult(0).getType();
  roundTo(getElementTypeOrSelf(type), result->reals);
  wrap(*result, type);
  return std::move(*result);
}

/// The value of an operand, which is one of the block's or a captured one.
template <typename Real>
static const Tensor<Real> *find(Value value, const Captured<Real> &own,
                                const Captured<Real> &captured) {
  for (const Captured<Real> *values : {&own, &captured}) {
    auto found = values->find(value);
    if (found != values->end())
      return &found->second;
  }
  return nullptr;
}

template <typename Real>
FailureOr<std::vector<Tensor<Real>>>
reference::evaluateLanes(Block &body, std::vector<Tensor<Real>> arguments,
                         const Captured<Real> &captured) {
  Captured<Real> values;
  for (auto [argument, lanes] : llvm::zip_equal(body.getArguments(), arguments))
    values[argument] = std::move(lanes);
  for (Operation &op : body.without_terminator()) {
    std::vector<const Tensor<Real> *> operands;
    for (Value operand : op.getOperands())
      operands.push_back(find(operand, values, captured));
    if (llvm::is_contained(operands, nullptr))
      return op.emitOpError("uses a value that the body does not know");
    FailureOr<Tensor<Real>> result = evaluateElementwise<Real>(&op, operands);
    if (failed(result))
      return failure();
    values[op.getResult(0)] = std::move(*result);
  }
  std::vector<Tensor<Real>> yielded;
  for (Value value : body.getTerminator()->getOperands()) {
    const Tensor<Real> *lanes = find(value, values, captured);
    if (!lanes)
      return body.getTerminator()->emitOpError(
          "yields a value that the body does not know");
    yielded.push_back(*lanes);
  }
  return yielded;
}

#define INSTANTIATE(Real)                                                      \
  template FailureOr<Tensor<Real>> reference::evaluateElementwise<Real>(       \
      Operation *, ArrayRef<const Tensor<Real> *>);                            \
  template FailureOr<std::vector<Tensor<Real>>>                                \
  reference::evaluateLanes<Real>(Block &, std::vector<Tensor<Real>>,           \
                                 const Captured<Real> &);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
