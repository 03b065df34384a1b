//===- Family.cpp - What the programs of a family reach -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Family.h"

using namespace moec::importer;

static void collectBodyNames(const Body &body, std::set<std::string> &names) {
  for (const Statement &statement : body)
    collectNames(statement.value, names);
}

/// The names in what a name stands for.
static std::set<std::string> namesBehind(const Family &family,
                                         const std::string &name) {
  std::set<std::string> names;
  auto definition = family.definitions.find(name);
  if (definition != family.definitions.end()) {
    collectBodyNames(definition->second.body, names);
    for (const auto &parameter : definition->second.signature.parameters)
      if (parameter.second)
        collectNames(*parameter.second, names);
  }
  auto key = family.keys.find(name);
  if (key == family.keys.end())
    return names;
  for (const auto *part : {&key->second.fallback, &key->second.length})
    if (*part)
      collectNames(**part, names);
  for (const std::string &path : key->second.from)
    for (std::string &part : namesInBraces(path))
      names.insert(std::move(part));
  return names;
}

/// Adds all that the names can reach.
static void close(const Family &family, std::set<std::string> &names) {
  std::vector<std::string> pending(names.begin(), names.end());
  while (!pending.empty()) {
    std::string name = std::move(pending.back());
    pending.pop_back();
    for (const std::string &next : namesBehind(family, name))
      if (names.insert(next).second)
        pending.push_back(next);
  }
}

bool moec::importer::dependsOnLayer(const Family &family,
                                    std::set<std::string> names) {
  close(family, names);
  return names.count("layer");
}

std::vector<std::string> moec::importer::namesInBraces(std::string_view path) {
  std::vector<std::string> names;
  for (size_t begin = path.find('{'); begin != path.npos;
       begin = path.find('{', begin + 1)) {
    size_t end = path.find('}', begin);
    if (end == path.npos)
      break;
    names.emplace_back(path.substr(begin + 1, end - begin - 1));
  }
  return names;
}

std::set<std::string> moec::importer::reachableNames(const Family &family) {
  std::set<std::string> names;
  collectBodyNames(family.model, names);
  collectBodyNames(family.layer, names);
  for (std::string &name : namesInBraces(family.layerPrefix))
    names.insert(std::move(name));
  for (const Check &check : family.checks)
    collectNames(check.condition, names);
  for (const IgnoredTensor &tensor : family.ignoredTensors)
    if (tensor.condition)
      collectNames(*tensor.condition, names);
  close(family, names);
  return names;
}
