//===- FamilyFiles.cpp - Finds family files and joins them ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The built-in files are part of the binary; which of them are families, and
// of which models, they say themselves. Files are joined as JSON, before
// anything in them is read.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/EmbeddedFamilies.h"
#include "lib/Import/Family.h"

#include <algorithm>

using namespace moec::importer;

std::optional<std::string_view>
moec::importer::builtinFile(std::string_view name) {
  for (const EmbeddedFile &file : embeddedFamilies())
    if (file.name == name)
      return file.text;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Joining
//===----------------------------------------------------------------------===//

static std::string definedName(const std::string &head) {
  return head.substr(0, head.find('('));
}

/// Takes out the entries of a name, whatever their parameters.
static void eraseNamed(Json &entries, const std::string &name) {
  for (auto it = entries.begin(); it != entries.end();)
    it = definedName(it.key()) == name ? entries.erase(it) : std::next(it);
}

/// What a family gives a name replaces what its base meant by it: a key may
/// stand in for a definition, and the other way round.
static void replaceNames(Json &base, const Json &extension) {
  for (const char *ours : {"keys", "define"})
    if (const Json *given = at(extension, ours); given && given->is_object())
      for (const char *theirs : {"keys", "define"})
        if (auto old = base.find(theirs); old != base.end() && old->is_object())
          for (const auto &[head, unused] : given->items())
            eraseNamed(*old, definedName(head));
}

/// Puts the fields of `extension` over those of `base`: objects by entry,
/// lists of exceptions behind each other, everything else replaced.
static void overlay(Json &base, const Json &extension) {
  replaceNames(base, extension);
  for (const auto &[name, value] : extension.items()) {
    Json &old = base[name];
    if ((name == "define" || name == "keys" || name == "tensor_names") &&
        old.is_object() && value.is_object()) {
      old.update(value);
    } else if ((name == "ignore_keys" || name == "ignore_tensors" ||
                name == "outer_keys" || name == "left_out" ||
                name == "checks") &&
               old.is_array() && value.is_array()) {
      old.insert(old.end(), value.begin(), value.end());
    } else {
      old = value;
    }
  }
}

static std::optional<Json> join(Json json, const std::string &file,
                                Diagnostics &diagnostics, unsigned depth = 0) {
  auto fail = [&](const std::string &message) {
    return diagnostics.error(code::badFamilyFile, file + ": " + message);
  };
  const Json *extends = at(json, "extends");
  if (!extends)
    return json;
  constexpr unsigned maxDepth = 8;
  if (depth == maxDepth)
    return fail("files extend each other more than " +
                std::to_string(maxDepth) + " times");
  if (!extends->is_string())
    return fail("'extends' must be a string, got " + toText(*extends));
  std::string baseName = extends->get<std::string>() + ".json";
  auto text = builtinFile(baseName);
  if (!text)
    return fail("extends '" + extends->get<std::string>() +
                "', which is not built in");
  auto base =
      join(Json::parse(*text, nullptr, false), file, diagnostics, depth + 1);
  if (!base)
    return std::nullopt;
  base->erase("model_types");
  overlay(*base, json);
  base->erase("extends");
  return base;
}

//===----------------------------------------------------------------------===//
// Files by model type
//===----------------------------------------------------------------------===//

namespace {
/// A family file, and where it is from.
struct Source {
  std::string name;
  Json json;                 ///< Joined.
  std::set<std::string> own; ///< The names that it defines itself.

  bool isWrapper() const { return json.contains("wraps"); }
};
} // namespace

/// Whether a file, joined or not, is for a model type: it never inherits these.
static bool isFor(const Json &file, const Json &type) {
  const Json *types = at(file, "model_types");
  return types && types->is_array() &&
         std::find(types->begin(), types->end(), type) != types->end();
}

static std::set<std::string> namesIn(const Json &json) {
  std::set<std::string> names;
  const Json *defines = at(json, "define");
  if (defines && defines->is_object())
    for (const auto &[head, unused] : defines->items())
      names.insert(definedName(head));
  return names;
}

static std::optional<Source> makeSource(Json json, const std::string &name,
                                        Diagnostics &diagnostics) {
  std::set<std::string> own = namesIn(json);
  auto joined = join(std::move(json), name, diagnostics);
  if (!joined)
    return std::nullopt;
  return Source{name, std::move(*joined), std::move(own)};
}

static std::optional<Family> read(const Source &source,
                                  Diagnostics &diagnostics) {
  auto family = readJoinedFamily(source.json, source.name, diagnostics);
  if (family)
    family->own = source.own;
  return family;
}

/// The files for model types of their own, as they are written.
static const std::map<std::string, Json> &builtinFiles() {
  static const std::map<std::string, Json> files = [] {
    std::map<std::string, Json> all;
    for (const EmbeddedFile &file : embeddedFamilies()) {
      Json json = Json::parse(file.text, nullptr, /*allow_exceptions=*/false);
      if (at(json, "model_types"))
        all.emplace(file.name, std::move(json));
    }
    return all;
  }();
  return files;
}

/// All of them, joined: a compilation needs no more than two.
static std::vector<Source> builtinSources() {
  std::vector<Source> sources;
  Diagnostics none;
  for (const auto &[name, json] : builtinFiles())
    if (auto source = makeSource(json, name, none))
      sources.push_back(std::move(*source));
  return sources;
}

static std::optional<Source> findSource(const Json &type) {
  Diagnostics none;
  for (const auto &[name, json] : builtinFiles())
    if (isFor(json, type))
      return makeSource(json, name, none);
  return std::nullopt;
}

std::vector<std::string> moec::importer::builtinFamilies() {
  std::vector<std::string> names;
  for (const Source &source : builtinSources())
    if (!source.isWrapper())
      names.push_back(source.name.substr(0, source.name.rfind('.')));
  return names;
}

/// What a model of the type would need that no family file can say
/// (outside.json); empty when that is not known.
static std::string needOf(const Json &type) {
  auto text = builtinFile("outside.json");
  Json json = Json::parse(text ? *text : "{}", nullptr, false);
  if (const Json *needs = at(json, "needs"))
    for (const auto &[need, types] : needs->items())
      if (std::find(types.begin(), types.end(), type) != types.end())
        return need;
  return "";
}

/// `what` is the place of the type in a configuration.
static std::nullopt_t refuseType(const std::string &what, const Json &type,
                                 bool wrapped, Diagnostics &diagnostics) {
  std::string need = needOf(type);
  if (!need.empty())
    return diagnostics.error(code::unknownModelType,
                             "config.json: " + what + " " + toText(type) +
                                 " is not supported: it needs " + need);
  std::string known;
  for (const Source &source : builtinSources())
    if (!wrapped || !source.isWrapper())
      for (const Json &each : *at(source.json, "model_types"))
        known += (known.empty() ? "" : ", ") + each.get<std::string>();
  return diagnostics.error(
      code::unknownModelType,
      "config.json: " + what + " " + toText(type) +
          " is not supported; supported: " + known +
          "; a family of known mathematics can be given with --arch-spec");
}

std::optional<Family> moec::importer::findFamily(const std::string &modelType,
                                                 Diagnostics &diagnostics) {
  auto source = findSource(modelType);
  if (!source || source->isWrapper())
    return refuseType("model_type", modelType, /*wrapped=*/true, diagnostics);
  return read(*source, diagnostics);
}

std::optional<Family> moec::importer::readFamily(const std::string &path,
                                                 Diagnostics &diagnostics) {
  auto json = readJsonObject(path, diagnostics);
  if (!json)
    return std::nullopt;
  return makeFamily(std::move(*json), path, diagnostics);
}

std::optional<Family> moec::importer::makeFamily(Json json,
                                                 const std::string &file,
                                                 Diagnostics &diagnostics) {
  auto source = makeSource(std::move(json), file, diagnostics);
  return source ? read(*source, diagnostics) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// The family of a configuration
//===----------------------------------------------------------------------===//

/// The string at "model_type" of an object in a configuration.
static const Json *typeIn(const Json &object, const std::string &prefix,
                          Diagnostics &diagnostics) {
  const Json *type = at(object, "model_type");
  if (type && type->is_string())
    return type;
  std::string what = "config.json: " + prefix + "model_type ";
  if (type)
    diagnostics.error(code::illTypedKey,
                      what + "must be a string, got " + toText(*type));
  else
    diagnostics.error(code::missingKey,
                      what + "is missing; it must be a string");
  return nullptr;
}

/// A file of the user that is not for the model, or is malformed.
static std::nullopt_t refuseGiven(const Source &given, const std::string &what,
                                  const Json &type, Diagnostics &diagnostics) {
  if (!given.isWrapper() && !read(given, diagnostics))
    return std::nullopt;
  return diagnostics.error(code::contradiction,
                           given.name + ": model_types does not list the " +
                               what + " " + toText(type) + " of config.json");
}

/// Lays the file of a larger model over that of the text model in it; `given`
/// is the user's, which may be the wrapper itself.
static std::optional<Family> wrap(const Source &wrapper, const Json &config,
                                  const std::optional<Source> &given,
                                  Diagnostics &diagnostics) {
  const Json &name = wrapper.json["wraps"];
  if (!name.is_string())
    return diagnostics.error(code::badFamilyFile,
                             wrapper.name +
                                 ": 'wraps' must be the name of an object in "
                                 "the configuration, got " +
                                 toText(name));
  auto place = name.get<std::string>();
  const Json *inner = at(config, place);
  if (!inner || !inner->is_object())
    return diagnostics.error(
        inner ? code::illTypedKey : code::missingKey,
        "config.json: " + place +
            (inner ? " must be an object, got " + toText(*inner)
                   : " is missing; it must be the object of the text model"));
  const Json *type = typeIn(*inner, place + ".", diagnostics);
  if (!type)
    return std::nullopt;
  bool isGiven = given && isFor(given->json, *type);
  if (given && !isGiven && &*given != &wrapper)
    return refuseGiven(*given, place + ".model_type", *type, diagnostics);
  std::optional<Source> text = isGiven ? given : findSource(*type);
  if (!text || text->isWrapper())
    return refuseType(place + ".model_type", *type, /*wrapped=*/true,
                      diagnostics);
  Source both = std::move(*text);
  both.name += " in " + wrapper.name;
  both.own.insert(wrapper.own.begin(), wrapper.own.end());
  Json extension = wrapper.json;
  extension.erase("wraps");
  extension["nested"] = place;
  overlay(both.json, extension);
  return read(both, diagnostics);
}

std::optional<Family> moec::importer::familyOf(const Json &config,
                                               const std::string &path,
                                               Diagnostics &diagnostics) {
  const Json *type = typeIn(config, "", diagnostics);
  if (!type)
    return std::nullopt;
  std::optional<Source> given;
  if (!path.empty()) {
    auto json = readJsonObject(path, diagnostics);
    if (json)
      given = makeSource(std::move(*json), path, diagnostics);
    if (!given)
      return std::nullopt;
  }
  bool isGiven = given && isFor(given->json, *type);
  std::optional<Source> found;
  if (!isGiven)
    found = findSource(*type);
  const std::optional<Source> &source = isGiven ? given : found;
  if (source && source->isWrapper())
    return wrap(*source, config, given, diagnostics);
  if (given && !isGiven)
    return refuseGiven(*given, "model_type", *type, diagnostics);
  if (!source)
    return refuseType("model_type", *type, /*wrapped=*/false, diagnostics);
  return read(*source, diagnostics);
}
