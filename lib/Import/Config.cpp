//===- Config.cpp - The quantities of a configuration ---------------------===//
//
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

/// The document with the entries of an object in it put beside the object's
/// own, which they go before but for some.
static Json withoutNesting(Json document, const Family &family) {
  const Json *nested = at(document, family.nested);
  if (!nested || !nested->is_object())
    return document;
  Json inner = *nested;
  // What is around it stays, for the family to know.
  Json *around = &document;
  std::string_view path = family.nested;
  for (size_t dot; (dot = path.find('.')) != path.npos;
       path.remove_prefix(dot + 1))
    around = &(*around)[std::string(path.substr(0, dot))];
  around->erase(std::string(path));
  // What kind of model it is, the document says.
  inner.erase("model_type");
  for (const std::string &name : family.outerKeys)
    if (document.contains(name))
      inner.erase(name);
  document.update(inner);
  return document;
}

Config::Config(Json json, std::string file, const Family &family,
               Diagnostics &diagnostics)
    : document(withoutNesting(std::move(json), family)), file(std::move(file)),
      description(family), diagnostics(diagnostics) {
  for (const auto &[name, key] : family.keys)
    if (dependsOnLayer(family, {name}))
      byLayer.insert(name);
  reachable = reachableNames(family);
  // What the importer itself asks for, whatever the family.
  reachable.insert({"torch_dtype", "max_position_embeddings", "eos_token_id",
                    "bos_token_id"});
}

//===----------------------------------------------------------------------===//
// Declared keys
//===----------------------------------------------------------------------===//

static std::string_view nameOf(KeyType type) {
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
  case KeyType::IntegerLists:
    return "a list of lists of integers";
  case KeyType::Floats:
    return "a list of numbers";
  case KeyType::Booleans:
    return "a list of true and false";
  case KeyType::Strings:
    return "a list of strings";
  }
  return "a value";
}

std::string moec::importer::describe(const std::vector<KeyType> &types) {
  std::string text;
  for (KeyType type : types)
    text += (text.empty() ? "" : " or ") + std::string(nameOf(type));
  return text;
}

static bool isListOf(const Json &json, bool (*is)(const Json &)) {
  return json.is_array() && std::all_of(json.begin(), json.end(), is);
}

static bool fits(const Json &json, KeyType type) {
  switch (type) {
  case KeyType::Integer:
    return json.is_number_integer();
  case KeyType::Float:
    return json.is_number();
  case KeyType::Boolean:
    return json.is_boolean();
  case KeyType::String:
    return json.is_string();
  case KeyType::Integers:
    return isListOf(json, [](const Json &x) { return x.is_number_integer(); });
  case KeyType::IntegerLists:
    return isListOf(json,
                    [](const Json &x) { return fits(x, KeyType::Integers); });
  case KeyType::Floats:
    return isListOf(json,
                    [](const Json &x) { return x.is_number() || x.is_null(); });
  case KeyType::Booleans:
    return isListOf(json, [](const Json &x) { return x.is_boolean(); });
  case KeyType::Strings:
    return isListOf(json, [](const Json &x) { return x.is_string(); });
  }
  return false;
}

std::optional<Datum>
moec::importer::convert(const Json &json, const std::vector<KeyType> &types) {
  Datum value;
  for (KeyType type : types)
    if (fits(json, type) && toValue(json, value))
      return type == KeyType::Float ? Datum(value.number()) : value;
  return std::nullopt;
}

/// Whether a place has parts in braces.
static bool isFilledIn(const std::string &path) {
  return path.find('{') != std::string::npos;
}

std::optional<std::string> moec::importer::fillIn(std::string text,
                                                  const std::string &place,
                                                  Evaluator &evaluator) {
  for (const std::string &name : namesInBraces(text)) {
    Expression part;
    part.kind = Expression::Kind::Name;
    part.text = name;
    auto value = evaluator.evaluate(part, place);
    if (!value)
      return std::nullopt;
    if (value->isNull())
      return "";
    const auto *string = value->as<std::string>();
    if (!string && !value->as<int64_t>())
      return evaluator.fail(place + ": {" + name +
                            "} must be a string, an integer or null, got " +
                            toText(*value));
    text.replace(text.find('{'), name.size() + 2,
                 string ? *string : toText(*value));
  }
  return text;
}

static bool isGiven(const Json *value, const Key &key) {
  return value && (key.isNullable || !value->is_null());
}

/// What a place with parts in braces says goes before what the others say.
std::optional<Config::Found> Config::findByLayer(const Key &key,
                                                 Evaluator &evaluator) {
  for (const std::string &path : key.from) {
    if (!isFilledIn(path))
      continue;
    auto filled =
        fillIn(path, description.file + ", key " + key.name, evaluator);
    if (!filled)
      return std::nullopt;
    const Json *value = filled->empty() ? nullptr : at(document, *filled);
    if (isGiven(value, key))
      return Found{value, *filled};
  }
  return find(key);
}

std::optional<Config::Found> Config::find(const Key &key) {
  Found found{nullptr, ""};
  for (const std::string &path : key.from) {
    const Json *value = isFilledIn(path) ? nullptr : at(document, path);
    if (!isGiven(value, key))
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
  if (const List *list = value.as<List>())
    return std::all_of((*list)->begin(), (*list)->end(), [&](const Datum &x) {
      return !x.isNumber() || isWithin(key, what, x.number());
    });
  return !value.isNumber() || isWithin(key, what, value.number());
}

bool Config::isWithin(const Key &key, const std::string &what, double number) {
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
  if (found.value->is_null())
    return Null();
  auto value = convert(*found.value, key.types);
  if (!value)
    return diagnostics.error(code::illTypedKey,
                             file + ": " + found.path + " must be " +
                                 describe(key.types) + ", got " +
                                 toText(*found.value));
  if (!inRange(key, found, *value))
    return std::nullopt;
  return value;
}

/// Checks the length of a list, where the family says what it must be.
bool Config::hasLength(const Key &key, const Found &found, const Datum &value,
                       Evaluator &evaluator) {
  const List *list = value.as<List>();
  if (!list || !key.length)
    return true;
  auto length = evaluator.evaluate(*key.length, description.file + ", key " +
                                                    key.name + ", length");
  const int64_t *expected = length ? length->as<int64_t>() : nullptr;
  if (length && !expected)
    evaluator.fail(description.file + ", key " + key.name +
                   ": a length must be an integer, got " + toText(*length));
  if (!expected)
    return false;
  if (static_cast<int64_t>((*list)->size()) == *expected)
    return true;
  diagnostics.error(code::contradiction, file + ": " + found.path + " has " +
                                             std::to_string((*list)->size()) +
                                             " entries; it must have " +
                                             key.lengthText +
                                             std::to_string(*expected));
  return false;
}

bool Config::checkPresent() {
  bool good = true;
  for (const auto &[name, key] : description.keys) {
    // What nothing reads is as good as not declared.
    if (!reachable.count(name))
      continue;
    auto found = find(key);
    if (found && !found->value)
      continue;
    std::optional<Datum> value;
    if (found)
      value = read(key, *found);
    good &= value.has_value();
    // A length is known only when other keys can be asked.
    if (!key.length &&
        !std::any_of(key.from.begin(), key.from.end(), isFilledIn))
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
                                 describe(key.types));
  }
  auto value =
      evaluator.evaluate(*key.fallback, description.file + ", key " + key.name);
  if (value && value->isNumber() &&
      std::find(key.types.begin(), key.types.end(), KeyType::Float) !=
          key.types.end())
    return value->number();
  return value;
}

std::optional<Datum> Config::get(const std::string &name,
                                 Evaluator &evaluator) {
  auto it = known.find(name);
  if (it != known.end() && !byLayer.count(name))
    return it->second;
  if (!pending.insert(name).second)
    return evaluator.fail("the value of key '" + name + "' depends on itself");
  const Key &key = description.keys.at(name);
  std::optional<Datum> value;
  if (auto found = findByLayer(key, evaluator)) {
    value = found->value ? read(key, *found) : readDefault(key, evaluator);
    if (value && !hasLength(key, *found, *value, evaluator))
      value.reset();
  }
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

/// Adds a path, with every member in the place of a part in braces.
static void addPlaces(const Json &object, std::string_view path,
                      const std::string &prefix,
                      std::set<std::string> &places) {
  size_t dot = path.find('.');
  std::string part(path.substr(0, dot));
  if (!isFilledIn(std::string(path)) || !object.is_object()) {
    places.insert(prefix + std::string(path));
    return;
  }
  auto fits = [&](const std::string &name) {
    bool isNumber = name.find_first_not_of("0123456789") == std::string::npos;
    return part == "{layer}" ? isNumber : isFilledIn(part) || name == part;
  };
  for (const auto &[name, member] : object.items())
    if (fits(name)) {
      if (dot == path.npos)
        places.insert(prefix + name);
      else
        addPlaces(member, path.substr(dot + 1), prefix + name + ".", places);
    }
}

void Config::checkUnread() {
  std::set<std::string> read;
  for (const auto &[name, key] : description.keys)
    if (reachable.count(name))
      for (const std::string &path : key.from)
        addPlaces(document, path, "", read);
  for (const std::string &path : description.ignoredKeys)
    addPlaces(document, path, "", read);
  checkUnread(document, "", read);
  // A misspelt definition, or one whose reader was replaced, says nothing.
  for (const std::string &name : description.own)
    if (!reachable.count(name))
      diagnostics.warning(code::unusedDefinition,
                          description.file + ": nothing uses '" + name +
                              "', which it defines");
}

void Config::checkUnread(const Json &object, const std::string &prefix,
                         const std::set<std::string> &read) {
  static const KnownKeys known = readKnownKeys();
  for (const auto &[name, value] : object.items()) {
    std::string path = prefix + name;
    auto inside = read.lower_bound(path + ".");
    bool hasParts = inside != read.end() && inside->starts_with(path + ".");
    if (hasParts && value.is_object()) {
      checkUnread(value, path + ".", read);
      continue;
    }
    if (read.count(path) || isOff(value) || known.irrelevant.count(name))
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
