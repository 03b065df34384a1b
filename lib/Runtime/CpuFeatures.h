//===- CpuFeatures.h - What this CPU can execute ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The features of the CPU that the operating system has enabled, by LLVM's
// names.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_CPUFEATURES_H
#define MOEC_LIB_RUNTIME_CPUFEATURES_H

#include <set>
#include <string>
#include <vector>

namespace moec::runtime {

class CpuFeatures {
public:
  explicit CpuFeatures(std::set<std::string, std::less<>> names)
      : names(std::move(names)) {}

  /// Those of the machine that this runs on.
  static CpuFeatures ofThisMachine();

  bool has(const std::string &name) const { return names.count(name) != 0; }

  /// Those of `wanted` that are not there, in the order given.
  std::vector<std::string>
  missing(const std::vector<std::string> &wanted) const;

private:
  std::set<std::string, std::less<>> names;
};

/// Linux gives the tile registers of AMX only to a process that asked for
/// them. True when code that requires `features` may run now.
bool requestTileRegisters(const std::vector<std::string> &features);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_CPUFEATURES_H
