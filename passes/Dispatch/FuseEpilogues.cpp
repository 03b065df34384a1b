//===- FuseEpilogues.cpp - What follows a product, in its registers -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: activations, biases, clamps, gates and residuals after a product
// read and write a whole matrix for a few operations per element.
//
// Idea: an elementwise op joins the epilogue of the product that it reads, if
// nobody else reads that product; its other inputs become extras. An op that
// reads two products of the same rows (the gate and the up matrix of an expert)
// makes one product with two banks of them. The fused product stands where the
// elementwise op stood: all its inputs exist there, and nobody read the product
// before. A vector of each expert that was spread over its rows becomes a group
// extra: the epilogue reads it from its bank.
//
// Steps: one sweep in program order is a fixed point. What a fusion makes is
// read only by ops that come later, and no fusion changes who reads an earlier
// product.
//
//===----------------------------------------------------------------------===//

#include "passes/Explain.h"
#include "passes/ImportForms.h"
#include "passes/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace moec {
#define GEN_PASS_DEF_FUSEEPILOGUESPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;
using namespace moec::moe;

/// Each extra is a stream of loads beside the accumulators.
static constexpr size_t kMaxExtras = 4;

using Products = SmallVector<GroupedMatmulOp, 2>;

/// Why `op` cannot compute on the accumulators of a product that it reads;
/// empty if it can.
static std::string whyNotOnto(linalg::GenericOp op, GroupedMatmulOp product) {
  if (product->getBlock() != op->getBlock())
    return "the product is in another block";
  if (product.getVariants())
    return "the kernels of the product are chosen already";
  if (product.getSideBySide())
    return "the columns of the product belong to several matrices";
  Value value = product->getResult(0);
  for (unsigned i = 0; i < op.getNumDpsInputs(); ++i)
    if (op.getInputs()[i] == value && !readsWhole(op, i))
      return "the product is one value for each row or column there";
  if (llvm::is_contained(op.getOutputs(), value))
    return "the product is its output too";
  std::string users = otherUsers(value, op);
  if (!users.empty())
    return "the product is read by " + users + " too";
  return "";
}

namespace {
/// The inputs that an epilogue needs beside the products.
struct Extras {
  SetVector<Value> plain, ofGroups;

  size_t size() const { return plain.size() + ofGroups.size(); }
};
} // namespace

/// What the epilogue reads for `input`: a bank where that is its expert's
/// vector in every row of the product, else the input itself.
static Value sourceOf(Value input, GroupedMatmulOp product) {
  auto spread = input.getDefiningOp<SpreadOp>();
  return spread && spread.getOffsets() == product.getOffsets()
             ? spread.getBank()
             : input;
}

static Extras extrasOf(linalg::GenericOp op,
                       ArrayRef<GroupedMatmulOp> products) {
  Extras extras;
  for (GroupedMatmulOp product : products) {
    extras.plain.insert_range(product.getExtras());
    extras.ofGroups.insert_range(product.getGroupExtras());
  }
  for (Value input : op.getInputs()) {
    if (llvm::is_contained(products, input.getDefiningOp()))
      continue;
    Value source = sourceOf(input, products.front());
    (source == input ? extras.plain : extras.ofGroups).insert(source);
  }
  return extras;
}

/// Whether two products can be one with two banks.
static bool canPair(GroupedMatmulOp a, GroupedMatmulOp b) {
  return a.getBanks().size() == 1 && b.getBanks().size() == 1 &&
         a.getX() == b.getX() && a.getOffsets() == b.getOffsets() &&
         a.getActive() == b.getActive() && a.getGather() == b.getGather() &&
         a.getBanks()[0].getType() == b.getBanks()[0].getType();
}

//===----------------------------------------------------------------------===//
// Fusing
//===----------------------------------------------------------------------===//

/// Fills the epilogue of `fused`: those of the products, then the body of `op`.
static void mergeEpilogues(OpBuilder &builder, GroupedMatmulOp fused,
                           linalg::GenericOp op,
                           ArrayRef<GroupedMatmulOp> products) {
  Location loc = op.getLoc();
  Block *body = builder.createBlock(&fused.getEpilogue());
  for (size_t i = 0; i < fused.getBanks().size(); ++i)
    body->addArgument(builder.getF32Type(), loc);
  // What the body reads for a value outside: an extra or a product.
  IRMapping scalars;
  for (Value extra : fused.getExtras())
    scalars.map(extra, body->addArgument(getElementTypeOrSelf(extra), loc));
  for (Value extra : fused.getGroupExtras())
    scalars.map(
        extra,
        body->addArgument(
            cast<BankType>(extra.getType()).getMember().getElementType(), loc));
  unsigned accumulator = 0;
  for (GroupedMatmulOp product : products) {
    Block &epilogue = product.getEpilogue().front();
    IRMapping map;
    for (size_t i = 0; i < product.getBanks().size(); ++i)
      map.map(epilogue.getArgument(i), body->getArgument(accumulator++));
    for (auto [argument, extra] : llvm::zip(
             epilogue.getArguments().drop_front(product.getBanks().size()),
             llvm::concat<Value>(llvm::to_vector(product.getExtras()),
                                 llvm::to_vector(product.getGroupExtras()))))
      map.map(argument, scalars.lookup(extra));
    scalars.map(product->getResult(0), inlineScalars(builder, epilogue, map));
  }
  IRMapping map;
  for (auto [argument, input] :
       llvm::zip(op.getBody()->getArguments(), op.getInputs()))
    map.map(argument, scalars.lookup(sourceOf(input, products.front())));
  Value result = inlineScalars(builder, *op.getBody(), map);
  YieldOp::create(builder, loc, result);
}

static GroupedMatmulOp fuse(IRRewriter &rewriter, linalg::GenericOp op,
                            const Products &products) {
  SmallVector<Value> banks;
  for (GroupedMatmulOp product : products)
    llvm::append_range(banks, product.getBanks());
  GroupedMatmulOp first = products.front();
  Extras extras = extrasOf(op, products);
  rewriter.setInsertionPoint(op);
  auto fused = GroupedMatmulOp::create(
      rewriter, op.getLoc(), op->getResultTypes(), first.getX(), banks,
      first.getOffsets(), first.getActive(), first.getGather(),
      extras.plain.getArrayRef(), extras.ofGroups.getArrayRef(),
      op.getOutputs(), /*variants=*/nullptr, /*side_by_side=*/false);
  mergeEpilogues(rewriter, fused, op, products);
  rewriter.replaceOp(op, fused);
  for (GroupedMatmulOp product : products)
    rewriter.eraseOp(product);
  return fused;
}

//===----------------------------------------------------------------------===//
// Choosing
//===----------------------------------------------------------------------===//

namespace {
/// One elementwise op that reads products, and what is said about it.
class Choice {
public:
  explicit Choice(linalg::GenericOp op) : op(op) {
    SetVector<Operation *> producers;
    for (Value input : op.getInputs())
      if (auto product = input.getDefiningOp<GroupedMatmulOp>())
        producers.insert(product);
    for (Operation *producer : producers)
      read.push_back(cast<GroupedMatmulOp>(producer));
  }

  bool readsProducts() const { return !read.empty(); }
  const std::string &getWhyNot() const { return why; }

  /// The products to fuse: a pair, or the one made last; none if nothing can
  /// be.
  Products choose() {
    StringRef form = whyNotEpilogue(op);
    if (!form.empty()) {
      why = form.str();
      return {};
    }
    Products usable;
    for (GroupedMatmulOp product : read) {
      std::string reason = whyNotOnto(op, product);
      if (reason.empty())
        usable.push_back(product);
      else
        why = reason;
    }
    llvm::sort(usable, [](GroupedMatmulOp a, GroupedMatmulOp b) {
      return a->isBeforeInBlock(b);
    });
    if (usable.size() == 2 && canPair(usable[0], usable[1]) && fits(usable))
      return usable;
    for (GroupedMatmulOp product : llvm::reverse(usable))
      if (fits({product}))
        return {product};
    return {};
  }

private:
  bool fits(const Products &products) {
    size_t extras = extrasOf(op, products).size();
    if (extras > kMaxExtras)
      why = "the epilogue would read " + std::to_string(extras) +
            " extras, at most " + std::to_string(kMaxExtras) + " are allowed";
    return extras <= kMaxExtras;
  }

  linalg::GenericOp op;
  Products read;
  std::string why;
};

struct FuseEpilogues : moec::impl::FuseEpiloguesPassBase<FuseEpilogues> {
  void runOnOperation() override {
    SmallVector<linalg::GenericOp> ops;
    getOperation().walk([&](linalg::GenericOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (linalg::GenericOp op : ops)
      visit(rewriter, op);
  }

  static void visit(IRRewriter &rewriter, linalg::GenericOp op) {
    const Explain explain("moe-fuse-epilogues", "epilogue");
    Choice choice(op);
    if (!choice.readsProducts())
      return;
    Products products = choice.choose();
    if (products.empty()) {
      explain.missed(op, "not computed in the registers of a product",
                     choice.getWhyNot());
      return;
    }
    GroupedMatmulOp fused = fuse(rewriter, op, products);
    explain.passed(fused, products.size() == 2
                              ? "two products paired, and computed on"
                              : "computed in the registers of its product");
  }
};
} // namespace
