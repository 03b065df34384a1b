//===- Bf16AsBits.cpp - bf16 in memory as 16-bit integers -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "passes/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace moec {
#define GEN_PASS_DEF_BF16ASBITSPASS
#include "passes/Passes.h.inc"
} // namespace moec

using namespace mlir;
using namespace moec;

/// The bits of a constant of bf16, or the attribute as it is.
static Attribute bitsOf(Attribute value) {
  auto i16 = IntegerType::get(value.getContext(), 16);
  if (auto scalar = dyn_cast<FloatAttr>(value))
    if (scalar.getType().isBF16())
      return IntegerAttr::get(i16, scalar.getValue().bitcastToAPInt());
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    if (dense.getElementType().isBF16())
      return dense.bitcast(i16);
  return value;
}

namespace {
struct Bf16AsBits : moec::impl::Bf16AsBitsPassBase<Bf16AsBits> {
  void runOnOperation() override {
    auto target = moe::TargetAttr::of(getOperation());
    if (!target || (target.getBf16Dot() && !target.getEmulate()))
      return;
    AttrTypeReplacer replacer;
    replacer.addReplacement([](BFloat16Type type) -> Type {
      return IntegerType::get(type.getContext(), 16);
    });
    for (auto function : getOperation().getOps<LLVM::LLVMFuncOp>()) {
      function.walk([](LLVM::ConstantOp constant) {
        constant.setValueAttr(bitsOf(constant.getValue()));
      });
      replacer.recursivelyReplaceElementsIn(function, /*replaceAttrs=*/true,
                                            /*replaceLocs=*/false,
                                            /*replaceTypes=*/true);
    }
  }
};
} // namespace
