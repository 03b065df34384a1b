//===- CpuTarget.cpp - CPU targets by name --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Target.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

using namespace moec;

moe::TargetAttr TargetSpec::describe(mlir::MLIRContext *context) const {
  return moe::TargetAttr::get(context, vectorBits, vectorRegisters, bf16Dot,
                              /*l2_bytes=*/512 << 10, emulate);
}

static const std::vector<std::string> kAvx2 = {
    "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt"};
static const std::vector<std::string> kAvx512 = {
    "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"};

static bool hasAll(const llvm::StringSet<> &features,
                   const std::vector<std::string> &wanted) {
  return llvm::all_of(wanted, [&](const std::string &feature) {
    return features.contains(feature);
  });
}

/// The level of the instruction set that a processor reaches. Code uses the
/// level's instructions only, so that it runs on every processor of the level;
/// it is scheduled for the one named.
static llvm::Expected<TargetSpec>
specForFeatures(const llvm::StringSet<> &features, llvm::StringRef tune) {
  TargetSpec spec;
  spec.triple = "x86_64-unknown-linux-gnu";
  spec.tune = tune.str();
  if (!hasAll(features, kAvx2))
    return llvm::createStringError(
        llvm::formatv("[MOE0305] the processor '{0}' lacks AVX2 or FMA, which "
                      "generated code needs; supported: x86-64 with AVX2 and "
                      "FMA, AArch64",
                      tune)
            .str());
  spec.required = kAvx2;
  spec.cpu = spec.name = "x86-64-v3";
  spec.rank = 1;
  spec.vectorBits = 256;
  spec.vectorRegisters = 16;
  if (!hasAll(features, kAvx512))
    return spec;
  llvm::append_range(spec.required, kAvx512);
  spec.cpu = spec.name = "x86-64-v4";
  spec.rank = 2;
  spec.vectorBits = 512;
  spec.vectorRegisters = 32;
  if (!features.contains("avx512bf16"))
    return spec;
  spec.required.push_back("avx512bf16");
  spec.features = "+avx512bf16";
  spec.name += "-bf16";
  spec.rank = 3;
  spec.bf16Dot = true;
  return spec;
}

static TargetSpec aarch64() {
  TargetSpec spec;
  spec.name = "aarch64";
  spec.triple = "aarch64-unknown-linux-gnu";
  spec.cpu = spec.tune = "generic";
  spec.required = {"neon"};
  spec.rank = 1;
  spec.vectorBits = 128;
  spec.vectorRegisters = 32;
  return spec;
}

/// The form of the code stays that of the target; its instructions become
/// those that every development machine has.
static void emulate(TargetSpec &spec) {
  spec.name += "-emulated";
  spec.cpu = "x86-64-v3";
  spec.features = "";
  spec.required = kAvx2;
  spec.emulate = true;
}

static llvm::Expected<TargetSpec> parseProcessor(llvm::StringRef name) {
  llvm::StringSet<> features;
  if (name.empty()) {
    for (const std::string &feature : kAvx2)
      features.insert(feature);
    return specForFeatures(features, "generic");
  }
  if (name == "aarch64")
    return aarch64();
  if (name == "native") {
    for (auto &[feature, enabled] : llvm::sys::getHostCPUFeatures())
      if (enabled)
        features.insert(feature);
    return specForFeatures(features, llvm::sys::getHostCPUName());
  }
  if (llvm::X86::parseArchX86(name, /*Only64Bit=*/true) == llvm::X86::CK_None)
    return llvm::createStringError(
        llvm::formatv("[MOE0209] unknown processor '{0}' in --target; use "
                      "cpu, cpu:native, cpu:aarch64 or cpu:NAME with a name "
                      "that LLVM knows, such as znver3, znver4 or "
                      "sapphirerapids",
                      name)
            .str());
  llvm::SmallVector<llvm::StringRef> list;
  llvm::X86::getFeaturesForCPU(name, list);
  for (llvm::StringRef feature : list)
    features.insert(feature);
  return specForFeatures(features, name);
}

llvm::Expected<TargetSpec> moec::parseTarget(llvm::StringRef text) {
  auto [kind, rest] = text.split(':');
  if (kind != "cpu")
    return llvm::createStringError(
        llvm::formatv("[MOE0209] unknown target '{0}'; supported: cpu, "
                      "cpu:native, cpu:NAME",
                      text)
            .str());
  bool emulated = rest.consume_back("+emulate");
  auto spec = parseProcessor(rest);
  if (spec && emulated)
    emulate(*spec);
  return spec;
}
