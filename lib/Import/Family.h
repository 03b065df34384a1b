//===- Family.h - Model families as data ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A family file says which keys a configuration has and what a layer of the
// model computes (docs/families.md). Files build on each other: what a file
// does not say, the file that it extends does.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_FAMILY_H
#define MOEC_LIB_IMPORT_FAMILY_H

#include "lib/Import/Evaluator.h"
#include "lib/Import/JsonFile.h"

namespace moec::importer {

enum class KeyType {
  Integer,
  Float,
  Boolean,
  String,
  Integers,     ///< A list of integers.
  IntegerLists, ///< A list of these.
  Floats,       ///< A list of numbers, with null for none.
  Booleans,     ///< A list of booleans.
  Strings,      ///< A list of strings.
};

/// One quantity of a configuration.
struct Key {
  std::string name;
  std::vector<KeyType> types; ///< Of which the value has one.
  /// Where it may stand: names, with dots into objects. A part {name} is what
  /// the program says that it is, and may depend on the layer.
  std::vector<std::string> from;
  bool isOptional = false; ///< May be missing; the value is null then.
  bool isNullable = false; ///< A null is the value null, not the default.
  std::optional<Expression> fallback;
  /// The supported values, or members of a list; empty: all.
  std::vector<Json> only;
  std::optional<double> min, max;
  std::optional<Expression> length; ///< Of a list.
  std::string lengthText;           ///< As the file has it.
};

/// A condition that must not hold.
struct Check {
  Expression condition;
  std::string source;
  std::string message;
  bool isUnsupported = false; ///< Else the configuration contradicts itself.
};

struct IgnoredTensor {
  std::string pattern; ///< `*` stands for anything, {key} for its value.
  std::optional<Expression> condition;
};

struct Family {
  std::string name;
  std::string file;
  std::vector<std::string> modelTypes;
  /// The object of a configuration whose entries count as if they stood outside
  /// of it; empty: none.
  std::string nested;
  /// What stands outside of it goes before what is in it.
  std::vector<std::string> outerKeys;
  /// How names of tensors may begin instead, by how the program has it: the
  /// first beginning that the checkpoint has.
  std::map<std::string, std::vector<std::string>> tensorNames;
  /// Tensors of parts that are not compiled, as patterns.
  std::vector<std::string> leftOut;
  std::map<std::string, Key> keys;
  std::vector<std::string> ignoredKeys;
  std::vector<IgnoredTensor> ignoredTensors;
  std::vector<Check> checks;
  Definitions definitions;
  /// Those that its own file has, not the one that it extends.
  std::set<std::string> own;
  std::string layerPrefix; ///< Of all tensor names in a layer.
  Body model;
  Body layer;
};

/// The text of a file inside this library ("olmoe.json"), or nothing.
std::optional<std::string_view> builtinFile(std::string_view name);

/// The names of the families inside this library that can be imported.
std::vector<std::string> builtinFamilies();

/// The built-in family of a model type, or an error that lists them all.
std::optional<Family> findFamily(const std::string &modelType,
                                 Diagnostics &diagnostics);

/// The family of a configuration. Where its model type is that of a larger
/// model around the text model, the file of the larger one (`wraps`) is laid
/// over that of the text model. `path`: a file of the user, for either; empty:
/// none.
std::optional<Family> familyOf(const Json &config, const std::string &path,
                               Diagnostics &diagnostics);

/// A family file of the user.
std::optional<Family> readFamily(const std::string &path,
                                 Diagnostics &diagnostics);
std::optional<Family> parseFamily(std::string_view text,
                                  const std::string &file,
                                  Diagnostics &diagnostics);

std::optional<Family> makeFamily(Json json, const std::string &file,
                                 Diagnostics &diagnostics);

/// Of a file that is joined with what it extends.
std::optional<Family> readJoinedFamily(const Json &json,
                                       const std::string &file,
                                       Diagnostics &diagnostics);

/// All names that the programs, checks and defaults of a family can reach.
std::set<std::string> reachableNames(const Family &family);

/// Whether what some of the names stand for depends on the layer.
bool dependsOnLayer(const Family &family, std::set<std::string> names);

/// The names in braces of a place where a key may stand.
std::vector<std::string> namesInBraces(std::string_view path);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_FAMILY_H
