//===- MoeDialect.cpp - Types and attributes of the moe dialect -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace moec::moe;

#include "dialects/Moe/MoeDialect.cpp.inc"
#include "dialects/Moe/MoeEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Moe/MoeTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Moe/MoeAttrs.cpp.inc"

void MoeDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Moe/MoeTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Moe/MoeAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Moe/MoeOps.cpp.inc"
      >();
}

LogicalResult BankType::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t experts, RankedTensorType member) {
  if (experts < 1)
    return emitError() << "a bank needs at least 1 expert, got " << experts;
  if (!member.hasStaticShape())
    return emitError() << "the members of a bank need a static shape, got "
                       << member;
  return success();
}

LogicalResult
ExpertRangeAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        ExpertKind, int64_t count) {
  if (count < 1)
    return emitError() << "a range needs at least 1 expert, got " << count;
  return success();
}

LogicalResult
ExpertRangesAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         ArrayRef<ExpertRangeAttr> list) {
  if (llvm::none_of(list, [](ExpertRangeAttr range) {
        return range.getKind() == ExpertKind::Ffn;
      }))
    return emitError() << "expected at least one range of kind ffn";
  return success();
}

LogicalResult VariantAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t maxRows, int64_t tileRows,
                                  int64_t tileVectors, int64_t prefetch) {
  if (maxRows < 0 || tileRows < 1 || tileVectors < 1 || prefetch < 0)
    return emitError() << "a variant needs tile_rows and tile_vectors of at "
                          "least 1 and no negative numbers";
  return success();
}

LogicalResult VariantsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   ArrayRef<VariantAttr> list) {
  if (list.empty())
    return emitError() << "expected at least one variant";
  for (auto [i, variant] : llvm::enumerate(list)) {
    bool last = i + 1 == list.size();
    if (last != (variant.getMaxRows() == 0))
      return emitError() << "the last variant, and no other, must be for any "
                            "number of rows (max_rows = 0)";
    if (i && !last && variant.getMaxRows() <= list[i - 1].getMaxRows())
      return emitError() << "variants must come by ascending max_rows";
  }
  return success();
}

TargetAttr TargetAttr::of(Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    module = op->getParentOfType<ModuleOp>();
  return module ? module->getAttrOfType<TargetAttr>("moe.target") : nullptr;
}
