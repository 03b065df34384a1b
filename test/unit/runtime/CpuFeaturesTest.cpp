//===- CpuFeaturesTest.cpp - What this CPU can execute --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compared with two other opinions: the compiler's run-time library and the
// kernel.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/CpuFeatures.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

using namespace moec::runtime;

namespace {

#if defined(__x86_64__)

TEST(CpuFeaturesTest, AgreesWithTheCompiler) {
  CpuFeatures cpu = CpuFeatures::ofThisMachine();
  __builtin_cpu_init();
#define AGREES(name)                                                           \
  EXPECT_EQ(cpu.has(name), __builtin_cpu_supports(name) != 0) << name
  AGREES("sse2");
  AGREES("sse3");
  AGREES("ssse3");
  AGREES("sse4.1");
  AGREES("sse4.2");
  AGREES("sse4a");
  AGREES("popcnt");
  AGREES("avx");
  AGREES("avx2");
  AGREES("fma");
  AGREES("bmi");
  AGREES("bmi2");
  AGREES("avx512f");
  AGREES("avx512bw");
  AGREES("avx512cd");
  AGREES("avx512dq");
  AGREES("avx512vl");
  AGREES("avx512vnni");
  AGREES("avx512bf16");
  AGREES("avx512vbmi");
  AGREES("avx512vbmi2");
  AGREES("avx512ifma");
  AGREES("avx512bitalg");
  AGREES("avx512vpopcntdq");
  AGREES("gfni");
  AGREES("vpclmulqdq");
#undef AGREES
  EXPECT_TRUE(cpu.has("64bit"));
  EXPECT_FALSE(cpu.has("teleport"));
}

TEST(CpuFeaturesTest, AgreesWithTheKernel) {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> flags;
  for (std::string line; std::getline(file, line) && flags.empty();)
    if (line.starts_with("flags")) {
      std::istringstream words(line.substr(line.find(':') + 1));
      for (std::string word; words >> word;)
        flags.insert(word);
    }
  if (flags.empty())
    GTEST_SKIP() << "no flags in /proc/cpuinfo";
  const std::map<std::string, std::string> names = {
      {"f16c", "f16c"},
      {"lzcnt", "abm"},
      {"movbe", "movbe"},
      {"cx16", "cx16"},
      {"avx512bf16", "avx512_bf16"},
      {"avx512fp16", "avx512_fp16"},
      {"avxvnni", "avx_vnni"},
      {"amx-tile", "amx_tile"},
      {"amx-int8", "amx_int8"},
      {"amx-bf16", "amx_bf16"},
      {"vaes", "vaes"},
      {"sha", "sha_ni"}};
  CpuFeatures cpu = CpuFeatures::ofThisMachine();
  for (const auto &[ours, theirs] : names)
    EXPECT_EQ(cpu.has(ours), flags.count(theirs) != 0) << ours;
}

#endif

TEST(CpuFeaturesTest, MissingOnesKeepTheirOrder) {
  CpuFeatures cpu({"b"});
  EXPECT_EQ(cpu.missing({"c", "b", "a"}), (std::vector<std::string>{"c", "a"}));
  EXPECT_TRUE(cpu.missing({"b"}).empty());
  EXPECT_TRUE(requestTileRegisters({"avx2"}));
}

} // namespace
