//===- Json.h - JSON from strangers -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Strict JSON: valid UTF-8, no key twice, no nesting beyond a limit; and the
// fields of an object, checked one by one.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_RUNTIME_JSON_H
#define MOEC_LIB_RUNTIME_JSON_H

#include "lib/Runtime/Status.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moec::runtime {

using Json = nlohmann::json;

struct JsonLimits {
  size_t bytes;
  size_t depth;
};

/// Parses a document. `file` names it in messages, `code` is that of failures.
Result<Json> parseJson(std::string_view bytes, std::string_view file,
                       moec_code code, JsonLimits limits);

/// Where the first failure of a document is kept. After it, every reader gives
/// defaults, so that a parser can be written without a test after each field.
class JsonErrors {
public:
  JsonErrors(std::string_view file, moec_code code) : file(file), code(code) {}

  bool ok() const { return first.ok(); }
  const Status &status() const { return first; }
  void fail(std::string_view where, std::string_view what) {
    fail(code, where, what);
  }
  void fail(moec_code kind, std::string_view where, std::string_view what);

private:
  std::string file;
  moec_code code;
  Status first;
};

/// The fields of one object. `path` says where it is, "" for the document.
class JsonObject {
public:
  JsonObject(const Json &value, std::string path, JsonErrors &errors);

  /// The field, or null, which is a failure unless it is optional.
  const Json *field(const char *name);
  const Json *optional(const char *name);

  uint64_t number(const char *name, uint64_t least, uint64_t most);
  std::string text(const char *name);
  bool flag(const char *name);
  JsonObject object(const char *name);
  /// The elements of an array, at most `most`.
  const std::vector<Json> &array(const char *name, size_t most);

  /// Fails when the object has fields that nobody asked for.
  void refuseOthers();

  std::string where(std::string_view name) const;
  std::string where(const char *name, size_t index) const;
  const std::string &here() const { return path; }
  const Json &json() const { return *value; }
  JsonErrors &errors() { return sink; }

private:
  const Json *value;
  std::string path;
  JsonErrors &sink;
  std::vector<std::string> known;
};

/// One number or text that is not a field, checked likewise.
uint64_t jsonNumber(const Json &value, const std::string &where, uint64_t least,
                    uint64_t most, JsonErrors &errors);
std::string jsonText(const Json &value, const std::string &where,
                     JsonErrors &errors);

/// What a value is, for "expected ..., found <this>".
std::string describe(const Json &value);

} // namespace moec::runtime

#endif // MOEC_LIB_RUNTIME_JSON_H
