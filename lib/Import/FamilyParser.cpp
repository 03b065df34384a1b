//===- FamilyParser.cpp - Reads family files ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads files that were joined with what they build on (FamilyFiles.cpp).
// Fields that are not known are errors: a misspelt one must not be silently
// without effect.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Family.h"

#include <algorithm>

using namespace moec::importer;

namespace {

class FamilyParser {
public:
  FamilyParser(const std::string &file, Diagnostics &diagnostics)
      : file(file), diagnostics(diagnostics) {}

  std::optional<Family> parse(const Json &json);

private:
  std::nullopt_t fail(const std::string &message) {
    return diagnostics.error(code::badFamilyFile, file + ": " + message);
  }
  bool checkFields(const Json &object, const std::string &where,
                   std::initializer_list<std::string_view> known);
  bool strings(const Json &json, const std::string &where,
               std::vector<std::string> &out);
  bool expression(const Json &json, const std::string &where,
                  std::optional<Expression> &out);
  bool body(const Json &json, const std::string &where, Body &out);
  bool key(const std::string &name, const Json &json, Key &out);
  bool bounds(const std::string &where, const Json &json, Key &out);
  bool check(const Json &json, Check &out);
  bool ignoredTensor(const Json &json, IgnoredTensor &out);
  bool definition(const std::string &head, const Json &json, Family &family);
  bool content(const Json &json, Family &family);
  bool nesting(const Json &json, Family &family);
  bool programs(const Json &json, Family &family);

  const std::string &file;
  Diagnostics &diagnostics;
};

} // namespace

//===----------------------------------------------------------------------===//
// Fields
//===----------------------------------------------------------------------===//

bool FamilyParser::checkFields(const Json &object, const std::string &where,
                               std::initializer_list<std::string_view> known) {
  if (!object.is_object()) {
    fail(where + " must be an object, got " + toText(object));
    return false;
  }
  for (const auto &[name, value] : object.items())
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string list;
      for (std::string_view each : known)
        list += (list.empty() ? "" : ", ") + std::string(each);
      fail(where + " has no field '" + name + "'; it may have " + list);
      return false;
    }
  return true;
}

bool FamilyParser::strings(const Json &json, const std::string &where,
                           std::vector<std::string> &out) {
  bool good = json.is_array();
  for (size_t i = 0; good && i < json.size(); ++i)
    if ((good = json[i].is_string()))
      out.push_back(json[i].get<std::string>());
  if (!good)
    fail(where + " must be a list of strings, got " + toText(json));
  return good;
}

bool FamilyParser::expression(const Json &json, const std::string &where,
                              std::optional<Expression> &out) {
  if (json.is_string()) {
    std::string error, source = json.get<std::string>();
    out = parseExpression(source, error);
    if (!out)
      fail(where + ": " + error + " of: " + source);
    return out.has_value();
  }
  out.emplace();
  if (toValue(json, out->literal))
    return true;
  fail(where + " must be an expression or a value, got " + toText(json));
  return false;
}

bool FamilyParser::body(const Json &json, const std::string &where, Body &out) {
  std::vector<std::string> lines;
  if (json.is_string()) {
    lines.push_back(json.get<std::string>());
  } else if (json.is_array()) {
    if (!strings(json, where, lines))
      return false;
  } else {
    // A plain number, boolean or null.
    std::optional<Expression> value;
    if (!expression(json, where, value))
      return false;
    out.push_back({"", std::move(*value), toText(json)});
    return true;
  }
  if (lines.empty()) {
    fail(where + " must have at least one statement");
    return false;
  }
  for (const std::string &line : lines) {
    std::string error;
    auto statement = parseStatement(line, error);
    if (!statement) {
      fail(where + ": " + error + " of: " + line);
      return false;
    }
    out.push_back(std::move(*statement));
  }
  return true;
}

static const std::pair<std::string_view, std::vector<KeyType>> keyTypes[] = {
    {"int", {KeyType::Integer}},
    {"float", {KeyType::Float}},
    {"bool", {KeyType::Boolean}},
    {"string", {KeyType::String}},
    {"ints", {KeyType::Integers}},
    {"int_lists", {KeyType::IntegerLists}},
    {"floats", {KeyType::Floats}},
    {"bools", {KeyType::Booleans}},
    {"strings", {KeyType::Strings}},
    {"tokens", {KeyType::Integer, KeyType::Integers}}};

/// Adds the types that a name stands for; false when there is none of it.
static bool addTypes(const Json &name, std::vector<KeyType> &types) {
  for (const auto &[spelling, meant] : keyTypes)
    if (name == spelling) {
      types.insert(types.end(), meant.begin(), meant.end());
      return true;
    }
  return false;
}

bool FamilyParser::key(const std::string &name, const Json &json, Key &out) {
  std::string where = "key '" + name + "'";
  if (!checkFields(json, where,
                   {"type", "from", "optional", "nullable", "default", "only",
                    "min", "max", "length"}))
    return false;
  out.name = name;
  const Json *type = at(json, "type");
  bool known = type && !type->empty();
  if (known && type->is_array())
    for (const Json &each : *type)
      known = known && addTypes(each, out.types);
  else if (known)
    known = addTypes(*type, out.types);
  if (!known) {
    std::string list;
    for (const auto &[spelling, meant] : keyTypes)
      list += (list.empty() ? "" : ", ") + std::string(spelling);
    fail(where + " needs a 'type', or a list of those that it may have: " +
         list + (type ? "; got " + toText(*type) : ""));
    return false;
  }
  if (const Json *from = at(json, "from")) {
    if (!strings(*from, where + ", 'from'", out.from))
      return false;
  } else {
    out.from.push_back(name);
  }
  const Json *fallback = at(json, "default");
  if (fallback && !expression(*fallback, where + ", 'default'", out.fallback))
    return false;
  const Json *length = at(json, "length");
  if (length && !expression(*length, where + ", 'length'", out.length))
    return false;
  if (length)
    out.lengthText =
        length->is_string() ? length->get<std::string>() + " = " : "";
  return bounds(where, json, out);
}

bool FamilyParser::bounds(const std::string &where, const Json &json,
                          Key &out) {
  for (auto [name, flag] : {std::pair("optional", &out.isOptional),
                            {"nullable", &out.isNullable}}) {
    const Json *value = at(json, name);
    if (value && !value->is_boolean()) {
      fail(where + ": '" + name + "' must be a boolean, got " + toText(*value));
      return false;
    }
    if (value)
      *flag = value->get<bool>();
  }
  if (const Json *only = at(json, "only")) {
    if (!only->is_array() || only->empty()) {
      fail(where + ": 'only' must be a list of values, got " + toText(*only));
      return false;
    }
    out.only.assign(only->begin(), only->end());
  }
  for (auto [name, bound] : {std::pair("min", &out.min), {"max", &out.max}}) {
    const Json *value = at(json, name);
    if (value && !value->is_number()) {
      fail(where + ": '" + name + "' must be a number, got " + toText(*value));
      return false;
    }
    if (value)
      *bound = value->get<double>();
  }
  return true;
}

bool FamilyParser::check(const Json &json, Check &out) {
  if (!checkFields(json, "a check", {"if", "unsupported", "invalid"}))
    return false;
  const Json *condition = at(json, "if");
  const Json *unsupported = at(json, "unsupported");
  const Json *message = unsupported ? unsupported : at(json, "invalid");
  if (!condition || !condition->is_string() || !message ||
      !message->is_string() || json.size() != 2) {
    fail("a check needs 'if' (a condition) and either 'unsupported' or "
         "'invalid' (a message), got " +
         toText(json));
    return false;
  }
  std::optional<Expression> parsed;
  if (!expression(*condition, "a check", parsed))
    return false;
  out.condition = std::move(*parsed);
  out.source = condition->get<std::string>();
  out.message = message->get<std::string>();
  out.isUnsupported = unsupported;
  return true;
}

bool FamilyParser::ignoredTensor(const Json &json, IgnoredTensor &out) {
  if (json.is_string()) {
    out.pattern = json.get<std::string>();
    return true;
  }
  if (!checkFields(json, "an entry of 'ignore_tensors'", {"name", "if"}))
    return false;
  const Json *name = at(json, "name"), *condition = at(json, "if");
  if (!name || !name->is_string() || !condition) {
    fail("an entry of 'ignore_tensors' needs a 'name' and an 'if', got " +
         toText(json));
    return false;
  }
  out.pattern = name->get<std::string>();
  return expression(*condition, "an entry of 'ignore_tensors'", out.condition);
}

bool FamilyParser::definition(const std::string &head, const Json &json,
                              Family &family) {
  std::string where = "'define', '" + head + "'", error;
  auto signature = parseSignature(head, error);
  if (!signature) {
    fail(where + ": " + error);
    return false;
  }
  std::string name = signature->name;
  if (family.keys.count(name)) {
    fail(where + ": there is a key of this name");
    return false;
  }
  Definition definition;
  definition.signature = std::move(*signature);
  if (!body(json, where, definition.body))
    return false;
  if (family.definitions.emplace(name, std::move(definition)).second)
    return true;
  fail(where + ": defined twice");
  return false;
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

bool FamilyParser::programs(const Json &json, Family &family) {
  if (const Json *defines = at(json, "define"))
    for (const auto &[head, value] : defines->items())
      if (!definition(head, value, family))
        return false;
  for (auto [name, out] :
       {std::pair("model", &family.model), {"layer", &family.layer}}) {
    const Json *program = at(json, name);
    if (!program) {
      fail("has no '" + std::string(name) + "'");
      return false;
    }
    if (!body(*program, "'" + std::string(name) + "'", *out))
      return false;
  }
  return true;
}

bool FamilyParser::content(const Json &json, Family &family) {
  if (const Json *keys = at(json, "keys"))
    for (const auto &[name, value] : keys->items())
      if (!key(name, value, family.keys[name]))
        return false;
  const Json *ignored = at(json, "ignore_keys");
  if (ignored && !strings(*ignored, "'ignore_keys'", family.ignoredKeys))
    return false;
  if (const Json *checks = at(json, "checks"))
    for (const Json &each : *checks)
      if (!check(each, family.checks.emplace_back()))
        return false;
  if (const Json *tensors = at(json, "ignore_tensors"))
    for (const Json &each : *tensors)
      if (!ignoredTensor(each, family.ignoredTensors.emplace_back()))
        return false;
  const Json *prefix = at(json, "layer_prefix");
  if (!prefix || !prefix->is_string()) {
    fail("needs a 'layer_prefix', the beginning of the tensor names of a "
         "layer");
    return false;
  }
  family.layerPrefix = prefix->get<std::string>();
  return nesting(json, family) && programs(json, family);
}

/// What is said of a text model inside a larger one.
bool FamilyParser::nesting(const Json &json, Family &family) {
  if (const Json *nested = at(json, "nested")) {
    if (!nested->is_string()) {
      fail("'nested' must be the name of an object in the configuration, got " +
           toText(*nested));
      return false;
    }
    family.nested = nested->get<std::string>();
  }
  const Json *outer = at(json, "outer_keys");
  if (outer && !strings(*outer, "'outer_keys'", family.outerKeys))
    return false;
  const Json *leftOut = at(json, "left_out");
  if (leftOut && !strings(*leftOut, "'left_out'", family.leftOut))
    return false;
  const Json *names = at(json, "tensor_names");
  if (names && !names->is_object()) {
    fail("'tensor_names' must be an object, got " + toText(*names));
    return false;
  }
  if (!names)
    return true;
  for (const auto &[prefix, others] : names->items()) {
    std::string where = "'tensor_names', '" + prefix + "'";
    if (!strings(others, where, family.tensorNames[prefix]))
      return false;
    if (others.empty()) {
      fail(where + " must name at least one beginning");
      return false;
    }
  }
  return true;
}

std::optional<Family> FamilyParser::parse(const Json &json) {
  if (!checkFields(json, "the file",
                   {"about", "family", "extends", "model_types", "nested",
                    "outer_keys", "tensor_names", "left_out", "keys",
                    "ignore_keys", "ignore_tensors", "checks", "define",
                    "layer_prefix", "model", "layer"}))
    return std::nullopt;
  for (const char *name : {"keys", "define"}) {
    const Json *object = at(json, name);
    if (object && !object->is_object())
      return fail("'" + std::string(name) + "' must be an object, got " +
                  toText(*object));
  }
  for (const char *name : {"checks", "ignore_tensors"}) {
    const Json *list = at(json, name);
    if (list && !list->is_array())
      return fail("'" + std::string(name) + "' must be a list, got " +
                  toText(*list));
  }
  Family family;
  family.file = file;
  const Json *name = at(json, "family"), *types = at(json, "model_types");
  if (!name || !name->is_string())
    return fail("needs a 'family', its name");
  family.name = name->get<std::string>();
  if (!types)
    return fail("needs 'model_types', the values of model_type that it is for");
  if (!strings(*types, "'model_types'", family.modelTypes) ||
      !content(json, family))
    return std::nullopt;
  return family;
}

std::optional<Family>
moec::importer::readJoinedFamily(const Json &json, const std::string &file,
                                 Diagnostics &diagnostics) {
  return FamilyParser(file, diagnostics).parse(json);
}

std::optional<Family> moec::importer::parseFamily(std::string_view text,
                                                  const std::string &file,
                                                  Diagnostics &diagnostics) {
  auto json = parseJsonObject(text, file, diagnostics);
  if (!json)
    return std::nullopt;
  return makeFamily(std::move(*json), file, diagnostics);
}
