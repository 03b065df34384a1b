//===- UnusedTensors.cpp - Tensors that a model does not ask for ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor that nothing uses is an error, unless the family knows it. Those of
// parts that are left out are counted.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Recipes.h"

#include "llvm/ADT/StringExtras.h"

using namespace moec;
using namespace moec::importer;

static bool matches(llvm::StringRef pattern, llvm::StringRef name) {
  llvm::SmallVector<llvm::StringRef> parts;
  pattern.split(parts, '*');
  if (parts.size() == 1)
    return pattern == name;
  if (!name.consume_front(parts.front()))
    return false;
  for (llvm::StringRef part : llvm::ArrayRef(parts).drop_front().drop_back()) {
    size_t at = name.find(part);
    if (at == llvm::StringRef::npos)
      return false;
    name = name.drop_front(at + part.size());
  }
  return name.ends_with(parts.back());
}

static const std::string *match(const std::vector<std::string> &patterns,
                                llvm::StringRef name) {
  auto it = llvm::find_if(patterns, [&](const std::string &pattern) {
    return matches(pattern, name);
  });
  return it == patterns.end() ? nullptr : &*it;
}

void Recipes::checkUnused(const std::vector<std::string> &ignored,
                          const std::vector<std::string> &leftOut) {
  unsigned unexpected = 0;
  std::map<std::string, std::pair<int64_t, int64_t>> parts;
  for (const auto &[index, tensor] : llvm::enumerate(checkpoint.tensors())) {
    // A shared expert of width 0, for example, is saved, and computes nothing.
    if (used[index] || llvm::is_contained(tensor.shape(), 0) ||
        match(ignored, tensor.name()))
      continue;
    if (const std::string *pattern = match(leftOut, tensor.name())) {
      auto &[count, bytes] = parts[*pattern];
      ++count;
      bytes += tensor.bytes().size();
      continue;
    }
    if (++unexpected > maxTensorErrors)
      continue;
    diagnostics.error(code::unexpectedTensor,
                      checkpoint.path() + ": tensor " +
                          weights::inQuotes(tensor.name()) + " of shape " +
                          shapeText(tensor.shape()) +
                          " is no part of the model that the configuration "
                          "describes");
  }
  if (unexpected > maxTensorErrors)
    diagnostics.error(code::unexpectedTensor,
                      checkpoint.path() + ": " +
                          std::to_string(unexpected - maxTensorErrors) +
                          " more unexpected tensors");
  std::string text;
  for (const auto &[pattern, part] : parts) {
    llvm::StringRef name = pattern;
    name.consume_back(".*");
    text += (text.empty() ? "" : ", ") + name.str() + " (" +
            std::to_string(part.first) +
            (part.first == 1 ? " tensor, " : " tensors, ") +
            std::to_string(part.second) + " bytes)";
  }
  if (!text.empty())
    diagnostics.warning(
        code::leftOut,
        checkpoint.path() +
            ": only the language model is compiled; left out: " + text);
}
