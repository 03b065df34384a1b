//===- Memory.cpp - How much memory the machine has left ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a control group has in use counts cached file pages, the mapped weights
// among them; those are given back under pressure and do not count here.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

namespace moec::runtime {

namespace {

/// The number after `key` in a file of lines "key number", or the first number
/// of the file when the key is empty.
std::optional<uint64_t> numberIn(const std::string &path,
                                 const std::string &key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    uint64_t number;
    if (!key.empty() && (!(words >> word) || word != key))
      continue;
    if (words >> number)
      return number;
    if (key.empty())
      return std::nullopt; // "max": no limit
  }
  return std::nullopt;
}

struct GroupFiles {
  const char *limit, *usage, *details, *cached;
};

uint64_t leftInGroup(const std::string &root, const GroupFiles &files) {
  std::optional<uint64_t> limit = numberIn(root + files.limit, "");
  std::optional<uint64_t> usage = numberIn(root + files.usage, "");
  if (!limit || !usage)
    return UINT64_MAX;
  uint64_t cached = numberIn(root + files.details, files.cached).value_or(0);
  uint64_t used = *usage - std::min(*usage, cached);
  return *limit - std::min(*limit, used);
}

} // namespace

uint64_t availableMemory(const std::string &root) {
  uint64_t available = UINT64_MAX;
  if (auto kibibytes = numberIn(root + "/proc/meminfo", "MemAvailable:"))
    available = *kibibytes * 1024;
  // Versions 2 and 1 of control groups, as a container sees its own.
  constexpr GroupFiles groups[] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current",
       "/sys/fs/cgroup/memory.stat", "file"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
       "/sys/fs/cgroup/memory/memory.usage_in_bytes",
       "/sys/fs/cgroup/memory/memory.stat", "cache"}};
  for (const GroupFiles &files : groups)
    available = std::min(available, leftInGroup(root, files));
  return available;
}

} // namespace moec::runtime
