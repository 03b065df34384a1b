//===- SpecialiseEligibility.cpp - Routers of one class of tokens ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model of several modalities routes each token among the experts of its
// modality. A function that only ever sees one of them, such as the prefill of
// an image, need not compute the logits of the others' experts, nor mask them.
//
// The mask sets logits to minus infinity, of which the exponential is 0, and
// never chooses them. So what is left is the same routing of fewer logits,
// unless a stage counts experts, or looks at one by its number.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Calls.h"
#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_SPECIALISEELIGIBILITYPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// The class of all tokens, where it is known.
static std::optional<int64_t> classOf(RouteOp route) {
  auto fill = route.getClassId()
                  ? route.getClassId().getDefiningOp<linalg::FillOp>()
                  : linalg::FillOp();
  APInt value;
  if (!fill || !matchPattern(fill.value(), m_ConstantInt(&value)))
    return std::nullopt;
  return value.getSExtValue();
}

/// The experts of a class, in ascending order.
static SmallVector<int64_t> expertsOf(RouteOp route, int64_t number) {
  ArrayRef<bool> mask = *route.getClassMask();
  int64_t experts = route.numExperts();
  SmallVector<int64_t> found;
  if (number >= 0 && number < int64_t(mask.size()) / experts)
    for (int64_t e = 0; e < experts; ++e)
      if (mask[number * experts + e])
        found.push_back(e);
  return found;
}

/// Why a routing of only these experts may mean something else; empty if it
/// does not.
static StringRef whyNotFewer(RouteOp route, size_t experts) {
  RoutingAttr r = route.getRouting();
  bool ranks = r.is(Policy::TopK) || r.is(Policy::TopP) ||
               r.is(Policy::Threshold) || r.is(Policy::SequentialMasked);
  if (!ranks)
    return "its policy knows experts by their numbers";
  if (r.restrictsGroups())
    return "its groups are made of all experts";
  if (r.getNullExperts() || r.getSharedExperts())
    return "its last experts are of another kind";
  if (r.getCapacity() && r.getCapacityUnit() == CapacityUnit::Factor)
    return "its capacity counts all experts";
  if (route.getEligible())
    return "it has another mask by token";
  if (r.getK() > int64_t(experts))
    return "it chooses more experts than the class has";
  return "";
}

namespace {
class SpecialiseEligibility
    : public moec::impl::SpecialiseEligibilityPassBase<SpecialiseEligibility> {
  void runOnOperation() override {
    calls = collectCalls(getOperation());
    SmallVector<RouteOp> routes;
    getOperation().walk([&](RouteOp op) { routes.push_back(op); });
    for (RouteOp route : routes)
      if (std::optional<int64_t> number = classOf(route))
        specialise(route, *number);
  }

  Calls calls;
  const Explain explain{"moe-specialise-eligibility", "class"};

  void specialise(RouteOp route, int64_t number) {
    SmallVector<int64_t> experts = expertsOf(route, number);
    std::string which = "tokens of class " + std::to_string(number);
    if (experts.empty())
      return explain.missed(route, which, "no expert is of this class");
    if (int64_t(experts.size()) == route.numExperts()) {
      explain.passed(route, which + ": all experts are of this class");
      route.getClassIdMutable().clear();
      route.removeClassMaskAttr();
      return;
    }
    StringRef why = whyNotFewer(route, experts.size());
    if (why.empty())
      why = whyNotTakenOut(route);
    if (!why.empty())
      return explain.missed(route, which, why);
    auto product = route.getLogits().getDefiningOp<linalg::MatmulOp>();
    RouteOp fewer = rewrite(route, experts);
    explain.passed(fewer, which + ": a router of " + Twine(experts.size()) +
                              " experts instead of " +
                              Twine(route.numExperts()));
    route.erase();
    product.erase();
  }

  /// The places where a function that has the value as an argument is called;
  /// none for other values.
  ArrayRef<func::CallOp> callsOf(Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    auto func = argument
                    ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp())
                    : func::FuncOp();
    if (!func || !func.isPrivate() || !value.hasOneUse())
      return {};
    return calls[func.getSymNameAttr()];
  }

  /// Whether rows of a weight, or of what all calls of a function give it as
  /// one, can be taken out.
  bool canTakeOut(Value value) {
    ArrayRef<func::CallOp> places = callsOf(value);
    if (places.empty())
      return bool(definitionOf(value));
    unsigned i = cast<BlockArgument>(value).getArgNumber();
    return llvm::all_of(places, [&](func::CallOp call) {
      return bool(definitionOf(call.getOperand(i)));
    });
  }

  DefineOp definitionOf(Value value) {
    auto weight = value.getDefiningOp<WeightOp>();
    if (!weight)
      return {};
    for (auto recipes : getOperation().getOps<RecipesOp>())
      for (auto define : recipes.getOps<DefineOp>())
        if (define.getName() == weight.getName())
          return define;
    return {};
  }

  /// Why rows of the router's weights cannot be taken out; empty if they can.
  StringRef whyNotTakenOut(RouteOp route) {
    auto product = route.getLogits().getDefiningOp<linalg::MatmulOp>();
    if (!product || !whyNotProduct(product).empty())
      return "its logits are no product";
    for (Operation *user : product->getResult(0).getUsers())
      if (user != route && !isDroppable(user))
        return "its logits are read by others too";
    for (Value value :
         {productWeight(product), route.getBias(), route.getExpertScale()})
      if (value && !canTakeOut(value))
        return "what it reads of all experts is no weight with a recipe";
    return "";
  }

  /// A tap that not every artifact has: of the logits of experts that no token
  /// may choose, none needs it.
  static bool isDroppable(Operation *op) {
    auto tap = dyn_cast<TapOp>(op);
    return tap && !tap.getAlways();
  }

  /// The rows of a weight as a weight of its own. An argument becomes these
  /// rows, which every call gives.
  Value takeOut(OpBuilder &builder, Value value, ArrayRef<int64_t> rows) {
    ArrayRef<func::CallOp> places = callsOf(value);
    if (places.empty())
      return takeOutOfWeight(builder, value, rows);
    auto argument = cast<BlockArgument>(value);
    unsigned i = argument.getArgNumber();
    for (func::CallOp call : places) {
      OpBuilder before(call);
      call.setOperand(i, takeOutOfWeight(before, call.getOperand(i), rows));
    }
    argument.setType(places.front()->getOperand(i).getType());
    auto func = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    func.setType(builder.getFunctionType(
        argument.getOwner()->getArgumentTypes(), func.getResultTypes()));
    return value;
  }

  Value takeOutOfWeight(OpBuilder &builder, Value value,
                        ArrayRef<int64_t> rows) {
    DefineOp define = definitionOf(value);
    Location loc = define.getLoc();
    auto type = cast<RankedTensorType>(value.getType());
    auto typeOf = [&](int64_t count) {
      SmallVector<int64_t> shape(type.getShape());
      shape[0] = count;
      return RankedTensorType::get(shape, type.getElementType());
    };
    SmallVector<std::pair<int64_t, int64_t>> runs;
    for (int64_t row : rows)
      if (!runs.empty() && runs.back().second == row)
        ++runs.back().second;
      else
        runs.emplace_back(row, row + 1);
    auto bounds = llvm::map_range(runs, [](auto run) {
      return std::to_string(run.first) + ":" + std::to_string(run.second);
    });
    std::string name =
        (define.getName() + "[" + llvm::join(bounds, ",") + "]").str();
    auto weight =
        WeightOp::create(builder, value.getLoc(), typeOf(rows.size()), name);
    if (isDefined(define, name))
      return weight;
    OpBuilder recipes(define);
    SmallVector<Value> parts;
    for (auto [first, end] : runs)
      parts.push_back(SliceOp::create(recipes, loc, typeOf(end - first),
                                      define.getValue(), type.getDimSize(0),
                                      first, end - first));
    Value whole = parts.front();
    if (parts.size() > 1)
      whole = ConcatOp::create(recipes, loc, typeOf(rows.size()), parts, false);
    DefineOp::create(recipes, loc, name, whole, define.getRole());
    return weight;
  }

  static bool isDefined(DefineOp beside, StringRef name) {
    return llvm::any_of(
        cast<RecipesOp>(beside->getParentOp()).getOps<DefineOp>(),
        [&](DefineOp define) { return define.getName() == name; });
  }

  RouteOp rewrite(RouteOp route, ArrayRef<int64_t> experts) {
    OpBuilder builder(route);
    Location loc = route.getLoc();
    auto product = route.getLogits().getDefiningOp<linalg::MatmulOp>();
    Value x = productX(product);
    Value weight = takeOut(builder, productWeight(product), experts);
    auto type = cast<RankedTensorType>(route.getLogits().getType());
    SmallVector<int64_t> shape{type.getDimSize(0), int64_t(experts.size())};
    auto fewer = RankedTensorType::get(shape, type.getElementType());
    Value empty = emptyRows(builder, loc, fewer, x);
    Value zero = arith::ConstantOp::create(
        builder, loc, builder.getZeroAttr(type.getElementType()));
    Value init = linalg::FillOp::create(builder, loc, ValueRange{zero},
                                        ValueRange{empty})
                     .getResult(0);
    Value logits = linalg::MatmulTransposeBOp::create(
                       builder, loc, TypeRange{fewer}, ValueRange{x, weight},
                       ValueRange{init})
                       .getResult(0);
    RoutingInputs inputs = route.getInputs();
    SmallVector<int32_t> alias;
    for (int64_t e : experts)
      alias.push_back(inputs.alias ? inputs.alias[e] : int32_t(e));
    inputs.alias = builder.getDenseI32ArrayAttr(alias);
    inputs.classId = Value();
    inputs.classMask = DenseBoolArrayAttr();
    for (Value *each : {&inputs.bias, &inputs.expertScale})
      if (*each)
        *each = takeOut(builder, *each, experts);
    auto made = RouteOp::create(builder, loc, route->getResultTypes(), logits,
                                inputs, route.getOuts(), route.getRouting());
    route->replaceAllUsesWith(made->getResults());
    for (Operation *user :
         llvm::make_early_inc_range(route.getLogits().getUsers()))
      if (isDroppable(user))
        user->erase();
    return made;
  }
};
} // namespace
