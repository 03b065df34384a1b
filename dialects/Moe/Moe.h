//===- Moe.h - The moe dialect --------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_DIALECTS_MOE_MOE_H
#define MOEC_DIALECTS_MOE_MOE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Moe/MoeDialect.h.inc"
#include "dialects/Moe/MoeEnums.h.inc"

namespace moec::moe {
/// What a choice of experts reads besides its logits; null where absent.
struct RoutingInputs {
  mlir::Value bias, eligible, classId, tokenK, table, tokenId, expertScale,
      sequence;
  mlir::DenseBoolArrayAttr classMask;
  mlir::DenseI32ArrayAttr alias;

  /// The operands that are there.
  llvm::SmallVector<mlir::Value> values() const;
  /// Whether experts may be ruled out for a token.
  bool restrictsEligibility() const { return eligible || classId; }
  /// All ids of a choice among so many experts are below this.
  int64_t numIds(int64_t experts) const;
};

/// What a combine reads and writes.
struct CombineParts {
  mlir::Value rows, tokenRow, tokenSlot, weights, ids;
  mlir::ValueRange locals, addends;
  mlir::Value y;
  llvm::ArrayRef<int64_t> ranges;
  bool unweighted;
};

/// What a matrix product of rows reads and writes.
struct ProductParts {
  mlir::Value x;
  mlir::ValueRange banks;
  mlir::Value offsets, gather;
  mlir::ValueRange extras, groupExtras;
  mlir::Value out;
  mlir::Region *epilogue; ///< Without a block where the sums are the result.
  bool sideBySide = false;

  /// Whether the banks have a matrix for each group.
  bool isGrouped() const { return offsets || sideBySide; }
  /// The number of groups, and the size of a group's matrix.
  int64_t groups() const;
  int64_t n() const;
  int64_t k() const;
  /// The element type of the banks.
  mlir::Type weightType() const;
  /// Whether the banks are in their packed form.
  bool isPacked() const;
};
} // namespace moec::moe

#define GET_TYPEDEF_CLASSES
#include "dialects/Moe/MoeTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Moe/MoeAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Moe/MoeOps.h.inc"

namespace moec {

/// Columns of a panel of a packed matrix.
constexpr int64_t kPanelColumns = 16;

/// The memory effects of an op in destination-passing style: on memrefs, it
/// reads its inputs and writes its outputs; on tensors it has none.
void getDpsEffects(mlir::DestinationStyleOpInterface op,
                   llvm::SmallVectorImpl<mlir::SideEffects::EffectInstance<
                       mlir::MemoryEffects::Effect>> &effects);

/// Checks what every op in destination-passing style must fulfil: all operands
/// tensors with one result for each output, or all memrefs and no result.
mlir::LogicalResult verifyDps(mlir::DestinationStyleOpInterface op);

/// Checks the rank, the element type and, where they are not dynamic, the sizes
/// (ShapedType::kDynamic: any) of an operand; `what` names it in the message.
mlir::LogicalResult verifyShape(mlir::Operation *op, mlir::Value value,
                                llvm::StringRef what,
                                llvm::ArrayRef<int64_t> shape,
                                mlir::Type element = {});

/// Checks that a matrix of this shape is [n, k], or the packed form of that.
mlir::LogicalResult verifyMatrix(mlir::Operation *op, llvm::StringRef what,
                                 mlir::Value value,
                                 llvm::ArrayRef<int64_t> shape, int64_t n,
                                 int64_t k);

/// Checks how many outputs there are.
mlir::LogicalResult verifyOuts(mlir::Operation *op, mlir::OperandRange outs,
                               size_t number);

/// The outputs of a router that is fused: ids, weights, logits, and, where
/// there are any, the weights of shared experts and the counts.
size_t numGateOuts(moe::RoutingAttr routing, std::optional<int64_t> countRows);

/// Checks the extras and the epilogue of a product.
mlir::LogicalResult verifyEpilogue(mlir::Operation *op,
                                   const moe::ProductParts &parts);

/// Checks the operands and outputs of a router that is fused.
mlir::LogicalResult
verifyGate(mlir::Operation *op, const moe::ProductParts &product,
           moe::RoutingAttr routing, const moe::RoutingInputs &inputs,
           mlir::ValueRange outs, std::optional<int64_t> countRows);

/// Checks the operands of a combine.
mlir::LogicalResult verifyCombine(mlir::Operation *op,
                                  const moe::CombineParts &parts);

/// Checks counts of choices of at least so many experts, by block of `rows`
/// tokens or a multiple of these.
mlir::LogicalResult verifyCounts(mlir::Operation *op, mlir::Value counts,
                                 int64_t rows, int64_t experts);

/// Registers how the ops of both dialects bufferize (it lives here because one
/// model serves both).
void registerBufferization(mlir::DialectRegistry &registry);

} // namespace moec

#endif // MOEC_DIALECTS_MOE_MOE_H
