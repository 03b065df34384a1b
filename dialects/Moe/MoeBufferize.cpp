//===- MoeBufferize.cpp - From tensors to memrefs -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every compute op is in destination-passing style and means the same on
// memrefs, so one model serves all: it clones the op onto buffers. Outputs are
// only written, so an output never forces a copy.
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace moec;

/// Operands with tensors replaced by their buffers.
static FailureOr<SmallVector<Value>>
bufferOperands(RewriterBase &rewriter, Operation *op,
               const BufferizationOptions &options, BufferizationState &state) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (!isa<TensorType>(operand.getType())) {
      operands.push_back(operand);
      continue;
    }
    FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
    if (failed(buffer))
      return failure();
    operands.push_back(*buffer);
  }
  return operands;
}

/// The same op without results on `operands`; takes the regions along.
static Operation *cloneOnto(RewriterBase &rewriter, Operation *op,
                            ValueRange operands, TypeRange results = {}) {
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(operands);
  state.addTypes(results);
  for (NamedAttribute attr : op->getDiscardableAttrs())
    state.addAttribute(attr.getName(), attr.getValue());
  state.propertiesAttr = op->getPropertiesAsAttribute();
  for (Region &region : op->getRegions())
    state.addRegion()->takeBody(region);
  return rewriter.create(state);
}

namespace {
template <typename OpTy>
struct DpsModel
    : DstBufferizableOpInterfaceExternalModel<DpsModel<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &) const {
    return !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    auto operands = bufferOperands(rewriter, op, options, state);
    if (failed(operands))
      return failure();
    Operation *onBuffers = cloneOnto(rewriter, op, *operands);
    auto inits = cast<DestinationStyleOpInterface>(onBuffers).getDpsInits();
    replaceOpWithBufferizedValues(rewriter, op, llvm::to_vector(inits));
    return success();
  }
};

/// An op that only reads its tensors and returns nothing.
template <typename OpTy>
struct ReaderModel
    : BufferizableOpInterface::ExternalModel<ReaderModel<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto operands = bufferOperands(rewriter, op, options, state);
    if (failed(operands))
      return failure();
    cloneOnto(rewriter, op, *operands);
    rewriter.eraseOp(op);
    return success();
  }
};

/// A weight is memory that nobody may write.
struct WeightModel
    : BufferizableOpInterface::ExternalModel<WeightModel, moe::WeightOp> {
  bool isWritable(Operation *, Value, const AnalysisState &) const {
    return false;
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &,
                          BufferizationState &) const {
    auto weight = cast<moe::WeightOp>(op);
    auto type = dyn_cast<RankedTensorType>(weight.getType());
    if (!type)
      return success();
    auto buffer = moe::WeightOp::create(
        rewriter, op->getLoc(),
        MemRefType::get(type.getShape(), type.getElementType()),
        weight.getName());
    replaceOpWithBufferizedValues(rewriter, op, buffer.getResult());
    return success();
  }
};
} // namespace

void moec::registerBufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, moe::MoeDialect *) {
    using namespace moe;
    RouteOp::attachInterface<DpsModel<RouteOp>>(*context);
    GateOp::attachInterface<DpsModel<GateOp>>(*context);
    PlanOp::attachInterface<DpsModel<PlanOp>>(*context);
    SpreadOp::attachInterface<DpsModel<SpreadOp>>(*context);
    RowWeightsOp::attachInterface<DpsModel<RowWeightsOp>>(*context);
    CombineOp::attachInterface<DpsModel<CombineOp>>(*context);
    CombineGateOp::attachInterface<DpsModel<CombineGateOp>>(*context);
    GroupedMatmulOp::attachInterface<DpsModel<GroupedMatmulOp>>(*context);
    CombineMatmulOp::attachInterface<DpsModel<CombineMatmulOp>>(*context);
    TapOp::attachInterface<ReaderModel<TapOp>>(*context);
    WeightOp::attachInterface<WeightModel>(*context);
  });
  registry.addExtension(+[](MLIRContext *context, nn::NnDialect *) {
    using namespace nn;
    RmsNormOp::attachInterface<DpsModel<RmsNormOp>>(*context);
    LayerNormOp::attachInterface<DpsModel<LayerNormOp>>(*context);
    JoinHeadsOp::attachInterface<DpsModel<JoinHeadsOp>>(*context);
    RopeOp::attachInterface<DpsModel<RopeOp>>(*context);
    GatherRowsOp::attachInterface<DpsModel<GatherRowsOp>>(*context);
    TokenSlotsOp::attachInterface<DpsModel<TokenSlotsOp>>(*context);
    AttentionOp::attachInterface<DpsModel<AttentionOp>>(*context);
    ShortConvOp::attachInterface<DpsModel<ShortConvOp>>(*context);
    GatedDeltaOp::attachInterface<DpsModel<GatedDeltaOp>>(*context);
    PlacesOp::attachInterface<DpsModel<PlacesOp>>(*context);
    FirstPlacesOp::attachInterface<DpsModel<FirstPlacesOp>>(*context);
    SeqRowsOp::attachInterface<DpsModel<SeqRowsOp>>(*context);
    AppendOp::attachInterface<ReaderModel<AppendOp>>(*context);
  });
}
