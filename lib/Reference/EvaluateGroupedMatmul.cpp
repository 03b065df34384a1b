//===- EvaluateGroupedMatmul.cpp - Matrix products of groups of rows ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Group by group: the products of its rows with each bank's matrix, then the
// epilogue row by row. Rows of the output that belong to no group are not
// numbers, so that nothing can rest on them.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "lib/Reference/Elementwise.h"
#include "lib/Reference/Interpreter.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace moec;
using namespace moec::moe;
using namespace moec::reference;

namespace {

template <typename Real> class GroupedMatmul {
public:
  GroupedMatmul(Operation *op, const ProductParts &parts, TensorRef<Real> x,
                Interpreter<Real> &interpreter, Frame<Real> &frame)
      : op(op), parts(parts), interpreter(interpreter), frame(frame), x(x),
        out(realTensor<Real>(frame.tensor(parts.out)->shape,
                             std::numeric_limits<Real>::quiet_NaN())) {
    for (Value extra : parts.extras)
      extras.push_back(frame.tensor(extra));
  }

  /// Makes result `result` of the op.
  LogicalResult run(unsigned result);

private:
  LogicalResult runRows();
  LogicalResult runSideBySide();
  LogicalResult readRows();
  LogicalResult checkExtras();
  LogicalResult runGroup(int64_t group, int64_t begin, int64_t end);
  FailureOr<std::vector<Real>> products(unsigned bank, int64_t group,
                                        const std::vector<int64_t> &rows);
  Tensor<Real> extraLanes(const Tensor<Real> &extra, int64_t row);

  int64_t n() { return parts.n(); }
  /// Where the part of the output that a group makes begins.
  int64_t firstColumn(int64_t group) {
    return parts.sideBySide ? group * n() : 0;
  }

  Operation *op;
  ProductParts parts;
  Interpreter<Real> &interpreter;
  Frame<Real> &frame;
  TensorRef<Real> x;
  std::vector<TensorRef<Real>> extras;
  Tensor<Real> out;
  std::vector<int64_t> offsets; ///< Where the groups begin, and the end.
  std::vector<int64_t> rowOf;   ///< The row of x for each row of the output.
};

/// Finds and checks the groups and the rows of x that they take.
template <typename Real> LogicalResult GroupedMatmul<Real>::readRows() {
  int64_t rows = out.rows();
  offsets = parts.offsets ? frame.tensor(parts.offsets)->ints
                          : std::vector<int64_t>{0, rows};
  bool isAscending = std::is_sorted(offsets.begin(), offsets.end());
  if (static_cast<int64_t>(offsets.size()) != parts.groups() + 1 ||
      !isAscending || offsets.front() != 0 || offsets.back() > rows)
    return op->emitOpError("offsets do not split ")
           << rows << " rows into " << parts.groups() << " groups";
  rowOf = parts.gather ? frame.tensor(parts.gather)->ints : countUp(rows);
  if (static_cast<int64_t>(rowOf.size()) < offsets.back())
    return op->emitOpError("gather has ")
           << rowOf.size() << " of " << offsets.back() << " rows";
  for (int64_t r = 0; r < offsets.back(); ++r)
    if (rowOf[r] < 0 || rowOf[r] >= x->rows())
      return op->emitOpError("row ")
             << r << " is made of row " << rowOf[r] << " of " << x->rows();
  return success();
}

template <typename Real> LogicalResult GroupedMatmul<Real>::checkExtras() {
  for (const TensorRef<Real> &extra : extras) {
    bool isOne = extra->shape == Shape{1};
    bool isColumn = extra->shape == Shape{n()};
    bool isRow = extra->shape == Shape{out.rows(), 1};
    if (!isOne && !isColumn && !isRow && extra->shape != out.shape)
      return op->emitOpError("extra ")
             << toString(extra->shape) << " does not fit the output "
             << toString(out.shape);
  }
  return success();
}

template <typename Real>
FailureOr<std::vector<Real>>
GroupedMatmul<Real>::products(unsigned bank, int64_t group,
                              const std::vector<int64_t> &rows) {
  Value value = parts.banks[bank];
  std::vector<Real> sums(rows.size() * n());
  if (auto type = dyn_cast<BankType>(value.getType())) {
    const auto &name = std::get<BankRef>(frame.values.at(value)).name;
    auto member = interpreter.load(op, name, group, type.getMember());
    if (failed(member))
      return failure();
    if (!isMatrix((*member)->shape, n(), x->width()))
      return op->emitOpError("has members ")
             << toString((*member)->shape) << " for a product of " << x->width()
             << " to " << n() << " columns";
    product(*x, rows, matrixOf<Real>(**member, n(), x->width()), sums.data());
    return sums;
  }
  auto matrix = frame.matrix(op, value, n(), x->width());
  if (failed(matrix))
    return failure();
  product(*x, rows, *matrix, sums.data());
  return sums;
}

/// What the epilogue sees of an extra in one row of the output.
template <typename Real>
Tensor<Real> GroupedMatmul<Real>::extraLanes(const Tensor<Real> &extra,
                                             int64_t row) {
  if (extra.shape.size() == 1)
    return extra;
  Tensor<Real> lanes;
  lanes.shape = {extra.shape[1]};
  int64_t begin = row * extra.shape[1], end = begin + extra.shape[1];
  if (extra.ints.empty())
    lanes.reals.assign(extra.reals.begin() + begin, extra.reals.begin() + end);
  else
    lanes.ints.assign(extra.ints.begin() + begin, extra.ints.begin() + end);
  return lanes;
}

template <typename Real>
LogicalResult GroupedMatmul<Real>::runGroup(int64_t group, int64_t begin,
                                            int64_t end) {
  std::vector<int64_t> rows(rowOf.begin() + begin, rowOf.begin() + end);
  std::vector<std::vector<Real>> sums;
  for (unsigned bank = 0; bank < parts.banks.size(); ++bank) {
    auto of = products(bank, group, rows);
    if (failed(of))
      return failure();
    sums.push_back(std::move(*of));
  }
  std::vector<Tensor<Real>> ofGroup;
  for (Value extra : parts.groupExtras) {
    auto bank = dyn_cast<BankType>(extra.getType());
    if (!bank)
      return noSemantics(op);
    const auto &name = std::get<BankRef>(frame.values.at(extra)).name;
    auto member = interpreter.load(op, name, group, bank.getMember());
    if (failed(member))
      return failure();
    ofGroup.push_back(widened<Real>(**member));
  }
  for (int64_t r = begin; r < end; ++r) {
    std::vector<Tensor<Real>> arguments;
    for (const std::vector<Real> &of : sums) {
      auto first = of.begin() + (r - begin) * n();
      arguments.push_back({{n()}, {first, first + n()}, {}});
    }
    for (const TensorRef<Real> &extra : extras)
      arguments.push_back(extraLanes(*extra, r));
    llvm::append_range(arguments, ofGroup);
    if (!parts.epilogue->empty()) {
      auto yielded = evaluateLanes<Real>(
          parts.epilogue->front(), std::move(arguments), Captured<Real>());
      if (failed(yielded))
        return failure();
      arguments = std::move(*yielded);
    }
    const std::vector<Real> &lanes = arguments.front().reals;
    for (int64_t c = 0; c < n(); ++c)
      out.row(r)[firstColumn(group) + c] = lanes[lanes.size() == 1 ? 0 : c];
  }
  return success();
}

/// The columns of x that a group takes, where groups are side by side.
template <typename Real>
static Tensor<Real> partOf(const Tensor<Real> &x, int64_t first, int64_t size) {
  Tensor<Real> part = realTensor<Real>({x.rows(), size});
  for (int64_t r = 0; r < x.rows(); ++r)
    std::copy_n(x.row(r) + first, size, part.row(r));
  return part;
}

template <typename Real> LogicalResult GroupedMatmul<Real>::runSideBySide() {
  rowOf = countUp(out.rows());
  TensorRef<Real> whole = x;
  if (whole->rows() != out.rows())
    return op->emitOpError("makes ")
           << out.rows() << " rows of " << whole->rows();
  int64_t k = parts.k();
  for (int64_t group = 0; group < int64_t(parts.groups()); ++group) {
    x = std::make_shared<Tensor<Real>>(partOf(*whole, group * k, k));
    if (failed(runGroup(group, 0, out.rows())))
      return failure();
  }
  return success();
}

template <typename Real> LogicalResult GroupedMatmul<Real>::runRows() {
  if (failed(readRows()) || failed(checkExtras()))
    return failure();
  for (size_t group = 0; group + 1 < offsets.size(); ++group) {
    int64_t begin = offsets[group], end = offsets[group + 1];
    if (begin < end && failed(runGroup(group, begin, end)))
      return failure();
  }
  return success();
}

template <typename Real>
LogicalResult GroupedMatmul<Real>::run(unsigned result) {
  if (failed(parts.sideBySide ? runSideBySide() : runRows()))
    return failure();
  return setResult(op, result, parts.out, std::move(out), frame);
}

} // namespace

template <typename Real>
LogicalResult
reference::evaluateProduct(Operation *op, const ProductParts &parts,
                           TensorRef<Real> x, unsigned result,
                           Interpreter<Real> &interpreter, Frame<Real> &frame) {
  return GroupedMatmul<Real>(op, parts, x, interpreter, frame).run(result);
}

template LogicalResult
reference::evaluateProduct(Operation *, const ProductParts &, TensorRef<float>,
                           unsigned, Interpreter<float> &, Frame<float> &);
template LogicalResult
reference::evaluateProduct(Operation *, const ProductParts &, TensorRef<double>,
                           unsigned, Interpreter<double> &, Frame<double> &);
