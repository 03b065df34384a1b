//===- Family.cpp - Finds family files and what they reach ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The built-in files are part of the binary; which of them are families, and
// of which models, they say themselves.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Family.h"
#include "lib/Import/EmbeddedFamilies.h"

#include <algorithm>

using namespace moec::importer;

std::optional<std::string_view>
moec::importer::builtinFile(std::string_view name) {
  for (const EmbeddedFile &file : embeddedFamilies())
    if (file.name == name)
      return file.text;
  return std::nullopt;
}

/// The model types of a built-in file; empty for one that others extend.
static std::vector<std::string> modelTypesOf(const EmbeddedFile &file) {
  Json json = Json::parse(file.text, nullptr, /*allow_exceptions=*/false);
  auto types = json.is_object() ? json.find("model_types") : json.end();
  if (types == json.end())
    return {};
  return types->get<std::vector<std::string>>();
}

std::vector<std::string> moec::importer::builtinFamilies() {
  std::vector<std::string> names;
  for (const EmbeddedFile &file : embeddedFamilies())
    if (!modelTypesOf(file).empty())
      names.emplace_back(file.name.substr(0, file.name.rfind('.')));
  return names;
}

std::optional<Family> moec::importer::findFamily(const std::string &modelType,
                                                 Diagnostics &diagnostics) {
  std::string known;
  for (const EmbeddedFile &file : embeddedFamilies())
    for (const std::string &type : modelTypesOf(file)) {
      if (type == modelType)
        return parseFamily(file.text, std::string(file.name), diagnostics);
      known += (known.empty() ? "" : ", ") + type;
    }
  return diagnostics.error(
      code::unknownModelType,
      "config.json: model_type " + toText(Json(modelType)) +
          " is not supported; supported: " + known +
          "; a family of known mathematics can be given with --arch-spec");
}

std::optional<Family> moec::importer::readFamily(const std::string &path,
                                                 Diagnostics &diagnostics) {
  auto json = readJsonObject(path, diagnostics);
  if (!json)
    return std::nullopt;
  return makeFamily(std::move(*json), path, diagnostics);
}

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
  for (const Check &check : family.checks)
    collectNames(check.condition, names);
  for (const IgnoredTensor &tensor : family.ignoredTensors)
    if (tensor.condition)
      collectNames(*tensor.condition, names);
  close(family, names);
  return names;
}
