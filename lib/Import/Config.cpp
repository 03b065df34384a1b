//===- Config.cpp - The quantities of a configuration ---------------------===//
//
// Part of the moec project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A null is as good as a missing key: that is how the original implementation
// writes "not used".
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Config.h"

#include <algorithm>

using namespace moec::importer;

Config::Config(Json json, std::string file, const Family &family,
               Diagnostics &diagnostics)
    : document(std::move(json)), file(std::move(file)), description(family),
      diagnostics(diagnostics) {}

//===----------------------------------------------------------------------===//
// Declared keys
//===----------------------------------------------------------------------===//

std::string_view moec::importer::describe(KeyType type) {
  switch (type) {
  case KeyType::Integer:
    return "an integer";
  case KeyType::Float:
    return "a number";
  case KeyType::Boolean:
    return "true or false";
  case KeyType::String:
    return "a string";
  case KeyType::Integers:
    return "a list of integers";
  case KeyType::Floats:
    return "a list of numbers";
  case KeyType::Strings:
    return "a list of strings";
  case KeyType::TokenIds:
    return "an integer or a list of integers";
  }
  return "a value";
}

static bool isListOf(const Json &json, bool (*is)(const Json &)) {
  return json.is_array() && std::all_of(json.begin(), json.end(), is);
}

std::optional<Datum> moec::importer::convert(const Json &json, KeyType type) {
  auto isInteger = [](const Json &each) { return each.is_number_integer(); };
  auto isNumber = [](const Json &each) { return each.is_number(); };
  auto isString = [](const Json &each) { return each.is_string(); };
  bool fits = false;
  switch (type) {
  case KeyType::Integer:
    fits = isInteger(json);
    break;
  case KeyType::Float:
    fits = json.is_number();
    break;
  case KeyType::Boolean:
    fits = json.is_boolean();
    break;
  case KeyType::String:
    fits = json.is_string();
    break;
  case KeyType::Integers:
    fits = isListOf(json, isInteger);
    break;
  case KeyType::Floats:
    fits = isListOf(json, isNumber);
    break;
  case KeyType::Strings:
    fits = isListOf(json, isString);
    break;
  case KeyType::TokenIds:
    fits = isInteger(json) || isListOf(json, isInteger);
    break;
  }
  Datum value;
  if (!fits || !toValue(json, value))
    return std::nullopt;
  if (type == KeyType::Float)
    return value.number();
  return value;
}

/// The value at a path with dots, or null (the pointer) where there is none.
static const Json *at(const Json &root, std::string_view path) {
  const Json *value = &root;
  while (true) {
    if (!value->is_object())
      return nullptr;
    size_t dot = path.find('.');
    auto it = value->find(std::string(path.substr(0, dot)));
    if (it == value->end())
      return nullptr;
    value = &*it;
    if (dot == std::string_view::npos)
      return value;
    path.remove_prefix(dot + 1);
  }
}

static constexpr std::string_view kLayer = "{layer}";

std::optional<Config::Found> Config::find(const Key &key,
                                          std::optional<int64_t> layer) {
  Found found{nullptr, ""};
  for (std::string path : key.from) {
    size_t mark = path.find(kLayer);
    if (mark != std::string::npos && layer)
      path.replace(mark, kLayer.size(), std::to_string(*layer));
    const Json *value = at(document, path);
    if (!value || value->is_null())
      continue;
    if (found.value && *found.value != *value)
      return diagnostics.error(
          code::contradiction,
          file + ": " + found.path + " = " + toText(*found.value) + ", but " +
              path + " = " + toText(*value) + "; both mean the same");
    if (!found.value)
      found = {value, path};
  }
  return found;
}

bool Config::inRange(const Key &key, const Found &found, const Datum &value) {
  std::string what = file + ": " + found.path + " = " + toText(*found.value);
  auto isSupported = [&](const Json &each) {
    return std::find(key.only.begin(), key.only.end(), each) != key.only.end();
  };
  const Json &given = *found.value;
  if (!key.only.empty() &&
      !(given.is_array() ? std::all_of(given.begin(), given.end(), isSupported)
                         : isSupported(given))) {
    std::string list;
    for (const Json &each : key.only)
      list += (list.empty() ? "" : ", ") + toText(each);
    diagnostics.error(code::unsupportedValue,
                      what + " is not supported; supported: " + list);
    return false;
  }
  if (!value.isNumber())
    return true;
  double number = value.number();
  if (key.min && !(number >= *key.min)) {
    diagnostics.error(code::valueOutOfRange, what +
                                                 " is below the minimum of " +
                                                 toText(Json(*key.min)));
    return false;
  }
  if (key.max && !(number <= *key.max)) {
    diagnostics.error(code::valueOutOfRange, what + " exceeds the maximum of " +
                                                 toText(Json(*key.max)));
    return false;
  }
  return true;
}

std::optional<Datum> Config::read(const Key &key, const Found &found) {
  auto value = convert(*found.value, key.type);
  if (!value)
    return diagnostics.error(code::illTypedKey,
                             file + ": " + found.path + " must be " +
                                 std::string(describe(key.type)) + ", got " +
                                 toText(*found.value));
  if (!inRange(key, found, *value))
    return std::nullopt;
  return value;
}

bool Config::checkPresent() {
  bool good = true;
  for (const auto &[name, key] : description.keys) {
    if (key.isOfLayer)
      continue;
    auto found = find(key);
    if (found && !found->value)
      continue;
    std::optional<Datum> value;
    if (found)
      value = read(key, *found);
    good &= value.has_value();
    known[name] = std::move(value);
  }
  return good;
}

std::optional<Datum> Config::readDefault(const Key &key, Evaluator &evaluator) {
  if (!key.fallback) {
    if (key.isOptional)
      return Null();
    std::string also;
    for (size_t i = 1; i < key.from.size(); ++i)
      also += (i == 1 ? " (also: " : ", ") + key.from[i];
    return diagnostics.error(code::missingKey,
                             file + ": " + key.from[0] + " is missing" + also +
                                 (also.empty() ? "" : ")") + "; it must be " +
                                 std::string(describe(key.type)));
  }
  auto value =
      evaluator.evaluate(*key.fallback, description.file + ", key " + key.name);
  if (value && key.type == KeyType::Float && value->isNumber())
    return value->number();
  return value;
}

std::optional<Datum> Config::getOfLayer(const Key &key, Evaluator &evaluator,
                                        std::optional<int64_t> layer) {
  if (!layer)
    return evaluator.fail("'" + key.name +
                          "' has a value for each layer, and is used outside "
                          "of layers");
  // What is remembered once must not depend on the layer that came first.
  if (!pending.empty())
    return evaluator.fail("the default of key '" + *pending.begin() +
                          "' depends on '" + key.name +
                          "', which has a value for each layer");
  auto found = find(key, layer);
  if (!found)
    return std::nullopt;
  return found->value ? read(key, *found) : readDefault(key, evaluator);
}

std::optional<Datum> Config::get(const std::string &name, Evaluator &evaluator,
                                 std::optional<int64_t> layer) {
  const Key &key = description.keys.at(name);
  if (key.isOfLayer)
    return getOfLayer(key, evaluator, layer);
  auto it = known.find(name);
  if (it != known.end())
    return it->second;
  if (!pending.insert(name).second)
    return evaluator.fail("the default of key '" + name +
                          "' depends on itself");
  auto value = readDefault(key, evaluator);
  pending.erase(name);
  known[name] = value;
  return value;
}

//===----------------------------------------------------------------------===//
// Keys that nothing reads
//===----------------------------------------------------------------------===//

/// What a configuration says when it does not use a feature.
static bool isOff(const Json &value) {
  if (value.is_boolean())
    return !value.get<bool>();
  if (value.is_number())
    return value.get<double>() == 0;
  return value.is_null() || (value.is_structured() && value.empty());
}

namespace {
/// families/keys.json: what is known of keys that families need not declare.
struct KnownKeys {
  std::set<std::string> irrelevant;
  std::vector<std::string> suspicious;
};
} // namespace

static KnownKeys readKnownKeys() {
  KnownKeys known;
  auto text = builtinFile("keys.json");
  Json json = Json::parse(text ? *text : "{}", nullptr, false);
  if (json.contains("irrelevant"))
    known.irrelevant = json["irrelevant"].get<std::set<std::string>>();
  if (json.contains("suspicious"))
    known.suspicious = json["suspicious"].get<std::vector<std::string>>();
  return known;
}

void Config::checkUnread() {
  std::set<std::string> reachable = reachableNames(description), read;
  // What the importer itself asks for, whatever the family.
  reachable.insert({"torch_dtype", "max_position_embeddings", "eos_token_id",
                    "bos_token_id"});
  for (const auto &[name, key] : description.keys)
    if (reachable.count(name))
      read.insert(key.from.begin(), key.from.end());
  checkUnread(document, "", "", read);
}

/// `pattern` is the prefix with {layer} for numbers.
void Config::checkUnread(const Json &object, const std::string &prefix,
                         const std::string &pattern,
                         const std::set<std::string> &read) {
  static const KnownKeys known = readKnownKeys();
  const auto &ignored = description.ignoredKeys;
  for (const auto &[name, value] : object.items()) {
    std::string path = prefix + name;
    bool isNumber = name.find_first_not_of("0123456789") == std::string::npos;
    std::string place =
        pattern + (isNumber ? std::string(kLayer) : std::string(name));
    auto inside = read.lower_bound(place + ".");
    bool hasParts = inside != read.end() && inside->starts_with(place + ".");
    if (hasParts && value.is_object()) {
      checkUnread(value, path + ".", place + ".", read);
      continue;
    }
    if (read.count(place) || isOff(value) || known.irrelevant.count(name) ||
        std::find(ignored.begin(), ignored.end(), path) != ignored.end())
      continue;
    bool suspicious =
        value.is_object() || !prefix.empty() || hasParts ||
        std::any_of(known.suspicious.begin(), known.suspicious.end(),
                    [&, &name = name](const std::string &part) {
                      return name.find(part) != std::string::npos;
                    });
    std::string what = file + ": " + path + " = " + toText(value);
    if (suspicious)
      diagnostics.error(code::unsupportedKey,
                        what + " is not understood for the family " +
                            description.name +
                            " and may change what the model computes");
    else
      diagnostics.remark(code::ignoredKey, what + " is ignored");
  }
}
