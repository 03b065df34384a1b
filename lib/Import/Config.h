//===- Config.h - The quantities of a configuration -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads config.json through the keys that a family declares: several spellings
// of one quantity, defaults, ranges. What the family does not declare is
// judged: harmless, worth a remark, or a reason to refuse the model.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_CONFIG_H
#define MOEC_LIB_IMPORT_CONFIG_H

#include "lib/Import/Family.h"

namespace moec::importer {

class Config {
public:
  Config(Json json, std::string file, const Family &family,
         Diagnostics &diagnostics);

  /// Checks the type and the range of every key that is present and can be
  /// read.
  /// Reports all that are wrong.
  bool checkPresent();

  /// The value of a declared key, its default, or null where it is optional.
  /// The evaluator is for defaults.
  std::optional<Datum> get(const std::string &name, Evaluator &evaluator);

  /// Reports the keys that nothing in the family reads.
  void checkUnread();

  const Family &family() const { return description; }
  const std::string &fileName() const { return file; }
  const Json &json() const { return document; }

private:
  /// A value and where it was found.
  struct Found {
    const Json *value;
    std::string path;
  };

  std::optional<Found> find(const Key &key);
  std::optional<Found> findByLayer(const Key &key, Evaluator &evaluator);
  std::optional<Datum> read(const Key &key, const Found &found);
  std::optional<Datum> readDefault(const Key &key, Evaluator &evaluator);
  bool isWithin(const Key &key, const std::string &what, double number);
  bool inRange(const Key &key, const Found &found, const Datum &value);
  bool hasLength(const Key &key, const Found &found, const Datum &value,
                 Evaluator &evaluator);
  void checkUnread(const Json &object, const std::string &prefix,
                   const std::set<std::string> &read);

  Json document;
  std::string file;
  const Family &description;
  Diagnostics &diagnostics;
  std::map<std::string, std::optional<Datum>> known;
  std::set<std::string> pending;
  std::set<std::string> byLayer;   ///< The keys whose values depend on it.
  std::set<std::string> reachable; ///< The names that anything can reach.
};

/// The text with the values of names where these stand in braces; empty where
/// one is null.
std::optional<std::string> fillIn(std::string text, const std::string &place,
                                  Evaluator &evaluator);

/// The value of a key as its type allows it; nothing when it is another type.
std::optional<Datum> convert(const Json &json,
                             const std::vector<KeyType> &types);
std::string describe(const std::vector<KeyType> &types);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_CONFIG_H
