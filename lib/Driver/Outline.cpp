//===- Outline.cpp - The parts of a model and what they use ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Read off the imported module, so that it holds for any family: every op that
// computes on rows is a part, and uses the parts that its operands come from. A
// state that was written carries what was written.
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Outline.h"
#include "dialects/Moe/Moe.h"
#include "dialects/Nn/Nn.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace moec;
using namespace moec::driver;

namespace {
using Sources = llvm::SmallSetVector<int, 4>;

/// Reads one function.
class Reader {
public:
  /// `weightNames`: of the arguments of a layer, empty for others.
  Reader(func::FuncOp func, SmallVector<std::string> weightNames,
         std::map<Operation *, int> *structures)
      : func(func), weightNames(std::move(weightNames)),
        structures(structures) {}

  std::vector<Part> read();

private:
  void describe(Operation &op, Part &part);
  void describeGeneric(linalg::GenericOp op, Part &part);
  void addLayer(func::CallOp call, const Sources &sources);
  std::string weightOf(Operation &op);

  func::FuncOp func;
  SmallVector<std::string> weightNames;
  std::map<Operation *, int> *structures;
  std::vector<Part> parts;
  std::vector<int> structureOfPart;
  DenseMap<Value, Sources> from;
};
} // namespace

static std::string plain(StringRef opName) {
  std::string text = opName.split('.').second.str();
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

/// "self_attn.q_proj" of "model.layers.3.self_attn.q_proj.weight".
static std::string shortName(StringRef name) {
  name.consume_back(".weight");
  auto [before, layer] = name.split(".layers.");
  if (layer.empty())
    return name.rsplit('.').second.empty() ? name.str()
                                           : name.rsplit('.').second.str();
  return layer.split('.').second.str();
}

static std::string width(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != 2 || type.isDynamicDim(1))
    return "";
  return std::to_string(type.getDimSize(1));
}

/// The name of the first operand that is a weight.
std::string Reader::weightOf(Operation &op) {
  for (Value operand : op.getOperands()) {
    if (auto weight = operand.getDefiningOp<moe::WeightOp>())
      return shortName(weight.getName());
    auto argument = dyn_cast<BlockArgument>(operand);
    if (argument && argument.getOwner() == &func.getBody().front() &&
        argument.getArgNumber() < weightNames.size() &&
        !weightNames[argument.getArgNumber()].empty())
      return weightNames[argument.getArgNumber()];
  }
  return "";
}

void Reader::describeGeneric(linalg::GenericOp op, Part &part) {
  llvm::SmallSetVector<StringRef, 8> names;
  for (Operation &inner : op.getBody()->without_terminator())
    if (!inner.hasTrait<OpTrait::ConstantLike>())
      names.insert(inner.getName().getStringRef().split('.').second);
  if (names.size() == 1 && names[0] == "addf" && part.sources.size() > 1) {
    part.kind = "join";
    part.title = "sum";
    return;
  }
  part.title = "elementwise";
  if (std::string weight = weightOf(*op); !weight.empty())
    part.detail = weight + "  ";
  StringRef between = "";
  for (StringRef name : names) {
    if (!name.consume_back("imumf"))
      name.consume_back("f");
    part.detail += (between + name).str();
    between = ", ";
  }
}

void Reader::describe(Operation &op, Part &part) {
  part.kind = "other";
  part.title = plain(op.getName().getStringRef());
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return describeGeneric(generic, part);
  if (isa<linalg::MatmulOp>(op)) {
    part.kind = "linear";
    part.title = "linear";
    part.detail = weightOf(op);
    std::string in = width(op.getOperand(0)), out = width(op.getResult(0));
    if (!in.empty() && !out.empty())
      part.detail += (part.detail.empty() ? "" : "  ") + in + " → " + out;
  } else if (isa<nn::RmsNormOp, nn::LayerNormOp>(op)) {
    part.kind = "norm";
    part.title = isa<nn::RmsNormOp>(op) ? "RMS norm" : "layer norm";
    part.detail = weightOf(op);
  } else if (isa<moe::RouteOp>(op)) {
    part.kind = "router";
    part.title = "router";
  } else if (isa<moe::ExpertsOp, moe::SharedOp>(op)) {
    part.kind = "experts";
    part.title = isa<moe::ExpertsOp>(op) ? "experts" : "shared experts";
  } else if (op.getName().getDialectNamespace() == "nn" &&
             llvm::any_of(op.getOperandTypes(), [](Type type) {
               return isa<nn::StateType, nn::RecurrentType>(type);
             })) {
    part.kind = "mixer";
    if (isa<nn::ShortConvOp>(op))
      part.detail = weightOf(op);
    for (StringRef name : {"heads", "kv_heads", "key_heads", "window"})
      if (auto attr = op.getAttrOfType<IntegerAttr>(name);
          attr && attr.getInt() != 0)
        part.detail += (part.detail.empty() ? "" : ", ") +
                       plain("." + name.str()) + " " +
                       std::to_string(attr.getInt());
  } else {
    part.detail = weightOf(op);
  }
}

/// A call continues a run of layers of one structure, or begins one.
void Reader::addLayer(func::CallOp call, const Sources &sources) {
  int layer = call->getAttrOfType<IntegerAttr>("layer").getInt();
  int structure = structures->at(
      SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr()));
  int last = static_cast<int>(parts.size()) - 1;
  if (last >= 0 && parts[last].lastLayer == layer - 1 && layer > 0 &&
      structureOfPart[last] == structure && sources.contains(last)) {
    parts[last].lastLayer = layer;
    return;
  }
  Part part{"layers", "", "", {sources.begin(), sources.end()}, layer, layer};
  parts.push_back(std::move(part));
  structureOfPart.resize(parts.size(), -1);
  structureOfPart.back() = structure;
}

std::vector<Part> Reader::read() {
  Block &body = func.getBody().front();
  if (body.getNumArguments())
    from[body.getArgument(0)].insert(-1);
  for (Operation &op : body.without_terminator()) {
    Sources sources;
    if (isa<tensor::DimOp>(op)) // How many rows there are is no use of them.
      continue;
    for (Value operand : op.getOperands())
      sources.insert(from[operand].begin(), from[operand].end());
    StringRef dialect = op.getName().getDialectNamespace();
    bool computes = isa<linalg::MatmulOp, linalg::GenericOp>(op) ||
                    ((dialect == "nn" || dialect == "moe") &&
                     !isa<moe::TapOp, moe::WeightOp, nn::TokenSlotsOp>(op));
    auto call = dyn_cast<func::CallOp>(op);
    if (call && call->hasAttr("layer")) {
      addLayer(call, sources);
    } else if (computes && !sources.empty()) {
      Part part;
      part.sources.assign(sources.begin(), sources.end());
      describe(op, part);
      parts.push_back(std::move(part));
      structureOfPart.push_back(-1);
    } else {
      for (Value result : op.getResults())
        from[result] = sources;
      continue;
    }
    Sources own;
    own.insert(static_cast<int>(parts.size()) - 1);
    for (Value result : op.getResults())
      from[result] = own;
    if (op.getNumResults() == 0)
      for (Value operand : op.getOperands())
        if (isa<nn::StateType>(operand.getType()))
          from[operand] = own;
  }
  return std::move(parts);
}

/// The names of the weights that a call hands over, by argument.
static SmallVector<std::string> argumentNames(func::CallOp call) {
  SmallVector<std::string> names;
  for (Value operand : call.getOperands()) {
    auto weight = operand.getDefiningOp<moe::WeightOp>();
    names.push_back(weight ? shortName(weight.getName()) : "");
  }
  return names;
}

Outline driver::outline(ModuleOp module) {
  Outline result;
  std::map<Operation *, int> structures;
  for (auto entry : module.getOps<func::FuncOp>()) {
    if (!entry->hasAttr("moe.entry"))
      continue;
    entry.walk([&](func::CallOp call) {
      auto callee = cast<func::FuncOp>(
          SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr()));
      auto layer = call->getAttrOfType<IntegerAttr>("layer");
      // A layer that recurs is drawn as it is the first time.
      if (!layer || layer.getInt() < int64_t(result.structureOf.size()))
        return;
      auto [it, isNew] = structures.try_emplace(callee, structures.size());
      result.structureOf.push_back(it->second);
      if (isNew)
        result.structures.push_back(
            Reader(callee, argumentNames(call), nullptr).read());
    });
    result.model = Reader(entry, {}, &structures).read();
  }
  return result;
}

Outline driver::outlineCheckpoint(const std::string &directory,
                                  const importer::ImportOptions &options) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  importer::Diagnostics diagnostics;
  auto module =
      importer::importCheckpoint(context, directory, options, diagnostics);
  return module ? outline(*module) : Outline();
}
