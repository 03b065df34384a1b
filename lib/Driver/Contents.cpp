//===- Contents.cpp - From a compiled module to the manifest --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Contents.h"
#include "dialects/Nn/Nn.h"
#include "lib/Artifact/Checksum.h"
#include "lib/Artifact/ModelFacts.h"
#include "passes/Buffers/Affine.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"

#include <filesystem>

using namespace mlir;
using namespace moec;

/// Files of a checkpoint that travel with the model.
static constexpr llvm::StringLiteral kPassedFiles[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "generation_config.json", "chat_template.jinja"};

/// Inputs of a compilation that are small enough to hash whole.
static constexpr llvm::StringLiteral kHashedFiles[] = {
    "config.json", "generation_config.json", "model.safetensors.index.json"};

static int64_t numberIn(DictionaryAttr dictionary, StringRef name) {
  auto attr = dictionary ? dictionary.getAs<IntegerAttr>(name) : IntegerAttr();
  return attr ? attr.getInt() : 0;
}

/// What determines the bytes of the artifact: no places and nothing about how
/// the compilation is watched.
static std::vector<std::string> recordedOptions(const CompileOptions &options) {
  const importer::ImportOptions &import = options.import;
  std::vector<std::string> list;
  auto add = [&](const char *name, const std::string &value) {
    list.insert(list.end(), {name, value});
  };
  if (import.dtype)
    add("--dtype", *import.dtype);
  for (const std::string &target : options.targets)
    add("--target", target);
  if (import.maxContext)
    add("--max-context", std::to_string(*import.maxContext));
  add("--max-step-tokens", std::to_string(import.maxStepTokens));
  add("--max-sequences", std::to_string(import.maxSequences));
  if (!import.archSpec.empty())
    add("--arch-spec",
        std::filesystem::path(import.archSpec).filename().string());
  if (options.narrowActivations)
    add("--activations", "bf16");
  if (options.fallback)
    list.push_back("--fallback");
  if (options.taps)
    list.push_back("--taps");
  return list;
}

artifact::Contents driver::commonContents(ModuleOp module,
                                          const CompileOptions &options) {
  artifact::Contents contents;
  contents.options = recordedOptions(options);
  auto model = module->getAttrOfType<DictionaryAttr>("moe.model");
  contents.model = artifact::toJson(model);
  contents.limits.context = numberIn(model, "context");
  contents.limits.sequences = numberIn(model, "sequences");
  contents.limits.stepTokens = numberIn(model, "step_tokens");
  std::filesystem::path directory(options.params.empty() ? options.input
                                                         : options.params);
  for (llvm::StringRef name : kPassedFiles) {
    std::filesystem::path path = directory / name.str();
    if (std::filesystem::is_regular_file(path))
      contents.files.push_back({name.str(), path.string()});
  }
  for (llvm::StringRef name : kHashedFiles) {
    auto buffer =
        llvm::MemoryBuffer::getFile((directory / name.str()).string());
    if (buffer)
      contents.source[name.str()] =
          artifact::checksumOf((*buffer)->getBuffer());
  }
  return contents;
}

static std::string dtypeName(Type type) {
  if (type.isF32())
    return "f32";
  if (type.isBF16())
    return "bf16";
  if (type.isInteger(32))
    return "i32";
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static artifact::Affine affine(DictionaryAttr attr) {
  StepSize size = attr ? StepSize::fromAttr(attr) : StepSize();
  const auto &c = size.coefficients;
  return {c[0], c[1], c[2], c[3]};
}

static artifact::TensorType argument(func::FuncOp func, unsigned arg) {
  auto type = cast<MemRefType>(func.getArgumentTypes()[arg]);
  artifact::TensorType result;
  if (auto name = func.getArgAttrOfType<StringAttr>(arg, "moe.name"))
    result.name = name.str();
  result.dtype = dtypeName(type.getElementType());
  auto dims = func.getArgAttrOfType<ArrayAttr>(arg, "moe.dims");
  size_t named = 0;
  for (int64_t size : type.getShape()) {
    if (!ShapedType::isDynamic(size))
      result.shape.push_back(size);
    else if (dims && named < dims.size())
      result.shape.push_back(cast<StringAttr>(dims[named++]).str());
    else
      result.shape.push_back("T");
  }
  if (auto below = func.getArgAttrOfType<IntegerAttr>(arg, "moe.below"))
    result.below = below.getInt();
  return result;
}

static artifact::Entry describeEntry(func::FuncOp func, StringRef name) {
  artifact::Entry entry;
  entry.name = name.str();
  entry.symbol = ("moec_entry_" + name).str();
  for (unsigned i = 0, e = func.getNumArguments(); i < e; ++i) {
    if (func.getArgAttr(i, "moe.env"))
      continue;
    auto &list =
        func.getArgAttr(i, "moe.output") ? entry.outputs : entry.inputs;
    list.push_back(argument(func, i));
  }
  entry.arena = affine(func->getAttrOfType<DictionaryAttr>("moe.arena"));
  auto taps = func->getAttrOfType<ArrayAttr>("moe.taps");
  if (!taps)
    return entry;
  for (Attribute attr : taps) {
    auto dictionary = cast<DictionaryAttr>(attr);
    artifact::Tap tap;
    tap.type.name = dictionary.getAs<StringAttr>("name").str();
    tap.type.dtype =
        dtypeName(dictionary.getAs<TypeAttr>("element").getValue());
    for (Attribute size : dictionary.getAs<ArrayAttr>("shape")) {
      if (auto number = dyn_cast<IntegerAttr>(size))
        tap.type.shape.push_back(number.getInt());
      else
        tap.type.shape.push_back(cast<StringAttr>(size).str());
    }
    tap.offset = affine(dictionary.getAs<DictionaryAttr>("offset"));
    entry.taps.push_back(std::move(tap));
  }
  return entry;
}

artifact::Target driver::describeTarget(ModuleOp module,
                                        const TargetSpec &spec) {
  artifact::Target target;
  target.name = spec.name;
  target.features = spec.required;
  target.rank = spec.rank;
  for (auto func : module.getOps<func::FuncOp>())
    if (auto name = func->getAttrOfType<StringAttr>("moe.entry"))
      target.entries.push_back(describeEntry(func, name.getValue()));
  return target;
}

void driver::addMemory(ModuleOp module, artifact::Contents &contents) {
  if (auto bytes = module->getAttrOfType<IntegerAttr>("moe.weights_bytes"))
    contents.weightsBytes = bytes.getInt();
  auto state = module->getAttrOfType<DictionaryAttr>("moe.state");
  if (!state)
    return;
  contents.state.bytes = numberIn(state, "bytes");
  contents.state.blocks =
      contents.limits.sequences *
      llvm::divideCeil(contents.limits.context, nn::StateType::blockPositions);
  auto read = [&](StringRef list, StringRef size,
                  std::vector<artifact::StateBuffer> &to) {
    for (Attribute attr : state.getAs<ArrayAttr>(list)) {
      auto buffer = cast<DictionaryAttr>(attr);
      to.push_back({static_cast<uint64_t>(numberIn(buffer, "offset")),
                    static_cast<uint64_t>(numberIn(buffer, size))});
    }
  };
  read("buffers", "block_bytes", contents.state.buffers);
  read("recurrent", "slot_bytes", contents.state.recurrent);
}

bool driver::sameWeights(ModuleOp a, ModuleOp b) {
  auto places = [](ModuleOp module) {
    std::vector<std::tuple<StringAttr, Type, Attribute, Attribute>> list;
    module.walk([&](moe::DefineOp define) {
      list.emplace_back(define.getNameAttr(), define.getValue().getType(),
                        define->getAttr("offset"), define->getAttr("stride"));
    });
    return list;
  };
  return places(a) == places(b);
}

uint64_t driver::largestArena(const artifact::Contents &contents) {
  uint64_t most = 0;
  const artifact::Limits &limits = contents.limits;
  for (const artifact::Target &target : contents.targets)
    for (const artifact::Entry &entry : target.entries) {
      const artifact::Affine &size = entry.arena;
      most = std::max<uint64_t>(most, size.constant +
                                          size.tokens * limits.stepTokens +
                                          size.sequences * limits.sequences +
                                          size.rows * limits.stepTokens);
    }
  return most;
}
