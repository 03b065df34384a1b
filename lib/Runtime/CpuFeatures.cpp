//===- CpuFeatures.cpp - What this CPU can execute ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads cpuid itself, because __builtin_cpu_supports knows fewer names. A
// feature counts only when XCR0 says that the system saves its registers.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/CpuFeatures.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace moec::runtime {

#if defined(__x86_64__)

namespace {

enum Register { Eax, Ebx, Ecx, Edx };

// Bits of XCR0 that must be set.
constexpr uint64_t none = 0, avx = 0x6, avx512 = 0xE6, amx = 0x60000;

struct Feature {
  const char *name;
  unsigned leaf, subleaf;
  Register where;
  unsigned bit;
  uint64_t state;
};

constexpr Feature features[] = {
    {"sse3", 1, 0, Ecx, 0, none},
    {"pclmul", 1, 0, Ecx, 1, none},
    {"ssse3", 1, 0, Ecx, 9, none},
    {"fma", 1, 0, Ecx, 12, avx},
    {"cx16", 1, 0, Ecx, 13, none},
    {"sse4.1", 1, 0, Ecx, 19, none},
    {"sse4.2", 1, 0, Ecx, 20, none},
    {"movbe", 1, 0, Ecx, 22, none},
    {"popcnt", 1, 0, Ecx, 23, none},
    {"aes", 1, 0, Ecx, 25, none},
    {"avx", 1, 0, Ecx, 28, avx},
    {"f16c", 1, 0, Ecx, 29, avx},
    {"cx8", 1, 0, Edx, 8, none},
    {"cmov", 1, 0, Edx, 15, none},
    {"mmx", 1, 0, Edx, 23, none},
    {"fxsr", 1, 0, Edx, 24, none},
    {"sse", 1, 0, Edx, 25, none},
    {"sse2", 1, 0, Edx, 26, none},
    {"bmi", 7, 0, Ebx, 3, none},
    {"avx2", 7, 0, Ebx, 5, avx},
    {"bmi2", 7, 0, Ebx, 8, none},
    {"avx512f", 7, 0, Ebx, 16, avx512},
    {"avx512dq", 7, 0, Ebx, 17, avx512},
    {"adx", 7, 0, Ebx, 19, none},
    {"avx512ifma", 7, 0, Ebx, 21, avx512},
    {"clflushopt", 7, 0, Ebx, 23, none},
    {"clwb", 7, 0, Ebx, 24, none},
    {"avx512cd", 7, 0, Ebx, 28, avx512},
    {"sha", 7, 0, Ebx, 29, none},
    {"avx512bw", 7, 0, Ebx, 30, avx512},
    {"avx512vl", 7, 0, Ebx, 31, avx512},
    {"avx512vbmi", 7, 0, Ecx, 1, avx512},
    {"avx512vbmi2", 7, 0, Ecx, 6, avx512},
    {"gfni", 7, 0, Ecx, 8, none},
    {"vaes", 7, 0, Ecx, 9, avx},
    {"vpclmulqdq", 7, 0, Ecx, 10, avx},
    {"avx512vnni", 7, 0, Ecx, 11, avx512},
    {"avx512bitalg", 7, 0, Ecx, 12, avx512},
    {"avx512vpopcntdq", 7, 0, Ecx, 14, avx512},
    {"avx512vp2intersect", 7, 0, Edx, 8, avx512},
    {"amx-bf16", 7, 0, Edx, 22, amx},
    {"avx512fp16", 7, 0, Edx, 23, avx512},
    {"amx-tile", 7, 0, Edx, 24, amx},
    {"amx-int8", 7, 0, Edx, 25, amx},
    {"avxvnni", 7, 1, Eax, 4, avx},
    {"avx512bf16", 7, 1, Eax, 5, avx512},
    {"amx-fp16", 7, 1, Eax, 21, amx},
    {"avxifma", 7, 1, Eax, 23, avx},
    {"avxvnniint8", 7, 1, Edx, 4, avx},
    {"avxneconvert", 7, 1, Edx, 5, avx},
    {"avxvnniint16", 7, 1, Edx, 10, avx},
    {"sahf", 0x80000001, 0, Ecx, 0, none},
    {"lzcnt", 0x80000001, 0, Ecx, 5, none},
    {"sse4a", 0x80000001, 0, Ecx, 6, none},
    {"prfchw", 0x80000001, 0, Ecx, 8, none},
    {"xop", 0x80000001, 0, Ecx, 11, avx},
    {"fma4", 0x80000001, 0, Ecx, 16, avx},
    {"64bit", 0x80000001, 0, Edx, 29, none},
};

struct Leaf {
  unsigned values[4] = {};
};

Leaf leafOf(unsigned leaf, unsigned subleaf) {
  Leaf result;
  // Subleaf 0 of leaf 7 says in eax how many more there are.
  if (subleaf > 0 && leafOf(leaf, 0).values[Eax] < subleaf)
    return result;
  __get_cpuid_count(leaf, subleaf, &result.values[Eax], &result.values[Ebx],
                    &result.values[Ecx], &result.values[Edx]);
  return result;
}

/// The register states that the system saves, 0 when it saves none.
uint64_t enabledStates() {
  constexpr unsigned osxsave = 1u << 27;
  if (!(leafOf(1, 0).values[Ecx] & osxsave))
    return 0;
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}

} // namespace

CpuFeatures CpuFeatures::ofThisMachine() {
  std::set<std::string, std::less<>> names;
  uint64_t states = enabledStates();
  for (const Feature &feature : features) {
    Leaf leaf = leafOf(feature.leaf, feature.subleaf);
    if ((leaf.values[feature.where] >> feature.bit & 1) &&
        (states & feature.state) == feature.state)
      names.insert(feature.name);
  }
  return CpuFeatures(std::move(names));
}

bool requestTileRegisters(const std::vector<std::string> &features) {
  bool usesTiles = std::any_of(
      features.begin(), features.end(),
      [](const std::string &name) { return name.starts_with("amx-"); });
  constexpr long requestPermission = 0x1023, tileData = 18;
  return !usesTiles ||
         ::syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

#else

// Code for other architectures may require nothing beyond their baseline.
CpuFeatures CpuFeatures::ofThisMachine() { return CpuFeatures({}); }

bool requestTileRegisters(const std::vector<std::string> &) { return true; }

#endif

std::vector<std::string>
CpuFeatures::missing(const std::vector<std::string> &wanted) const {
  std::vector<std::string> result;
  for (const std::string &name : wanted)
    if (!has(name))
      result.push_back(name);
  return result;
}

} // namespace moec::runtime
