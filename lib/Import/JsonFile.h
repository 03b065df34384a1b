//===- JsonFile.h - JSON files of strangers ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads configurations and family files: one JSON object each, of a limited
// size, without duplicate keys.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_JSONFILE_H
#define MOEC_LIB_IMPORT_JSONFILE_H

#include "lib/Import/Datum.h"
#include "lib/Import/Diagnostics.h"

#include <nlohmann/json.hpp>

namespace moec::importer {

using Json = nlohmann::json;

/// Parses one object; `file` names its source in messages.
std::optional<Json> parseJsonObject(std::string_view text,
                                    const std::string &file,
                                    Diagnostics &diagnostics);

/// Reads a file that holds one object.
std::optional<Json> readJsonObject(const std::string &path,
                                   Diagnostics &diagnostics);

/// The value at a path with dots, or null where there is none.
const Json *at(const Json &root, std::string_view path);

/// The value as JSON, printable and shortened, for messages.
std::string toText(const Json &json);

/// A null, boolean, number, string or list of these; false for an object and
/// for integers beyond 64 bits with sign.
bool toValue(const Json &json, Datum &value);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_JSONFILE_H
